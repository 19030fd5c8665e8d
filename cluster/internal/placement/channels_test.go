package placement

import (
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// An RTU leaves its owner when that reaches it over no channel and the other FEP does: at once, but back only after 30 s.
func TestRTUFollowsItsChannels(t *testing.T) {
	for _, tc := range []struct {
		name       string
		owner      []fsmpb.LinkState // nil: not told
		other      []fsmpb.LinkState
		reason     string // why the owner is the owner
		pin        string
		after      time.Duration // since the epoch began
		wantMoveTo string
	}{
		{"works", []fsmpb.LinkState{active, standby}, []fsmpb.LinkState{standby, standby}, reasonStart, "", time.Minute, ""},
		{"one channel is left to try", []fsmpb.LinkState{down, connecting}, []fsmpb.LinkState{standby, standby}, reasonStart, "", time.Minute, ""},
		{"all down, reachable from the other", []fsmpb.LinkState{down, down}, []fsmpb.LinkState{down, standby}, reasonStart, "", 2 * time.Second, "fep2"},
		{"all down, pinned", []fsmpb.LinkState{down, down}, []fsmpb.LinkState{standby, standby}, reasonStart, "fep1", time.Minute, ""},
		{"all down everywhere", []fsmpb.LinkState{down, down}, []fsmpb.LinkState{connecting, connecting}, reasonStart, "", 2 * time.Second, ""},
		{"nothing told yet", nil, []fsmpb.LinkState{standby, standby}, reasonStart, "", reportWait / 2, ""},
		{"moved here for its channels, in vain", []fsmpb.LinkState{down, down}, []fsmpb.LinkState{standby, standby}, reasonChannels, "", 20 * time.Second, ""},
		{"the same, later", []fsmpb.LinkState{down, down}, []fsmpb.LinkState{standby, standby}, reasonChannels, "", flapWait, "fep2"},
		{"nothing known of the other, at once", []fsmpb.LinkState{down, down}, nil, reasonStart, "", 2 * time.Second, ""},
		{"nothing known of the other, later", []fsmpb.LinkState{down, down}, nil, reasonStart, "", flapWait, "fep2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			commands := []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", tc.reason)}
			if tc.pin != "" {
				commands = append(commands, clustertest.Pin(rtu1, tc.pin))
			}
			for _, n := range []string{"fep1", "fep2"} {
				commands = append(commands, &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: n, Alive: true, Lease: true}}})
			}
			state := clustertest.State(append(commands, clustertest.Links("fep1", tc.owner...), clustertest.Links("fep2", tc.other...))...)
			alive := Node{ID: "fep1", FEP: true, Usable: true, Alive: true, CaughtUp: true}
			other := alive
			other.ID = "fep2"

			p := New(500 * time.Millisecond)
			view := View{Leader: "fep1", Nodes: []Node{alive, other}, State: state}
			if ds := p.Decide(view); len(ds) != 0 && ds[0].Move != nil {
				t.Fatalf("moved at the epoch's very begin: %+v", ds[0].Move)
			}
			view.Now = tc.after
			to := ""
			for _, d := range p.Decide(view) {
				if d.Move != nil {
					to = d.Move.To
				}
			}
			if to != tc.wantMoveTo {
				t.Errorf("moves to %q, want %q", to, tc.wantMoveTo)
			}
		})
	}
}
