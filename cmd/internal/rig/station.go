package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// Options describe a station. Zero fields have defaults.
type Options struct {
	Binary         string        // the fepha program (needed)
	Dir            string        // of all its files; made if missing (needed)
	RTUs           []RTU         // (needed)
	Channels       int           // of each RTU; 2
	Lease          time.Duration // 500 ms
	Retry          time.Duration // of channels; 1 s
	Mode           string        // of the uplink; exclusive
	Probe          string        // standby_probe; hold
	LogStore       string        // boltdb
	Redis          string        // of station.yaml; {mode: embedded}
	LogLevel       string        // info
	Retain         int           // 200,000
	OnEvent        func(k sim.Key, isNew bool)
	OnASDU         func(address string, a asdu.ASDU) // see sim.CentreConfig
	K              int                               // window of devices and uplink; 12
	Profile        string                            // folder for a CPU profile of each node's process; "": none
	Network        *Network                          // where it stands; nil: on loopback
	Judge          bool                              // the devices watch for two masters
	FNP            bool                              // the station is a centre of FNP, with an endpoint
	Hostile        bool                              // the station has room for neighbours of packages hostile and bystander; needs Network, makes it one of FNP
	Disks          bool                              // each node's data is on a disk of its own
	Clock          bool                              // the program's wall clock can be stepped, see Build
	Seed           uint64                            // of what faults do by chance
	TLS            bool                              // of the uplink: it lets in who shows a certificate of uplinkClient, see UplinkTLS
	Exports        string                            // entries of station.yaml's list, each a line; "": none
	UplinkSettings string                            // more keys of the uplink in station.yaml, one a line
	NoCentre       bool                              // the control centre stays away until StartCentre
}

// window is w, which belongs to K.
func (o Options) window() int { return max(1, 2*o.K/3) }

// Node is one of the station's nodes.
type Node struct {
	ID  string
	API string // URL

	role, address, api string
	host               int
	dir                string // of its configuration
	config             string // path of its station.yaml
	client             client.Client
	proc               *process
	paused             bool // by SIGSTOP
	disk               *disk
	mayEnd, ill        bool   // a fault that isn't over may have it end by itself; the fault isn't healed yet
	lastWords          string // when it did
	most               int64  // octets of memory that an earlier process of it had
}

// Config is the path of the node's own station.yaml.
func (n *Node) Config() string { return n.config }

// Client talks to the node's API.
func (n *Node) Client() *client.Client { return &n.client }

// answers tells whether the node can be asked.
func (n *Node) answers() bool { return n.proc != nil && n.proc.running() && !n.paused }

// A Station is three node processes with simulated neighbours. Its methods may
// be called from one goroutine at a time.
type Station struct {
	Devices []*sim.Device // one for each of Options.RTUs
	Centre  *sim.Centre

	// StartCentre makes the control centre connect, if it hasn't yet.
	StartCentre func()

	opts  Options
	place place
	keys  *authority // of the uplink; nil: it's plain
	nodes []*Node
	rng   *rand.Rand

	fnp *fnp // nil: none

	stopSim    context.CancelFunc
	simulators sync.WaitGroup
}

// New listens with the devices, writes the configuration, and starts the
// control centre; StartAll starts the nodes. Close ends everything.
func New(o Options) (*Station, error) {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&o.Mode, "exclusive")
	def(&o.Probe, "hold")
	def(&o.LogStore, "boltdb")
	def(&o.LogLevel, "info")
	def(&o.Redis, "{mode: embedded}")
	o.Channels = max(o.Channels, 1)
	if o.Channels == 1 {
		o.Channels = 2
	}
	if o.Lease == 0 {
		o.Lease = 500 * time.Millisecond
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.Retain == 0 {
		o.Retain = 200_000
	}
	if o.K == 0 {
		o.K = iec104.DefaultConfig().K
	}
	if o.Hostile {
		o.Redis = fmt.Sprintf("{mode: embedded, address: %q}", besiegedRedis)
		o.RTUs = withSetpoints(o.RTUs)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	s := &Station{opts: o, stopSim: func() {}, rng: rand.New(rand.NewPCG(o.Seed, 1))}
	if err := s.set(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Station) set() (err error) {
	o := s.opts
	if s.place, err = newPlace(o.Network); err != nil {
		return err
	}
	for i, r := range o.RTUs {
		listen, err := s.place.channels(i, o.Channels)
		if err != nil {
			return err
		}
		d, err := sim.NewDevice(sim.DeviceConfig{
			Listen: listen, Open: s.place.open(), Judge: o.Judge,
			CommonAddress: cmp.Or(r.Answers, r.CommonAddress), Points: r.Points, Source: r.Source, Quirks: r.Quirks,
			Config: iec104.Config{K: o.K, W: o.window()}, Behind: s.behind(r.Behind),
		})
		if err != nil {
			return err
		}
		s.Devices = append(s.Devices, d)
	}
	for i, id := range []string{"fep1", "fep2", "wit"} {
		n, err := s.place.node(i, id, o.Dir)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, n)
	}
	if o.Hostile && o.Network == nil {
		return fmt.Errorf("hostile neighbours: %w: the station is on loopback", ErrNoNetwork)
	}
	if o.FNP || o.Hostile {
		if s.fnp, err = newFNP(s.place); err != nil {
			return err
		}
	}
	if o.Disks {
		if err := s.setDisks(); err != nil {
			return err
		}
	}
	dial := s.place.dial()
	if o.TLS {
		if dial, err = s.secureUplink(); err != nil {
			return err
		}
	}
	for _, n := range s.nodes {
		if n.config, err = s.writeFiles(n.dir); err != nil {
			return err
		}
	}
	timers := centreTimers
	timers.K, timers.W = o.K, o.window()
	s.Centre = sim.NewCentre(sim.CentreConfig{
		Addresses:     s.Uplinks(),
		Both:          o.Mode != "exclusive",
		CommonAddress: uplinkCA,
		Sectors:       s.sectors(),
		RoleAddress:   RoleIOA,
		Interrogate:   true,
		Ignore:        s.ignored(),
		OnEvent:       o.OnEvent,
		OnASDU:        o.OnASDU,
		Dial:          dial,
		Config:        timers,
	})
	var ctx context.Context
	ctx, s.stopSim = context.WithCancel(context.Background())
	s.StartCentre = sync.OnceFunc(func() { s.simulators.Go(func() { _ = s.Centre.Run(ctx) }) })
	if !o.NoCentre {
		s.StartCentre()
	}
	return nil
}

// centreTimers have the control centre notice soon that a connection hangs, as
// a well-kept one does: with the standard's it would take up to 35 s.
var centreTimers = iec104.Config{T0: 2 * time.Second, T1: 3 * time.Second, T2: time.Second, T3: 4 * time.Second}

// Uplinks are the addresses of the uplink on fep1 and fep2.
func (s *Station) Uplinks() []string {
	u := s.place.uplinks()
	return u[:]
}

// Nodes are all nodes: fep1, fep2, wit.
func (s *Station) Nodes() []*Node { return s.nodes }

// Node returns a node by its id, which must be one.
func (s *Station) Node(id string) *Node {
	return s.nodes[slices.IndexFunc(s.nodes, func(n *Node) bool { return n.ID == id })]
}

// Dir is the folder of all its files.
func (s *Station) Dir() string { return s.opts.Dir }

// Redis is the address of a FEP's embedded Redis, as its log says; "" if it
// hasn't any. Each takes a port that is free.
func (s *Station) Redis(id string) (address string) {
	log, err := os.ReadFile(s.LogFile(id))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(log)) {
		if _, rest, ok := strings.Cut(line, `msg="redis view" `); ok {
			_, rest, _ = strings.Cut(rest, "address=")
			address, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
	}
	return address
}

// LogFile is where a node's log goes.
func (s *Station) LogFile(id string) string { return filepath.Join(s.opts.Dir, id+".log") }

// dataDir is where a node's data is.
func (s *Station) dataDir(id string) string {
	if d := s.Node(id).disk; d != nil {
		return d.dir
	}
	return filepath.Join(s.opts.Dir, id)
}

// StartAll starts the nodes that are not running.
func (s *Station) StartAll() error {
	for _, n := range s.nodes {
		if n.proc != nil && n.proc.running() {
			continue
		}
		if err := s.Start(n.ID); err != nil {
			return err
		}
	}
	return nil
}

// Start starts a node.
func (s *Station) Start(id string) error {
	n := s.Node(id)
	args := []string{s.opts.Binary, "node", "--config", n.config, "--id", id,
		"--data-dir", s.dataDir(id), "--log-level", s.opts.LogLevel}
	if s.opts.Profile != "" {
		args = append(args, "--cpu-profile", filepath.Join(s.opts.Profile, id+".cpu"))
	}
	p, err := startProcess(s.LogFile(id), s.place.command(id, args...)...)
	if err != nil {
		return err
	}
	n.most = s.Most(id)
	n.proc, n.paused = p, false
	return nil
}

// Running tells whether a node's process runs.
func (s *Station) Running(id string) bool {
	n := s.Node(id)
	return n.proc != nil && n.proc.running()
}

// Kill ends a node with SIGKILL and waits until it is gone.
func (s *Station) Kill(id string) error { return s.Node(id).proc.kill() }

// KillAll ends all nodes at once with SIGKILL.
func (s *Station) KillAll() error {
	var errs []error
	for _, n := range s.nodes {
		n.proc.ending = true
		errs = append(errs, n.proc.signal(syscall.SIGKILL))
	}
	for _, n := range s.nodes {
		<-n.proc.done
	}
	return errors.Join(errs...)
}

// Pause stops a node's process where it is (SIGSTOP); Resume lets it go on.
func (s *Station) Pause(id string) error {
	n := s.Node(id)
	n.paused = true
	return n.proc.signal(syscall.SIGSTOP)
}

// Resume lets a paused process go on (SIGCONT).
func (s *Station) Resume(id string) error {
	n := s.Node(id)
	n.paused = false
	return n.proc.signal(syscall.SIGCONT)
}

// Stop asks a node to end and waits.
func (s *Station) Stop(id string) error { return s.Node(id).proc.stop() }

// Close ends the nodes, the control centre and the devices.
func (s *Station) Close() error {
	var errs []error
	for _, n := range s.nodes {
		if n.client.HTTP != nil {
			n.client.HTTP.CloseIdleConnections()
		}
		if n.disk != nil {
			errs = append(errs, n.disk.setSlow(false), n.disk.fill(false)) // a process that waits for it can't end
		}
		if n.paused {
			errs = append(errs, s.Resume(n.ID))
		}
		if n.proc != nil && n.proc.running() {
			if err := n.proc.stop(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", n.ID, err))
			}
		}
	}
	s.stopSim()
	s.simulators.Wait()
	for _, d := range s.Devices {
		errs = append(errs, d.Close())
	}
	errs = append(errs, s.removeDisks())
	return errors.Join(errs...)
}

// Simulate runs f, which must end with its context, until Close.
func (s *Station) Simulate(f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	outer := s.stopSim
	s.stopSim = func() { cancel(); outer() }
	done := make(chan struct{})
	s.simulators.Go(func() {
		defer close(done)
		f(ctx)
	})
	return func() { cancel(); <-done }
}

// behind is the device of an RTU; nil: there is none before the ones that are still to be made.
func (s *Station) behind(number uint32) *sim.Device {
	i := slices.IndexFunc(s.opts.RTUs, func(r RTU) bool { return r.Number == number })
	if i < 0 || i >= len(s.Devices) {
		return nil
	}
	return s.Devices[i]
}

// Lost lists the events that a device sent and the control centre does not
// have.
func (s *Station) Lost(device int) []sim.Key {
	r := s.opts.RTUs[device]
	addresses := make(map[asdu.InformationObjectAddress]asdu.InformationObjectAddress, len(r.Points))
	for i, p := range r.Points {
		addresses[p.Address] = UplinkAddress(r.Number, i)
	}
	return sim.Missing(&s.Devices[device].Sent, &s.Centre.Received, func(k sim.Key) sim.Key {
		k.CommonAddress, k.Address = r.sector(), addresses[k.Address]
		return k
	})
}

// UplinkKey is what an event of a device is at the control centre.
func (s *Station) UplinkKey(device int, k sim.Key) sim.Key {
	k.CommonAddress, k.Address = s.opts.RTUs[device].sector(), s.UplinkAddress(device, k.Address)
	return k
}

// UplinkAddress is the object address that a device's point has at the control
// centre; 0 if it has none.
func (s *Station) UplinkAddress(device int, ioa asdu.InformationObjectAddress) asdu.InformationObjectAddress {
	r := s.opts.RTUs[device]
	if i := slices.IndexFunc(r.Points, func(p sim.DevicePoint) bool { return p.Address == ioa }); i >= 0 {
		return UplinkAddress(r.Number, i)
	}
	return 0
}
