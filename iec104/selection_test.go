package iec104

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
)

// fakeLink is a holder whose link may be lost.
type fakeLink struct{ lost bool }

func (f *fakeLink) current() bool { return !f.lost }

// The rules of select and execute, against a model that is told everything and
// forgets nothing: an object is operated only as it was selected, by the same
// link, in time and once; or, where that is possible, directly.
func TestSelectionProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := selections{timeout: 10 * time.Second}
		links := []*fakeLink{{}, {}, {}}
		type chosen struct {
			by    *fakeLink
			order order
			until time.Duration
		}
		held := make(map[selectionKey]chosen)
		var now time.Duration
		holds := func(k selectionKey) bool {
			c, ok := held[k]
			return ok && now < c.until && !c.by.lost
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 12).Draw(t, "s")) * time.Second
			i := rapid.IntRange(0, 2).Draw(t, "link")
			by := links[i]
			key := selectionKey{1, asdu.InformationObjectAddress(rapid.IntRange(1, 2).Draw(t, "object"))}
			o := order{t: asdu.C_SC_NA_1, value: float64(rapid.IntRange(0, 1).Draw(t, "value"))}
			switch rapid.SampledFrom([]string{"select", "execute", "execute required", "cancel", "lose"}).Draw(t, "what") {
			case "select":
				want := !holds(key) || held[key].by == by
				if got := s.choose(now, by, key, o); got != want {
					t.Fatalf("select: %v, want %v", got, want)
				}
				if want {
					held[key] = chosen{by, o, now + s.timeout}
				}
			case "execute":
				got := s.execute(now, by, key, o, false)
				if c, ok := held[key]; ok && c.by.lost && !got {
					t.Fatalf("a selection of a link that is lost stands in the way")
				}
				if holds(key) {
					want := held[key].by == by && held[key].order == o
					if got != want {
						t.Fatalf("execute of a selected object: %v, want %v", got, want)
					}
					if held[key].by == by {
						delete(held, key)
					}
				}
			case "execute required":
				want := holds(key) && held[key].by == by && held[key].order == o
				if got := s.execute(now, by, key, o, true); got != want {
					t.Fatalf("execute: %v, want %v", got, want)
				}
				if holds(key) && held[key].by == by {
					delete(held, key)
				}
			case "cancel":
				want := holds(key) && held[key].by == by
				if got := s.cancel(now, by, key); got != want {
					t.Fatalf("cancel: %v, want %v", got, want)
				}
				if want {
					delete(held, key)
				}
			case "lose":
				by.lost = true
				links[i] = &fakeLink{}
			}
			if len(s.held) > 2 {
				t.Fatalf("%d selections are kept of 2 objects", len(s.held))
			}
		}
	})
}

func TestSelectionsAreForgotten(t *testing.T) {
	s := selections{timeout: time.Second}
	for i := range 1000 {
		s.choose(time.Duration(i)*time.Second, &fakeLink{}, selectionKey{1, asdu.InformationObjectAddress(i)}, order{})
		if len(s.held) > 3 {
			t.Fatalf("%d are kept", len(s.held))
		}
	}
}
