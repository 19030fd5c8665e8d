package journal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// modelJournal does plainly what the journal is to do.
type modelJournal struct {
	retain int
	held   []Event
}

func (m *modelJournal) room() {
	for len(m.held) > m.retain {
		n := map[uint32]int{}
		for _, e := range m.held {
			n[e.RTU]++
		}
		most := m.held[0].RTU
		for rtu := range n {
			if n[rtu] > n[most] || n[rtu] == n[most] && rtu < most {
				most = rtu
			}
		}
		i := slices.IndexFunc(m.held, func(e Event) bool { return e.RTU == most })
		m.held = slices.Delete(m.held, i, i+1)
	}
}

func (m *modelJournal) after(seq uint64) []Event {
	i := slices.IndexFunc(m.held, func(e Event) bool { return e.Seq > seq })
	if i < 0 {
		return nil
	}
	return m.held[i:]
}

// The journal against a plain list: numbers, what is dropped, what is read, and that a frozen copy stays as it was.
func TestJournalIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := modelJournal{retain: rapid.IntRange(1, 3*chunkEvents).Draw(t, "retain")}
		next := rapid.Uint64Range(1, 3*chunkEvents).Draw(t, "next")
		j := New(next, uint64(m.retain))
		frozen := New(1, 1)
		var then []Event
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "read", "freeze", "retain", "oldest", "number"}).Draw(t, "step") {
			case "append":
				rtus := rapid.SliceOfN(rapid.Uint32Range(1, 5), 1, 7).Draw(t, "rtus")
				for i := range rapid.IntRange(1, chunkEvents+5).Draw(t, "n") {
					e := Event{Seq: next, RTU: rtus[i%len(rtus)], Value: float64(next)}
					if seq := j.Append(e); seq != next {
						t.Fatalf("event %d got number %d", next, seq)
					}
					next++
					m.held = append(m.held, e)
					for m.room(); j.Full(); {
						j.DropShare()
					}
				}
			case "retain":
				m.retain = rapid.IntRange(1, 4*chunkEvents).Draw(t, "other")
				j.retain = uint64(m.retain)
				for m.room(); j.Full(); {
					j.DropShare()
				}
			case "oldest":
				for range min(len(m.held), rapid.IntRange(0, chunkEvents).Draw(t, "n")) {
					if seq := j.DropOldest(); seq != m.held[0].Seq {
						t.Fatalf("dropped %d, the oldest is %d", seq, m.held[0].Seq)
					}
					m.held = m.held[1:]
				}
			case "number": // to an entry of the audit
				if n := j.Number(); n != next {
					t.Fatalf("number %d, want %d", n, next)
				}
				next++
			case "freeze":
				frozen, then = j.Freeze(), slices.Clone(m.held)
			case "read":
				after := rapid.Uint64Range(0, next+3).Draw(t, "after")
				room := rapid.IntRange(0, 2*chunkEvents).Draw(t, "room")
				want := m.after(after)
				if got := j.Read(after, make([]Event, room)); !slices.Equal(got, want[:min(room, len(want))]) {
					t.Fatalf("read after %d with room for %d: got %d events, want %d", after, room, len(got), min(room, len(want)))
				}
				if after < next && j.After(after) != uint64(len(want)) {
					t.Fatalf("%d events after %d, want %d", j.After(after), after, len(want))
				}
				var newest []Event
				rtu, within := rapid.Uint32Range(1, 6).Draw(t, "rtu"), rapid.SampledFrom([]int{0, room / 2, len(m.held), 1 << 20}).Draw(t, "within")
				for _, e := range m.held {
					if e.RTU == rtu {
						newest = append(newest, e)
					}
				}
				newest = newest[max(0, len(newest)-room):]
				got := j.Newest(rtu, room, within)
				if !slices.Equal(got, newest[len(newest)-len(got):]) || within == 1<<20 && len(got) != len(newest) {
					t.Fatalf("newest %d of RTU %d within %d: got %d events, want %d", room, rtu, within, len(got), len(newest))
				}
				if got := j.Read(j.Before(next, room), make([]Event, room+1)); !slices.Equal(got, m.held[max(0, len(m.held)-room):]) {
					t.Fatalf("newest %d: got %d events", room, len(got))
				}
			}
			oldest := next
			if len(m.held) > 0 {
				oldest = m.held[0].Seq
			}
			if j.Oldest() != oldest || j.last != next-1 || j.count != uint64(len(m.held)) {
				t.Fatalf("keeps %d of %d to %d, want %d of %d to %d", j.count, j.Oldest(), j.last, len(m.held), oldest, next-1)
			}
			if most := 4*len(m.held)/chunkEvents + 3; len(j.chunks) > most {
				t.Fatalf("%d chunks for %d events, want at most %d", len(j.chunks), len(m.held), most)
			}
			checkShares(t, j, m.held)
		}
		if got := frozen.Read(0, make([]Event, len(then)+1)); !slices.Equal(got, then) {
			t.Fatalf("the frozen copy has %d events, had %d", len(got), len(then))
		}
	})
}

func checkShares(t *rapid.T, j *Journal, held []Event) {
	n := map[uint32]uint64{}
	for _, e := range held {
		n[e.RTU]++
	}
	if len(n) != len(j.shares.byRTU) || len(n) != len(j.shares.largest) {
		t.Fatalf("%d shares of %d RTUs", len(j.shares.largest), len(n))
	}
	for rtu, want := range n {
		if j.shares.of(rtu) != want {
			t.Fatalf("RTU %d has %d events, want %d", rtu, j.shares.of(rtu), want)
		}
	}
}

// A device that sends without end takes the room of no other.
func TestABabblerPushesOutItself(t *testing.T) {
	j := New(1, 1000)
	for i := range 300_000 {
		if i%500 == 0 { // 600 events, each alone among those of the babbler
			j.Append(Event{RTU: 2})
		}
		j.Append(Event{RTU: 1})
		for j.Full() {
			j.DropShare()
		}
	}
	if good, babbler := j.Share(2), j.Share(1); good != 500 || babbler != 500 {
		t.Errorf("%d events of the good one and %d of the babbler, want 500 each", good, babbler)
	}
	if len(j.chunks) > 6 {
		t.Fatalf("%d chunks for 1000 events", len(j.chunks))
	}
}
