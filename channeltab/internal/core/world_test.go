package core

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
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

	keys     wire.Keys
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

func testKeys() wire.Keys {
	k := wire.Key{ID: 7}
	for i := range k.Secret {
		k.Secret[i] = byte(i)
	}
	return wire.Keys{k}
}

func newWorld(t testing.TB, seed uint64) *world {
	timing, err := Timing{}.WithDefaults()
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

func (w *world) codec() *wire.Codec {
	c, err := wire.NewCodec(w.keys)
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
func (w *world) carry(from netip.AddrPort, out []wire.Packet) {
	for _, p := range out {
		if w.tap != nil && w.tap(from, p.To, p.B) {
			continue
		}
		if p.To.IsValid() {
			if s, ok := w.stations[p.To]; ok {
				w.send(from, p.To, p.B, func(b []byte) { s.receive(from, false, b) })
			}
			for _, g := range w.groups {
				if n, ok := g.byAddress[p.To]; ok {
					w.send(from, p.To, p.B, func(b []byte) { n.receive(from, false, b) })
				}
			}
			continue
		}
		w.multicasts = append(w.multicasts, sentMulticast{w.now, len(p.B) + 28})
		if w.noMulticast {
			continue
		}
		for _, s := range w.all {
			if s.setup.Listens && !s.deaf {
				w.send(from, s.address, p.B, func(b []byte) { s.receive(from, true, b) })
			}
		}
		for _, g := range w.groups {
			for _, n := range g.nodes {
				if n.address != from {
					w.send(from, n.address, p.B, func(b []byte) { n.receive(from, true, b) })
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
	setup   StationSetup
	deaf    bool         // multicast does not reach it
	core    *Station     // nil: not running
	life    int          // starts so far
	state   State        // as last told
	cn      chantable.CN // as last told
	next    time.Time
	results map[uint64]error // of messages, by handle
	got     []Message
	mail    *simMailbox // where it keeps what it gets before it acknowledges; nil: nowhere
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
	s.setup = StationSetup{
		ID: id, Instance: uint64(id) + 1000, Name: fmt.Sprintf("station %d", id), Listens: true,
		Copy: chantable.NewCopy(), Timing: w.timing, Codec: w.codec(),
	}
	if w.group != nil {
		s.setup.Centres = w.group.addresses
	}
	w.stations[s.address] = s
	w.all = append(w.all, s)
	return s
}

// begin starts a station's process; it keeps its copy, as from a file.
func (s *simStation) begin() *simStation {
	s.life++
	s.setup.Epoch++
	if s.mail != nil {
		s.mail.own(s)
	}
	s.setup.Rand = s.w.newRand()
	s.core = NewStation(s.w.now, s.setup)
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
		s.core.Receive(s.w.now, from, multicast, b)
		s.work()
	}
}

// work does what the shell does after each event.
func (s *simStation) work() {
	c := s.core
	next := c.Tick(s.w.now)
	if !next.After(s.w.now) {
		s.w.t.Errorf("station %d wants to be called again at once, for ever", s.id)
	}
	if s.state != c.Reg.State || s.cn != c.Reg.CN {
		s.state, s.cn = c.Reg.State, c.Reg.CN
		s.w.tell("station %d is %s, cn %d%s", s.id, s.state, s.cn, when(c.Reg.Outcome > wire.Granted, ": "+c.Reg.Outcome.String()))
	}
	for m, ok := c.Inbox.Pop(); ok; m, ok = c.Inbox.Pop() {
		s.got = append(s.got, m)
		s.w.tell("station %d got %s from %d", s.id, brief(m.Payload), m.From)
		if s.onGot != nil {
			s.onGot(m)
		}
		if s.mail != nil {
			s.mail.keep(s, m)
		}
	}
	for _, d := range c.Settled {
		s.results[d.Handle] = d.Err
		s.w.tell("station %d message %d: %s", s.id, d.Handle, outcomeText(d.Err))
		if s.onDone != nil {
			s.onDone(d.Handle, d.Err)
		}
	}
	out := c.Out
	c.Out, c.Settled = nil, nil
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

func (s *simStation) send(to chantable.ID, payload string, stream wire.Stream) (uint64, error) {
	h, err := s.core.Submit(s.w.now, to, []byte(payload), stream)
	s.work()
	return h, err
}

// differences tells how a station's copy differs from the table; empty if not at all.
func (w *world) differences(s *simStation, t *chantable.Table) string {
	c := s.core.Table.Copy
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

func when(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}
