package nodecmd

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/build"
)

// wellGroup is one whose nodes run another version than this tool, led by fep1.
func wellGroup() (api.Status, api.RaftStatus) {
	r := api.RaftStatus{Node: "fep1", Leader: "fep1", Quorum: true, CommitIndex: 5000, Level: 1}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		p := api.RaftPeer{Voter: true, AppliedIndex: 5000}
		p.ID, p.Role, p.Alive, p.Lease, p.Build = id, "fep", true, true, "0.9"
		if id == "wit" {
			p.Role, p.Lease = "witness", false
		}
		r.Peers = append(r.Peers, p)
	}
	return api.Status{Node: "fep1", Leader: "fep1", Quorum: true}, r
}

// A node may be taken only while the others go on alone; the leader comes last, and what is done isn't to do.
func TestUpgradeCheck(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(st *api.Status, r *api.RaftStatus)
		problem string // "": it may be taken
		next    string
	}{
		{"well", func(*api.Status, *api.RaftStatus) {}, "", "fep2 wit fep1"},
		{"one is done", func(_ *api.Status, r *api.RaftStatus) {
			r.Peers[1].Build, r.Peers[1].Level = build.Read().String(), fsm.Level
		}, "", "wit fep1"},
		{"of the same version, and knows less", func(_ *api.Status, r *api.RaftStatus) {
			r.Peers[1].Build, r.Peers[1].Level = build.Read().String(), fsm.Level-1
		}, "", "fep2 wit fep1"},
		{"all are done", func(_ *api.Status, r *api.RaftStatus) {
			for i := range r.Peers {
				r.Peers[i].Build, r.Peers[i].Level = build.Read().String(), fsm.Level
			}
		}, "", ""},
		{"no quorum", func(_ *api.Status, r *api.RaftStatus) { r.Quorum = false }, "there is no quorum", "fep2 wit fep1"},
		{"dead", func(_ *api.Status, r *api.RaftStatus) { r.Peers[2].Alive = false }, "wit is not heard of", "fep2 wit fep1"},
		{"no voter", func(_ *api.Status, r *api.RaftStatus) { r.Peers[2].Voter = false }, "wit is no member", "fep2 wit fep1"},
		{"under maintenance", func(_ *api.Status, r *api.RaftStatus) { r.Peers[1].Maintenance = true }, "fep2 is under maintenance: fepha maintenance end fep2", "fep2 wit fep1"},
		{"another configuration", func(_ *api.Status, r *api.RaftStatus) { r.Peers[1].ConfigDiffers = true }, "fep2 doesn't run the configuration in force", "fep2 wit fep1"},
		{"no lease", func(_ *api.Status, r *api.RaftStatus) { r.Peers[1].Lease = false }, "fep2 has no lease yet", "fep2 wit fep1"},
		{"behind", func(_ *api.Status, r *api.RaftStatus) { r.Peers[1].AppliedIndex = 3999 }, "fep2 is 1001 entries behind", "fep2 wit fep1"},
		{"nearly there", func(_ *api.Status, r *api.RaftStatus) { r.Peers[1].AppliedIndex = 4000 }, "", "fep2 wit fep1"},
		{"an RTU without a reserve", func(st *api.Status, _ *api.RaftStatus) {
			st.Conditions = []api.Condition{{ID: "rtu.1.no_reserve", Kind: condition.NoReserve.Name, Text: "fep2 does not reach it"}}
		}, "rtu.1.no_reserve: fep2 does not reach it", "fep2 wit fep1"},
		{"something else is wrong", func(st *api.Status, _ *api.RaftStatus) {
			st.Conditions = []api.Condition{{ID: "node.fep1.disk", Kind: condition.Disk.Name}}
		}, "", "fep2 wit fep1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st, r := wellGroup()
			tc.change(&st, &r)
			u := checkUpgrade(st, r)
			if u.Ready != (tc.problem == "") || !u.Ready && (len(u.Problems) != 1 || !strings.HasPrefix(u.Problems[0], tc.problem)) {
				t.Errorf("ready %v, problems %q, want %q", u.Ready, u.Problems, tc.problem)
			}
			if got := strings.Join(u.Next, " "); got != tc.next {
				t.Errorf("next %q, want %q", got, tc.next)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]any{"/v1/status": st, "/v1/raft": r}[q.URL.Path])
			}))
			defer server.Close()
			out, err := run(NewUpgradeCommand(), "", "check", "--addr", server.URL)
			want, code := "fep2 may be taken now", cli.ExitDone
			switch {
			case tc.problem != "":
				want, code = "not now:\n  "+tc.problem, cli.ExitFailed
			case tc.next == "":
				want = "all nodes run this tool's version"
			case !strings.HasPrefix(tc.next, "fep2"):
				want = strings.Fields(tc.next)[0] + " may be taken now"
			}
			if cli.ExitCode(err) != code || !strings.Contains(out, want) {
				t.Errorf("exit code %d, want %d; printed %q, want %q", cli.ExitCode(err), code, out, want)
			}
		})
	}
}

// run runs a command that reads stdin, and returns what it prints.
func run(cmd *cobra.Command, stdin string, args ...string) (string, error) {
	var out strings.Builder
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return out.String(), err
}

// Who sees whom: unreachable from one alone is another thing than not heard of, and what a dead node sees isn't known.
func TestWhoSeesWhom(t *testing.T) {
	_, r := wellGroup()
	r.Peers[2].UnreachedBy = []string{"fep2"}
	for _, tc := range []struct {
		dead int // -1: none
		want string
	}{
		{-1, "FROM  TO fep1  TO fep2  TO wit\nfep1  -        yes      yes\nfep2  yes      -        unreachable\nwit   yes      yes      -\n"},
		{1, "FROM  TO fep1  TO fep2       TO wit\nfep1  -        not heard of  yes\nfep2  unknown  -             unknown\nwit   yes      not heard of  -\n"},
	} {
		peers := slices.Clone(r.Peers)
		if tc.dead >= 0 {
			peers[tc.dead].Alive = false
		}
		var b strings.Builder
		if err := printReach(&b, peers); err != nil || b.String() != tc.want {
			t.Errorf("%v, got\n%s want\n%s", err, b.String(), tc.want)
		}
	}
}
