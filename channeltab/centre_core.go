package channeltab

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// maxServed is how many sessions of stations a centre remembers: a table full of them, and some that were restarted.
const maxServed = int(chantable.MaxCN) + 4096

// centreCore is one node of a centre without sockets, timers and goroutines. It is not safe for concurrent use. What
// it wants done stands in out and proposal, for the caller to take away after each call.
//
// The leader alone admits, grants and judges. The other nodes hand what stations send on to it, so that a grant always
// means that the one who will judge has heard; their memory holds nothing that could be lost with them.
type centreCore struct {
	id       chantable.ID
	session  uint64
	level    uint8
	name     string
	nodes    map[string]netip.AddrPort
	isNode   map[netip.AddrPort]bool
	self     netip.AddrPort
	overcast bool // it multicasts
	overhead int  // octets of IP and UDP header
	timing   Timing
	codec    *Codec
	rand     *rand.Rand
	since    func(table, version uint64) chantable.Page

	copy     *chantable.Copy // of the replicated table, as applied on this node
	rewound  bool            // the table was put back to an earlier version; until it has got another identity
	leader   Leader
	ledSince time.Time // when it became leader, or went on after standing still: no silence counts from before
	ticked   time.Time

	stations *admission[served]
	claims   claims
	sender   tableSender
	higher   higher
	counter  uint64 // of multicasts
	stats    Stats

	out      []packet
	proposal *chantable.Command // to be proposed; then propose is to be answered with proposed, once
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

// centreSetup is what a centreCore is made of. All of it has been checked.
type centreSetup struct {
	id        chantable.ID
	level     uint8
	name      string
	node      string
	nodes     map[string]netip.AddrPort
	others    []netip.AddrPort
	multicast netip.AddrPort // invalid: none
	timing    Timing
	codec     *Codec
	rand      *rand.Rand
	since     func(table, version uint64) chantable.Page
}

func newCentreCore(now time.Time, s centreSetup) *centreCore {
	c := &centreCore{
		id: s.id, session: s.rand.Uint64() | 1, level: s.level, name: s.name, nodes: s.nodes,
		isNode: map[netip.AddrPort]bool{}, self: s.nodes[s.node], overcast: s.multicast.IsValid(), overhead: 28,
		timing: s.timing, codec: s.codec, rand: s.rand, since: s.since,
		copy: chantable.NewCopy(), ticked: now,
		stations: newAdmission[served](maxServed, s.rand.Uint64),
		claims:   newClaims(),
		higher:   higher{configured: s.others},
	}
	c.stations.evicted = func(s *served) {
		if s.wants != nil {
			c.sender.wanting--
		}
	}
	for _, a := range s.nodes {
		c.isNode[a] = true
	}
	if c.self.Addr().Is6() || s.multicast.Addr().Is6() {
		c.overhead = 48
	}
	c.changed(now)
	return c
}

// changed takes in what has been applied to the table.
func (c *centreCore) changed(now time.Time) {
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

// led takes in who leads.
func (c *centreCore) led(now time.Time, l Leader) {
	if l == c.leader {
		return
	}
	won := l.Self && !(c.leader.Self && l.Term == c.leader.Term)
	c.leader = l
	c.claims.restart()
	c.higher.reset()
	if won {
		c.changed(now)
		c.ledSince = now
		c.sender.restart(now, c.copy.Version())
	}
}

// receive takes in the octets of a datagram.
func (c *centreCore) receive(now time.Time, from netip.AddrPort, multicast bool, b []byte) {
	c.stats.Received++
	d, ok := c.open(b)
	if !ok {
		return
	}
	switch body := d.Body.(type) {
	case Register, Leave, Ask:
		c.request(now, route{to: from}, &d, b)
	case Relay:
		if !c.isNode[from] || !c.leader.Self {
			c.stats.Misplaced++
			return
		}
		if inner, ok := c.open(body.Inner); ok {
			c.request(now, route{to: body.Origin, via: from}, &inner, nil)
		}
	case Relayed:
		if !c.isNode[from] {
			c.stats.Misplaced++
			return
		}
		c.stats.Sent++
		c.out = append(c.out, packet{body.Destination, append([]byte(nil), body.Inner...)})
	case Table:
		c.heardTable(now, from, multicast, &d, body)
	case Hello:
		c.heardHello(now, from, &d)
	case Answer:
		c.heardAnswer(now, from, &d, body)
	default:
		c.stats.Misplaced++
	}
}

func (c *centreCore) open(b []byte) (Datagram, bool) {
	d, err := c.codec.Open(b)
	switch err {
	case nil:
		return d, true
	case ErrKey:
		c.stats.WrongKey++
	default:
		c.stats.Malformed++
	}
	return d, false
}

// request takes in what a station asks of the centre: the leader answers, another node hands it on.
func (c *centreCore) request(now time.Time, r route, d *Datagram, raw []byte) {
	if d.To != 0 {
		c.stats.Misplaced++
		return
	}
	if !c.leader.Self {
		if to, ok := c.nodes[c.leader.Node]; ok && raw != nil && len(raw) <= maxRelayed {
			c.send(route{to: to}, Datagram{To: c.id, Body: Relay{Origin: r.to, Inner: raw}})
		}
		return
	}
	s, v, offer := c.stations.admit(now, d)
	switch v {
	case unknown:
		c.stats.NoContact++
		c.send(r, Datagram{To: d.From, Body: Hello{EchoTo: d.To, EchoSession: d.Session, EchoCounter: d.Counter, Offer: offer}})
		return
	case replayed:
		c.stats.Replayed++
		return
	}
	s.state.id, s.state.route = d.From, r
	if ask, ok := d.Body.(Ask); ok {
		c.asked(now, &s.state, ask)
		return
	}
	if d.Counter < s.state.control {
		c.stats.Stale++ // overtaken by a later Register or Leave
		return
	}
	s.state.control = d.Counter
	by := &asker{station: &s.state, session: d.Session, counter: d.Counter, route: r, id: d.From}
	switch body := d.Body.(type) {
	case Register:
		c.register(now, by, body)
	case Leave:
		c.leave(now, by, body)
	}
}

// tick does what is due and returns when it wants to be called again.
func (c *centreCore) tick(now time.Time) time.Time {
	if now.Sub(c.ticked) > c.timing.Silence/3 {
		c.ledSince = now // what stations sent meanwhile is lost, and not their fault
	}
	c.ticked = now
	if c.leader.Self {
		c.tickHigher(now)
		if !c.higher.deferring {
			c.tickClaims(now)
			c.tickTable(now)
		}
	}
	c.stations.forget(now.Add(-2 * c.timing.Silence))
	return now.Add(c.timing.Tick)
}

// send sends a datagram of this node on a route.
func (c *centreCore) send(r route, d Datagram) {
	d.From, d.Session = c.id, c.session
	b := c.codec.Seal(d)
	if r.via.IsValid() {
		b = c.codec.Seal(Datagram{From: c.id, Session: c.session, To: c.id, Body: Relayed{Destination: r.to, Inner: b}})
		r.to = r.via
	}
	c.stats.Sent++
	c.out = append(c.out, packet{r.to, b})
}

// shown is the table to show: the other's, while this centre defers to it.
func (c *centreCore) shown() *chantable.Copy {
	if c.higher.deferring {
		return c.higher.station.table.copy
	}
	return c.copy
}
