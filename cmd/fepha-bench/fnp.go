package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/fsm/chantable"
)

type fnpFlags struct {
	stationFlags
	stations []int
	changes  int
	rest     time.Duration
	watch    time.Duration
	json     bool
}

func newFNPCommand() *cobra.Command {
	var f fnpFlags
	cmd := &cobra.Command{
		Use:   "fnp",
		Short: "Measure a station as the centre of an FNP network, and kill its leader",
		Long: `Measure a station as the centre of an FNP network: three processes with their
data on disk, and a fleet of stations behind one socket, with the timing of a
plant, spread over the three nodes. When all are registered and at rest, stations
are renamed, one after the other, and it is measured how long each change takes to
be in every copy. Then the leader, which owns the pair's endpoint, is killed: how
long until the endpoint's new address is in every copy, and does any station go
offline?`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runFNP(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.IntSliceVar(&f.stations, "stations", []int{100, 1000, 10000}, "how many stations, one network after the other")
	fl.IntVar(&f.changes, "changes", 20, "how many stations are renamed")
	fl.DurationVar(&f.rest, "rest", 20*time.Second, "how long the usage at rest is measured")
	fl.DurationVar(&f.watch, "watch", 35*time.Second, "how long after the kill it is seen whether a station goes offline; the period of silence is 30s")
	fl.BoolVar(&f.json, "json", false, "print JSON, a line for each network")
	return cmd
}

// fnpReport is what one network came to.
type fnpReport struct {
	Stations     int                 `json:"stations"`
	Leader       string              `json:"leader"`
	RegisteredMs float64             `json:"registered_ms"` // from the first Register, spread over 10 s, until all are, with a complete table
	AnswersPerS  float64             `json:"answers_per_s"` // at rest
	Nodes        map[string]fnpUsage `json:"nodes"`         // at rest
	RestKbits    float64             `json:"multicast_rest_kbit_s"`
	PeakKbits    float64             `json:"multicast_peak_kbit_s"` // busiest second up to the kill
	ChangeP50Ms  float64             `json:"change_half_ms"`        // in half of the copies, worst change
	ChangeMaxMs  float64             `json:"change_all_ms"`         // in every copy, worst change
	KillMs       float64             `json:"kill_to_address_ms"`    // from the kill until the new address is in every copy
	MoveMs       float64             `json:"owner_to_address_ms"`   // from the change of owner
	WentOffline  int                 `json:"went_offline"`          // stations after the kill
}

type fnpUsage struct {
	CPU      float64 `json:"cpu"`       // of a core
	IdleCPU  float64 `json:"idle_cpu"`  // before any station has registered
	MemoryMB float64 `json:"memory_mb"` // resident
	IdleMB   float64 `json:"idle_memory_mb"`
}

func runFNP(ctx context.Context, f fnpFlags, out io.Writer) error {
	f.options = func(o *rig.Options) { o.FNP = true }
	for _, n := range f.stations {
		if n < 1 || n > 60000 {
			return fmt.Errorf("--stations %d: expected 1 to 60000", n)
		}
		r := fnpReport{Stations: n, Nodes: map[string]fnpUsage{}}
		if err := f.with(ctx, needs{}, func(s *rig.Station) error { return f.measure(ctx, s, &r) }); err != nil {
			return fmt.Errorf("%d stations: %w", n, err)
		}
		if f.json {
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%d stations: registered after %.1f s; multicast at rest %.0f kbit/s, busiest second %.0f kbit/s; a change in half of the copies after %.0f ms, in every copy after %.0f ms (worst of %d)\n",
			n, r.RegisteredMs/1000, r.RestKbits, r.PeakKbits, r.ChangeP50Ms, r.ChangeMaxMs, f.changes)
		for _, id := range []string{"fep1", "fep2", "wit"} {
			u := r.Nodes[id]
			fmt.Fprintf(out, "  %-4s %4.1f %% of a core, %3.0f MB; before any station %4.1f %%, %3.0f MB%s\n", id, u.CPU*100, u.MemoryMB, u.IdleCPU*100, u.IdleMB, map[bool]string{true: "; leads"}[id == r.Leader])
		}
		fmt.Fprintf(out, "  %s killed: the endpoint's new address in every copy after %.0f ms, %.0f ms after the change of owner; %d stations went offline within %v\n",
			r.Leader, r.KillMs, r.MoveMs, r.WentOffline, f.watch)
	}
	return nil
}

func (f *fnpFlags) measure(ctx context.Context, s *rig.Station, r *fnpReport) error {
	idle, err := watch(ctx, s, 5*time.Second)
	if err != nil {
		return err
	}
	fleet, err := openFleet(s, r.Stations)
	if err != nil {
		return err
	}
	defer fleet.Close()
	meter := newMeter(s)
	defer meter.stop()
	begun := time.Now()
	limited, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := fleet.Complete(limited); err != nil {
		return err
	}
	r.RegisteredMs = ms(time.Since(begun))
	if err := rig.Pause(ctx, 12*time.Second); err != nil { // the round that the start had sped up ends; Registers spread over their period
		return err
	}

	octets := meter.octets()
	answers, _ := fleet.Received()
	atRest, err := watch(ctx, s, f.rest)
	if err != nil {
		return err
	}
	after, _ := fleet.Received()
	r.AnswersPerS = float64(after-answers) / f.rest.Seconds()
	r.RestKbits = float64(meter.octets()-octets) * 8 / 1000 / f.rest.Seconds()
	for id, u := range atRest {
		was := idle[id]
		r.Nodes[id] = fnpUsage{CPU: u.cpu, IdleCPU: was.cpu, MemoryMB: megabytes(u.Resident), IdleMB: megabytes(was.Resident)}
	}
	for i := range min(f.changes, r.Stations) {
		times, err := fleet.Rename(limited, i, fmt.Sprintf("renamed %d", i))
		if err != nil {
			return err
		}
		r.ChangeP50Ms = max(r.ChangeP50Ms, ms(times[len(times)/2]))
		r.ChangeMaxMs = max(r.ChangeMaxMs, ms(times[len(times)-1]))
	}
	r.PeakKbits = meter.peak()
	return f.kill(ctx, s, fleet, r)
}

// kill kills the leader, which owns the endpoint too.
func (f *fnpFlags) kill(ctx context.Context, s *rig.Station, fleet *channeltabtest.Fleet, r *fnpReport) error {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := s.WaitFor(limited, "a FEP to lead and own the endpoint", func(st api.Status) bool {
		about, err := s.Client().FNP(limited)
		r.Leader = st.Leader
		return err == nil && about.Endpoint.Owner == st.Leader
	})
	if err != nil {
		return err
	}
	address := netip.MustParseAddrPort(s.FNPEndpoints()[map[string]int{"fep1": 1, "fep2": 0}[r.Leader]])
	killed := time.Now()
	wait := fleet.Await(killed, func(e chantable.Entry) bool { return e.ID == rig.FNPEndpoint && e.Address == address })
	if err := s.Kill(r.Leader); err != nil {
		return err
	}
	times, err := wait(limited)
	if err != nil {
		return err
	}
	r.KillMs = ms(times[len(times)-1])
	about, err := s.Client().FNP(limited)
	if err != nil {
		return err
	}
	r.MoveMs = r.KillMs - ms(time.UnixMilli(about.Endpoint.SinceMs).Sub(killed))
	for end := killed.Add(f.watch); time.Now().Before(end); {
		if err := rig.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		if about, err = s.Client().FNP(ctx); err != nil {
			return err
		}
		r.WentOffline = max(r.WentOffline, about.Centre.Stations-about.Centre.Online)
	}
	return nil
}

func openFleet(s *rig.Station, stations int) (*channeltabtest.Fleet, error) {
	keys, err := channeltab.ReadKeys(s.FNPKeyFile())
	if err != nil {
		return nil, err
	}
	cfg := channeltabtest.FleetConfig{
		Stations: stations, First: 1_000_000, Spread: 10 * time.Second, Keys: keys,
		Multicast: channeltab.MulticastConfig{Group: netip.MustParseAddrPort(s.FNPGroup()), Interface: "lo"},
	}
	for _, c := range s.FNPCentres() {
		cfg.Centres = append(cfg.Centres, netip.MustParseAddrPort(c))
	}
	return channeltabtest.OpenFleet(cfg)
}

// meter watches how many octets the centre multicasts.
type meter struct {
	nodes []string
	stop  func()

	mu      sync.Mutex
	samples []sample
	highest float64 // kbit/s
}

type sample struct {
	at     time.Time
	octets uint64
}

func newMeter(s *rig.Station) *meter {
	m := &meter{}
	for _, n := range s.Nodes() {
		m.nodes = append(m.nodes, n.API)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for m.sample(ctx); rig.Pause(ctx, 100*time.Millisecond) == nil; {
			m.sample(ctx)
		}
	})
	m.stop = func() { cancel(); running.Wait() }
	return m
}

// sample asks the nodes, of which only one that leads multicasts.
func (m *meter) sample(ctx context.Context) {
	now := sample{at: time.Now()}
	for _, node := range m.nodes {
		about, err := (&client.Client{Base: node}).FNP(ctx)
		if err != nil {
			return
		}
		now.octets += about.Centre.Counters["multicast_octets"]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, now)
	for len(m.samples) > 2 && now.at.Sub(m.samples[1].at) >= time.Second {
		m.samples = m.samples[1:]
	}
	if first := m.samples[0]; now.at.Sub(first.at) >= time.Second {
		m.highest = max(m.highest, float64(now.octets-first.octets)*8/1000/now.at.Sub(first.at).Seconds())
	}
}

func (m *meter) octets() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.samples[len(m.samples)-1].octets
}

func (m *meter) peak() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.highest
}
