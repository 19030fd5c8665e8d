// Package core decides what a centre and a station do, without sockets, timers and goroutines: datagrams, table changes
// and clock readings in; datagrams, proposals and deliveries out. Chance comes from a seed, so a run can be repeated.
package core

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// maxServed is how many sessions of stations a centre remembers: a table full of them, and some that were restarted.
const maxServed = int(chantable.MaxCN) + 4096

// Centre is one node of a centre without sockets, timers and goroutines. It is not safe for concurrent use. What
// it wants done stands in out and proposal, for the caller to take away after each call.
//
// The leader alone admits, grants and judges. The other nodes hand what stations send on to it, so that a grant always
// means that the one who will judge has heard; their memory holds nothing that could be lost with them.
type Centre struct {
	id         chantable.ID
	session    uint64
	level      uint8
	name       string
	nodes      map[string]netip.AddrPort
	isNode     map[netip.AddrPort]bool
	self       netip.AddrPort
	multicasts bool // it multicasts
	overhead   int  // octets of IP and UDP header
	Timing     Timing
	codec      *wire.Codec
	rand       *rand.Rand
	since      func(table, version uint64) chantable.Page

	copy     *chantable.Copy // of the replicated table, as applied on this node
	rewound  bool            // the table was put back to an earlier version; until it has got another identity
	Leader   Leader
	ledSince time.Time // when it became leader, or went on after standing still: no silence counts from before
	ticked   time.Time

	Stations *admission[served]
	claims   claims
	sender   tableSender
	Higher   higher
	counter  uint64 // of multicasts
	Stats    Stats

	Out      []wire.Packet
	Proposal *chantable.Command // to be proposed; then propose is to be answered with proposed, once
}

// served is what the leader remembers of a station's session.
type served struct {
	id      chantable.ID
	route   route
	control uint64 // counter of the newest Register or Leave
	granted bool
	unicast bool              // multicast does not reach it
	floor   uint64            // its copy misses nothing up to here, by its own word
	asked   uint64            // floor of its last Ask that missed something, plus 1
	wants   []chantable.Range // asked for, to be sent by unicast
	wanted  time.Time         // when
	pushDue time.Time
}

// route is how to reach a station: directly, or through the node that it sent to.
type route struct {
	to  netip.AddrPort
	via netip.AddrPort // invalid: directly
}

// CentreSetup is what a Centre is made of. All of it has been checked.
type CentreSetup struct {
	ID        chantable.ID
	Level     uint8
	Name      string
	Node      string
	Nodes     map[string]netip.AddrPort
	Others    []netip.AddrPort
	Multicast netip.AddrPort // invalid: none
	Timing    Timing
	Codec     *wire.Codec
	Rand      *rand.Rand
	Since     func(table, version uint64) chantable.Page
}

// NewCentre makes the core of a node, which has to be told of the table (Changed) before anything else.
func NewCentre(now time.Time, s CentreSetup) *Centre {
	c := &Centre{
		id: s.ID, session: s.Rand.Uint64() | 1, level: s.Level, name: s.Name, nodes: s.Nodes,
		isNode: map[netip.AddrPort]bool{}, self: s.Nodes[s.Node], multicasts: s.Multicast.IsValid(), overhead: 28,
		Timing: s.Timing, codec: s.Codec, rand: s.Rand, since: s.Since,
		copy: chantable.NewCopy(), ticked: now,
		Stations: newAdmission[served](maxServed, s.Rand.Uint64),
		claims:   newClaims(),
		Higher:   higher{configured: s.Others},
	}
	c.Stations.evicted = func(s *served) {
		if s.wants != nil {
			c.sender.wanting--
		}
	}
	for _, a := range s.Nodes {
		c.isNode[a] = true
	}
	if c.self.Addr().Is6() || s.Multicast.Addr().Is6() {
		c.overhead = 48
	}
	return c
}

// Changed takes in what has been applied to the table.
func (c *Centre) Changed(now time.Time) {
	p := c.since(c.copy.Table(), c.copy.Floor())
	switch {
	case p.Table != c.copy.Table():
		c.rewound = false
	case p.Version < c.copy.Version():
		// The state was restored from a snapshot. What comes next bears versions that copies believe to know already.
		c.copy, c.rewound = chantable.NewCopy(), true
		p = c.since(0, 0)
	}
	c.copy.Follow(p.Table)
	c.copy.Take(p)
	c.sender.changed(c.copy.Version())
}

// Led takes in who leads.
func (c *Centre) Led(now time.Time, l Leader) {
	if l == c.Leader {
		return
	}
	won := l.Self && !(c.Leader.Self && l.Term == c.Leader.Term)
	c.Leader = l
	c.claims.restart()
	c.Higher.reset()
	if won {
		c.Changed(now)
		c.ledSince = now
		c.sender.restart(now, c.copy.Version())
	}
}

// Receive takes in the octets of a datagram.
func (c *Centre) Receive(now time.Time, from netip.AddrPort, multicast bool, b []byte) {
	c.Stats.Received++
	d, ok := c.open(b)
	if !ok {
		return
	}
	switch body := d.Body.(type) {
	case wire.Register, wire.Leave, wire.Ask:
		c.request(now, route{to: from}, &d, b)
	case wire.Relay:
		if !c.isNode[from] || !c.Leader.Self {
			c.Stats.Misplaced++
			return
		}
		if inner, ok := c.open(body.Inner); ok {
			c.request(now, route{to: body.Origin, via: from}, &inner, nil)
		}
	case wire.Relayed:
		if !c.isNode[from] {
			c.Stats.Misplaced++
			return
		}
		c.Stats.Sent++
		c.Out = append(c.Out, wire.Packet{To: body.Destination, B: append([]byte(nil), body.Inner...)})
	case wire.Table:
		c.heardTable(now, from, multicast, &d, body)
	case wire.Hello:
		c.heardHello(now, from, &d)
	case wire.Answer:
		c.heardAnswer(now, from, &d, body)
	default:
		c.Stats.Misplaced++
	}
}

func (c *Centre) open(b []byte) (wire.Datagram, bool) {
	d, err := c.codec.Open(b)
	switch err {
	case nil:
		return d, true
	case wire.ErrKey:
		c.Stats.WrongKey++
	default:
		c.Stats.Malformed++
	}
	return d, false
}

// request takes in what a station asks of the centre: the leader answers, another node hands it on.
func (c *Centre) request(now time.Time, r route, d *wire.Datagram, raw []byte) {
	if d.To != 0 {
		c.Stats.Misplaced++
		return
	}
	if !c.Leader.Self {
		if to, ok := c.nodes[c.Leader.Node]; ok && raw != nil && len(raw) <= wire.MaxRelayed {
			c.send(route{to: to}, wire.Datagram{To: c.id, Body: wire.Relay{Origin: r.to, Inner: raw}})
		}
		return
	}
	s, v, offer := c.Stations.admit(now, d)
	switch v {
	case unknown:
		c.Stats.NoContact++
		c.send(r, wire.Datagram{To: d.From, Body: wire.Hello{EchoTo: d.To, EchoSession: d.Session, EchoCounter: d.Counter, Offer: offer}})
		return
	case replayed:
		c.Stats.Replayed++
		return
	}
	s.state.id, s.state.route = d.From, r
	if ask, ok := d.Body.(wire.Ask); ok {
		c.asked(now, &s.state, ask)
		return
	}
	if d.Counter < s.state.control {
		c.Stats.Stale++ // overtaken by a later Register or Leave
		return
	}
	s.state.control = d.Counter
	by := &asker{station: &s.state, session: d.Session, counter: d.Counter, route: r, id: d.From}
	switch body := d.Body.(type) {
	case wire.Register:
		c.register(now, by, body)
	case wire.Leave:
		c.leave(now, by, body)
	}
}

// Tick does what is due and returns when it wants to be called again.
func (c *Centre) Tick(now time.Time) time.Time {
	if now.Sub(c.ticked) > c.Timing.Silence/3 {
		c.ledSince = now // what stations sent meanwhile is lost, and not their fault
	}
	c.ticked = now
	if c.Leader.Self {
		c.tickHigher(now)
		if !c.Higher.Deferring {
			c.tickClaims(now)
			c.tickTable(now)
		}
	}
	c.Stations.forget(now.Add(-2 * c.Timing.Silence))
	return now.Add(c.Timing.Tick)
}

// send sends a datagram of this node on a route.
func (c *Centre) send(r route, d wire.Datagram) {
	d.From, d.Session = c.id, c.session
	b := c.codec.Seal(d)
	if r.via.IsValid() {
		b = c.codec.Seal(wire.Datagram{From: c.id, Session: c.session, To: c.id, Body: wire.Relayed{Destination: r.to, Inner: b}})
		r.to = r.via
	}
	c.Stats.Sent++
	c.Out = append(c.Out, wire.Packet{To: r.to, B: b})
}

// Shown is the table to show: the other's, while this centre defers to it.
func (c *Centre) Shown() *chantable.Copy {
	if c.Higher.Deferring {
		return c.Higher.station.Table.Copy
	}
	return c.copy
}
