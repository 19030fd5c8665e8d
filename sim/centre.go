package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// ErrNoMainLink: the control centre has no started link to send a command on.
var ErrNoMainLink = errors.New("no started link")

var errNoSubstitutedTime = errors.New("a time tag that is substituted")

// CentreConfig describes a simulated control centre: one client of one uplink.
type CentreConfig struct {
	Addresses     []string // the uplink's endpoint on each FEP
	Both          bool     // a started link to each, as main-standby and dual-active want; else one at a time
	CommonAddress asdu.CommonAddress
	Sectors       []asdu.CommonAddress          // more of them on the same links, each interrogated by itself
	RoleAddress   asdu.InformationObjectAddress // of the role point; 0: none
	Config        iec104.Config
	Retry         time.Duration // wait after a refused connection; 20 ms
	Interrogate   bool          // a station interrogation after each STARTDT
	Tap           func(address string, dir iec104.Direction, at time.Time, frame []byte)
	OnEvent       func(k Key, isNew bool) // called for each time-tagged event, in order of each link
	Log           *slog.Logger

	Quirks []Quirk                       // what it does otherwise than a good one
	Output asdu.InformationObjectAddress // that quirks operate

	// OnASDU, if set, is given all monitored data, in order of each link, and
	// nothing is entered in Received: for rates at which a ledger is too slow.
	OnASDU func(address string, a asdu.ASDU)
	// Ignore tells of an object whose events are not entered in Received, nor given to OnEvent; nil: none.
	Ignore func(asdu.InformationObjectAddress) bool
	// Dial makes the connections; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Centre is a control centre: it connects, starts, interrogates, and enters
// every time-tagged event in its ledger.
type Centre struct {
	Received Ledger

	cfg CentreConfig

	mu     sync.Mutex
	links  map[string]*iec104.Client // started, by address
	main   string                    // address of the link that was last told, or is assumed, to be main
	image  map[object]float64
	starts int
	ends   int // interrogations that were terminated

	answered, refused int // requests of quirks
}

// object is where a value is: a common address, and an address in that sector.
type object struct {
	sector  asdu.CommonAddress
	address asdu.InformationObjectAddress
}

// NewCentre makes a control centre; Run runs it.
func NewCentre(cfg CentreConfig) *Centre {
	if cfg.Retry == 0 {
		cfg.Retry = 20 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Centre{
		cfg:   cfg,
		links: make(map[string]*iec104.Client),
		image: make(map[object]float64),
	}
}

// Run keeps its links up until ctx ends, and waits for them.
func (c *Centre) Run(ctx context.Context) error {
	if c.has(TwoCentres) {
		c.cfg.Addresses = c.cfg.Addresses[:1] // both want the same place
		var rival sync.WaitGroup
		defer rival.Wait()
		rival.Go(func() { c.rival(ctx) })
	}
	if !c.cfg.Both {
		for i := 0; ctx.Err() == nil; i = (i + 1) % len(c.cfg.Addresses) {
			c.once(ctx, c.cfg.Addresses[i])
			sleepUntil(ctx, time.Now().Add(c.cfg.Retry))
		}
		return ctx.Err()
	}
	var wg sync.WaitGroup
	for _, address := range c.cfg.Addresses {
		wg.Go(func() {
			for ctx.Err() == nil {
				c.once(ctx, address)
				sleepUntil(ctx, time.Now().Add(c.cfg.Retry))
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// once connects, starts and stays until the link is lost.
func (c *Centre) once(ctx context.Context, address string) {
	cfg := iec104.ClientConfig{
		Config:  c.cfg.Config,
		Address: address,
		Dial:    c.cfg.Dial,
		Handle:  func(client *iec104.Client, a asdu.ASDU, _ uint64) { c.handle(address, client, a) },
		Log:     c.cfg.Log,
	}
	if c.cfg.Tap != nil {
		cfg.Tap = func(dir iec104.Direction, at time.Time, frame []byte) { c.cfg.Tap(address, dir, at, frame) }
	}
	var newest atomic.Uint64 // ASDU
	if c.has(LateAcknowledgement) {
		cfg.ManualAck = true
		cfg.Handle = func(client *iec104.Client, a asdu.ASDU, index uint64) {
			c.handle(address, client, a)
			newest.Store(index)
		}
	}
	client, err := iec104.Dial(ctx, cfg)
	if err != nil {
		c.cfg.Log.Debug("control centre: not connected", "address", address, "error", err)
		return
	}
	defer client.Close()
	if err := client.StartDT(ctx); err != nil {
		c.cfg.Log.Debug("control centre: not started", "address", address, "error", err)
		return
	}
	c.up(address, client)
	defer c.down(address)
	c.interrogate(ctx, client)
	c.pester(ctx, client)
	if c.has(LateAcknowledgement) {
		c.acknowledgeLate(ctx, client, &newest)
	}
	select {
	case <-ctx.Done():
	case <-client.Done():
		c.cfg.Log.Debug("control centre: link lost", "address", address, "error", client.Err())
	}
}

func (c *Centre) up(address string, client *iec104.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[address] = client
	c.starts++
	if !c.cfg.Both || c.main == "" {
		c.main = address
	}
}

func (c *Centre) down(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, address)
	if c.main == address {
		c.main = ""
		for other := range c.links {
			c.main = other
		}
	}
}

func (c *Centre) handle(address string, client *iec104.Client, a asdu.ASDU) {
	if !a.Type.IsMonitor() {
		return
	}
	if c.cfg.OnASDU != nil {
		c.cfg.OnASDU(address, a)
		return
	}
	now := time.Now()
	for o := range a.Objects() {
		if c.cfg.RoleAddress != 0 && a.CommonAddress == c.cfg.CommonAddress && o.Address == c.cfg.RoleAddress {
			if o.Value == 1 {
				c.mu.Lock()
				c.main = address
				c.mu.Unlock()
			}
			continue
		}
		c.mu.Lock()
		c.image[object{a.CommonAddress, o.Address}] = o.Value
		c.mu.Unlock()
		if a.Type.TimeTag() != asdu.CP56 || c.cfg.Ignore != nil && c.cfg.Ignore(o.Address) {
			continue
		}
		c.disturb(client, o.Time)
		k := Key{a.CommonAddress, o.Address, o.Time, o.Value}
		isNew := c.Received.Add(k, now)
		if c.cfg.OnEvent != nil {
			c.cfg.OnEvent(k, isNew)
		}
	}
}

// Main is the address of the link that is main, "" without one.
func (c *Centre) Main() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.main
}

// Drop closes all links, as a control centre does that restarts: they come up
// again.
func (c *Centre) Drop() {
	c.mu.Lock()
	links := slices.Collect(maps.Values(c.links))
	c.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
}

// Starts is how often a link was started.
func (c *Centre) Starts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starts
}

// Interrogations is how many interrogations were terminated.
func (c *Centre) Interrogations() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends
}

// Value is the newest value of an object of the first sector, and whether there is one.
func (c *Centre) Value(a asdu.InformationObjectAddress) (float64, bool) {
	return c.SectorValue(c.cfg.CommonAddress, a)
}

// SectorValue is the newest value of an object of any sector, and whether there is one.
func (c *Centre) SectorValue(sector asdu.CommonAddress, a asdu.InformationObjectAddress) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.image[object{sector, a}]
	return v, ok
}

// Values is how many objects have been seen.
func (c *Centre) Values() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.image)
}

// Command sends a command on the main link and waits for its confirmation and,
// where cmd says so, its termination. ErrNoMainLink if there is none.
func (c *Centre) Command(ctx context.Context, cmd iec104.Command) error {
	c.mu.Lock()
	client := c.links[c.main]
	c.mu.Unlock()
	if client == nil {
		return fmt.Errorf("command to object %d: %w", cmd.Object.Address, ErrNoMainLink)
	}
	return client.Command(ctx, cmd)
}
