package fsm

import (
	"fmt"
	"strings"
	"testing"
)

func TestUplinks(t *testing.T) {
	claimed := "fep1 claim uplink/occ/main" // event 2
	acked := "fep1 cursor uplink/occ/main epoch=1 seq=2"
	at := func(slot string, seq uint64) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			id := "uplink/occ/main"
			if slot != "" {
				id = "uplink/scada/both"
			}
			mustEqual(t, "cursor", s.Cursor(id, slot), seq)
		}
	}
	runCases(t, []string{testStation, claimed}, []commandCase{
		{name: "cursor", do: acked, check: at("", 2)},
		{name: "cursor again", after: []string{acked}, do: acked, code: duplicate},
		{name: "cursor back", after: []string{acked}, do: "fep1 cursor uplink/occ/main epoch=1 seq=1", code: duplicate},
		{name: "cursor beyond", do: "fep1 cursor uplink/occ/main epoch=1 seq=3", code: invalid, say: "newest event is 2"},
		{name: "cursor of a former owner", after: []string{"lead assign uplink/occ/main epoch=1 owner=fep2"}, do: acked, code: staleEpoch},
		{name: "cursor of a group with one, by slot", do: "fep1 cursor uplink/occ/main slot=fep1 epoch=1 seq=2", code: invalid},
		{name: "cursor of nothing", do: "fep1 cursor uplink/occ/x epoch=1 seq=2", code: notFound},
		{name: "cursor of a dual-active link", do: "fep2 cursor uplink/scada/both slot=fep2 seq=2", check: at("fep2", 2)},
		{name: "cursor of a dual-active link by another", do: "fep1 cursor uplink/scada/both slot=fep2 seq=2", code: invalid},
		{name: "cursor of a dual-active group without slot", do: "fep1 cursor uplink/scada/both seq=2", code: invalid},
		{name: "cursor of a dual-active link of a stranger", do: "x cursor uplink/scada/both slot=x seq=2", code: invalid},

		{name: "clients", do: "fep1 clients uplink/occ/main b=standby a=main", check: func(t *testing.T, s *State) {
			g, _ := s.Group("uplink/occ/main")
			mustEqual(t, "clients", fmt.Sprint(g.Clients), "[{fep1 a true main false 0} {fep1 b true standby false 0}]")
		}},
		{name: "clients in question", do: "fep1 clients uplink/occ/main a=main?+3 b=waiting c=standby", check: func(t *testing.T, s *State) {
			g, _ := s.Group("uplink/occ/main")
			mustEqual(t, "clients", fmt.Sprint(g.Clients), "[{fep1 a true main true 3} {fep1 b false waiting false 0} {fep1 c true standby false 0}]")
			mustEqual(t, "in question", g.Clients[0].InQuestion() && g.Clients[1].InQuestion() && !g.Clients[2].InQuestion(), true)
		}},
		{name: "a client has confirmed", after: []string{"fep1 clients uplink/occ/main a=main+1"}, do: "fep1 clients uplink/occ/main a=main+2", check: func(t *testing.T, s *State) {
			g, _ := s.Group("uplink/occ/main")
			mustEqual(t, "times", g.Clients[0].Confirmed, 2)
		}},
		{name: "clients again", after: []string{"fep1 clients uplink/occ/main a=main b=held"}, do: "fep1 clients uplink/occ/main b=held a=main", code: duplicate},
		{name: "clients of nothing", do: "fep1 clients uplink/occ/x a=main", code: notFound},
		{name: "clients of a stranger", do: "x clients uplink/occ/main a=main", code: notFound},
		{name: "client with a long name", do: "fep1 clients uplink/occ/main " + strings.Repeat("a", 257) + "=main", code: invalid},
	})
}

// A group that is added to a running station begins with what comes then, not with all that is kept.
func TestGroupBeginsWhereItIsConfigured(t *testing.T) {
	station := "a configure node=fep1/1/fep rtu=1/fep1/1 group=occ/old/exclusive"
	x := newScripted(t).ok(station, "lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 di/1=1")
	x.ok(station + " group=occ/new/exclusive group=occ/dual/dual-active")
	mustEqual(t, "old", x.s.Cursor("uplink/occ/old", ""), 1)
	mustEqual(t, "new", x.s.Cursor("uplink/occ/new", ""), 4)
	mustEqual(t, "dual-active, never acknowledged", x.s.Cursor("uplink/occ/dual", "fep1"), 4)
	mustEqual(t, "no such group", x.s.Cursor("uplink/occ/x", ""), 0)
}

// What a group has not acknowledged stays to be sent when its mode changes: from the cursor that is furthest behind.
func TestModeChangeKeepsTheCursor(t *testing.T) {
	station := "a configure node=fep1/1/fep node=fep2/2/fep rtu=1/fep1/1 group=occ/main/"
	x := newScripted(t).ok(station+"dual-active", "lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 di/1=1 di/2=1 di/3=1",
		"fep1 cursor uplink/occ/main slot=fep1 seq=3", "fep2 cursor uplink/occ/main slot=fep2 seq=5")
	x.ok(station + "main-standby")
	mustEqual(t, "one cursor", x.s.Cursor("uplink/occ/main", ""), 3)
	x.ok(station + "exclusive")
	mustEqual(t, "still", x.s.Cursor("uplink/occ/main", ""), 3)
	x.ok("fep1 claim uplink/occ/main", "fep1 cursor uplink/occ/main epoch=1 seq=4", station+"dual-active")
	mustEqual(t, "each link", x.s.Cursor("uplink/occ/main", "fep2"), 4)
}
