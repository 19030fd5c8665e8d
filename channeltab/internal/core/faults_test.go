package core

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

var (
	seedFlag  = flag.Uint64("fnp.seed", 0, "run the faults of this seed alone")
	seedsFlag = flag.Int("fnp.seeds", 60, "how many seeds of faults to run")
)

// TestFaults lets stations talk through loss, duplication, reordering, crashes of stations and nodes and changes of
// leader, all from a seed. Whatever happens, no message that was acknowledged is lost and none is delivered twice,
// ordered ones stay in order; and once the network is well again, every copy is the table.
func TestFaults(t *testing.T) {
	if *seedFlag != 0 {
		runFaults(t, *seedFlag)
		return
	}
	for seed := range uint64(*seedsFlag) {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			t.Parallel()
			runFaults(t, seed+1)
		})
	}
}

// faulty is one run: what was sent, and what came of it.
type faulty struct {
	*world
	sent      map[string]*sentMessage // by payload
	delivered int
	acked     int
}

type sentMessage struct {
	to        chantable.ID
	size      int
	delivered int
	settled   bool
	err       error
}

func runFaults(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	f := &faulty{world: w, sent: map[string]*sentMessage{}}
	r := w.rand
	w.loss = []float64{0, 0.05, 0.15, 0.3}[r.IntN(4)]
	w.twice = []float64{0, 0.1, 0.5}[r.IntN(3)]
	w.noMulticast = r.IntN(4) == 0
	w.delay = func() time.Duration {
		d := time.Millisecond + time.Duration(r.Int64N(int64(40*time.Millisecond)))
		if r.IntN(50) == 0 {
			d += time.Duration(r.Int64N(int64(3 * time.Second))) // overtaken by whole conversations
		}
		return d
	}
	g := w.centre(900, 1, func(s *CentreSetup) {
		if seed%3 == 0 {
			s.Multicast = netip.AddrPort{} // to each station in turn
		}
	})
	n := 3 + r.IntN(6)
	for i := range n {
		s := w.station(chantable.ID(i + 1))
		s.setup.Listens = r.IntN(3) > 0
		f.watch(s)
		s.begin()
	}
	for at := time.Duration(0); at < 90*time.Second; at += time.Duration(r.Int64N(int64(2 * time.Second))) {
		w.at(w.start.Add(at), func() { f.mishap(g) })
		for range r.IntN(4) {
			w.at(w.start.Add(at), f.talk)
		}
	}
	for at := time.Duration(0); at < 90*time.Second; at += 2 * time.Second {
		w.at(w.start.Add(at), g.electAny)
	}
	w.run(90 * time.Second)

	// The faults end.
	loss := w.loss
	w.loss, w.twice, w.cut, w.noMulticast = 0, 0, nil, false
	w.delay = func() time.Duration { return time.Millisecond }
	for _, m := range g.nodes {
		m.paused = false
		if m.core == nil {
			m.begin()
		}
	}
	if g.leader == nil {
		g.elect(g.nodes[r.IntN(3)])
	}
	for _, s := range w.all {
		if s.core == nil {
			s.begin()
		}
	}
	w.run(50 * time.Second)
	table := g.table()
	if table.Len() != n {
		t.Errorf("the table has %d stations, want %d", table.Len(), n)
	}
	for _, s := range w.all {
		if e, _ := table.ByID(s.id); !e.Online || e.Address != s.address {
			t.Errorf("the table has station %d as %+v", s.id, e)
		}
		if s.core.Reg.State != Registered || s.core.Reg.CN == 0 {
			t.Errorf("station %d is %s on channel %d", s.id, s.core.Reg.State, s.core.Reg.CN)
		}
		if d := w.differences(s, table); d != "" {
			t.Error(d)
		}
		if len(s.core.Pool.Active) != 0 {
			t.Errorf("station %d still waits for %d peers", s.id, len(s.core.Pool.Active))
		}
		if s.core.Inbox.assembly < 0 {
			t.Errorf("station %d has assembled %d octets", s.id, s.core.Inbox.assembly)
		}
	}
	for _, m := range g.nodes {
		if m.core.copy.Version() != table.Version() || !m.core.copy.Complete() {
			t.Errorf("%s has version %d, want %d", m.name, m.core.copy.Floor(), table.Version())
		}
	}
	for name, m := range f.sent {
		if m.delivered > 1 {
			t.Errorf("%s was delivered %d times", name, m.delivered)
		}
		if m.settled && m.err == nil && m.delivered != 1 {
			t.Errorf("%s was acknowledged and delivered %d times", name, m.delivered)
		}
		if m.settled && m.err != nil && !errors.Is(m.err, ErrNotAcknowledged) && !errors.Is(m.err, ErrInDoubt) && !errors.Is(m.err, ErrWrongStation) {
			t.Errorf("%s failed with %v", name, m.err)
		}
	}
	if f.acked == 0 && len(f.sent) >= 20 {
		t.Errorf("%d messages sent, %d delivered, none acknowledged", len(f.sent), f.delivered)
	}
	t.Logf("%d stations, loss %.2f: %d messages sent, %d delivered, %d acknowledged", n, loss, len(f.sent), f.delivered, f.acked)
}

// watch is a station's application: it checks all that it gets.
func (f *faulty) watch(s *simStation) {
	ordered := map[string]int{} // number of the last message in order, by sender's life and ours
	s.onGot = func(m Message) {
		name, _, _ := bytes.Cut(m.Payload, []byte("."))
		sent := f.sent[string(name)]
		if sent == nil || sent.to != s.id || len(m.Payload) != sent.size {
			f.t.Errorf("station %d got %d octets %q from %d, which nobody sent it", s.id, len(m.Payload), name, m.From)
			return
		}
		sent.delivered++
		f.delivered++
		if m.Stream == wire.InOrder {
			var from, life, number int
			if _, err := fmt.Sscanf(string(name), "m-%d-%d-%d", &from, &life, &number); err != nil {
				f.t.Error(err)
			}
			key := fmt.Sprintf("%d-%d-%d", from, life, s.life)
			if number <= ordered[key] {
				f.t.Errorf("%s came after %d", name, ordered[key])
			}
			ordered[key] = number
		}
	}
}

// talk sends a message from one station to another.
func (f *faulty) talk() {
	r := f.rand
	from, to := f.all[r.IntN(len(f.all))], f.all[r.IntN(len(f.all))]
	if from.core == nil {
		return
	}
	stream := wire.Stream(r.IntN(2))
	name := fmt.Sprintf("m-%d-%d-%d", from.id, from.life, len(f.sent)+1)
	size := []int{0, 0, 0, 3000, 20000, wire.MaxMessage - len(name) - 1}[r.IntN(6)]
	payload := name + "." + strings.Repeat("x", size)
	h, err := from.core.Submit(f.now, to.id, []byte(payload), stream)
	if err != nil {
		if !errors.Is(err, ErrUnknownID) && !errors.Is(err, ErrPoolFull) {
			f.t.Errorf("%s: %v", name, err)
		}
		return
	}
	m := &sentMessage{to: to.id, size: len(payload)}
	f.sent[name] = m
	core, before := from.core, from.onDone
	from.onDone = func(handle uint64, err error) {
		if handle == h && from.core == core {
			m.settled, m.err = true, err
			if err == nil {
				f.acked++
			}
			return
		}
		if before != nil {
			before(handle, err)
		}
	}
	from.work()
}

// mishap breaks something, or mends it.
func (f *faulty) mishap(g *simGroup) {
	r := f.rand
	switch r.IntN(8) {
	case 0:
		s := f.all[r.IntN(len(f.all))]
		if s.core == nil {
			if r.IntN(3) == 0 { // comes back elsewhere
				s.move(netip.AddrPortFrom(s.address.Addr(), s.address.Port()+10))
			}
			s.begin()
		} else {
			s.setup.Copy, s.setup.CN = s.core.Table.Copy, s.core.Reg.CN
			if r.IntN(2) == 0 { // its file is lost, and with it its identity
				s.setup.Copy, s.setup.CN, s.setup.Instance = chantable.NewCopy(), 0, r.Uint64()|1
			}
			s.crash()
			if r.IntN(2) == 0 {
				s.begin()
			}
		}
	case 1, 2:
		if n := g.nodes[r.IntN(3)]; n.core != nil {
			n.crash()
			f.after(time.Duration(r.Int64N(int64(8*time.Second))), func() {
				if n.core == nil {
					n.begin()
				}
			})
		}
	case 3, 4:
		if n := g.nodes[r.IntN(3)]; n.core != nil && !n.paused {
			g.elect(n)
		}
	case 5:
		n := g.nodes[r.IntN(3)]
		n.paused = true
		f.after(time.Duration(r.Int64N(int64(20*time.Second))), func() { n.paused = false })
	case 6:
		a, b := f.all[r.IntN(len(f.all))].address, g.nodes[r.IntN(3)].address
		f.cut = func(from, to netip.AddrPort) bool { return from == a && to == b || from == b && to == a }
	case 7:
		f.cut = nil
	}
}
