package channeltab

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

var scaleFlag = flag.Int("fnp.scale", 300, "how many stations TestScale registers; the figure to reach is for 10000")

// crowd is one leading node and very many stations in virtual time. Each station is a whole core but for the entries
// of its copy: what it knows of the versions is what counts, and 10,000 copies of 10,000 entries are 20 GB.
type crowd struct {
	start, now time.Time
	rand       *rand.Rand
	codec      *Codec
	timing     Timing
	events     eventQueue
	order      uint64
	table      *chantable.Table
	centre     *centreCore
	address    netip.AddrPort
	stations   []*member
	byAddress  map[netip.AddrPort]*member
	loss       float64

	multicasts []sentMulticast
	unicast    int // octets to single stations with a page of the table
}

type member struct {
	core    *stationCore
	address netip.AddrPort
	next    time.Time
}

func newCrowd(t testing.TB, n int, timing Timing, seed uint64) *crowd {
	codec, err := NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{
		start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(seed, 2)), codec: codec, timing: timing,
		table: chantable.New(), address: netip.MustParseAddrPort("192.168.1.1:7400"), byAddress: map[netip.AddrPort]*member{},
	}
	c.now = c.start
	c.centre = newCentreCore(c.now, centreSetup{
		id: 900000, level: 1, node: "node1", nodes: map[string]netip.AddrPort{"node1": c.address},
		multicast: netip.MustParseAddrPort("239.1.2.3:7400"), timing: timing, codec: codec, rand: rand.New(rand.NewPCG(seed, 3)),
		since: c.table.Since,
	})
	c.centre.led(c.now, Leader{Node: "node1", Self: true, Term: 1})
	var tick func()
	tick = func() {
		c.centre.tick(c.now)
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
func (c *crowd) join(id chantable.ID, after time.Duration) *member {
	m := &member{address: stationAddress(id)}
	c.stations = append(c.stations, m)
	c.byAddress[m.address] = m
	c.at(c.now.Add(after), func() {
		m.core = newStationCore(c.now, stationSetup{
			id: id, instance: uint64(id), epoch: 1, name: fmt.Sprintf("station %d", id), listens: true, copy: chantable.NewCopy(),
			centres: []netip.AddrPort{c.address}, timing: c.timing, codec: c.codec, rand: rand.New(rand.NewPCG(uint64(id), c.rand.Uint64())),
		})
		c.act(m)
	})
	return m
}

func (c *crowd) at(t time.Time, do func()) {
	c.order++
	heap.Push(&c.events, event{t, c.order, do})
}

func (c *crowd) run(d time.Duration) {
	end := c.now.Add(d)
	for len(c.events) > 0 && !c.events[0].at.After(end) {
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
	c.now = end
}

// act does what is due at a station.
func (c *crowd) act(m *member) {
	next := m.core.tick(c.now)
	for _, p := range m.core.out {
		if c.rand.Float64() >= c.loss {
			from := m.address
			c.at(c.now.Add(time.Millisecond), func() {
				c.centre.receive(c.now, from, false, p.b)
				c.work()
			})
		}
	}
	m.core.out = nil
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
func (c *crowd) work() {
	out := c.centre.out
	c.centre.out = nil
	for _, p := range out {
		d, err := c.codec.Open(p.b)
		if err != nil {
			panic(err)
		}
		t, isTable := d.Body.(Table)
		if isTable {
			t.Page.Entries = nil
			d.Body = t
		}
		if !p.to.IsValid() {
			c.multicasts = append(c.multicasts, sentMulticast{c.now, len(p.b) + 28})
			c.at(c.now.Add(time.Millisecond), func() {
				for _, m := range c.stations {
					if m.core != nil && c.rand.Float64() >= c.loss {
						m.core.handle(c.now, c.address, true, &d)
						c.act(m)
					}
				}
			})
			continue
		}
		if isTable {
			c.unicast += len(p.b) + 28
		}
		if m := c.byAddress[p.to]; c.rand.Float64() >= c.loss {
			c.at(c.now.Add(time.Millisecond), func() {
				m.core.handle(c.now, c.address, false, &d)
				c.act(m)
			})
		}
	}
	if p := c.centre.proposal; p != nil {
		c.centre.proposal = nil
		c.at(c.now.Add(2*time.Millisecond), func() {
			c.centre.proposed(c.now, c.table.Apply(*p), nil)
			c.work()
		})
	}
}

// spread runs until every copy has a version, and returns how long the last and the median one took.
func (c *crowd) spread(version uint64, limit time.Duration) (median, last time.Duration) {
	begun := c.now
	var times []time.Duration
	missing := slices.Clone(c.stations)
	for len(missing) > 0 && c.now.Sub(begun) < limit {
		c.run(5 * time.Millisecond)
		missing = slices.DeleteFunc(missing, func(m *member) bool {
			if m.core == nil || m.core.reg.state == Left || m.core.table.copy.Floor() < version {
				return m.core != nil && m.core.reg.state == Left
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
func (c *crowd) peak(since time.Time) int {
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

// TestScale registers a crowd and changes its table: each change is in every copy within 2 s, and no second has more
// than 1 Mbit of multicast, with losses as they are in a plant and with far worse.
func TestScale(t *testing.T) {
	timing, err := Timing{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(t, *scaleFlag, timing, 1)
	c.run(10 * time.Second)
	begun := c.now
	for c.table.Len() < len(c.stations) || slices.ContainsFunc(c.stations, func(m *member) bool { return m.core.table.copy.Floor() < c.table.Version() }) {
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
			c.centre.changed(c.now)
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
		timing, err := timing.withDefaults()
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
	if *rewriteFlag {
		rewriteSection(t, "BENCHMARKS.md", "crash", text)
	}
}

// crashOne crashes one of 30 stations and returns when every other copy shows it.
func crashOne(t *testing.T, timing Timing, seed uint64) time.Duration {
	c := newCrowd(t, 30, timing, seed)
	c.run(40*time.Second + time.Duration(c.rand.Int64N(int64(10*time.Second))))
	dead := c.stations[0]
	version := c.table.Version() + 1
	c.stations = c.stations[1:]
	delete(c.byAddress, dead.address)
	dead.core.reg.state = Left // says nothing more
	begun := c.now
	for c.table.Version() < version && c.now.Sub(begun) < time.Minute {
		c.run(10 * time.Millisecond)
	}
	if _, last := c.spread(version, time.Minute); last > 500*time.Millisecond {
		t.Errorf("seed %d: %s from the judgement to the last copy", seed, last)
	}
	return c.now.Sub(begun)
}
