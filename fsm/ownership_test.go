package fsm

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

const (
	ok         = fsmpb.Result_OK
	duplicate  = fsmpb.Result_DUPLICATE
	staleEpoch = fsmpb.Result_STALE_EPOCH
	gap        = fsmpb.Result_GAP
	conflict   = fsmpb.Result_CONFLICT
	notFound   = fsmpb.Result_NOT_FOUND
	invalid    = fsmpb.Result_INVALID
)

// owns checks a resource.
func owns(id, owner string, epoch uint64, phase Phase) func(*testing.T, *State) {
	return func(t *testing.T, s *State) {
		t.Helper()
		r, found := s.Resource(id)
		mustEqual(t, id+" is there", found, true)
		mustEqual(t, "owner", r.Owner, owner)
		mustEqual(t, "epoch", r.Epoch, epoch)
		mustEqual(t, "phase", r.Phase, phase)
		mustEqual(t, "has a target", r.Target != "", phase == Releasing)
	}
}

func TestOwnership(t *testing.T) {
	assigned := "lead assign rtu/1 epoch=0 owner=fep1"
	moving := "lead move rtu/1 epoch=1 to=fep2"
	claimed := "fep1 claim uplink/occ/main"
	runCases(t, []string{testStation}, []commandCase{
		{name: "assign", do: assigned, check: owns("rtu/1", "fep1", 1, Owned)},
		{name: "assign to nobody", after: []string{assigned}, do: "lead assign rtu/1 epoch=1", check: owns("rtu/1", "", 2, Unowned)},
		{name: "assign to nobody what is nobody's", do: "lead assign rtu/1 epoch=0", code: duplicate},
		{name: "assign again to the same", after: []string{assigned}, do: "lead assign rtu/1 epoch=1 owner=fep1", check: owns("rtu/1", "fep1", 2, Owned)},
		{name: "assign repeated", after: []string{assigned}, do: assigned, code: duplicate},
		{name: "assign, too late", after: []string{assigned}, do: "lead assign rtu/1 epoch=0 owner=fep2", code: conflict, say: "epoch 1"},
		{name: "assign, too early", do: "lead assign rtu/1 epoch=1 owner=fep2", code: conflict, say: "epoch 0"},
		{name: "assign ends a move", after: []string{assigned, moving}, do: "lead assign rtu/1 epoch=1 owner=fep2", check: owns("rtu/1", "fep2", 2, Owned)},
		{name: "assign repeated while it moves again", after: []string{assigned, moving}, do: assigned, code: conflict},
		{name: "assign to the witness", do: "lead assign rtu/1 epoch=0 owner=wit", code: invalid, say: "witness"},
		{name: "assign to a stranger", do: "lead assign rtu/1 epoch=0 owner=fep3", code: notFound, say: "fep3"},
		{name: "assign what is not there", do: "lead assign rtu/9 epoch=0 owner=fep1", code: notFound, say: "rtu/9"},

		{name: "move", after: []string{assigned}, do: moving, check: owns("rtu/1", "fep1", 1, Releasing)},
		{name: "move repeated", after: []string{assigned, moving}, do: moving, code: duplicate},
		{name: "move repeated after it is done", after: []string{assigned, moving, "fep1 released rtu/1 epoch=1"}, do: moving, code: duplicate},
		{name: "move what is nobody's", do: "lead move rtu/1 epoch=0 to=fep2", code: conflict, say: "nobody"},
		{name: "move to its owner", after: []string{assigned}, do: "lead move rtu/1 epoch=1 to=fep1", code: invalid, say: "owns it already"},
		{name: "move to nobody", after: []string{assigned}, do: "lead move rtu/1 epoch=1", code: notFound},
		{name: "move elsewhere meanwhile", after: []string{assigned, moving}, do: "lead move rtu/1 epoch=1 to=fep1", code: conflict, say: "on its way"},
		{name: "move, too late", after: []string{assigned}, do: "lead move rtu/1 epoch=0 to=fep2", code: conflict},

		{name: "released", after: []string{assigned, moving}, do: "fep1 released rtu/1 epoch=1", check: owns("rtu/1", "fep2", 2, Owned)},
		{name: "released unasked", after: []string{assigned}, do: "fep1 released rtu/1 epoch=1", code: conflict, say: "nobody asked"},
		{name: "released by another", after: []string{assigned, moving}, do: "fep2 released rtu/1 epoch=1", code: staleEpoch},
		{name: "released what is not there", do: "fep1 released rtu/9 epoch=1", code: notFound},
		{
			name:  "released long after",
			after: []string{assigned, "lead assign rtu/1 epoch=1 owner=fep2", "lead assign rtu/1 epoch=2 owner=fep2"},
			do:    "fep1 released rtu/1 epoch=1", code: staleEpoch,
		},

		{name: "claim", do: claimed, check: owns("uplink/occ/main", "fep1", 1, Owned)},
		{name: "claim again", after: []string{claimed}, do: claimed, code: duplicate},
		{name: "claim what is another's", after: []string{claimed}, do: "fep2 claim uplink/occ/main", code: conflict, say: `"fep1" owns it`},
		{name: "claim on the move", after: []string{claimed, "lead move uplink/occ/main epoch=1 to=fep2"}, do: "fep2 claim uplink/occ/main", code: conflict, say: "on its way"},
		{name: "second claim of a dual-active group", after: []string{"fep1 claim uplink/scada/both"}, do: "fep2 claim uplink/scada/both", code: duplicate},
		{name: "claim an RTU", do: "fep1 claim rtu/1", code: invalid},
		{name: "claim as witness", do: "wit claim uplink/occ/main", code: invalid},
		{name: "claim what is not there", do: "fep1 claim uplink/occ/other", code: notFound},

		{name: "pin", do: "ops pin rtu/1 to=fep2", check: func(t *testing.T, s *State) {
			r, _ := s.Resource("rtu/1")
			mustEqual(t, "pin", r.Pin, "fep2")
			mustEqual(t, "owner", r.Owner, "")
		}},
		{name: "pin again", after: []string{"ops pin rtu/1 to=fep2"}, do: "ops pin rtu/1 to=fep2", code: duplicate},
		{name: "unpin", after: []string{"ops pin rtu/1 to=fep2"}, do: "ops pin rtu/1", check: func(t *testing.T, s *State) {
			r, _ := s.Resource("rtu/1")
			mustEqual(t, "pin", r.Pin, "")
		}},
		{name: "pin to the witness", do: "ops pin rtu/1 to=wit", code: invalid},
		{name: "pin what is not there", do: "ops pin rtu/9 to=fep1", code: notFound},

		{name: "activated", after: []string{"lead assign rtu/1 epoch=0 owner=fep1 detected=1 elected=2 leased=3"}, do: "fep1 activated rtu/1 epoch=1 connected=4 data=5", check: func(t *testing.T, s *State) {
			r, _ := s.Resource("rtu/1")
			mustEqual(t, "timings", r.Timings, Timings{DetectedMs: 1, ElectedMs: 2, LeasedMs: 3, ConnectedMs: 4, FirstDataMs: 5})
		}},
		{name: "activated again", after: []string{assigned, "fep1 activated rtu/1 epoch=1 data=5"}, do: "fep1 activated rtu/1 epoch=1 data=5", code: duplicate},
		{name: "activated by another", after: []string{assigned}, do: "fep2 activated rtu/1 epoch=1 data=5", code: staleEpoch},
		{name: "activated in an epoch to come", after: []string{assigned}, do: "fep1 activated rtu/1 epoch=2 data=5", code: conflict},
		{name: "activated what is not there", do: "fep1 activated rtu/9 epoch=1 data=5", code: notFound},
	})
}

// A resource that a node owned, and the node restarted: it must not go on in its old epoch, since proposals of the process
// before may still be on their way with the same batch numbers. A new epoch of the same owner refuses them.
func TestNewEpochOfTheSameOwner(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 di/1=1",
		"lead assign rtu/1 epoch=1 owner=fep1 reason=restarted")
	mustEqual(t, "batch of the process before", x.do("fep1 events 1 epoch=1 batch=2 di/1=0").Code, staleEpoch)
	x.ok("fep1 events 1 epoch=2 batch=1 di/1=1")
}

func TestReasonsAreBounded(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1 reason="+strings.Repeat("ä", 500))
	r, _ := x.s.Resource("rtu/1")
	if len(r.Reason) > command.MaxText || !utf8.ValidString(r.Reason) {
		t.Fatalf("reason of %d octets, valid %t", len(r.Reason), utf8.ValidString(r.Reason))
	}
}

func TestResourcesAreSorted(t *testing.T) {
	x := newScripted(t).ok("a configure node=fep1/1/fep rtu=10/fep1/1 rtu=9/fep1/1 group=b/b/exclusive group=a/a/exclusive fnp")
	var got []string
	for _, r := range x.s.Resources() {
		got = append(got, r.ID)
	}
	mustEqual(t, "resources", strings.Join(got, " "), "rtu/9 rtu/10 uplink/a/a uplink/b/b fnp")
}
