package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Confirm asks a question and goes on with yes alone; whatever else is answered, and nobody to answer, is an error.
func Confirm(cmd *cobra.Command, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s\nType yes to go on: ", question)
	answer, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 256)).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if strings.TrimSpace(answer) != "yes" {
		return Usagef("nothing was done: expected yes, or --yes where nobody can answer")
	}
	return nil
}
