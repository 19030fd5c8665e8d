package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestConfirm(t *testing.T) {
	for answer, goesOn := range map[string]bool{"yes\n": true, " yes ": true, "y\n": false, "": false, "no\n": false, "yes, but": false} {
		var asked strings.Builder
		cmd := &cobra.Command{}
		cmd.SetIn(strings.NewReader(answer))
		cmd.SetErr(&asked)
		err := Confirm(cmd, "Replace all?")
		if (err == nil) != goesOn || err != nil && ExitCode(err) != ExitUsage {
			t.Errorf("%q: %v", answer, err)
		}
		if !strings.HasPrefix(asked.String(), "Replace all?") {
			t.Errorf("asked %q", &asked)
		}
	}
}
