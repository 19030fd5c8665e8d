package fsm

import (
	"math"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// holds checks a point, and the number of the journal's newest event.
func holds(k PointKey, value float64, quality uint8, last uint64) func(*testing.T, *State) {
	return func(t *testing.T, s *State) {
		t.Helper()
		p, known := s.Point(k)
		mustEqual(t, k.String()+" is known", known, true)
		mustEqual(t, "value", p.Value, value)
		mustEqual(t, "quality", p.Quality, quality)
		mustEqual(t, "newest event", s.JournalLast(), last)
	}
}

func TestEvents(t *testing.T) {
	owned := "lead assign rtu/1 epoch=0 owner=fep1" // event 2
	first := "fep1 events 1 epoch=1 batch=1 di/1=1" // event 3
	one := PointKey{RTU: 1, Kind: DI, Point: 1}
	runCases(t, []string{testStation}, []commandCase{
		{name: "event", after: []string{owned}, do: first, check: holds(one, 1, 0, 3)},
		{name: "the same value again is an event", after: []string{owned, first}, do: "fep1 events 1 epoch=1 batch=2 di/1=1", check: holds(one, 1, 0, 4)},
		{name: "compared, unknown", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1 compare:di/1=0", check: holds(one, 0, 0, 3)},
		{name: "compared, equal", after: []string{owned, first}, do: "fep1 events 1 epoch=1 batch=2 compare:di/1=1", check: holds(one, 1, 0, 3)},
		{name: "compared, another value", after: []string{owned, first}, do: "fep1 events 1 epoch=1 batch=2 compare:di/1=0", check: holds(one, 0, 0, 4)},
		{name: "compared, another quality", after: []string{owned, first}, do: "fep1 events 1 epoch=1 batch=2 compare:di/1=1;q80", check: holds(one, 1, 0x80, 4)},
		{name: "image only", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1 image:ai/1=2.5", check: holds(PointKey{RTU: 1, Kind: AI, Point: 1}, 2.5, 0, 2)},
		{name: "twice in a batch", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1 di/1=1 compare:di/1=1 di/1=0", check: holds(one, 0, 0, 4)},
		{name: "an empty batch counts", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1", check: func(t *testing.T, s *State) {
			r, _ := s.Resource("rtu/1")
			mustEqual(t, "last batch", r.LastBatch, 1)
		}},
		{name: "while it is being released", after: []string{owned, "lead move rtu/1 epoch=1 to=fep2"}, do: first, check: holds(one, 1, 0, 4)},

		{name: "repeated", after: []string{owned, first}, do: first, code: duplicate},
		{name: "gap", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=2 di/1=1", code: gap},
		{name: "batch 0", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=0 di/1=1", code: invalid},
		{name: "of a former epoch", after: []string{owned, "lead assign rtu/1 epoch=1 owner=fep1"}, do: first, code: staleEpoch},
		{name: "of an epoch to come", after: []string{owned}, do: "fep1 events 1 epoch=2 batch=1 di/1=1", code: conflict},
		{name: "of another node", after: []string{owned}, do: "fep2 events 1 epoch=1 batch=1 di/1=1", code: staleEpoch},
		{name: "of nobody's RTU", do: "fep1 events 1 epoch=0 batch=1 di/1=1", code: staleEpoch},
		{name: "of no RTU", do: "fep1 events 7 epoch=1 batch=1 di/1=1", code: notFound},
		{name: "output", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1 di/1=1 do/1=1", code: invalid, say: "item 1, do/1"},
		{name: "type 256", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1 di/1=1;t256", code: invalid, say: "TypeID"},
		{name: "compared, off as a double point after on as a single one", after: []string{owned, first},
			do: "fep1 events 1 epoch=1 batch=2 compare:di/1=1;t3", check: holds(one, 1, 0, 4)},
		{name: "compared, on as a double point after on as a single one", after: []string{owned, first},
			do: "fep1 events 1 epoch=1 batch=2 compare:di/1=2;t3", check: holds(one, 1, 0, 3)},
		{name: "compared, a protection event repeated as a double point", after: []string{owned, "fep1 events 1 epoch=1 batch=1 di/1=2;t38;q08"},
			do: "fep1 events 1 epoch=1 batch=2 compare:di/1=2;t3", check: holds(one, 2, 8, 3)},
		{name: "quality of two octets", after: []string{owned}, do: "fep1 events 1 epoch=1 batch=1 di/1=1;q100", code: invalid, say: "quality"},

		{name: "on line", do: "fep1 online 1 yes", check: func(t *testing.T, s *State) {
			u, _ := s.RTU(1)
			mustEqual(t, "on line", u.Online, true)
		}},
		{name: "on line again", after: []string{"fep1 online 1 yes"}, do: "fep1 online 1 yes", code: duplicate},
		{name: "off line again", do: "fep1 online 1 no", code: duplicate},
		{name: "off line", after: []string{owned, first, "fep1 online 1 yes"}, do: "lead online 1 no", check: holds(one, 1, QualityNotTopical, 6)},
		{
			name:  "off line, analog: no event",
			after: []string{owned, "fep1 events 1 epoch=1 batch=1 ai/1=1", "fep1 online 1 yes"},
			do:    "lead online 1 no", check: holds(PointKey{RTU: 1, Kind: AI, Point: 1}, 1, QualityNotTopical, 5),
		},
		{
			name:  "off line, counter: invalid, since the bit means something else there",
			after: []string{owned, "fep1 events 1 epoch=1 batch=1 counter/1=1", "fep1 online 1 yes"},
			do:    "lead online 1 no", check: holds(PointKey{RTU: 1, Kind: Counter, Point: 1}, 1, QualityInvalid, 5),
		},
		{name: "off line, of a former epoch", after: []string{owned, "fep1 online 1 yes", "lead assign rtu/1 epoch=1 owner=fep2"}, do: "fep1 online 1 no epoch=1", code: staleEpoch},
		{name: "off line, but a link is active", after: []string{"fep1 online 1 yes", "fep2 links 1 1.1=active"}, do: "lead online 1 no", code: conflict, say: `"fep2"`},
		{name: "off line, no RTU", do: "lead online 7 no", code: notFound},
	})
}

// NaN differs from itself by value, but not by its octets: a device that keeps sending it must not make an event of each
// interrogation.
func TestNaNEqualsItself(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 ai/1=NaN",
		"fep1 events 1 epoch=1 batch=2 compare:ai/1=NaN")
	mustEqual(t, "newest event", x.s.JournalLast(), 3)
	p, _ := x.s.Point(PointKey{RTU: 1, Kind: AI, Point: 1})
	mustEqual(t, "is NaN", math.IsNaN(p.Value), true)
}

// A batch that names a virtual point is refused: the station's own judgement is not a device's to overwrite.
func TestVirtualPointsAreNobodysInput(t *testing.T) {
	x := newScripted(t).ok("a configure node=fep1/1/fep rtu=1/fep1/1 virtual=1/100/rtu:1", "lead assign rtu/1 epoch=0 owner=fep1")
	r := x.do("fep1 events 1 epoch=1 batch=1 di/100=1")
	mustEqual(t, "code", r.Code, invalid)
	x.ok("fep1 events 1 epoch=1 batch=1 di/1=1", "fep1 online 1 yes", "fep1 online 1 no")
	v, _ := x.s.Point(PointKey{RTU: 1, Kind: DI, Point: 100})
	mustEqual(t, "quality of the virtual point off line", v.Quality, 0)
}

func TestUnknownCommands(t *testing.T) {
	s := New()
	results := s.Apply(1, &fsmpb.Entry{Commands: []*fsmpb.Command{
		nil, {},
		{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{}}},
		{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: &fsmpb.ControlSubmit{}}},
		{Op: &fsmpb.Command_Fnp{Fnp: &fsmpb.Fnp{}}},
	}})
	for i, want := range []fsmpb.Result_Code{invalid, invalid, notFound, invalid, notFound} {
		mustEqual(t, "result", results[i].GetCode(), want)
	}
	mustEqual(t, "results of no entry", len(s.Apply(2, nil)), 0)
	mustEqual(t, "index", s.Index(), 2)
}

// The commands of an entry are applied in order, each on its own.
func TestEntry(t *testing.T) {
	x := newScripted(t).ok(testStation)
	var e fsmpb.Entry
	for _, line := range []string{
		"lead assign rtu/1 epoch=0 owner=fep1", "lead assign rtu/1 epoch=0 owner=fep2", "fep1 events 1 epoch=1 batch=1 di/1=1 di/2=1",
	} {
		e.Commands = append(e.Commands, parseCommand(t, line, 0))
	}
	r := x.s.Apply(2, &e)
	mustEqual(t, "first", r[0].Code, ok)
	mustEqual(t, "second", r[1].Code, conflict)
	mustEqual(t, "third", r[2].Code, ok)
	mustEqual(t, "first event of the third", r[2].FirstSeq, 3)
	mustEqual(t, "last event of the third", r[2].LastSeq, 4)
}
