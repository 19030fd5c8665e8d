package fsm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/audit"
	"github.com/fepha/fepha/fsm/internal/command"
)

// What is hashed can be hashed again by anyone, from what is shown.
func TestAuditContent(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1 reason=start detected=7", "occ submit a origin=<anna> rtu=1 do/3=1.5", "fep1 start a epoch=1")
	want := []string{
		`{"number":1,"seq":1,"time_ms":1700000000000,"node":"fep1","kind":"config","resource":"one"}`,
		`{"number":2,"seq":2,"time_ms":1700000000000,"node":"lead","kind":"owner","resource":"rtu/1","epoch":1,"to":"fep1","reason":"start","detected_ms":7}`,
		`{"number":3,"seq":3,"time_ms":1700000000000,"node":"occ","kind":"control","resource":"rtu/1","origin":"\u003canna\u003e","control":"a","stage":"submitted","point":"1/do/3","type":45,"value":"1.5"}`,
		`{"number":4,"seq":4,"time_ms":1700000000000,"node":"fep1","kind":"control","resource":"rtu/1","epoch":1,"to":"fep1","origin":"\u003canna\u003e","control":"a","stage":"executing","point":"1/do/3","type":45,"value":"1.5"}`,
	}
	before := map[AuditChain]AuditHash{}
	for i, e := range x.s.ReadAudit(0, 10) {
		mustEqual(t, "content", string(e.Content()), want[i])
		mustEqual(t, "hash before", e.Before, before[e.Chain])
		mustEqual(t, "hash", e.Hash, ChainAudit(e.Before, []byte(want[i])))
		before[e.Chain] = e.Hash
	}
}

// An audit that is full drops its oldest, whoever fills it pushes out nothing of the other chain, nor of the journal.
func TestAuditIsBounded(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1", "fep1 events 1 epoch=1 batch=1 di/1=1")
	long := strings.Repeat("x", command.MaxText)
	for i := range 20_000 { // 600 octets each
		x.ok(fmt.Sprintf("fep1 did trace origin=%s reason=%s resource=%s", long, long, long))
		if i == 5 {
			x.ok("occ submit a rtu=1 do/1=1")
		}
	}
	kept := func(chain AuditChain) (n int) {
		for _, e := range x.s.ReadAudit(0, 2*audit.MaxEntries) {
			if e.Chain == chain {
				n++
			}
		}
		return n
	}
	if n := kept(audit.ChainStation); n > audit.MaxSize/600 || n < audit.MaxSize/700 || kept(audit.ChainControls) != 1 {
		t.Fatalf("%d entries of 600 octets and a little, and %d of controls", n, kept(audit.ChainControls))
	}
	mustEqual(t, "events", x.s.JournalEvents(), 1)
	for range audit.MaxEntries {
		x.ok("fep1 did x")
	}
	mustEqual(t, "short entries", kept(audit.ChainStation), audit.MaxEntries)
	first := x.s.ReadAudit(0, 2)
	mustEqual(t, "the control", first[0].Note.Control, "a")
	if first[1].Before == (AuditHash{}) || first[1].Hash != ChainAudit(first[1].Before, first[1].Content()) {
		t.Fatalf("the oldest entry kept is not in its chain: %+v", first[1])
	}
	restored, err := Restore(bytes.NewReader(written(t, x.s.Snapshot())))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "digest", restored.Digest(), x.s.Digest())
}

func TestHistoryIsOneOrder(t *testing.T) {
	s := fullState(t)
	all := s.ReadHistory(0, 1000)
	for i, r := range all {
		mustEqual(t, "number", r.Seq, uint64(i+1))
	}
	mustEqual(t, "last", uint64(len(all)), s.JournalLast())
	for n := range all {
		newest := s.HistoryBefore(s.JournalLast()+1, n)
		mustEqual(t, "newest", len(newest), n)
		if n > 0 {
			mustEqual(t, "first of the newest", newest[0].Seq, s.JournalLast()-uint64(n)+1)
		}
		mustEqual(t, "before", len(s.HistoryBefore(uint64(n), 1000)), max(0, n-1))
		page := s.ReadHistory(uint64(n), 3)
		mustEqual(t, "page", page[0].Seq, uint64(n+1))
	}
	mustEqual(t, "after the end", len(s.ReadHistory(s.JournalLast(), 3)), 0)
	mustEqual(t, "far after the end", len(s.ReadHistory(1<<63, 3)), 0)
}

// Entries that came in other orders of batches lie in other chunks; what is written is the same.
func TestDigestDoesNotDependOnChunks(t *testing.T) {
	x := newScripted(t).ok("a configure node=fep1/1/fep rtu=1//1 rtu=2//1 retain=1500", "lead assign rtu/1 epoch=0 owner=fep1", "lead assign rtu/2 epoch=0 owner=fep1")
	for n := 1; n <= 40; n++ {
		for i, items := range []int{100, 3} {
			rtu := uint32(i + 1)
			ev := &fsmpb.Events{Rtu: rtu, Epoch: 1, Batch: uint64(n)}
			for p := range items {
				ev.Items = append(ev.Items, benchItem(p, fsmpb.Item_EVENT))
			}
			x.index++
			x.s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{{Node: "fep1", Op: &fsmpb.Command_Events{Events: ev}}}})
		}
		if n%7 == 0 {
			restored, err := Restore(bytes.NewReader(written(t, x.s.Snapshot())))
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, "digest", restored.Digest(), x.s.Digest())
			x.s = restored
		}
	}
	mustEqual(t, "events of the quiet one", x.s.JournalShare(2), 120)
}
