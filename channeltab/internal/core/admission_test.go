package core

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/channeltab/internal/wire"
)

// TestWindow compares the window with a set of all counters that ever came.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		seen := map[uint64]bool{}
		top := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "datagrams") {
			step := rapid.SampledFrom([]int64{1, 1, 1, 2, 3, -1, -2, -60, -64, -255, -256, -257, 63, 64, 65, 255, 256, 257, 1000}).Draw(t, "step")
			c := uint64(max(0, int64(top)+step))
			want := c != 0 && !seen[c] && (c > top || top-c < windowSize)
			if got := w.admit(c); got != want {
				t.Fatalf("counter %d after %d: admitted %t, want %t", c, top, got, want)
			}
			seen[c] = true
			top = max(top, c)
		}
	})
}

func TestAdmission(t *testing.T) {
	now := time.Unix(0, 0)
	var evicted []int
	a := newAdmission[int](2, rand.New(rand.NewPCG(1, 1)).Uint64)
	a.evicted = func(v *int) { evicted = append(evicted, *v) }
	enter := func(session uint64, value int) uint64 {
		t.Helper()
		_, v, offer := a.admit(now, &wire.Datagram{Session: session, Counter: 1})
		if v != unknown || offer == 0 {
			t.Fatalf("session %d is not offered a contact", session)
		}
		if _, v, again := a.admit(now, &wire.Datagram{Session: session, Counter: 2, Contact: 77}); v != unknown || again != offer {
			t.Fatalf("with a wrong contact session %d is offered %x, want %x again", session, again, offer)
		}
		if a.contactOf(session) != offer {
			t.Fatalf("contactOf %d is %x, want %x", session, a.contactOf(session), offer)
		}
		s, v, _ := a.admit(now, &wire.Datagram{Session: session, Counter: 3, Contact: offer})
		if v != admitted {
			t.Fatalf("session %d is not admitted with its contact", session)
		}
		s.state = value
		return offer
	}
	one := enter(1, 1)
	if _, v, _ := a.admit(now, &wire.Datagram{Session: 1, Counter: 3, Contact: one}); v != replayed {
		t.Errorf("the same counter: %v, want replayed", v)
	}
	if _, v, offer := a.admit(now, &wire.Datagram{Session: 1, Counter: 4}); v != unknown || offer != one {
		t.Errorf("a known session without contact is offered %x, want its own, %x", offer, one)
	}
	now = now.Add(time.Second)
	enter(2, 2)
	now = now.Add(time.Second)
	if _, v, _ := a.admit(now, &wire.Datagram{Session: 1, Counter: 4, Contact: one}); v != admitted {
		t.Error("session 1 is not admitted")
	}
	enter(3, 3) // beyond the limit: 2 was heard longest ago
	if len(evicted) != 1 || evicted[0] != 2 {
		t.Errorf("evicted %v, want 2", evicted)
	}
	a.forget(now.Add(time.Second))
	if len(evicted) != 3 || a.Recent.Len() != 0 || len(a.known) != 0 {
		t.Errorf("after forgetting all: evicted %v, %d left", evicted, a.Recent.Len())
	}
	// A contact that was forgotten is not given again, so its recordings stay useless.
	if _, v, offer := a.admit(now, &wire.Datagram{Session: 1, Counter: 5, Contact: one}); v != unknown || offer == one {
		t.Errorf("a forgotten contact: %v, offered %x", v, offer)
	}
	// Offers are bounded, whoever asks for them.
	for s := range uint64(3 * maxOffers) {
		a.admit(now, &wire.Datagram{Session: 1000 + s})
	}
	if len(a.offers) > maxOffers || len(a.ring) > maxOffers {
		t.Errorf("%d offers, want at most %d", len(a.offers), maxOffers)
	}
}
