package cluster

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// An RTU leaves its owner when that reaches it over no channel and the other FEP does: at once, but back only after 30 s.
func TestRTUFollowsItsChannels(t *testing.T) {
	const rtu = 1
	links := func(node string, states ...fsmpb.LinkState) *fsmpb.Command {
		c := &fsmpb.Links{Rtu: rtu, Node: node}
		for i, s := range states {
			c.Links = append(c.Links, &fsmpb.Links_Link{Channel: uint32(i + 1), Link: 1, State: s})
		}
		return &fsmpb.Command{Node: node, Op: &fsmpb.Command_Links{Links: c}}
	}
	const down, connecting, standby, active = fsmpb.LinkState_DOWN, fsmpb.LinkState_CONNECTING, fsmpb.LinkState_STANDBY, fsmpb.LinkState_ACTIVE
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
			state := fsm.New()
			apply := func(c *fsmpb.Command) {
				t.Helper()
				for _, r := range state.Apply(state.Index()+1, &fsmpb.Entry{Commands: []*fsmpb.Command{c}}) {
					if r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
						t.Fatalf("%v: %v", c, r)
					}
				}
			}
			apply(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
				Digest: "d",
				Nodes:  []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
				Rtus:   []*fsmpb.Configure_RTU{{Number: rtu, Links: []uint32{1, 1}}},
			}}})
			resource := fsm.RTUResource(rtu)
			apply(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: resource, Owner: "fep1", Reason: tc.reason}}})
			if tc.pin != "" {
				apply(&fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: resource, Node: tc.pin}}})
			}
			alive := nodeView{id: "fep1", fep: true, usable: true, alive: true, caughtUp: true}
			other := alive
			other.id = "fep2"
			for _, n := range []string{"fep1", "fep2"} {
				apply(&fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: n, Alive: true, Lease: true}}})
			}
			apply(links("fep1", tc.owner...))
			apply(links("fep2", tc.other...))

			p := newPlacement(500 * time.Millisecond)
			view := placementView{leader: "fep1", nodes: []nodeView{alive, other}, state: state}
			if ds := p.decide(view); len(ds) != 0 && ds[0].move != nil {
				t.Fatalf("moved at the epoch's very begin: %+v", ds[0].move)
			}
			view.now = tc.after
			to := ""
			for _, d := range p.decide(view) {
				if d.move != nil {
					to = d.move.To
				}
			}
			if to != tc.wantMoveTo {
				t.Errorf("moves to %q, want %q", to, tc.wantMoveTo)
			}
		})
	}
}
