package channeltab

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// world is a network of cores in virtual time: everything that happens is an event in one queue, all chance comes
// from one seed, so that a run can be repeated exactly.
type world struct {
	t      testing.TB
	start  time.Time
	now    time.Time
	rand   *rand.Rand
	events eventQueue
	order  uint64

	loss, twice float64                                      // probability that a datagram is lost, or comes twice
	delay       func() time.Duration                         // of a datagram
	cut         func(from, to netip.AddrPort) bool           // nil: nothing is cut
	tap         func(from, to netip.AddrPort, _ []byte) bool // sees what is sent, and may lose it; nil: nobody looks
	note        func(format string, args ...any)             // told what happens; nil: nobody listens
	noMulticast bool                                         // the network does not carry it
	multicasts  []sentMulticast                              // all of them, with their size on the wire

	keys     Keys
	timing   Timing
	group    *simGroup
	stations map[netip.AddrPort]*simStation
	all      []*simStation // in order of creation
	groups   []*simGroup
}

type sentMulticast struct {
	at   time.Time
	size int
}

type event struct {
	at    time.Time
	order uint64
	do    func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].order < q[j].order
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func testKeys() Keys {
	k := Key{ID: 7}
	for i := range k.Secret {
		k.Secret[i] = byte(i)
	}
	return Keys{k}
}

func newWorld(t testing.TB, seed uint64) *world {
	timing, err := Timing{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(seed, 1)),
		keys: testKeys(), timing: timing, stations: map[netip.AddrPort]*simStation{},
	}
	w.now = w.start
	w.delay = func() time.Duration { return time.Millisecond }
	return w
}

// newRand gives each core its own chance, from the seed.
func (w *world) newRand() *rand.Rand { return rand.New(rand.NewPCG(w.rand.Uint64(), w.rand.Uint64())) }

func (w *world) codec() *Codec {
	c, err := NewCodec(w.keys)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) at(t time.Time, do func()) {
	w.order++
	heap.Push(&w.events, event{t, w.order, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// run lets a time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// send carries one datagram to one receiver.
func (w *world) send(from, to netip.AddrPort, b []byte, receive func(b []byte)) {
	if w.cut != nil && w.cut(from, to) {
		return
	}
	copies := 1
	if w.rand.Float64() < w.loss {
		copies = 0
	} else if w.rand.Float64() < w.twice {
		copies = 2
	}
	for range copies {
		w.after(w.delay(), func() { receive(slices.Clone(b)) })
	}
}

// carry sends what a core wants sent.
func (w *world) carry(from netip.AddrPort, out []packet) {
	for _, p := range out {
		if w.tap != nil && w.tap(from, p.to, p.b) {
			continue
		}
		if p.to.IsValid() {
			if s, ok := w.stations[p.to]; ok {
				w.send(from, p.to, p.b, func(b []byte) { s.receive(from, false, b) })
			}
			for _, g := range w.groups {
				if n, ok := g.byAddress[p.to]; ok {
					w.send(from, p.to, p.b, func(b []byte) { n.receive(from, false, b) })
				}
			}
			continue
		}
		w.multicasts = append(w.multicasts, sentMulticast{w.now, len(p.b) + 28})
		if w.noMulticast {
			continue
		}
		for _, s := range w.all {
			if s.setup.listens && !s.deaf {
				w.send(from, s.address, p.b, func(b []byte) { s.receive(from, true, b) })
			}
		}
		for _, g := range w.groups {
			for _, n := range g.nodes {
				if n.address != from {
					w.send(from, n.address, p.b, func(b []byte) { n.receive(from, true, b) })
				}
			}
		}
	}
}

func (w *world) tell(format string, args ...any) {
	if w.note != nil {
		w.note(format, args...)
	}
}

// brief shows a payload.
func brief(b []byte) string {
	if len(b) > 20 {
		return fmt.Sprintf("%q... of %d octets", b[:12], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func outcomeText(err error) string {
	if err == nil {
		return "acknowledged"
	}
	return err.Error()
}

// simStation is a station with its application.
type simStation struct {
	w       *world
	id      chantable.ID
	address netip.AddrPort
	setup   stationSetup
	deaf    bool         // multicast does not reach it
	core    *stationCore // nil: not running
	life    int          // starts so far
	state   State        // as last told
	cn      chantable.CN // as last told
	next    time.Time
	results map[uint64]error // of messages, by handle
	got     []Message
	onGot   func(Message)
	onDone  func(handle uint64, err error)
}

func stationAddress(id chantable.ID) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(id >> 16), byte(id >> 8), byte(id)}), 7401)
}

// station adds a station that is not yet running.
func (w *world) station(id chantable.ID) *simStation { return w.stationAt(id, stationAddress(id)) }

func (w *world) stationAt(id chantable.ID, address netip.AddrPort) *simStation {
	s := &simStation{w: w, id: id, address: address, results: map[uint64]error{}}
	s.setup = stationSetup{
		id: id, instance: uint64(id) + 1000, name: fmt.Sprintf("station %d", id), listens: true,
		copy: chantable.NewCopy(), timing: w.timing, codec: w.codec(),
	}
	if w.group != nil {
		s.setup.centres = w.group.addresses
	}
	w.stations[s.address] = s
	w.all = append(w.all, s)
	return s
}

// begin starts a station's process; it keeps its copy, as from a file.
func (s *simStation) begin() *simStation {
	s.life++
	s.setup.epoch++
	s.setup.rand = s.w.newRand()
	s.core = newStationCore(s.w.now, s.setup)
	s.next = time.Time{}
	s.work()
	return s
}

// move gives a station another address.
func (s *simStation) move(to netip.AddrPort) {
	delete(s.w.stations, s.address)
	s.address = to
	s.w.stations[to] = s
}

// crash ends the process without a word.
func (s *simStation) crash() { s.core = nil }

func (s *simStation) receive(from netip.AddrPort, multicast bool, b []byte) {
	if s.core != nil {
		s.core.receive(s.w.now, from, multicast, b)
		s.work()
	}
}

// work does what the shell does after each event.
func (s *simStation) work() {
	c := s.core
	next := c.tick(s.w.now)
	if s.state != c.reg.state || s.cn != c.reg.cn {
		s.state, s.cn = c.reg.state, c.reg.cn
		s.w.tell("station %d is %s, cn %d%s", s.id, s.state, s.cn, when(c.reg.outcome > Granted, ": "+c.reg.outcome.String()))
	}
	for m, ok := c.inbox.pop(); ok; m, ok = c.inbox.pop() {
		s.got = append(s.got, m)
		s.w.tell("station %d got %s from %d", s.id, brief(m.Payload), m.From)
		if s.onGot != nil {
			s.onGot(m)
		}
	}
	for _, d := range c.settled {
		s.results[d.handle] = d.err
		s.w.tell("station %d message %d: %s", s.id, d.handle, outcomeText(d.err))
		if s.onDone != nil {
			s.onDone(d.handle, d.err)
		}
	}
	out := c.out
	c.out, c.settled = nil, nil
	s.w.carry(s.address, out)
	if s.next.IsZero() || next.Before(s.next) {
		s.next = next
		s.w.at(next, func() {
			if s.core == c && s.next.Equal(next) {
				s.next = time.Time{}
				s.work()
			}
		})
	}
}

func (s *simStation) send(to chantable.ID, payload string, stream Stream) (uint64, error) {
	h, err := s.core.submit(s.w.now, to, []byte(payload), stream)
	s.work()
	return h, err
}

// simGroup is a centre of three nodes around a log that stands for Raft's.
type simGroup struct {
	w         *world
	id        chantable.ID
	nodes     []*simNode
	byAddress map[netip.AddrPort]*simNode
	addresses []netip.AddrPort
	log       []chantable.Command
	leader    *simNode // nil: none
	term      uint64
	commit    time.Duration // until a proposal is committed
	lag       time.Duration // until another node applies it
}

type simNode struct {
	g       *simGroup
	name    string
	address netip.AddrPort
	setup   centreSetup
	core    *centreCore // nil: not running
	table   *chantable.Table
	applied int
	results map[int][]chantable.Result
	paused  bool
}

func (w *world) centre(id chantable.ID, level uint8, mutate func(*centreSetup)) *simGroup {
	g := &simGroup{w: w, id: id, byAddress: map[netip.AddrPort]*simNode{}, commit: 2 * time.Millisecond, lag: 5 * time.Millisecond}
	places := map[string]netip.AddrPort{}
	for i := range 3 {
		n := &simNode{g: g, name: fmt.Sprintf("node%d", i+1), table: chantable.New(), results: map[int][]chantable.Result{}}
		n.address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, byte(id), byte(i + 1)}), 7400)
		places[n.name] = n.address
		g.nodes = append(g.nodes, n)
		g.byAddress[n.address] = n
		g.addresses = append(g.addresses, n.address)
	}
	for _, n := range g.nodes {
		n.setup = centreSetup{
			id: id, level: level, name: fmt.Sprintf("centre %d", id), node: n.name, nodes: places,
			multicast: netip.MustParseAddrPort("239.1.2.3:7400"), timing: w.timing, codec: w.codec(),
			since: func(table, version uint64) chantable.Page { return n.table.Since(table, version) },
		}
		if mutate != nil {
			mutate(&n.setup)
		}
		n.begin()
	}
	w.groups = append(w.groups, g)
	if w.group == nil {
		w.group = g
	}
	g.elect(g.nodes[0])
	return g
}

// describe tells what a command does to the table as it is committed.
func (g *simGroup) describe(c chantable.Command) string {
	t := chantable.New()
	for _, c := range g.log[:len(g.log)-1] {
		t.Apply(c)
	}
	text := ""
	for i, r := range t.Apply(c) {
		ch := c.Changes[i]
		switch ch.Kind {
		case chantable.Register:
			text += fmt.Sprintf(" register %d (cn %d)", ch.Claim.ID, ch.Claim.CN)
		case chantable.Leave:
			text += fmt.Sprintf(" leave %d", ch.Claim.ID)
		case chantable.Expire:
			text += fmt.Sprintf(" expire %d", ch.ID)
		case chantable.Remove:
			text += fmt.Sprintf(" remove %d", ch.ID)
		case chantable.RivalGone:
			text += fmt.Sprintf(" rival of %d gone", ch.ID)
		case chantable.Adopt:
			text += fmt.Sprintf(" adopt %d (cn %d)", ch.Entry.ID, ch.Entry.CN)
		case chantable.Renew:
			text += " renew"
		}
		text += fmt.Sprintf(": %s", r.Outcome)
		if r.CN != 0 {
			text += fmt.Sprintf(" cn %d", r.CN)
		}
		text += fmt.Sprintf(" version %d;", r.Version)
	}
	return text
}

// table is what has been committed.
func (g *simGroup) table() *chantable.Table {
	t := chantable.New()
	for _, c := range g.log {
		t.Apply(c)
	}
	return t
}

// elect makes a node leader once it has applied all that was committed; nil: nobody leads.
func (g *simGroup) elect(n *simNode) {
	g.term++
	g.leader = n
	if n != nil {
		n.apply(len(g.log))
	}
	for _, m := range g.nodes {
		if m.core != nil {
			m.core.changed(g.w.now)
			m.core.led(g.w.now, g.seenBy(m))
			m.work()
		}
	}
}

// electAny ends a time without leader, if a node is there to lead.
func (g *simGroup) electAny() {
	for _, n := range g.nodes {
		if g.leader == nil && n.core != nil && !n.paused {
			g.elect(n)
		}
	}
}

func (g *simGroup) seenBy(n *simNode) Leader {
	if g.leader == nil {
		return Leader{}
	}
	return Leader{Node: g.leader.name, Self: g.leader == n, Term: g.term}
}

// propose commits a command unless leadership changes before; then it may have been committed or not.
func (g *simGroup) propose(n *simNode, c chantable.Command) {
	term, core := g.term, n.core
	finish := func(r []chantable.Result, err error) {
		if n.core == core && core != nil {
			core.proposed(g.w.now, r, err)
			n.work()
		}
	}
	if g.leader != n {
		g.w.after(time.Millisecond, func() { finish(nil, errors.New("not the leader")) })
		return
	}
	reached := g.w.rand.IntN(2) == 0 // what a leader that is lost had got out
	committed := false
	add := func() int {
		committed = true
		g.log = append(g.log, c)
		if g.w.note != nil {
			g.w.tell("committed:%s", g.describe(c))
		}
		index := len(g.log)
		for _, m := range g.nodes {
			if m != n {
				g.w.after(g.lag, func() { m.catchUp(index) })
			}
		}
		return index
	}
	g.w.after(g.commit/2, func() {
		if g.term == term && reached {
			add()
		}
	})
	g.w.after(g.commit, func() {
		if g.term != term || n.core == nil {
			g.w.after(time.Second, func() { finish(nil, errors.New("leadership lost")) })
			return
		}
		index := len(g.log)
		if !committed {
			index = add()
		}
		n.catchUp(index)
		// The entry may have been added before others: its results are those of its own index.
		for i := range g.log {
			if &g.log[i].Changes[0] == &c.Changes[0] {
				finish(n.results[i+1], nil)
				return
			}
		}
	})
}

func (n *simNode) catchUp(index int) {
	n.apply(index)
	if n.core != nil {
		n.core.changed(n.g.w.now)
		n.work()
	}
}

func (n *simNode) apply(index int) {
	for n.applied < index {
		n.results[n.applied+1] = n.table.Apply(n.g.log[n.applied])
		n.applied++
	}
}

// begin starts the node's process; its table is on its disk.
func (n *simNode) begin() {
	n.setup.rand = n.g.w.newRand()
	n.core = newCentreCore(n.g.w.now, n.setup)
	n.core.led(n.g.w.now, n.g.seenBy(n))
	core := n.core
	var tick func()
	tick = func() {
		if n.core != core {
			return
		}
		if !n.paused {
			core.tick(n.g.w.now)
			n.work()
		}
		n.g.w.after(n.setup.timing.Tick, tick)
	}
	tick()
}

func (n *simNode) crash() {
	n.core = nil
	if n.g.leader == n {
		n.g.elect(nil)
	}
	n.g.w.after(time.Second, n.g.electAny)
}

func (n *simNode) receive(from netip.AddrPort, multicast bool, b []byte) {
	if n.core != nil && !n.paused {
		n.core.receive(n.g.w.now, from, multicast, b)
		n.work()
	}
}

func (n *simNode) work() {
	c := n.core
	out, proposal := c.out, c.proposal
	c.out, c.proposal = nil, nil
	n.g.w.carry(n.address, out)
	if proposal != nil {
		n.g.propose(n, *proposal)
	}
}

// differences tells how a station's copy differs from the table; empty if not at all.
func (w *world) differences(s *simStation, t *chantable.Table) string {
	c := s.core.table.copy
	if c.Table() != t.ID() {
		return fmt.Sprintf("station %d follows table %#x, want %#x", s.id, c.Table(), t.ID())
	}
	if !c.Complete() || c.Version() != t.Version() {
		return fmt.Sprintf("station %d has %d of %d versions, misses %v", s.id, c.Floor(), t.Version(), c.Missing(4))
	}
	have := slices.Collect(c.All())
	want := slices.Collect(t.All())
	if len(have) != len(want) {
		return fmt.Sprintf("station %d has %d entries, want %d", s.id, len(have), len(want))
	}
	for i := range have {
		a, b := have[i], want[i]
		if a.CN != b.CN || a.ID != b.ID || a.Address != b.Address || a.Online != b.Online || a.Name != b.Name || a.Level != b.Level || a.Changed != b.Changed {
			return fmt.Sprintf("station %d has %+v, want %+v", s.id, a, b)
		}
	}
	return ""
}
