package channeltab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// CrowdConfig says who is in a crowd.
type CrowdConfig struct {
	Stations  int
	First     chantable.ID  // id of the first; the others have those that follow
	Spread    time.Duration // in which they register for the first time
	Centres   []netip.AddrPort
	Multicast MulticastConfig
	Keys      Keys
	Timing    Timing
}

// Crowd is many stations behind one socket of loopback, for measuring a centre. Each registers and asks as a station
// does, and knows which versions of the table it has, but not what they say: ten thousand copies of ten thousand entries
// are 20 GB.
type Crowd struct {
	sockets *sockets
	running sync.WaitGroup
	done    chan struct{}
	first   chantable.ID

	mu      sync.Mutex // guards all below
	codec   *Codec
	members []*stationCore
	next    []time.Time // when each wants to be called
	answers int
	pages   int // of the table, by unicast
	awaited *awaited
}

// awaited is a change of the table that the crowd waits for.
type awaited struct {
	is      func(chantable.Entry) bool
	begun   time.Time
	version uint64 // of the change; 0 until a page has had it
	has     []bool // which members have it
	times   []time.Duration
	all     chan struct{}
}

// OpenCrowd starts a crowd, whose members register in the course of Spread.
func OpenCrowd(cfg CrowdConfig) (*Crowd, error) {
	codec, err := NewCodec(cfg.Keys)
	if err != nil {
		return nil, err
	}
	timing, err := cfg.Timing.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Crowd{codec: codec, done: make(chan struct{}), first: cfg.First}
	if c.sockets, err = openSockets(netip.MustParseAddrPort("127.0.0.1:0"), cfg.Multicast); err != nil {
		return nil, err
	}
	const buffer = 8 << 20
	_ = c.sockets.own.SetReadBuffer(buffer) // the system may give less
	if c.sockets.group != nil {
		_ = c.sockets.group.SetReadBuffer(buffer)
	}
	address := c.sockets.own.LocalAddr().(*net.UDPAddr).AddrPort()
	now := time.Now()
	for i := range cfg.Stations {
		id := cfg.First + chantable.ID(i)
		m := newStationCore(now, stationSetup{
			id: id, instance: uint64(id), epoch: uint64(now.UnixMilli()), name: fmt.Sprintf("station %d", id), listens: c.sockets.group != nil,
			copy: chantable.NewCopy(), address: address, centres: cfg.Centres, timing: timing, codec: codec, rand: rand.New(rand.NewPCG(uint64(id), rand.Uint64())),
		})
		m.reg.due = now.Add(time.Duration(m.rand.Int64N(int64(cfg.Spread) + 1)))
		m.reg.current = i % max(1, len(cfg.Centres))
		c.members, c.next = append(c.members, m), append(c.next, m.reg.due)
	}
	c.running.Go(func() { read(c.sockets.own, func(from netip.AddrPort, b []byte) { c.receive(from, false, b) }) })
	if c.sockets.group != nil {
		c.running.Go(func() { read(c.sockets.group, func(from netip.AddrPort, b []byte) { c.receive(from, true, b) }) })
	}
	c.running.Go(c.tick)
	return c, nil
}

// Close ends the crowd without a word to the centre.
func (c *Crowd) Close() error {
	close(c.done)
	err := c.sockets.close()
	c.running.Wait()
	return err
}

// Complete waits until all are registered and have a table with all of them. The error is the context's.
func (c *Crowd) Complete(ctx context.Context) error {
	for !c.complete() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("channeltab: the crowd is not complete: %w", ctx.Err())
		}
	}
	return nil
}

func (c *Crowd) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.reg.state != Registered || !m.table.copy.Complete() || m.table.copy.Version() < uint64(len(c.members)) {
			return false
		}
	}
	return true
}

// Received counts the answers and the pages by unicast that the crowd has got.
func (c *Crowd) Received() (answers, pages int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers, c.pages
}

// Rename has a member register under another name, and returns how long that takes to be in each copy, sorted.
func (c *Crowd) Rename(ctx context.Context, member int, name string) ([]time.Duration, error) {
	id := c.first + chantable.ID(member)
	wait := c.Await(time.Now(), func(e chantable.Entry) bool { return e.ID == id && e.Name == name })
	c.mu.Lock()
	m := c.members[member]
	m.name, m.reg.due = name, time.Now()
	c.act(member)
	c.mu.Unlock()
	return wait(ctx)
}

// Await begins to look for a change of the table. The function that it returns waits until every copy has the change,
// and returns how long that took since begun, sorted. One change can be awaited at a time.
func (c *Crowd) Await(begun time.Time, is func(chantable.Entry) bool) func(context.Context) ([]time.Duration, error) {
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

// act does what is due at a member. It is called with mu held, as look is.
func (c *Crowd) act(i int) {
	m := c.members[i]
	c.next[i] = m.tick(time.Now())
	c.sockets.send(m.out)
	m.out = m.out[:0]
	c.look(i)
}

// look notes when a copy has got the change that is waited for.
func (c *Crowd) look(i int) {
	a := c.awaited
	if a == nil || a.version == 0 || a.has[i] || c.members[i].table.copy.Floor() < a.version {
		return
	}
	a.has[i] = true
	if a.times = append(a.times, time.Since(a.begun)); len(a.times) == len(c.members) {
		close(a.all)
		c.awaited = nil
	}
}

func (c *Crowd) tick() {
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

func (c *Crowd) receive(from netip.AddrPort, multicast bool, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, err := c.codec.Open(b)
	if err != nil {
		return
	}
	now := time.Now()
	if t, ok := d.Body.(Table); ok {
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
		case Answer:
			c.answers++
		case Table:
			c.pages++
		}
		c.members[i].handle(now, from, false, &d)
		c.act(i)
		return
	}
	for i, m := range c.members {
		m.handle(now, from, true, &d)
		if due := m.table.due; !due.IsZero() && due.Before(c.next[i]) {
			c.next[i] = due
		}
		c.look(i)
	}
}
