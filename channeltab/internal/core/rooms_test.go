package core

import (
	"testing"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Peers that take all they can get, and take again what is given back, leave room for another's message, and are read in turn.
func TestRoomsAreShared(t *testing.T) {
	for _, greedy := range []int{1, 2, 7, 63} {
		r := newRooms()
		grab := func() {
			for id := range chantable.ID(greedy) {
				for r.begin(id, &incoming{}, 1, wire.MaxMessage) != nil {
				}
				for r.hold(Message{Payload: make([]byte, 100), Receipt: receipt{share: id}}) {
				}
			}
		}
		grab()
		const modest = chantable.ID(1000)
		for round := 0; ; round++ {
			if r.begin(modest, &incoming{}, 1, wire.MaxMessage) == nil {
				t.Fatalf("%d greedy peers have left no room for a message to be put together", greedy)
			}
			if r.hold(Message{From: modest, Payload: make([]byte, wire.MaxMessage), Receipt: receipt{share: modest}}) {
				break
			}
			if round > 0 {
				t.Fatalf("%d greedy peers have left no room after a message of each was read", greedy)
			}
			for range greedy {
				m, _ := r.next()
				r.release(m)
			}
		}
		grab()
		if r.assembly > maxAssembly || r.count > maxInbox || r.size > maxInboxSize {
			t.Errorf("%d octets in assembly, %d messages of %d octets", r.assembly, r.count, r.size)
		}
		if a := r.shares[modest].assembly; a == 0 {
			t.Errorf("%d greedy peers have taken another's room", greedy)
		}
		for turn := 0; ; turn++ {
			m, ok := r.next()
			if !ok || turn > greedy {
				t.Fatalf("%d greedy peers: another's message was not read in the first round", greedy)
			}
			if m.From == modest {
				break
			}
		}
	}
}

func TestRoomsAreGivenBack(t *testing.T) {
	r := newRooms()
	for id := range chantable.ID(3) {
		a := r.begin(id, &incoming{}, 1, 10)
		r.hold(Message{Payload: make([]byte, 10), Receipt: receipt{share: id}})
		r.end(a)
	}
	for m, ok := r.next(); ok; m, ok = r.next() {
		r.release(m)
	}
	if len(r.shares) != 0 || r.Waiting() || r.count != 0 || r.size != 0 || r.assembly != 0 {
		t.Errorf("something is left: %+v", r)
	}
}
