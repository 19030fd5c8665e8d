package forwarder

import (
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// interrogated is what an interrogation has shown of a single point.
func interrogated(point uint32, value float64, quality uint32) *fsmpb.Item {
	return &fsmpb.Item{Kind: fsmpb.Kind_DI, Point: point, Type: 1, Value: value, Quality: quality, Time: tag(9), TimeMs: 9, Mode: fsmpb.Item_INTERROGATED}
}

// A state that merely became known, or topical again, is told as a value without a time, once; a difference waits for its
// event.
func TestFeedTellsStatesThatAreNoEvents(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	f.rest()
	sends := func(what string, typeID asdu.TypeID, value float64, quality uint8) {
		t.Helper()
		f.clock = f.clock.Add(changePace)
		got := f.rest()
		if len(got) != 1 || got[0].Type != typeID || got[0].Cause != asdu.Spontaneous || got[0].Len() != 1 || got[0].Object(0).Value != value || got[0].Object(0).Quality != quality {
			t.Fatalf("%s: got %v", what, got)
		}
		if again := f.rest(); len(again) != 0 {
			t.Fatalf("%s: then %v", what, again)
		}
	}
	c.Values(t, 1, interrogated(1, 1, 0))
	sends("it became known", asdu.M_SP_NA_1, 1, 0)

	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Online{Online: &fsmpb.Online{Rtu: 1, Epoch: 1, Online: true}}})
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Online{Online: &fsmpb.Online{Rtu: 1, Epoch: 1}}})
	sends("not topical", asdu.M_SP_TB_1, 1, asdu.NT)
	c.Values(t, 1, interrogated(1, 1, 0))
	sends("topical again", asdu.M_SP_NA_1, 1, 0)

	held := interrogated(1, 0, asdu.BL)
	held.Mode = fsmpb.Item_IMAGE
	c.Values(t, 1, held)
	f.clock = f.clock.Add(changePace)
	if got := f.rest(); len(got) != 0 {
		t.Fatalf("a point that chatters is told: %v", got)
	}
	back := interrogated(1, 1, 0)
	back.Mode = fsmpb.Item_IMAGE
	c.Values(t, 1, back)
	sends("as it was", asdu.M_SP_NA_1, 1, 0)

	c.Values(t, 1, interrogated(1, 0, 0))
	f.clock = f.clock.Add(changePace)
	if got := f.rest(); len(got) != 0 {
		t.Fatalf("a difference is told before the backlog has ended: %v", got)
	}
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_BacklogEnd{BacklogEnd: &fsmpb.BacklogEnd{Rtu: 1, Epoch: 1}}})
	sends("the difference", asdu.M_SP_TB_1, 0, 0)
}

// What nobody vouches for, and what somebody does again, is told as a value each time, whatever the newest event says.
func TestFeedTellsDoubts(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	c.Values(t, 1, di(1, 1, 1))
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	f.rest()
	for _, step := range []struct {
		do      *fsmpb.Command
		quality uint8
	}{
		{&fsmpb.Command{Op: &fsmpb.Command_NotTopical{NotTopical: &fsmpb.NotTopical{Rtu: 1, Epoch: 1, Points: []*fsmpb.Forget_Point{{Kind: fsmpb.Kind_DI, Point: 1}}}}}, asdu.NT},
		{nil, 0},
		{&fsmpb.Command{Op: &fsmpb.Command_Outage{Outage: &fsmpb.Outage{}}}, asdu.NT},
		{nil, 0},
	} {
		if step.do != nil {
			c.Do(t, "fep1", step.do)
		} else {
			c.Values(t, 1, interrogated(1, 1, 0))
		}
		f.clock = f.clock.Add(changePace)
		got := f.rest()
		if len(got) != 1 || got[0].Type != asdu.M_SP_NA_1 || got[0].Object(0).Quality != step.quality || got[0].Object(0).Value != 1 {
			t.Fatalf("quality %#x: got %v", step.quality, got)
		}
	}
}

// A state that became topical does not overtake the event that said it isn't.
func TestFeedTellsAStateAfterItsEvent(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 1, points) // so that each ASDU waits for the one before
	c.Values(t, 1, di(1, 1, 1))
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	for n := range uint64(300) { // that are sent before
		c.Values(t, 1, di(2, float64(n%2), n))
	}
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Online{Online: &fsmpb.Online{Rtu: 1, Epoch: 1, Online: true}}})
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Online{Online: &fsmpb.Online{Rtu: 1, Epoch: 1}}})
	c.Values(t, 1, interrogated(1, 1, 0))
	var last asdu.Object
	for _, a := range f.rest() {
		for i := range a.Len() {
			if o := a.Object(i); o.Address == 101 {
				last = o
			}
		}
	}
	if last.Quality != 0 || last.Value != 1 {
		t.Errorf("told last: %+v, expected that it's topical", last)
	}
}

// While a backlog is sent, the states that come after its events are left alone: they are each told once, at its end. Looking
// at 10,000 of them for each ASDU made the backlog of a night four times as long.
func TestFeedLeavesStatesAloneThatWaitForTheirEvents(t *testing.T) {
	const n, before = 1000, 2000 // states, and events of another point before theirs
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	table := make([]Point, n+1)
	for i := range table {
		table[i] = Point{IOA: uint32(i + 1), RTU: 1, Kind: fsm.DI, Point: uint32(i), Type: asdu.M_SP_TB_1}
	}
	var events, doubts []*fsmpb.Item
	for i := range uint64(before) {
		events = append(events, di(0, float64(i%2), i))
	}
	for i := range uint32(n) {
		events = append(events, di(i+1, 1, uint64(i)))
		doubts = append(doubts, interrogated(i+1, 1, 0))
	}
	c.Values(t, 1, events...)
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Outage{Outage: &fsmpb.Outage{}}})
	c.Values(t, 1, doubts...)
	f := newTestFeed(t, c, 12, table)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	sent, told := 0, 0
	for a, ok := f.next(); ok; a, ok = f.next() {
		if a.Type == asdu.M_SP_TB_1 {
			if sent += a.Len(); sent > before/2 && sent < before && f.changed.len() > 0 {
				t.Fatalf("after %d events %d states are looked at", sent, f.changed.len())
			}
		} else {
			told += a.Len()
		}
		f.Acked(f.last)
		f.replicate()
	}
	if sent != before+n || told != n+1 { // the other point isn't topical
		t.Errorf("%d events and %d states were sent, expected %d and %d", sent, told, before+n, n+1)
	}
}
