package core

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/docsection"
	"github.com/fepha/fepha/internal/transcript"
)

var scaleFlag = flag.Int("fnp.scale", 300, "how many stations TestScale registers; the figure to reach is for 10000")

// fleet is one leading node and very many stations in virtual time. Each station is a whole core but for the entries
// of its copy: what it knows of the versions is what counts, and 10,000 copies of 10,000 entries are 20 GB.
type fleet struct {
	start, now time.Time
	rand       *rand.Rand
	codec      *wire.Codec
	timing     Timing
	events     eventQueue
	order      uint64
	table      *chantable.Table
	centre     *Centre
	address    netip.AddrPort
	stations   []*member
	byAddress  map[netip.AddrPort]*member
	loss       float64

	multicasts []sentMulticast
	unicast    int // octets to single stations with a page of the table
}

type member struct {
	core    *Station
	address netip.AddrPort
	next    time.Time
}

func newFleet(t testing.TB, n int, timing Timing, seed uint64) *fleet {
	codec, err := wire.NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	c := &fleet{
		start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(seed, 2)), codec: codec, timing: timing,
		table: chantable.New(), address: netip.MustParseAddrPort("192.168.1.1:7400"), byAddress: map[netip.AddrPort]*member{},
	}
	c.now = c.start
	c.centre = NewCentre(c.now, CentreSetup{
		ID: 900000, Level: 1, Node: "node1", Nodes: map[string]netip.AddrPort{"node1": c.address},
		Multicast: netip.MustParseAddrPort("239.1.2.3:7400"), Timing: timing, Codec: codec, Rand: rand.New(rand.NewPCG(seed, 3)),
		Since: c.table.Since,
	})
	c.centre.Changed(c.now)
	c.centre.Led(c.now, Leader{Node: "node1", Self: true, Term: 1})
	var tick func()
	tick = func() {
		c.centre.Tick(c.now)
		c.work()
		c.at(c.now.Add(timing.Tick), tick)
	}
	tick()
	for i := range n {
		c.join(chantable.ID(i+1), time.Duration(c.rand.Int64N(int64(10*time.Second))))
	}
	return c
}

// join starts a station after a time.
func (c *fleet) join(id chantable.ID, after time.Duration) *member {
	m := &member{address: stationAddress(id)}
	c.stations = append(c.stations, m)
	c.byAddress[m.address] = m
	c.at(c.now.Add(after), func() {
		m.core = NewStation(c.now, StationSetup{
			ID: id, Instance: uint64(id), Epoch: 1, Name: fmt.Sprintf("station %d", id), Listens: true, Copy: chantable.NewCopy(),
			Centres: []netip.AddrPort{c.address}, Timing: c.timing, Codec: c.codec, Rand: rand.New(rand.NewPCG(uint64(id), c.rand.Uint64())),
		})
		c.act(m)
	})
	return m
}

func (c *fleet) at(t time.Time, do func()) {
	c.order++
	heap.Push(&c.events, event{t, c.order, do})
}

func (c *fleet) run(d time.Duration) {
	end := c.now.Add(d)
	for len(c.events) > 0 && !c.events[0].at.After(end) {
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
	c.now = end
}

// act does what is due at a station.
func (c *fleet) act(m *member) {
	next := m.core.Tick(c.now)
	for _, p := range m.core.Out {
		if c.rand.Float64() >= c.loss {
			from := m.address
			c.at(c.now.Add(time.Millisecond), func() {
				c.centre.Receive(c.now, from, false, p.B)
				c.work()
			})
		}
	}
	m.core.Out = nil
	if m.next.IsZero() || next.Before(m.next) {
		m.next = next
		c.at(next, func() {
			if m.next.Equal(next) {
				m.next = time.Time{}
				c.act(m)
			}
		})
	}
}

// work carries what the centre sends, and commits what it proposes after 2 ms.
func (c *fleet) work() {
	out := c.centre.Out
	c.centre.Out = nil
	for _, p := range out {
		d, err := c.codec.Open(p.B)
		if err != nil {
			panic(err)
		}
		t, isTable := d.Body.(wire.Table)
		if isTable {
			t.Page.Entries = nil
			d.Body = t
		}
		if !p.To.IsValid() {
			c.multicasts = append(c.multicasts, sentMulticast{c.now, len(p.B) + 28})
			c.at(c.now.Add(time.Millisecond), func() {
				for _, m := range c.stations {
					if m.core != nil && c.rand.Float64() >= c.loss {
						m.core.Handle(c.now, c.address, true, &d)
						c.act(m)
					}
				}
			})
			continue
		}
		if isTable {
			c.unicast += len(p.B) + 28
		}
		if m := c.byAddress[p.To]; m != nil && c.rand.Float64() >= c.loss {
			c.at(c.now.Add(time.Millisecond), func() {
				m.core.Handle(c.now, c.address, false, &d)
				c.act(m)
			})
		}
	}
	if p := c.centre.Proposal; p != nil {
		c.centre.Proposal = nil
		c.at(c.now.Add(2*time.Millisecond), func() {
			c.centre.Proposed(c.now, c.table.Apply(*p), nil)
			c.work()
		})
	}
}

// spread runs until every copy has a version, and returns how long the last and the median one took.
func (c *fleet) spread(version uint64, limit time.Duration) (median, last time.Duration) {
	begun := c.now
	var times []time.Duration
	missing := slices.Clone(c.stations)
	for len(missing) > 0 && c.now.Sub(begun) < limit {
		c.run(5 * time.Millisecond)
		missing = slices.DeleteFunc(missing, func(m *member) bool {
			if m.core == nil || m.core.Reg.State == Left || m.core.Table.Copy.Floor() < version {
				return m.core != nil && m.core.Reg.State == Left
			}
			times = append(times, c.now.Sub(begun))
			return true
		})
	}
	if len(missing) > 0 || len(times) == 0 {
		return limit, limit
	}
	return times[len(times)/2], times[len(times)-1]
}

// peak is the most that was multicast in any second since an instant, in bit/s.
func (c *fleet) peak(since time.Time) int {
	most, sum, first := 0, 0, 0
	for _, m := range c.multicasts {
		sum += m.size
		for m.at.Sub(c.multicasts[first].at) >= time.Second {
			sum -= c.multicasts[first].size
			first++
		}
		if !c.multicasts[first].at.Before(since) {
			most = max(most, sum*8)
		}
	}
	return most
}

// TestScale registers a fleet and changes its table: each change is in every copy within 2 s, and no second has more
// than 1 Mbit of multicast, with losses as they are in a plant and with far worse.
func TestScale(t *testing.T) {
	timing, err := Timing{}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := newFleet(t, *scaleFlag, timing, 1)
	c.run(10 * time.Second)
	begun := c.now
	for c.table.Len() < len(c.stations) || slices.ContainsFunc(c.stations, func(m *member) bool { return m.core.Table.Copy.Floor() < c.table.Version() }) {
		if c.now.Sub(begun) > 5*time.Minute {
			t.Fatalf("after 5 minutes not all of %d copies are complete", len(c.stations))
		}
		c.run(100 * time.Millisecond)
	}
	t.Logf("%d stations that start within 10 s: all copies complete %s later, peak %d kbit/s, by unicast %d kB",
		len(c.stations), c.now.Sub(begun), c.peak(c.start)/1000, c.unicast/1000)
	if p := c.peak(c.start); p > 1_000_000 {
		t.Errorf("peak while registering: %d bit/s", p)
	}
	id := chantable.ID(500000)
	for _, tt := range []struct {
		loss    float64
		changes int
		limit   time.Duration
	}{{0, 5, 500 * time.Millisecond}, {0.01, 5, 2 * time.Second}, {0.1, 5, 2 * time.Second}, {0.3, 5, 5 * time.Second}} {
		c.run(15 * time.Second)
		since := c.now
		c.loss = tt.loss
		var worst, typical time.Duration
		for range tt.changes {
			c.run(time.Duration(c.rand.Int64N(int64(time.Second))))
			id++
			version := c.table.Version() + 1
			c.table.Register(chantable.Claim{ID: id, Instance: 1, Address: stationAddress(id), Name: "new"}, c.now.UnixMilli())
			c.centre.Changed(c.now)
			median, last := c.spread(version, 10*time.Second)
			worst, typical = max(worst, last), max(typical, median)
		}
		c.loss = 0
		t.Logf("%d stations, loss %2.0f %%: a change is in half of the copies within %s, in every copy within %s; peak %d kbit/s",
			len(c.stations), tt.loss*100, typical, worst, c.peak(since)/1000)
		if worst > tt.limit {
			t.Errorf("with loss %.2f a change took %s, want at most %s", tt.loss, worst, tt.limit)
		}
		if p := c.peak(since); p > 1_000_000 {
			t.Errorf("with loss %.2f the peak was %d bit/s, want at most 1,000,000", tt.loss, p)
		}
	}
}

// TestCrashIsTold crashes stations among 30 and tells how long it takes until every other copy shows it. With -rewrite
// the figures go into BENCHMARKS.md.
func TestCrashIsTold(t *testing.T) {
	text := "| RegisterEvery | Silence | soonest | median | latest |\n|---:|---:|---:|---:|---:|\n"
	for _, timing := range []Timing{{}, {RegisterEvery: time.Second, Silence: 3 * time.Second}} {
		timing, err := timing.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		var told []time.Duration
		for seed := range uint64(30) {
			told = append(told, crashOne(t, timing, seed+1))
		}
		slices.Sort(told)
		soonest, median, latest := told[0], told[len(told)/2], told[len(told)-1]
		text += fmt.Sprintf("| %s | %s | %.1f s | %.1f s | %.1f s |\n", timing.RegisterEvery, timing.Silence, soonest.Seconds(), median.Seconds(), latest.Seconds())
		// Judged once a second, the last Register at most its period ago.
		if soonest < timing.Silence-timing.RegisterEvery || latest > timing.Silence+2*time.Second {
			t.Errorf("told between %s and %s after the crash", soonest, latest)
		}
	}
	t.Log("\n" + text)
	if transcript.Rewriting() {
		if err := docsection.Replace("../../BENCHMARKS.md", "crash", text); err != nil {
			t.Fatal(err)
		}
	}
}

// crashOne crashes one of 30 stations and returns when every other copy shows it.
func crashOne(t *testing.T, timing Timing, seed uint64) time.Duration {
	c := newFleet(t, 30, timing, seed)
	c.run(40*time.Second + time.Duration(c.rand.Int64N(int64(10*time.Second))))
	dead := c.stations[0]
	version := c.table.Version() + 1
	c.stations = c.stations[1:]
	delete(c.byAddress, dead.address)
	dead.core.Reg.State = Left // says nothing more
	begun := c.now
	for c.table.Version() < version && c.now.Sub(begun) < time.Minute {
		c.run(10 * time.Millisecond)
	}
	if _, last := c.spread(version, time.Minute); last > 500*time.Millisecond {
		t.Errorf("seed %d: %s from the judgement to the last copy", seed, last)
	}
	return c.now.Sub(begun)
}
