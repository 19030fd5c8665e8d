package fsm

import (
	"fmt"
	"testing"
)

func TestTopology(t *testing.T) {
	runCases(t, []string{testStation}, []commandCase{
		{name: "links", do: "fep1 links 1 2.4=standby 1.1=active 2.1=down 2.2=connecting", check: func(t *testing.T, s *State) {
			mustEqual(t, "links, sorted, without those that are down", fmt.Sprint(s.Links(1, "fep1")), "[{1 1 active false} {2 2 connecting false} {2 4 standby false}]")
			mustEqual(t, "links of the other node", len(s.Links(1, "fep2")), 0)
		}},
		{name: "a link that is doubted", after: []string{"fep1 links 1 1.1=active"}, do: "fep1 links 1 1.1=active?", check: func(t *testing.T, s *State) {
			l := s.Links(1, "fep1")[0]
			mustEqual(t, "active, doubted", l.State == LinkActive && l.Doubted && !l.Good(), true)
		}},
		{name: "links again", after: []string{"fep1 links 1 1.1=active"}, do: "fep1 links 1 2.1=down 1.1=active", code: duplicate},
		{name: "no links", after: []string{"fep1 links 1 1.1=active"}, do: "fep1 links 1", check: func(t *testing.T, s *State) {
			mustEqual(t, "links", len(s.Links(1, "fep1")), 0)
		}},
		{name: "links that the configuration does not name", do: "fep1 links 1 7.9=active", check: func(t *testing.T, s *State) {
			mustEqual(t, "links", len(s.Links(1, "fep1")), 1)
		}},
		{name: "links, channel 0", do: "fep1 links 1 0.1=active", code: invalid, say: "from 1"},
		{name: "links, twice", do: "fep1 links 1 1.1=active 1.1=down", code: invalid, say: "twice"},
		{name: "links of no RTU", do: "fep1 links 9 1.1=active", code: notFound},
		{name: "links of no node", do: "fep3 links 1 1.1=active", code: notFound},

		{name: "alive", do: "lead node fep1 alive lease", check: func(t *testing.T, s *State) {
			n, _ := s.Node("fep1")
			mustEqual(t, "node", n, Node{ID: "fep1", Host: 1, Role: "fep", Alive: true, Lease: true, SinceMs: scriptStart})
		}},
		{name: "alive again", after: []string{"lead node fep1 alive lease"}, do: "lead node fep1 alive lease", code: duplicate},
		{name: "without lease", after: []string{"lead node fep1 alive lease"}, do: "lead node fep1 alive", check: func(t *testing.T, s *State) {
			n, _ := s.Node("fep1")
			mustEqual(t, "lease", n.Lease, false)
			mustEqual(t, "newest event", s.JournalLast(), 2) // a lease comes and goes without an event
		}},
		{
			name:  "dead: no links, no clients",
			after: []string{"lead node fep1 alive lease", "fep1 links 1 1.1=active", "fep1 clients uplink/occ/main 10.0.0.1:1=main", "fep2 links 1 1.1=standby"},
			do:    "lead node fep1 dead", check: func(t *testing.T, s *State) {
				mustEqual(t, "links of the dead", len(s.Links(1, "fep1")), 0)
				mustEqual(t, "links of the other", len(s.Links(1, "fep2")), 1)
				g, _ := s.Group("uplink/occ/main")
				mustEqual(t, "clients", len(g.Clients), 0)
			},
		},
		{name: "stopping", do: "fep1 stopping fep1 yes", check: func(t *testing.T, s *State) {
			n, _ := s.Node("fep1")
			mustEqual(t, "away", n.Stopping && n.Away() && !n.Maintenance, true)
		}},
		{name: "stopping again", after: []string{"fep1 stopping fep1 yes"}, do: "fep1 stopping fep1 yes", code: duplicate},
		{name: "stopping, said by another", do: "fep2 stopping fep1 yes", code: invalid, say: "only that node itself"},
		{name: "started again", after: []string{"lead node fep1 alive", "fep1 stopping fep1 yes", "lead node fep1 dead"}, do: "fep1 stopping fep1 no", check: func(t *testing.T, s *State) {
			n, _ := s.Node("fep1")
			mustEqual(t, "away", n.Away(), false)
		}},
		{name: "stopping, no node", do: "fep3 stopping fep3 yes", code: notFound},
		{name: "maintenance", do: "fep2 maintenance fep1 yes origin=anna", check: func(t *testing.T, s *State) {
			n, _ := s.Node("fep1")
			mustEqual(t, "away", n.Maintenance && n.Away(), true)
		}},
		{name: "maintenance outlives a stop and a start", after: []string{"lead node fep1 alive", "fep2 maintenance fep1 yes", "fep1 stopping fep1 yes", "lead node fep1 dead", "lead node fep1 alive"},
			do: "fep1 stopping fep1 no", check: func(t *testing.T, s *State) {
				n, _ := s.Node("fep1")
				mustEqual(t, "away", n.Away(), true)
			}},
		{name: "maintenance ended", after: []string{"fep2 maintenance fep1 yes"}, do: "fep2 maintenance fep1 no", check: func(t *testing.T, s *State) {
			n, _ := s.Node("fep1")
			mustEqual(t, "away", n.Away(), false)
		}},
		{name: "maintenance of a witness", do: "fep2 maintenance wit yes", code: invalid, say: "owns nothing"},
		{name: "maintenance of no node", do: "fep2 maintenance fep3 yes", code: notFound},
		{name: "stranger alive", do: "lead node fep3 alive", code: notFound},
	})
}

func TestRTUsAndNodesAreSorted(t *testing.T) {
	x := newScripted(t).ok("a configure node=c/3/witness node=b/1/fep node=a/2/fep rtu=10/a/1 rtu=9//2,3")
	mustEqual(t, "RTUs", fmt.Sprint(x.s.RTUs()), "[{9   false 0 [2 3] 0} {10  a false 0 [1] 0}]")
	var ids string
	for _, n := range x.s.Nodes() {
		ids += n.ID
	}
	mustEqual(t, "nodes by host", ids, "bac")
	_, found := x.s.RTU(1)
	mustEqual(t, "RTU 1", found, false)
	_, found = x.s.Node("x")
	mustEqual(t, "node x", found, false)
}
