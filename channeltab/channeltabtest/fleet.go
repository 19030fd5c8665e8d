package channeltabtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/udp"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// FleetConfig says which stations are in a fleet.
type FleetConfig struct {
	Stations  int
	First     chantable.ID  // id of the first; the others have those that follow
	Spread    time.Duration // in which they register for the first time
	Centres   []netip.AddrPort
	Multicast udp.MulticastConfig
	Keys      wire.Keys
	Timing    core.Timing
}

// Fleet is many stations behind one socket of loopback, for measuring a centre. Each registers and asks as a station
// does, and knows which versions of the table it has, but not what they say: ten thousand copies of ten thousand entries
// are 20 GB.
type Fleet struct {
	sockets *udp.Sockets
	running sync.WaitGroup
	done    chan struct{}
	first   chantable.ID

	mu      sync.Mutex // guards all below
	codec   *wire.Codec
	members []*core.Station
	next    []time.Time // when each wants to be called
	answers int
	pages   int // of the table, by unicast
	awaited *awaited
}

// awaited is a change of the table that the fleet waits for.
type awaited struct {
	is      func(chantable.Entry) bool
	begun   time.Time
	version uint64 // of the change; 0 until a page has had it
	has     []bool // which members have it
	times   []time.Duration
	all     chan struct{}
}

// OpenFleet starts a fleet, whose members register in the course of Spread.
func OpenFleet(cfg FleetConfig) (*Fleet, error) {
	codec, err := wire.NewCodec(cfg.Keys)
	if err != nil {
		return nil, err
	}
	timing, err := cfg.Timing.WithDefaults()
	if err != nil {
		return nil, err
	}
	c := &Fleet{codec: codec, done: make(chan struct{}), first: cfg.First}
	if c.sockets, err = udp.Open(netip.MustParseAddrPort("127.0.0.1:0"), cfg.Multicast); err != nil {
		return nil, err
	}
	const buffer = 8 << 20
	_ = c.sockets.Own.SetReadBuffer(buffer) // the system may give less
	if c.sockets.Group != nil {
		_ = c.sockets.Group.SetReadBuffer(buffer)
	}
	address := c.sockets.Own.LocalAddr().(*net.UDPAddr).AddrPort()
	now := time.Now()
	for i := range cfg.Stations {
		id := cfg.First + chantable.ID(i)
		m := core.NewStation(now, core.StationSetup{
			ID: id, Instance: uint64(id), Epoch: uint64(now.UnixMilli()), Name: fmt.Sprintf("station %d", id), Listens: c.sockets.Group != nil,
			Copy: chantable.NewCopy(), Address: address, Centres: cfg.Centres, Timing: timing, Codec: codec, Rand: rand.New(rand.NewPCG(uint64(id), rand.Uint64())),
		})
		m.Reg.Due = now.Add(time.Duration(m.Rand.Int64N(int64(cfg.Spread) + 1)))
		m.Reg.Current = i % max(1, len(cfg.Centres))
		c.members, c.next = append(c.members, m), append(c.next, m.Reg.Due)
	}
	c.running.Go(func() { udp.Read(c.sockets.Own, func(from netip.AddrPort, b []byte) { c.receive(from, false, b) }) })
	if c.sockets.Group != nil {
		c.running.Go(func() { udp.Read(c.sockets.Group, func(from netip.AddrPort, b []byte) { c.receive(from, true, b) }) })
	}
	c.running.Go(c.tick)
	return c, nil
}

// Close ends the fleet without a word to the centre.
func (c *Fleet) Close() error {
	close(c.done)
	err := c.sockets.Close()
	c.running.Wait()
	return err
}

// Complete waits until all are registered and have a table with all of them. The error is the context's.
func (c *Fleet) Complete(ctx context.Context) error {
	for !c.complete() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("channeltab: the fleet is not complete: %w", ctx.Err())
		}
	}
	return nil
}

func (c *Fleet) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.Reg.State != core.Registered || !m.Table.Copy.Complete() || m.Table.Copy.Version() < uint64(len(c.members)) {
			return false
		}
	}
	return true
}

// Received counts the answers and the pages by unicast that the fleet has got.
func (c *Fleet) Received() (answers, pages int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers, c.pages
}

// Rename has a member register under another name, and returns how long that takes to be in each copy, sorted.
func (c *Fleet) Rename(ctx context.Context, member int, name string) ([]time.Duration, error) {
	id := c.first + chantable.ID(member)
	wait := c.Await(time.Now(), func(e chantable.Entry) bool { return e.ID == id && e.Name == name })
	c.mu.Lock()
	m := c.members[member]
	m.Name, m.Reg.Due = name, time.Now()
	c.act(member)
	c.mu.Unlock()
	return wait(ctx)
}

// Await begins to look for a change of the table. The function that it returns waits until every copy has the change,
// and returns how long that took since begun, sorted. One change can be awaited at a time.
func (c *Fleet) Await(begun time.Time, is func(chantable.Entry) bool) func(context.Context) ([]time.Duration, error) {
	a := &awaited{is: is, begun: begun, has: make([]bool, len(c.members)), all: make(chan struct{})}
	c.mu.Lock()
	c.awaited = a
	c.mu.Unlock()
	return func(ctx context.Context) ([]time.Duration, error) {
		select {
		case <-a.all:
			slices.Sort(a.times)
			return a.times, nil
		case <-ctx.Done():
			c.mu.Lock()
			defer c.mu.Unlock()
			c.awaited = nil
			return nil, fmt.Errorf("channeltab: a change is in %d of %d copies: %w", len(a.times), len(c.members), ctx.Err())
		}
	}
}

// act does what is due at a member. It is called with mu held, as note is.
func (c *Fleet) act(i int) {
	m := c.members[i]
	c.next[i] = m.Tick(time.Now())
	c.sockets.Send(m.Out)
	m.Out = m.Out[:0]
	c.note(i)
}

// note remembers when a copy has got the change that is waited for.
func (c *Fleet) note(i int) {
	a := c.awaited
	if a == nil || a.version == 0 || a.has[i] || c.members[i].Table.Copy.Floor() < a.version {
		return
	}
	a.has[i] = true
	if a.times = append(a.times, time.Since(a.begun)); len(a.times) == len(c.members) {
		close(a.all)
		c.awaited = nil
	}
}

func (c *Fleet) tick() {
	for {
		select {
		case <-c.done:
			return
		case <-time.After(10 * time.Millisecond):
		}
		c.mu.Lock()
		now := time.Now()
		for i, due := range c.next {
			if !due.After(now) {
				c.act(i)
			}
		}
		c.mu.Unlock()
	}
}

func (c *Fleet) receive(from netip.AddrPort, multicast bool, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, err := c.codec.Open(b)
	if err != nil {
		return
	}
	now := time.Now()
	if t, ok := d.Body.(wire.Table); ok {
		if a := c.awaited; a != nil && a.version == 0 {
			if i := slices.IndexFunc(t.Page.Entries, a.is); i >= 0 {
				a.version = t.Page.Entries[i].Changed
			}
		}
		t.Page.Entries = nil
		d.Body = t
	}
	if !multicast {
		i := int(d.To - c.first)
		if d.To < c.first || i >= len(c.members) {
			return
		}
		switch d.Body.(type) {
		case wire.Answer:
			c.answers++
		case wire.Table:
			c.pages++
		}
		c.members[i].Handle(now, from, false, &d)
		c.act(i)
		return
	}
	for i, m := range c.members {
		m.Handle(now, from, true, &d)
		if due := m.Table.Due; !due.IsZero() && due.Before(c.next[i]) {
			c.next[i] = due
		}
		c.note(i)
	}
}
