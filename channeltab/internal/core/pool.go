package core

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of the WaitingAckPool.
const (
	maxPending  = 64              // messages that may wait for one peer's acknowledgements
	seqWindow   = 32              // messages of a stream under way to one peer; the receiver remembers as many
	maxInFlight = 64              // fragments under way to one peer before another message is begun
	knockAfter  = 5 * time.Second // without an answer for so long, the contact is checked before a message is risked
	doubtAfter  = 2               // times unanswered, and the centre is asked where the peer is
)

// pool is the WaitingAckPool: messages sent and not yet acknowledged, by peer. A message leaves it acknowledged, or
// with an error after Resends without a sign of the peer.
type pool struct {
	self    chantable.ID
	session uint64
	timing  Timing
	peers   map[chantable.ID]*peer
	Active  []*peer // those with messages, in the order they got their first
	doubted bool    // a peer has not answered lately: it may be elsewhere

	lookup  func(chantable.ID) (chantable.Entry, bool)
	send    func(netip.AddrPort, wire.Datagram)
	settled func(handle uint64, err error)
	stats   *Stats
}

// peer is what is under way to one station. Its contact outlives its messages, since the receiver remembers counters.
type peer struct {
	id       chantable.ID
	contact  contact
	answered time.Time      // last fresh answer
	version  uint64         // of the peer's entry then
	address  netip.AddrPort // where the table had the peer at the last tick
	streams  [wire.Streams]struct {
		next    uint64 // sequence number of the next message
		pending []*message
	}
	knockDue time.Time
	knocks   int // sent without an answer
}

type message struct {
	handle   uint64
	seq      uint64
	payload  []byte
	got      uint64 // fragments that the peer has, by its newest answer
	most     int    // fragments that it ever had
	attempts int    // sent without progress
	due      time.Time
	under    uint64 // contact it was sent under; 0: not yet sent
}

func (m *message) all() uint64 { return 1<<wire.Fragments(len(m.payload)) - 1 }

// add puts a message into the pool. The payload must not change until it is settled.
func (p *pool) add(now time.Time, handle uint64, to chantable.ID, payload []byte, s wire.Stream) error {
	if len(payload) > wire.MaxMessage {
		return fmt.Errorf("%w: %d octets, want at most %d", ErrTooLong, len(payload), wire.MaxMessage)
	}
	if _, ok := p.lookup(to); !ok {
		return fmt.Errorf("%w: %d", ErrUnknownID, to)
	}
	r := p.peers[to]
	if r == nil {
		r = &peer{id: to}
		p.peers[to] = r
	}
	n := r.Pending()
	if n >= maxPending {
		return fmt.Errorf("%w: %d to station %d", ErrPoolFull, n, to)
	}
	if n == 0 {
		p.Active = append(p.Active, r)
		r.knockDue, r.knocks = now, 0
	}
	q := &r.streams[s]
	q.next++
	q.pending = append(q.pending, &message{handle: handle, seq: q.next, payload: payload})
	p.pump(now, r)
	return nil
}

func (r *peer) Pending() int {
	n := 0
	for i := range r.streams {
		n += len(r.streams[i].pending)
	}
	return n
}

// Cancel takes a message out of the pool, as given up.
func (p *pool) Cancel(handle uint64) {
	for _, r := range slices.Clone(p.Active) {
		p.fail(r, func(m *message) error {
			if m.handle == handle {
				return ErrClosed
			}
			return nil
		})
	}
}

// pump begins what may be begun.
func (p *pool) pump(now time.Time, r *peer) {
	inFlight, waiting := 0, false
	for i := range r.streams {
		for _, m := range r.streams[i].pending {
			if m.under == 0 {
				waiting = true
			} else {
				inFlight += bits.OnesCount64(m.all() &^ m.got)
			}
		}
	}
	if !waiting {
		return
	}
	if p.uncertain(now, r) {
		p.knock(now, r)
		return
	}
	for i := range r.streams {
		q := &r.streams[i]
		for _, m := range q.pending {
			if inFlight >= maxInFlight || m.seq >= q.pending[0].seq+seqWindow {
				break
			}
			if m.under == 0 {
				m.under = r.contact.number
				p.transmit(now, r, wire.Stream(i), m)
				inFlight += wire.Fragments(len(m.payload))
			}
		}
	}
}

// uncertain reports whether the contact must be checked before a message is risked on it: after a pause, and when the
// peer's entry has changed, since it may have been restarted or moved.
func (p *pool) uncertain(now time.Time, r *peer) bool {
	e, _ := p.lookup(r.id)
	return r.contact.number == 0 || now.Sub(r.answered) > knockAfter || e.Changed != r.version
}

// certain notes a fresh answer.
func (p *pool) certain(now time.Time, r *peer) {
	e, _ := p.lookup(r.id)
	r.answered, r.version, r.knocks = now, e.Changed, 0
}

// knock asks whether the contact is good, and gives up what waits for it after as many attempts as a message has.
func (p *pool) knock(now time.Time, r *peer) {
	if now.Before(r.knockDue) {
		return
	}
	if r.knocks > p.timing.Resends {
		n := r.knocks
		r.knocks = 0
		p.fail(r, func(m *message) error {
			if m.under == 0 {
				return fmt.Errorf("%w: station %d did not answer %d times", ErrNotAcknowledged, r.id, n)
			}
			return nil
		})
		return
	}
	r.knocks++
	r.knockDue = now.Add(p.timing.AckTimeout)
	p.post(r, r.contact.number, wire.Knock{})
}

// transmit sends the fragments that are not acknowledged; if all are, the first, to ask for news.
func (p *pool) transmit(now time.Time, r *peer, s wire.Stream, m *message) {
	m.due = now.Add(p.timing.AckTimeout)
	missing := m.all() &^ m.got
	if missing == 0 {
		missing = 1
	}
	for missing != 0 {
		i := bits.TrailingZeros64(missing)
		missing &^= 1 << i
		p.post(r, m.under, wire.Data{
			Stream: s, AckNow: missing == 0, Index: uint8(i), Seq: m.seq, Base: r.streams[s].pending[0].seq,
			Length: uint32(len(m.payload)), Payload: wire.Fragment(m.payload, i),
		})
	}
}

// post sends to where the table has the peer now: it may have moved since the message was first sent.
func (p *pool) post(r *peer, number uint64, b wire.Body) {
	if e, ok := p.lookup(r.id); ok {
		p.send(e.Address, wire.Datagram{From: p.self, Session: p.session, Counter: r.contact.next(), To: r.id, Contact: number, Body: b})
	}
}

// tick resends what is due and gives up what has been sent too often. It returns when it wants to be called again;
// the zero Time if nothing waits.
func (p *pool) tick(now time.Time) time.Time {
	var next time.Time
	p.doubted = false
	for _, r := range slices.Clone(p.Active) {
		p.relocate(now, r)
		for i := range r.streams {
			for _, m := range r.streams[i].pending {
				if m.under == 0 || now.Before(m.due) {
					continue
				}
				if m.attempts++; m.attempts <= p.timing.Resends {
					p.stats.Resent++
					p.transmit(now, r, wire.Stream(i), m)
				}
			}
		}
		p.fail(r, func(m *message) error {
			if m.attempts > p.timing.Resends {
				return fmt.Errorf("%w: station %d, sent %d times", ErrNotAcknowledged, r.id, m.attempts)
			}
			return nil
		})
		p.pump(now, r)
		p.doubted = p.doubted || r.knocks >= doubtAfter
		for i := range r.streams {
			for _, m := range r.streams[i].pending {
				p.doubted = p.doubted || m.attempts >= doubtAfter
				due := m.due
				if m.under == 0 {
					if !p.uncertain(now, r) {
						continue // waits for those under way
					}
					due = r.knockDue
				}
				if next.IsZero() || due.Before(next) {
					next = due
				}
			}
		}
	}
	return next
}

// relocate begins to count anew when the table has the peer elsewhere: at its new address nothing was tried yet.
func (p *pool) relocate(now time.Time, r *peer) {
	e, ok := p.lookup(r.id)
	if !ok || e.Address == r.address {
		return
	}
	known := r.address.IsValid()
	if r.address = e.Address; !known {
		return
	}
	r.knockDue, r.knocks = now, 0
	for i := range r.streams {
		for _, m := range r.streams[i].pending {
			if m.under != 0 {
				m.due, m.attempts = now, -1 // sent now, for the first time there
			}
		}
	}
}

// fail settles the messages for which why returns an error.
func (p *pool) fail(r *peer, why func(*message) error) {
	for i := range r.streams {
		q := &r.streams[i]
		q.pending = slices.DeleteFunc(q.pending, func(m *message) bool {
			err := why(m)
			if err != nil {
				p.stats.Failed++
				p.settled(m.handle, err)
			}
			return err != nil
		})
	}
	p.rest(r)
}

// rest takes a peer without messages off the active ones.
func (p *pool) rest(r *peer) {
	if r.Pending() == 0 {
		p.Active = slices.DeleteFunc(p.Active, func(a *peer) bool { return a == r })
	}
}

// hello takes in a peer's offer of a contact.
func (p *pool) hello(now time.Time, from chantable.ID, h wire.Hello) {
	r := p.peers[h.EchoTo]
	if r == nil || !r.contact.fresh(h.EchoCounter) {
		p.stats.Stale++
		return
	}
	if from != r.id || h.Offer == 0 {
		p.fail(r, func(*message) error { return fmt.Errorf("%w: %d in place of %d", ErrWrongStation, from, r.id) })
		return
	}
	p.certain(now, r)
	if r.contact.number != h.Offer {
		r.contact.number = h.Offer
		if h.Remembers {
			p.resume(now, r)
		} else {
			p.fail(r, func(m *message) error {
				if m.under != 0 {
					return fmt.Errorf("%w: station %d", ErrInDoubt, r.id)
				}
				return nil
			})
		}
	}
	p.pump(now, r)
}

// resume goes on with what is under way: the peer runs anew, with none of the fragments, but it knows which messages it has.
func (p *pool) resume(now time.Time, r *peer) {
	for i := range r.streams {
		for _, m := range r.streams[i].pending {
			if m.under != 0 {
				m.under, m.got, m.most, m.attempts = r.contact.number, 0, 0, 0
				p.stats.Resent++
				p.transmit(now, r, wire.Stream(i), m)
			}
		}
	}
}

// ack takes in what a peer says of a message.
func (p *pool) ack(now time.Time, from chantable.ID, number uint64, a wire.Ack) {
	r := p.peers[from]
	if r == nil || r.contact.number != number {
		p.stats.Stale++
		return
	}
	q := &r.streams[a.Stream]
	i := slices.IndexFunc(q.pending, func(m *message) bool { return m.seq == a.Seq && m.under == number })
	if i < 0 {
		p.stats.Stale++
		return
	}
	m := q.pending[i]
	if a.Delivered { // true whenever it was said, so it need not be the newest answer
		q.pending = slices.Delete(q.pending, i, i+1)
		p.stats.Acknowledged++
		p.settled(m.handle, nil)
		p.rest(r)
	} else {
		if !r.contact.fresh(a.EchoCounter) {
			p.stats.Stale++
			return
		}
		m.got = a.Fragments & m.all()
		// Progress; or all has come and waits for the application or for a message before it.
		if n := bits.OnesCount64(m.got); n > m.most || m.got == m.all() {
			m.most, m.attempts = n, 0
		}
	}
	p.certain(now, r)
	p.pump(now, r)
}
