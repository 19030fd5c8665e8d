package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
)

type failoverFlags struct {
	stationFlags
	trials     int
	fault      string
	namespaces bool
	disks      bool
	svg        string
	json       bool
}

func newFailoverCommand() *cobra.Command {
	var f failoverFlags
	var about string
	for _, fault := range movers() {
		about += fmt.Sprintf("\n  %-13s %s", fault.Name, fault.About)
	}
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Have a fault move the RTU or the uplink over and over and measure the gap at the control centre",
		Long: `Have a fault move the RTU or the uplink over and over and measure the gap at the
control centre: the longest time without a new event, from before the fault until
the other FEP has delivered some. The phases are the station's own account of the
RTU's takeover, all counted from its cause: detected, elected (there is a leader
again), leased (the old owner's lease is over, and the new one has one),
connected (the device has confirmed STARTDT), first data.

Faults of the network need root, ip and nft, and put the station in network
namespaces; those of a disk need root, mkfs.ext4 and mount. The faults:` + about + `

Fails if an event is lost or a device hears of two masters, never for a time.`,
		Example: `  fepha-bench failover --trials 30 --fault kill
  fepha-bench failover --trials 30 --fault cut --json
  fepha-bench failover --fault kill --namespaces --svg kill.svg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runFailover(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	f.registerRate(cmd, 200)
	fl := cmd.Flags()
	fl.IntVar(&f.trials, "trials", 10, "how many faults")
	fl.StringVar(&f.fault, "fault", "kill", "which fault, see above")
	fl.BoolVar(&f.namespaces, "namespaces", false, "network namespaces also for a fault that doesn't need them")
	fl.BoolVar(&f.disks, "disks", false, "disks of their own also for a fault that doesn't need them")
	fl.StringVar(&f.svg, "svg", "", "file for a picture of the gaps")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// movers are the faults that move the RTU or the uplink when they hit its owner.
func movers() []rig.Fault {
	return slices.DeleteFunc(rig.Faults(), func(f rig.Fault) bool { return !f.MovesRTU && !f.MovesUplink })
}

// failoverReport is what the trials came to; all times in milliseconds.
type failoverReport struct {
	Fault      string    `json:"fault"`
	Trials     int       `json:"trials"`
	LeaseMs    int64     `json:"lease_ms"`
	GapsMs     []float64 `json:"gaps_ms"` // in order of the trials
	P50Ms      float64   `json:"p50_ms"`
	P90Ms      float64   `json:"p90_ms"`
	P99Ms      float64   `json:"p99_ms"`
	MaxMs      float64   `json:"max_ms"`
	Phases     []phases  `json:"phases"`     // of the RTU's takeover, in order of the trials
	PhasesP50  phases    `json:"phases_p50"` // of each phase by itself
	PhasesP90  phases    `json:"phases_p90"`
	PhasesP99  phases    `json:"phases_p99"`
	PhasesMax  phases    `json:"phases_max"`
	Lost       int       `json:"lost"`
	Repeated   int       `json:"repeated"`
	Violations int       `json:"violations"`
}

// phases are the ends of a takeover's phases since its cause, as the station's
// journal has them; 0: not told.
type phases struct {
	DetectedMs  int64 `json:"detected_ms"`
	ElectedMs   int64 `json:"elected_ms"`
	LeasedMs    int64 `json:"leased_ms"`
	ConnectedMs int64 `json:"connected_ms"`
	FirstDataMs int64 `json:"first_data_ms"`
}

// phaseNames are the phases in their order.
var phaseNames = []struct {
	name string
	of   func(*phases) *int64
}{
	{"detected", func(p *phases) *int64 { return &p.DetectedMs }},
	{"elected", func(p *phases) *int64 { return &p.ElectedMs }},
	{"leased", func(p *phases) *int64 { return &p.LeasedMs }},
	{"connected", func(p *phases) *int64 { return &p.ConnectedMs }},
	{"first data", func(p *phases) *int64 { return &p.FirstDataMs }},
}

func phasesOf(n *api.Note) phases {
	if n == nil {
		return phases{}
	}
	return phases{n.DetectedMs, n.ElectedMs, n.LeasedMs, n.ConnectedMs, n.FirstDataMs}
}

func (p phases) String() string {
	return fmt.Sprintf("detected %d, elected %d, leased %d, connected %d, first data %d ms", p.DetectedMs, p.ElectedMs, p.LeasedMs, p.ConnectedMs, p.FirstDataMs)
}

func runFailover(ctx context.Context, f failoverFlags, out io.Writer) error {
	fault, err := rig.FaultByName(f.fault)
	if err != nil {
		return err
	}
	if !fault.MovesRTU && !fault.MovesUplink {
		return fmt.Errorf("--fault %s: it need move nothing; fepha-bench faults --faults %[1]s has it", f.fault)
	}
	if f.trials < 1 {
		return fmt.Errorf("--trials %d: expected 1 or more", f.trials)
	}
	if err := fault.Refused(); err != nil {
		return fmt.Errorf("--fault %s: %w", f.fault, err)
	}
	n := needs{network: f.namespaces, disks: f.disks}
	n.add(fault)
	return f.with(ctx, n, func(s *rig.Station) error {
		report := failoverReport{Fault: f.fault, LeaseMs: f.lease.Milliseconds()}
		for i := range f.trials {
			t, err := s.Takeover(ctx, fault)
			if err != nil {
				return fmt.Errorf("trial %d: %w", i+1, err)
			}
			report.add(t)
			if !f.json {
				fmt.Fprintf(out, "trial %2d: %s %s, %s took over: gap %4d ms (%v), %d lost, %d repeated, %d violations\n",
					i+1, t.Fault, t.Owner, t.Taker, t.Gap.Milliseconds(), phasesOf(t.Takeover), len(t.Lost), t.Repeated, t.Violations)
			}
		}
		report.finish()
		if err := report.write(f, out); err != nil {
			return err
		}
		return verdict(s, report.Lost, report.Violations)
	})
}

// write prints the report and draws the picture, if one is wanted.
func (r *failoverReport) write(f failoverFlags, out io.Writer) error {
	bins := newHistogram(r.GapsMs)
	if f.svg != "" {
		file, err := os.Create(f.svg)
		if err != nil {
			return fmt.Errorf("--svg: %w", err)
		}
		bins.svg(file, fmt.Sprintf("gap at the control centre, %d times %s, lease %v", r.Trials, r.Fault, f.lease),
			map[string]float64{"p50": r.P50Ms, "p99": r.P99Ms})
		if err := file.Close(); err != nil {
			return fmt.Errorf("--svg: %w", err)
		}
	}
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(out, "\n%s, %d trials, lease %v; gap at the control centre:\n", r.Fault, r.Trials, f.lease)
	bins.print(out)
	fmt.Fprintf(out, "\n%-22s%8s%8s%8s%8s\n", "ms", "p50", "p90", "p99", "max")
	fmt.Fprintf(out, "%-22s%8.0f%8.0f%8.0f%8.0f\n", "gap", r.P50Ms, r.P90Ms, r.P99Ms, r.MaxMs)
	for _, p := range phaseNames {
		fmt.Fprintf(out, "%-22s%8d%8d%8d%8d\n", "  "+p.name+" after", *p.of(&r.PhasesP50), *p.of(&r.PhasesP90), *p.of(&r.PhasesP99), *p.of(&r.PhasesMax))
	}
	fmt.Fprintf(out, "%d lost, %d repeated, %d violations\n", r.Lost, r.Repeated, r.Violations)
	return nil
}

func (r *failoverReport) add(t rig.Trial) {
	r.Trials++
	r.GapsMs = append(r.GapsMs, ms(t.Gap))
	r.Phases = append(r.Phases, phasesOf(t.Takeover))
	r.Lost += len(t.Lost)
	r.Repeated += t.Repeated
	r.Violations += t.Violations
}

func (r *failoverReport) finish() {
	sorted := slices.Sorted(slices.Values(r.GapsMs))
	r.P50Ms, r.P90Ms, r.P99Ms = percentile(sorted, 50), percentile(sorted, 90), percentile(sorted, 99)
	r.MaxMs = percentile(sorted, 100)
	for _, p := range phaseNames {
		var all []int64
		for i := range r.Phases {
			all = append(all, *p.of(&r.Phases[i]))
		}
		slices.Sort(all)
		*p.of(&r.PhasesP50), *p.of(&r.PhasesP90) = percentile(all, 50), percentile(all, 90)
		*p.of(&r.PhasesP99), *p.of(&r.PhasesMax) = percentile(all, 99), percentile(all, 100)
	}
}

// percentile of sorted values by nearest rank; 0 without any.
func percentile[T ~int64 | ~float64](sorted []T, p int) T {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
