package fsm

import (
	"testing"

	"pgregory.net/rapid"
)

// The journal against a plain list: numbers, what is kept, what is read, and that a frozen copy stays as it was.
func TestJournalIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		retain := rapid.Uint64Range(1, 3*chunkEvents).Draw(t, "retain")
		next := rapid.Uint64Range(1, 3*chunkEvents).Draw(t, "next")
		j := newJournal(next, retain)
		var all []float64 // of event next, next+1...
		first := next     // oldest that is to be kept
		var frozen journal
		frozenAt := -1
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "read", "freeze", "retain"}).Draw(t, "step") {
			case "append":
				for range rapid.IntRange(1, chunkEvents+5).Draw(t, "n") {
					all = append(all, float64(len(all)))
					if seq := j.append(Event{Value: all[len(all)-1]}); seq != next+uint64(len(all))-1 {
						t.Fatalf("event %d got number %d", next+uint64(len(all))-1, seq)
					}
					if n := next + uint64(len(all)); n-first > retain {
						first = n - retain
					}
				}
			case "retain":
				j.retain = rapid.Uint64Range(j.retain, 4*chunkEvents).Draw(t, "more")
				retain = j.retain
			case "freeze":
				frozen, frozenAt = j.freeze(), len(all)
			case "read":
				after := rapid.Uint64Range(0, j.last+3).Draw(t, "after")
				room := rapid.IntRange(0, 2*chunkEvents).Draw(t, "room")
				checkRead(t, &j, after, room, all, next)
			}
			if j.first != first || j.last != next+uint64(len(all))-1 {
				t.Fatalf("keeps %d to %d, want %d to %d", j.first, j.last, first, next+uint64(len(all))-1)
			}
			if most := retain/chunkEvents + 2; uint64(len(j.chunks)) > most {
				t.Fatalf("%d chunks for %d events", len(j.chunks), retain)
			}
		}
		if frozenAt >= 0 {
			checkRead(t, &frozen, 0, int(frozen.last), all[:frozenAt], next)
		}
	})
}

func checkRead(t *rapid.T, j *journal, after uint64, room int, all []float64, next uint64) {
	got := j.read(after, make([]Event, room))
	first := max(after+1, j.first)
	want := 0
	if after < j.last {
		want = min(room, int(j.last-first+1))
	}
	if len(got) != want {
		t.Fatalf("read after %d with room for %d: got %d events of %d to %d, want %d", after, room, len(got), j.first, j.last, want)
	}
	for i, e := range got {
		if e.Seq != first+uint64(i) || e.Value != all[e.Seq-next] {
			t.Fatalf("read after %d: event %d is number %d with value %g", after, i, e.Seq, e.Value)
		}
	}
}
