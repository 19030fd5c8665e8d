package fsm

import (
	"bytes"
	"os"
	"testing"
)

// Snapshots of the former format: the audit was in the journal; in the older one events had no transient bit and no elapsed
// time.
func TestRestoreFormat1(t *testing.T) {
	for name, want := range map[string]format1{
		"format1-plain": {events: 9, entries: 24, backlog: 8, answered: 24},
		"format1":       {events: 11, entries: 30, backlog: 10, answered: 26, transient: true},
	} {
		t.Run(name, func(t *testing.T) { want.check(t, name) })
	}
}

type format1 struct {
	events, entries   int
	backlog, answered uint64
	transient         bool
}

func (want format1) check(t *testing.T, name string) {
	b, err := os.ReadFile("testdata/" + name + ".snapshot")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Restore(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var events, entries int
	for i, r := range s.ReadHistory(0, 100) {
		mustEqual(t, "number", r.Seq, uint64(i+1))
		if r.Audit == nil {
			events++
			continue
		}
		entries++
		mustEqual(t, "number in the audit", r.Audit.Number, uint64(entries))
		mustEqual(t, "hash", r.Audit.Hash, ChainAudit(r.Audit.Before, r.Audit.Content()))
	}
	mustEqual(t, "events and entries", [2]int{events, entries}, [2]int{want.events, want.entries})
	mustEqual(t, "last", s.JournalLast(), uint64(want.events+want.entries))
	step, _ := s.Point(PointKey{RTU: 1, Kind: AI, Point: 3})
	mustEqual(t, "step position in transit", step.Transient, want.transient)
	g, _ := s.Group("uplink/occ/main")
	mustEqual(t, "backlog", g.Backlog, want.backlog)
	c, _ := s.Control("s")
	mustEqual(t, "answered", c.AnsweredSeq, want.answered)
	again, err := Restore(bytes.NewReader(written(t, s.Snapshot())))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "digest", again.Digest(), s.Digest())
	x := &scripted{t: t, s: s, index: s.Index()}
	x.ok("fep1 events 1 epoch=1 batch=2 di/1=0", "fep1 cursor uplink/occ/main epoch=1 seq=30")

	for n := 0; n < len(b); n += 11 {
		if _, err := Restore(bytes.NewReader(b[:n])); err == nil {
			t.Fatalf("cut to %d octets: restored", n)
		}
	}
}
