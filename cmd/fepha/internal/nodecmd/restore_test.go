package nodecmd

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// A restore says what it replaces and asks; nothing but "yes" has it go on, or --yes, which doesn't ask.
func TestRestoreAsks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "station.snapshot")
	if err := os.WriteFile(file, []byte("a snapshot"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		answer   string
		args     []string
		restored bool
	}{
		{answer: "yes\n", restored: true}, {answer: "y\n"}, {answer: "no\n"}, {answer: "\n"}, {answer: ""},
		{args: []string{"--yes"}, restored: true},
	} {
		restored := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/raft/restore" {
				b, _ := io.ReadAll(r.Body)
				restored = string(b)
				_ = json.NewEncoder(w).Encode(api.Done{Done: true})
				return
			}
			st, _ := wellGroup()
			st.Station, st.Name, st.Journal.Last = 21, "Demo", 4711
			_ = json.NewEncoder(w).Encode(st)
		}))
		out, err := run(NewRaftCommand(), tc.answer, append([]string{"restore", file, "--addr", server.URL}, tc.args...)...)
		server.Close()
		if (restored == "a snapshot") != tc.restored || (err == nil) != tc.restored || !tc.restored && cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q %q: restored %q, %v\n%s", tc.answer, tc.args, restored, err, out)
		}
		if asked := strings.Contains(out, `Replace the state of station 21 "Demo", with its journal up to event 4711, by `+file); asked != (tc.args == nil) {
			t.Errorf("%q %q: %s", tc.answer, tc.args, out)
		}
	}
}
