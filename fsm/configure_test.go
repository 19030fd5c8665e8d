package fsm

import (
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/internal/journal"
)

func TestConfigure(t *testing.T) {
	nodes := "a configure node=fep1/1/fep node=fep2/2/fep node=wit/3/witness "
	runCases(t, nil, []commandCase{
		{name: "empty", do: "a configure", check: func(t *testing.T, s *State) {
			mustEqual(t, "retain", s.Config().Retain, journal.DefaultRetain)
		}},
		{name: "again, in another order", after: []string{nodes + "rtu=1/fep1/1 rtu=2/fep2/1"}, do: "a configure node=wit/3/witness node=fep2/2/fep node=fep1/1/fep rtu=2/fep2/1 rtu=1/fep1/1", code: duplicate},
		{name: "names in use", after: []string{nodes}, do: nodes + "rtu=1//1", check: owns("rtu/1", "", 0, Unowned)},
		{name: "node without name", do: "a configure node=/1/fep", code: invalid},
		{name: "node with a slash", do: "a configure node=a:b/1/fep", code: invalid, say: "colon"},
		{name: "node twice", do: "a configure node=a/1/fep node=a/2/fep", code: invalid, say: "twice"},
		{name: "host 0", do: "a configure node=a/0/fep", code: invalid, say: "host 0"},
		{name: "host twice", do: "a configure node=a/1/fep node=b/1/fep", code: invalid, say: "that of node"},
		{name: "role", do: "a configure node=a/1/boss", code: invalid, say: "boss"},
		{name: "RTU 0", do: nodes + "rtu=0/fep1/1", code: invalid},
		{name: "RTU twice", do: nodes + "rtu=1/fep1/1 rtu=1/fep2/1", code: invalid},
		{name: "prefer the witness", do: nodes + "rtu=1/wit/1", code: invalid, say: "wit"},
		{name: "group twice", do: nodes + "group=a/b/exclusive group=a/b/dual-active", code: invalid, say: "twice"},
		{name: "group without mode", do: nodes + "group=a/b/none", code: invalid},
		{name: "group without name", do: nodes + "group=a//exclusive", code: invalid},
		{name: "retain too much", do: nodes + "retain=10000001", code: invalid, say: "10000000"},
		{name: "long digest", do: nodes + "digest=" + strings.Repeat("x", 129), code: invalid},
		{name: "virtual twice", do: nodes + "virtual=9/1/node:fep1 virtual=9/1/node:fep2", code: invalid, say: "twice"},
		{name: "virtual, no RTU", do: nodes + "virtual=9/1/rtu:1", code: invalid, say: "no RTU 1"},
		{name: "virtual, no channel", do: nodes + "rtu=1//1,2 virtual=9/1/channel:1:3", code: invalid, say: "2 channels"},
		{name: "virtual, no link", do: nodes + "rtu=1//1,2 virtual=9/1/link:1:2:3", code: invalid, say: "2 links"},
		{name: "virtual, channel 0", do: nodes + "rtu=1//1 virtual=9/1/channel:1:0", code: invalid, say: "from 1"},
		{name: "virtual, no node", do: nodes + "virtual=9/1/node:x", code: invalid, say: "no node"},
		{name: "virtual, no group", do: nodes + "virtual=9/1/overflow:occ:main", code: invalid, say: "no group"},
		{name: "virtual, too many parts", do: nodes + "rtu=1//1 virtual=9/1/rtu:1:1", code: invalid, say: "expected channel"},
		{name: "virtual, nonsense", do: nodes + "virtual=9/1/moon", code: invalid, say: "expected channel"},
	})
}

// What is not named any more vanishes, and nothing else is touched.
func TestReconfigure(t *testing.T) {
	base := "a configure node=fep1/1/fep node=fep2/2/fep retain=100 "
	x := newScripted(t).ok(base+"rtu=1//1 rtu=2//1 group=occ/main/exclusive fnp virtual=9/1/rtu:1 virtual=9/2/rtu:2",
		"lead assign rtu/1 epoch=0 owner=fep1", "lead assign rtu/2 epoch=0 owner=fep2", "lead assign rtu/2 epoch=1 owner=fep2",
		"fep1 claim uplink/occ/main", "fep1 links 1 1.1=active", "fep1 events 1 epoch=1 batch=1 di/1=1", "fep2 events 2 epoch=2 batch=1 di/1=1",
		"ops pin rtu/1 to=fep2", "occ submit a rtu=2 do/1=1", "fep2 start a epoch=2")

	version := x.s.Version()
	x.ok(base + "rtu=1//1 group=occ/main/exclusive virtual=9/1/rtu:1")
	for id, there := range map[string]bool{"rtu/1": true, "rtu/2": false, "uplink/occ/main": true, "fnp": false} {
		_, found := x.s.Resource(id)
		mustEqual(t, id, found, there)
	}
	owns("rtu/1", "fep1", 1, Owned)(t, x.s)
	for k, there := range map[PointKey]bool{{RTU: 1, Kind: DI, Point: 1}: true, {RTU: 2, Kind: DI, Point: 1}: false, {RTU: 9, Kind: DI, Point: 1}: true, {RTU: 9, Kind: DI, Point: 2}: false} {
		_, found := x.s.Point(k)
		mustEqual(t, k.String(), found, there)
	}
	mustEqual(t, "points", x.s.PointCount(), 2)
	_, known := x.s.ChangesAfter(version)
	mustEqual(t, "changes are known across a removal", known, false)
	isControl("a", Done, false, "RTU removed")(t, x.s)

	// The node goes that owned the RTU; its pin and its links go too.
	x.ok("a configure node=fep2/2/fep retain=100 rtu=1//1 group=occ/main/exclusive virtual=9/1/rtu:1")
	owns("rtu/1", "", 2, Unowned)(t, x.s)
	owns("uplink/occ/main", "", 2, Unowned)(t, x.s)
	mustEqual(t, "links of the node that went", len(x.s.Links(1, "fep1")), 0)
	mustEqual(t, "virtual point", x.s.VirtualPoints()[0].Val, false)
	r, _ := x.s.Resource("rtu/1")
	mustEqual(t, "pin", r.Pin, "fep2")
	x.ok("a configure node=fep3/2/fep rtu=1//1")
	r, _ = x.s.Resource("rtu/1")
	mustEqual(t, "pin to a node that went", r.Pin, "")

	// An RTU that comes back begins above every epoch that a removed one had.
	x.ok("a configure node=fep3/2/fep rtu=1//1 rtu=2//1")
	owns("rtu/2", "", 2, Unowned)(t, x.s)
}

// A move to a node that goes ends where it began, in a new epoch: its owner has perhaps closed its links already.
func TestTargetRemoved(t *testing.T) {
	x := newScripted(t).ok("a configure node=fep1/1/fep node=fep2/2/fep rtu=1//1", "lead assign rtu/1 epoch=0 owner=fep1",
		"lead move rtu/1 epoch=1 to=fep2", "a configure node=fep1/1/fep rtu=1//1")
	owns("rtu/1", "fep1", 2, Owned)(t, x.s)
}

// Less retention drops at once what is too much, and counts it.
func TestRetainLess(t *testing.T) {
	x := newScripted(t).ok("a configure node=fep1/1/fep rtu=1//1 group=occ/main/exclusive retain=100", "lead assign rtu/1 epoch=0 owner=fep1",
		"fep1 events 1 epoch=1 batch=1 di/1=1 di/2=1 di/3=1 di/4=1 di/5=1 di/6=1 di/7=1 di/8=1")
	x.ok("a configure node=fep1/1/fep rtu=1//1 group=occ/main/exclusive retain=4")
	mustEqual(t, "kept", x.s.JournalEvents(), 4)
	g, _ := x.s.Group("uplink/occ/main")
	mustEqual(t, "dropped", g.Dropped, 4)
	mustEqual(t, "overflow", g.Overflow, true)
	mustEqual(t, "backlog", g.Backlog, 4)
}

// More retention brings nothing back: what was lost stays lost until the group has acknowledged what followed.
func TestRetainMore(t *testing.T) {
	station := "a configure node=fep1/1/fep rtu=1//1 group=occ/main/exclusive retain="
	x := newScripted(t).ok(station+"4", "lead assign rtu/1 epoch=0 owner=fep1", "fep1 claim uplink/occ/main",
		"fep1 events 1 epoch=1 batch=1 di/1=1 di/2=1 di/3=1 di/4=1 di/5=1")
	x.ok(station + "100")
	g, _ := x.s.Group("uplink/occ/main")
	mustEqual(t, "overflow", g.Overflow, true)
	x.ok("fep1 cursor uplink/occ/main epoch=1 seq=8")
	g, _ = x.s.Group("uplink/occ/main")
	mustEqual(t, "overflow after the acknowledgement", g.Overflow, false)
}

// Of two changes of the configuration that overlap only the younger one can be completed, and late copies do nothing.
func TestConfigStages(t *testing.T) {
	base := "a configure node=fep1/1/fep node=fep2/2/fep "
	one, two := base+"rtu=1//1 ", base+"rtu=2//1 "
	runCases(t, []string{base}, []commandCase{
		{name: "staged and completed", after: []string{"a stage expect=0"}, do: one + "stage=1", check: owns("rtu/1", "", 0, Unowned)},
		{name: "never staged", do: one + "stage=1", code: conflict, say: "begun since"},
		{name: "overtaken", after: []string{"a stage expect=0", "b stage expect=1"}, do: one + "stage=1", code: conflict, say: "begun since"},
		{name: "the younger one", after: []string{"a stage expect=0", "b stage expect=1"}, do: two + "stage=2", check: owns("rtu/2", "", 0, Unowned)},
		{name: "began at once", after: []string{"a stage expect=0"}, do: "b stage expect=0", code: conflict, say: "just now"},
		{name: "completed twice", after: []string{"a stage expect=0", one + "stage=1"}, do: one + "stage=1", code: duplicate},
		{name: "completed late", after: []string{"a stage expect=0", one + "stage=1", "b stage expect=2", two + "stage=3"}, do: one + "stage=1", code: conflict},
		{name: "staged late", after: []string{"a stage expect=0", one + "stage=1"}, do: "a stage expect=0", code: conflict},
		{name: "from the nodes' own files", after: []string{"a stage expect=0"}, do: one, check: owns("rtu/1", "", 0, Unowned)},
		{name: "refused, and the stage goes on", after: []string{"a stage expect=0"}, do: base + "rtu=1/wit/1 stage=1", code: invalid, check: func(t *testing.T, s *State) {
			mustEqual(t, "stage", s.ConfigStage(), 1)
		}},
	})
}

// What a table no longer has leaves the image, and only its owner can say so.
func TestForget(t *testing.T) {
	after := []string{"a configure node=fep1/1/fep node=fep2/2/fep rtu=1//1 rtu=2//1 virtual=1/9/rtu:1",
		"lead assign rtu/1 epoch=0 owner=fep1", "lead assign rtu/2 epoch=0 owner=fep1",
		"fep1 events 1 epoch=1 batch=1 di/1=1 di/2=1 ai/1=5", "fep1 events 2 epoch=1 batch=1 di/1=1"}
	has := func(want ...PointKey) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			mustEqual(t, "points", s.PointCount(), len(want))
			for _, k := range want {
				if _, ok := s.Point(k); !ok {
					t.Errorf("%v is gone", k)
				}
			}
		}
	}
	virtual, other := PointKey{RTU: 1, Kind: DI, Point: 9}, PointKey{RTU: 2, Kind: DI, Point: 1}
	runCases(t, after, []commandCase{
		{name: "two of three", do: "fep1 forget 1 epoch=1 di/1 ai/1 di/77", check: has(PointKey{RTU: 1, Kind: DI, Point: 2}, virtual, other)},
		{name: "a virtual one stays", do: "fep1 forget 1 epoch=1 di/9", code: duplicate},
		{name: "none of them is there", do: "fep1 forget 1 epoch=1 di/3", code: duplicate},
		{name: "not the owner", do: "fep2 forget 1 epoch=1 di/1", code: staleEpoch},
		{name: "an older epoch", after: []string{"lead assign rtu/1 epoch=1 owner=fep1"}, do: "fep1 forget 1 epoch=1 di/1", code: staleEpoch},
		{name: "no RTU", do: "fep1 forget 3 epoch=1 di/1", code: notFound},
	})
	x := newScripted(t).ok(after...)
	before := x.s.Config()
	x.ok("fep1 forget 1 epoch=1 di/1")
	if x.s.Config() == before {
		t.Error("readers aren't told to look for what is gone")
	}
}
