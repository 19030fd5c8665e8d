package channeltab

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of a station's core.
const (
	maxSenders     = 4096 // sessions of other stations that are remembered
	multicastParts = 6    // without multicast for this part of Silence (5 s), the table is asked for by unicast
)

// packet is a datagram to be sent. The zero destination is the multicast group.
type packet struct {
	to netip.AddrPort
	b  []byte
}

// settlement tells what has become of a message.
type settlement struct {
	handle uint64
	err    error
}

// stationCore is a station without sockets, timers and goroutines. It is not safe for concurrent use. What it wants
// done stands in out and settled, for the caller to take away after each call.
type stationCore struct {
	id       chantable.ID
	session  uint64
	instance uint64
	epoch    uint64
	level    uint8
	name     string
	address  netip.AddrPort // told to the centre; invalid: where the datagrams come from
	listens  bool           // to a multicast group
	timing   Timing
	codec    *Codec
	rand     *rand.Rand

	reg     registration
	table   *follower
	pool    pool
	senders *admission[[streams]incoming]
	inbox   inbox
	swept   time.Time
	handles uint64
	stats   Stats

	out     []packet
	settled []settlement
}

// stationSetup is what a stationCore is made of. All of it has been checked.
type stationSetup struct {
	id       chantable.ID
	instance uint64
	epoch    uint64
	level    uint8
	name     string
	address  netip.AddrPort
	listens  bool
	centres  []netip.AddrPort
	copy     *chantable.Copy
	cn       chantable.CN // from the saved copy
	timing   Timing
	codec    *Codec
	rand     *rand.Rand
	kept     Kept // nil: messages are acknowledged as they're delivered
}

func newStationCore(now time.Time, s stationSetup) *stationCore {
	c := &stationCore{
		id: s.id, session: s.rand.Uint64() | 1, instance: s.instance, epoch: s.epoch, level: s.level, name: s.name,
		address: s.address, listens: s.listens, timing: s.timing, codec: s.codec, rand: s.rand,
		reg:   registration{configured: s.centres, cn: s.cn, due: now, every: s.timing.RegisterEvery},
		table: newFollower(s.copy, s.rand),
		swept: now,
	}
	c.inbox.stats, c.inbox.kept = &c.stats, s.kept
	c.senders = newAdmission[[streams]incoming](maxSenders, s.rand.Uint64)
	c.senders.evicted = func(in *[streams]incoming) { c.sweep(in, time.Time{}) }
	c.pool = pool{
		self: s.id, session: c.session, timing: s.timing, peers: map[chantable.ID]*peer{}, stats: &c.stats,
		lookup:  s.copy.ByID,
		send:    c.send,
		settled: func(handle uint64, err error) { c.settled = append(c.settled, settlement{handle, err}) },
	}
	return c
}

// receive takes in the octets of a datagram.
func (c *stationCore) receive(now time.Time, from netip.AddrPort, multicast bool, b []byte) {
	c.stats.Received++
	d, err := c.codec.Open(b)
	switch err {
	case nil:
		c.handle(now, from, multicast, &d)
	case ErrKey:
		c.stats.WrongKey++
	default:
		c.stats.Malformed++
	}
}

// handle takes in an authentic datagram.
func (c *stationCore) handle(now time.Time, from netip.AddrPort, multicast bool, d *Datagram) {
	switch body := d.Body.(type) {
	case Table:
		if multicast {
			c.reg.found = from
		} else if d.To != c.id {
			c.stats.Misplaced++
			return
		}
		c.table.page(now, body, multicast)
	case Hello:
		switch {
		case d.To != c.id || body.EchoSession != c.session:
			c.stats.Stale++
		case body.EchoTo != 0:
			c.pool.hello(now, d.From, body)
		case c.reg.hello(now, body, c.timing.RetryAfter):
			c.table.notice(now)
		}
	case Answer:
		if d.To != c.id || body.EchoSession != c.session || !c.reg.answer(now, d.From, body, c.timing.RetryAfter) {
			c.stats.Stale++
			return
		}
		if body.Outcome == Granted && c.reg.state == Registered {
			// Stations that start together are not to register together for ever.
			c.reg.due = c.reg.due.Add(-time.Duration(c.rand.Int64N(int64(c.reg.every/8) + 1)))
			c.table.told(now, body.Table, body.Version)
		}
	case Ack:
		if d.To != c.id || body.EchoSession != c.session {
			c.stats.Stale++
			return
		}
		c.pool.ack(now, d.From, d.Contact, body)
	case Knock:
		offer := uint64(0)
		if d.To == c.id {
			offer = c.senders.contactOf(d.Session)
		}
		c.hello(from, d, offer)
	case Data:
		c.data(now, from, d, body)
	default:
		c.stats.Misplaced++
	}
}

func (c *stationCore) data(now time.Time, from netip.AddrPort, d *Datagram, body Data) {
	if d.To != c.id {
		c.stats.Misplaced++
		c.hello(from, d, 0)
		return
	}
	s, v, offer := c.senders.admit(now, d)
	switch v {
	case unknown:
		c.stats.NoContact++
		c.hello(from, d, offer)
		return
	case replayed:
		c.stats.Replayed++
		return
	}
	e, _ := c.table.copy.ByID(d.From)
	r := receipt{to: from, session: d.Session, contact: d.Contact, counter: d.Counter}
	for _, ack := range c.inbox.take(now, &s.state[body.Stream], Message{From: d.From, CN: e.CN, receipt: r}, body) {
		c.acknowledge(d.From, r, ack)
	}
}

func (c *stationCore) acknowledge(to chantable.ID, r receipt, ack Ack) {
	ack.EchoSession, ack.EchoCounter = r.session, r.counter
	c.send(r.to, Datagram{From: c.id, Session: c.session, To: to, Contact: r.contact, Body: ack})
}

// settle acknowledges a message that was popped and is kept now. If its sender's session has been forgotten meanwhile,
// what comes of it again is known from what is kept.
func (c *stationCore) settle(m Message) {
	r := m.receipt
	c.inbox.release(m)
	if s := c.senders.find(r.session, r.contact); s != nil {
		s.state[m.Stream].settle(r.seq)
	}
	c.acknowledge(m.From, r, Ack{Stream: m.Stream, Seq: r.seq, Delivered: true, Fragments: 1<<fragments(len(m.Payload)) - 1})
}

// hello answers a datagram that bears no good contact.
func (c *stationCore) hello(to netip.AddrPort, d *Datagram, offer uint64) {
	c.send(to, Datagram{From: c.id, Session: c.session, To: d.From, Body: Hello{
		EchoTo: d.To, EchoSession: d.Session, EchoCounter: d.Counter, Offer: offer, Remembers: offer != 0 && c.inbox.kept != nil,
	}})
}

// tick does what is due and returns when it wants to be called again, at the latest.
func (c *stationCore) tick(now time.Time) time.Time {
	if c.reg.state != Left && !now.Before(c.reg.due) {
		c.register(now)
	}
	if c.reg.state == Left {
		c.table.due = time.Time{}
	}
	if ask, ok := c.table.ask(now); ok {
		c.toCentre(ask)
	}
	if now.Sub(c.swept) >= assemblyAfter {
		c.swept = now
		for el := c.senders.recent.Front(); el != nil; el = el.Next() {
			c.sweep(&el.Value.(*sender[[streams]incoming]).state, now.Add(-assemblyAfter))
		}
	}
	next := c.swept.Add(assemblyAfter)
	for _, t := range []time.Time{c.pool.tick(now), c.table.due} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if c.reg.state != Left && c.reg.due.Before(next) {
		next = c.reg.due
	}
	return next
}

// hears reports whether the table has come by multicast lately.
func (c *stationCore) hears(now time.Time) bool {
	return now.Sub(c.table.multicast) <= c.timing.Silence/multicastParts
}

func (c *stationCore) sweep(in *[streams]incoming, since time.Time) {
	for i := range in {
		c.inbox.sweep(&in[i], since)
	}
}

func (c *stationCore) register(now time.Time) {
	c.reg.begin(now, c.timing.RetryAfter)
	var b Body
	if c.reg.state == Leaving {
		b = Leave{Instance: c.instance, Epoch: c.epoch}
	} else {
		b = Register{
			Unicast: !c.listens || c.reg.overcast && !c.hears(now) && now.Sub(c.reg.since) > c.timing.Silence/multicastParts,
			Level:   c.level, CN: c.reg.cn, Instance: c.instance, Epoch: c.epoch,
			Table: c.table.copy.Table(), Floor: c.table.copy.Floor(), Address: c.address, Name: c.name,
		}
	}
	c.toCentre(b)
}

// leave begins a clean leave.
func (c *stationCore) leave(now time.Time) {
	if c.reg.state < Leaving {
		c.reg.state, c.reg.leaveAt, c.reg.due, c.reg.tries = Leaving, c.reg.contact.counter+1, now, 0
	}
}

// submit puts a message into the pool and returns its handle.
func (c *stationCore) submit(now time.Time, to chantable.ID, payload []byte, s Stream) (uint64, error) {
	c.handles++
	return c.handles, c.pool.add(now, c.handles, to, payload, s)
}

func (c *stationCore) toCentre(b Body) {
	if to := c.reg.target(); to.IsValid() {
		c.send(to, Datagram{From: c.id, Session: c.session, Counter: c.reg.contact.next(), Contact: c.reg.contact.number, Body: b})
	}
}

func (c *stationCore) send(to netip.AddrPort, d Datagram) {
	c.stats.Sent++
	c.out = append(c.out, packet{to, c.codec.Seal(d)})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
