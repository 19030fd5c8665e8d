package channeltab

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/udp"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/listen"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/internal/panics"
)

// CentreConfig is what one node of a centre is told.
type CentreConfig struct {
	ID    chantable.ID // of the centre in the network, the same on all nodes; no station's
	Name  string       // at most chantable.MaxName octets
	Level uint8        // 1 to 255; larger is higher

	Node   string                    // this node's id, as in Registry.Leader
	Nodes  map[string]netip.AddrPort // UDP addresses of all nodes, this one's included
	Listen netip.AddrPort            // UDP address to bind; zero: this node's of Nodes

	Multicast MulticastConfig  // without a group each station is sent the table in turn
	Others    []netip.AddrPort // nodes of other centres; those in reach of the multicast are found by it
	Keys      Keys
	Timing    Timing
	Registry  Registry

	Log *slog.Logger // nil: nothing is logged
}

// Centre is one node of a centre. Its methods may be called from several goroutines.
type Centre struct {
	listen    netip.AddrPort
	multicast MulticastConfig
	registry  Registry
	log       *slog.Logger
	ctx       context.Context
	stop      context.CancelFunc
	running   sync.WaitGroup
	closing   sync.Once
	closed    error

	mu      sync.Mutex   // guards all below
	sockets *udp.Sockets // nil until the address is there
	core    *core.Centre
	refused uint64 // datagrams that the system would not send
	status  CentreStatus
}

// CentreStatus is how a node of the centre stands.
type CentreStatus struct {
	Listening bool           // this node's address is there
	Leader    bool           // this node grants and judges
	Deferring bool           // known to the leader alone: a centre of a higher level serves the network
	To        netip.AddrPort // with Deferring: where it answers
	Table     uint64         // identity of the table; 0: none yet
	Version   uint64
	Stations  int // in the table
	Online    int // of them
	Contested int // of them, whose id another station claims
	Served    int // sessions of stations that this node remembers
}

// proposeTimeout bounds how long a proposal is waited for; whoever was to be answered asks again sooner.
const proposeTimeout = 5 * time.Second

// NewCentre checks the configuration; the error wraps ErrConfig. Run runs it.
func NewCentre(cfg CentreConfig) (*Centre, error) {
	setup, err := cfg.setup()
	if err != nil {
		return nil, err
	}
	c := &Centre{registry: cfg.Registry, log: cfg.Log, listen: cfg.Listen, multicast: cfg.Multicast}
	if !c.listen.IsValid() {
		c.listen = cfg.Nodes[cfg.Node]
	}
	if err := c.multicast.Validate(c.listen); err != nil {
		return nil, err
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = loglimit.New(c.log) // other centres come and go as often as they like
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.core = core.NewCentre(time.Now(), setup)
	return c, nil
}

// Run runs the node of the centre until ctx ends, and returns nil then. An address that isn't there yet is tried again:
// until then this node hears no station, so it judges none either.
func (c *Centre) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, c.stop)()
	c.running.Go(c.run)
	var s *udp.Sockets
	err := listen.Retry(c.ctx, c.log, "FNP centre", c.listen.String(), func() (err error) {
		s, err = udp.Open(c.listen, c.multicast)
		return err
	})
	if err == nil {
		c.attach(s)
		c.log.Info("FNP centre listens", "address", c.listen)
	}
	<-c.ctx.Done()
	return c.Close()
}

// OpenCentre is NewCentre with a Run that Close ends. That the address isn't there is an error here.
func OpenCentre(cfg CentreConfig) (*Centre, error) {
	c, err := NewCentre(cfg)
	if err != nil {
		return nil, err
	}
	s, err := udp.Open(c.listen, c.multicast)
	if err != nil {
		return nil, err
	}
	c.attach(s)
	c.running.Go(c.run)
	return c, nil
}

// attach makes the node hear and be heard.
func (c *Centre) attach(s *udp.Sockets) {
	c.mu.Lock()
	c.sockets = s
	c.mu.Unlock()
	c.running.Go(func() { udp.Read(s.Own, func(from netip.AddrPort, b []byte) { c.receive(from, false, b) }) })
	if s.Group != nil {
		c.running.Go(func() { udp.Read(s.Group, func(from netip.AddrPort, b []byte) { c.receive(from, true, b) }) })
	}
	c.follow()
}

// setup checks the configuration; the error wraps ErrConfig.
func (cfg CentreConfig) setup() (core.CentreSetup, error) {
	own, ok := cfg.Nodes[cfg.Node]
	switch {
	case cfg.ID == 0 || cfg.ID > chantable.MaxID:
		return core.CentreSetup{}, fmt.Errorf("%w: centre id %d, want 1 to %d", ErrConfig, cfg.ID, chantable.MaxID)
	case cfg.Level == 0:
		return core.CentreSetup{}, fmt.Errorf("%w: level 0 is an ordinary station's, a centre's is 1 to 255", ErrConfig)
	case !ok || own.Port() == 0:
		return core.CentreSetup{}, fmt.Errorf("%w: no address and port for node %q", ErrConfig, cfg.Node)
	case cfg.Registry == nil:
		return core.CentreSetup{}, fmt.Errorf("%w: no registry", ErrConfig)
	}
	if err := chantable.ValidateName(cfg.Name); err != nil {
		return core.CentreSetup{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	timing, err := cfg.Timing.WithDefaults()
	if err != nil {
		return core.CentreSetup{}, err
	}
	codec, err := wire.NewCodec(cfg.Keys)
	if err != nil {
		return core.CentreSetup{}, err
	}
	return core.CentreSetup{
		ID: cfg.ID, Level: cfg.Level, Name: cfg.Name, Node: cfg.Node, Nodes: maps.Clone(cfg.Nodes),
		Others: slices.Clone(cfg.Others), Multicast: cfg.Multicast.Group, Timing: timing, Codec: codec, Rand: newRand(),
		Since: cfg.Registry.Since,
	}, nil
}

// run ticks, and takes in what changes in the registry.
func (c *Centre) run() {
	c.follow()
	tick := time.NewTicker(c.core.Timing.Tick)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.registry.Changed():
			c.follow()
		case <-tick.C:
			c.mu.Lock()
			c.core.Tick(time.Now())
			c.work()
			c.mu.Unlock()
		}
	}
}

func (c *Centre) follow() {
	leader := c.registry.Leader() // before the table is read: what this leader relies on has then been applied
	c.mu.Lock()
	defer c.mu.Unlock()
	leader.Self = leader.Self && c.sockets != nil
	now := time.Now()
	c.core.Changed(now)
	c.core.Led(now, leader)
	c.work()
}

func (c *Centre) receive(from netip.AddrPort, multicast bool, b []byte) {
	defer panics.Keep(c.log, "FNP datagram")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.core.Receive(time.Now(), from, multicast, b)
	c.work()
}

// work carries out what the core wants done. It is called with mu held.
func (c *Centre) work() {
	if c.sockets != nil {
		c.refused += c.sockets.Send(c.core.Out)
	}
	c.core.Out = c.core.Out[:0]
	if p := c.core.Proposal; p != nil {
		c.core.Proposal = nil
		c.running.Go(func() { c.propose(*p) })
	}
	if now := c.core.Leader.Self; now != c.status.Leader {
		c.status.Leader = now
		c.log.Info("FNP centre", "leads", now, "leader", c.core.Leader.Node, "term", c.core.Leader.Term)
	}
	if h := &c.core.Higher; h.Deferring != c.status.Deferring {
		c.status.Deferring = h.Deferring
		c.log.Info("FNP centre", "defers", h.Deferring, "to", h.Address)
	}
}

func (c *Centre) propose(p chantable.Command) {
	ctx, cancel := context.WithTimeout(c.ctx, proposeTimeout)
	defer cancel()
	results, err := c.registry.Propose(ctx, p)
	if err == nil && len(results) != len(p.Changes) {
		err = fmt.Errorf("%d results to %d changes", len(results), len(p.Changes))
	}
	if err != nil && c.ctx.Err() == nil {
		c.log.Warn("FNP centre can't change the table", "changes", len(p.Changes), "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.core.Proposed(time.Now(), results, err)
	if c.ctx.Err() == nil { // else nobody waits for another proposal
		c.work()
	}
}

// SetOffline makes a station offline as if it had left, at an operator's wish. One that is alive is back with its next
// Register. The error wraps ErrUnknownID or is the registry's.
func (c *Centre) SetOffline(ctx context.Context, id chantable.ID) error {
	results, err := c.registry.Propose(ctx, chantable.Command{
		At: time.Now().UnixMilli(), Changes: []chantable.Change{{Kind: chantable.Leave, Claim: chantable.Claim{ID: id}}},
	})
	if err != nil {
		return fmt.Errorf("channeltab: set station %d offline: %w", id, err)
	}
	if len(results) != 1 || results[0].Outcome != chantable.Done {
		return fmt.Errorf("%w: %d", ErrUnknownID, id)
	}
	c.follow() // so that Table has it at once
	return nil
}

// Table returns the stations by channel number: of our own table, or, while this node's centre defers to another, of
// its copy of the other's.
func (c *Centre) Table() []chantable.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(c.core.Shown().All())
}

// Status tells how this node stands.
func (c *Centre) Status() CentreStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.core.Shown()
	st := c.status
	st.To = netip.AddrPort{}
	if st.Deferring {
		st.To = c.core.Higher.Address
	}
	st.Listening = c.sockets != nil
	st.Table, st.Version, st.Stations, st.Served = t.Table(), t.Version(), t.Len(), c.core.Stations.Recent.Len()
	for e := range t.All() {
		if e.Online {
			st.Online++
		}
		if e.Contested {
			st.Contested++
		}
	}
	return st
}

// Stats returns the counters.
func (c *Centre) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.core.Stats
	st.Unsent = c.refused
	return st
}

// Close ends what OpenCentre has begun. It waits for all that the centre has started.
func (c *Centre) Close() error {
	c.closing.Do(func() {
		c.stop()
		c.mu.Lock()
		s := c.sockets
		c.mu.Unlock()
		if s != nil {
			c.closed = s.Close()
		}
		c.running.Wait()
	})
	return c.closed
}
