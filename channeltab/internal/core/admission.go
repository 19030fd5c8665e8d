package core

import (
	"container/list"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
)

// admission lets in each datagram of a sender at most once, and none that was recorded before this process began.
//
// A request must bear the contact that this receiver gave to the sender's session. Whatever bears none, or another, is
// answered with an offer of one and changes nothing, so a recording of an earlier conversation gets no further. Within
// a contact the counter's window does the rest. A contact that was evicted is never given again: contacts are drawn at
// random.
//
// Sessions are remembered up to a limit, the one unheard for longest going first; offers, which anyone with a
// recording can cause, in a ring of their own.
type admission[T any] struct {
	chance func() uint64
	limit  int
	known  map[uint64]*list.Element // of *sender[T], by session
	Recent list.List                // the one heard last at the front
	offers map[uint64]uint64        // contact offered, by session
	ring   []uint64                 // sessions of offers, oldest at next
	next   int

	evicted func(*T) // called with what is forgotten of a sender
}

const maxOffers = 1024

// sender is the session of a sender that has shown its contact.
type sender[T any] struct {
	session uint64
	contact uint64
	window  window
	heard   time.Time
	state   T
}

func newAdmission[T any](limit int, chance func() uint64) *admission[T] {
	return &admission[T]{chance: chance, limit: limit, known: map[uint64]*list.Element{}, offers: map[uint64]uint64{}}
}

// verdict is what admission makes of a datagram.
type verdict int

const (
	admitted verdict = iota
	replayed         // seen before, or too old to tell
	unknown          // to be answered with the offer
)

// admit decides on an authentic request. The offer is set with unknown alone.
func (a *admission[T]) admit(now time.Time, d *wire.Datagram) (s *sender[T], v verdict, offer uint64) {
	if el, ok := a.known[d.Session]; ok {
		s := el.Value.(*sender[T])
		if s.contact != d.Contact {
			return nil, unknown, s.contact
		}
		if !s.window.admit(d.Counter) {
			return nil, replayed, 0
		}
		s.heard = now
		a.Recent.MoveToFront(el)
		return s, admitted, 0
	}
	offer, ok := a.offers[d.Session]
	if !ok {
		return nil, unknown, a.offer(d.Session)
	}
	if offer != d.Contact {
		return nil, unknown, offer
	}
	delete(a.offers, d.Session)
	s = &sender[T]{session: d.Session, contact: offer, heard: now}
	s.window.admit(d.Counter)
	a.known[d.Session] = a.Recent.PushFront(s)
	for a.Recent.Len() > a.limit {
		a.evict(a.Recent.Back())
	}
	return s, admitted, 0
}

func (a *admission[T]) offer(session uint64) uint64 {
	contact := a.chance() | 1 // never 0
	if len(a.ring) < maxOffers {
		a.ring = append(a.ring, session)
	} else {
		delete(a.offers, a.ring[a.next])
		a.ring[a.next] = session
		a.next = (a.next + 1) % maxOffers
	}
	a.offers[session] = contact
	return contact
}

// contactOf returns the contact to use for a session: the one it has, or the one it is offered.
func (a *admission[T]) contactOf(session uint64) uint64 {
	if el, ok := a.known[session]; ok {
		return el.Value.(*sender[T]).contact
	}
	if contact, ok := a.offers[session]; ok {
		return contact
	}
	return a.offer(session)
}

// find returns the session that has shown this contact; nil if there is none, or it was given another since.
func (a *admission[T]) find(session, contact uint64) *sender[T] {
	if el, ok := a.known[session]; ok && el.Value.(*sender[T]).contact == contact {
		return el.Value.(*sender[T])
	}
	return nil
}

func (a *admission[T]) evict(el *list.Element) {
	s := el.Value.(*sender[T])
	delete(a.known, s.session)
	a.Recent.Remove(el)
	if a.evicted != nil {
		a.evicted(&s.state)
	}
}

// forget evicts the sessions not heard since an instant.
func (a *admission[T]) forget(since time.Time) {
	for el := a.Recent.Back(); el != nil && el.Value.(*sender[T]).heard.Before(since); el = a.Recent.Back() {
		a.evict(el)
	}
}

// window remembers which of the last windowSize counters have come. Counter 0 is never admitted.
type window struct {
	top  uint64
	seen [windowSize / 64]uint64
}

const windowSize = 256

// admit reports whether the counter is new, and remembers it. What is windowSize or more below the highest can't be
// told from a replay and is refused: its sender sends it again under a new counter.
func (w *window) admit(counter uint64) bool {
	switch {
	case counter > w.top:
		if counter-w.top >= windowSize {
			w.seen = [len(w.seen)]uint64{}
		} else {
			for c := w.top + 1; c < counter; c++ {
				w.seen[c/64%uint64(len(w.seen))] &^= 1 << (c % 64)
			}
		}
		w.top = counter
	case w.top-counter >= windowSize || counter == 0:
		return false
	case w.seen[counter/64%uint64(len(w.seen))]>>(counter%64)&1 != 0:
		return false
	}
	w.seen[counter/64%uint64(len(w.seen))] |= 1 << (counter % 64)
	return true
}
