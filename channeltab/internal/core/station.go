package core

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of a station's core.
const (
	maxSenders     = 4096 // sessions of other stations that are remembered
	multicastParts = 6    // without multicast for this part of Silence (5 s), the table is asked for by unicast
)

// settlement tells what has become of a message.
type settlement struct {
	Handle uint64
	Err    error
}

// Station is a station without sockets, timers and goroutines. It is not safe for concurrent use. What it wants
// done stands in out and settled, for the caller to take away after each call.
type Station struct {
	ID       chantable.ID
	session  uint64
	Instance uint64
	Epoch    uint64
	level    uint8
	Name     string
	Address  netip.AddrPort // told to the centre; invalid: where the datagrams come from
	listens  bool           // to a multicast group
	Timing   Timing
	codec    *wire.Codec
	Rand     *rand.Rand

	Reg     registration
	Table   *follower
	Pool    pool
	senders *admission[[wire.Streams]incoming]
	Inbox   inbox
	swept   time.Time
	handles uint64
	Stats   Stats

	Out     []wire.Packet
	Settled []settlement
}

// StationSetup is what a Station is made of. All of it has been checked.
type StationSetup struct {
	ID       chantable.ID
	Instance uint64
	Epoch    uint64
	Level    uint8
	Name     string
	Address  netip.AddrPort
	Listens  bool
	Centres  []netip.AddrPort
	Copy     *chantable.Copy
	CN       chantable.CN // from the saved copy
	Timing   Timing
	Codec    *wire.Codec
	Rand     *rand.Rand
	Kept     Kept // nil: messages are acknowledged as they're delivered
}

func NewStation(now time.Time, s StationSetup) *Station {
	c := &Station{
		ID: s.ID, session: s.Rand.Uint64() | 1, Instance: s.Instance, Epoch: s.Epoch, level: s.Level, Name: s.Name,
		Address: s.Address, listens: s.Listens, Timing: s.Timing, codec: s.Codec, Rand: s.Rand,
		Reg:   registration{configured: s.Centres, CN: s.CN, Due: now, every: s.Timing.RegisterEvery},
		Table: newFollower(s.Copy, s.Rand),
		swept: now,
	}
	c.Inbox = inbox{rooms: newRooms(), stats: &c.Stats, kept: s.Kept}
	c.senders = newAdmission[[wire.Streams]incoming](maxSenders, s.Rand.Uint64)
	c.senders.evicted = func(in *[wire.Streams]incoming) { c.sweep(in, time.Time{}) }
	c.Pool = pool{
		self: s.ID, session: c.session, timing: s.Timing, peers: map[chantable.ID]*peer{}, stats: &c.Stats,
		lookup:  s.Copy.ByID,
		send:    c.send,
		settled: func(handle uint64, err error) { c.Settled = append(c.Settled, settlement{handle, err}) },
	}
	return c
}

// Receive takes in the octets of a datagram.
func (c *Station) Receive(now time.Time, from netip.AddrPort, multicast bool, b []byte) {
	c.Stats.Received++
	d, err := c.codec.Open(b)
	switch err {
	case nil:
		c.Handle(now, from, multicast, &d)
	case wire.ErrKey:
		c.Stats.WrongKey++
	default:
		c.Stats.Malformed++
	}
}

// Handle takes in an authentic datagram.
func (c *Station) Handle(now time.Time, from netip.AddrPort, multicast bool, d *wire.Datagram) {
	switch body := d.Body.(type) {
	case wire.Table:
		if multicast {
			c.Reg.found = from
		} else if d.To != c.ID {
			c.Stats.Misplaced++
			return
		}
		c.Table.page(now, body, multicast)
	case wire.Hello:
		switch {
		case d.To != c.ID || body.EchoSession != c.session:
			c.Stats.Stale++
		case body.EchoTo != 0:
			c.Pool.hello(now, d.From, body)
		case c.Reg.hello(now, body, c.Timing.RetryAfter):
			c.Reg.reached(from)
			c.Table.notice(now)
		}
	case wire.Answer:
		if d.To != c.ID || body.EchoSession != c.session || !c.Reg.answer(now, d.From, body, c.Timing.RetryAfter) {
			c.Stats.Stale++
			return
		}
		c.Reg.reached(from)
		if body.Outcome == wire.Granted && c.Reg.State == Registered {
			// Stations that start together are not to register together for ever.
			c.Reg.Due = c.Reg.Due.Add(-time.Duration(c.Rand.Int64N(int64(c.Reg.every/8) + 1)))
			c.Table.told(now, body.Table, body.Version)
		}
	case wire.Ack:
		if d.To != c.ID || body.EchoSession != c.session {
			c.Stats.Stale++
			return
		}
		c.Pool.ack(now, d.From, d.Contact, body)
	case wire.Knock:
		offer := uint64(0)
		if d.To == c.ID {
			offer = c.senders.contactOf(d.Session)
		}
		c.hello(from, d, offer)
	case wire.Data:
		c.data(now, from, d, body)
	default:
		c.Stats.Misplaced++
	}
}

func (c *Station) data(now time.Time, from netip.AddrPort, d *wire.Datagram, body wire.Data) {
	if d.To != c.ID {
		c.Stats.Misplaced++
		c.hello(from, d, 0)
		return
	}
	s, v, offer := c.senders.admit(now, d)
	switch v {
	case unknown:
		c.Stats.NoContact++
		c.hello(from, d, offer)
		return
	case replayed:
		c.Stats.Replayed++
		return
	}
	e, _ := c.Table.Copy.ByID(d.From)
	r := receipt{to: from, Session: d.Session, contact: d.Contact, counter: d.Counter, share: e.ID}
	for _, ack := range c.Inbox.take(now, &s.state[body.Stream], Message{From: d.From, CN: e.CN, Receipt: r}, body) {
		c.acknowledge(d.From, r, ack)
	}
}

func (c *Station) acknowledge(to chantable.ID, r receipt, ack wire.Ack) {
	ack.EchoSession, ack.EchoCounter = r.Session, r.counter
	c.send(r.to, wire.Datagram{From: c.ID, Session: c.session, To: to, Contact: r.contact, Body: ack})
}

// Settle acknowledges a message that was popped and is kept now. If its sender's session has been forgotten meanwhile,
// what comes of it again is known from what is kept.
func (c *Station) Settle(m Message) {
	r := m.Receipt
	c.Inbox.release(m)
	if s := c.senders.find(r.Session, r.contact); s != nil {
		s.state[m.Stream].settle(r.Seq)
	}
	c.acknowledge(m.From, r, wire.Ack{Stream: m.Stream, Seq: r.Seq, Delivered: true, Fragments: 1<<wire.Fragments(len(m.Payload)) - 1})
}

// hello answers a datagram that bears no good contact.
func (c *Station) hello(to netip.AddrPort, d *wire.Datagram, offer uint64) {
	c.send(to, wire.Datagram{From: c.ID, Session: c.session, To: d.From, Body: wire.Hello{
		EchoTo: d.To, EchoSession: d.Session, EchoCounter: d.Counter, Offer: offer, Remembers: offer != 0 && c.Inbox.kept != nil,
	}})
}

// Tick does what is due and returns when it wants to be called again, at the latest.
func (c *Station) Tick(now time.Time) time.Time {
	if c.Reg.State != Left && !now.Before(c.Reg.Due) {
		c.register(now)
	}
	if c.Reg.State == Left {
		c.Table.Due = time.Time{}
	}
	if ask, ok := c.Table.ask(now); ok {
		c.toCentre(ask)
	}
	if now.Sub(c.swept) >= assemblyAfter {
		c.swept = now
		for el := c.senders.Recent.Front(); el != nil; el = el.Next() {
			c.sweep(&el.Value.(*sender[[wire.Streams]incoming]).state, now.Add(-assemblyAfter))
		}
	}
	next := c.swept.Add(assemblyAfter)
	pool := c.Pool.tick(now)
	if c.Pool.doubted && c.Reg.State < Refused && now.Sub(c.Reg.inquired) >= c.Timing.RetryAfter/2 {
		c.inquire(now)
	}
	for _, t := range []time.Time{pool, c.Table.Due} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if c.Reg.State != Left && c.Reg.Due.Before(next) {
		next = c.Reg.Due
	}
	return next
}

// Hears reports whether the table has come by multicast lately.
func (c *Station) Hears(now time.Time) bool {
	return now.Sub(c.Table.multicast) <= c.Timing.Silence/multicastParts
}

func (c *Station) sweep(in *[wire.Streams]incoming, since time.Time) {
	for i := range in {
		c.Inbox.sweep(&in[i], since)
	}
}

func (c *Station) register(now time.Time) {
	c.Reg.begin(now, c.Timing.RetryAfter)
	if c.Reg.State == Leaving {
		c.toCentre(wire.Leave{Instance: c.Instance, Epoch: c.Epoch})
	} else {
		c.toCentre(c.claim(now))
	}
}

func (c *Station) claim(now time.Time) wire.Register {
	return wire.Register{
		Unicast: !c.listens || c.Reg.multicasts && !c.Hears(now) && now.Sub(c.Reg.since) > c.Timing.Silence/multicastParts,
		Level:   c.level, CN: c.Reg.CN, Instance: c.Instance, Epoch: c.Epoch,
		Table: c.Table.Copy.Table(), Floor: c.Table.Copy.Floor(), Address: c.Address, Name: c.Name,
	}
}

// inquire registers wherever the centre may be: a peer does not answer, and the centre's answer tells whether the table
// has changed. It goes to all places at once, since the node that this station knows may have died together with the peer.
func (c *Station) inquire(now time.Time) {
	c.Reg.inquired = now
	for _, to := range c.Reg.places() {
		c.ask(to, c.claim(now))
	}
}

// Leave begins a clean leave.
func (c *Station) Leave(now time.Time) {
	if c.Reg.State < Leaving {
		c.Reg.State, c.Reg.leaveAt, c.Reg.Due, c.Reg.tries = Leaving, c.Reg.contact.counter+1, now, 0
	}
}

// Submit puts a message into the pool and returns its handle.
func (c *Station) Submit(now time.Time, to chantable.ID, payload []byte, s wire.Stream) (uint64, error) {
	c.handles++
	return c.handles, c.Pool.add(now, c.handles, to, payload, s)
}

func (c *Station) toCentre(b wire.Body) {
	if to := c.Reg.Target(); to.IsValid() {
		c.ask(to, b)
	}
}

// ask sends a request to a node of the centre.
func (c *Station) ask(to netip.AddrPort, b wire.Body) {
	c.send(to, wire.Datagram{From: c.ID, Session: c.session, Counter: c.Reg.contact.next(), Contact: c.Reg.contact.number, Body: b})
}

func (c *Station) send(to netip.AddrPort, d wire.Datagram) {
	c.Stats.Sent++
	c.Out = append(c.Out, wire.Packet{To: to, B: c.codec.Seal(d)})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
