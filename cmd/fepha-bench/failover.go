package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	json       bool
}

func newFailoverCommand() *cobra.Command {
	var f failoverFlags
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Have a fault move the RTU over and over and measure the gap at the control centre",
		Long: `Have a fault move the RTU over and over and measure the gap at the control
centre. Faults of the network, which are cut, mute, deafen, unplug and channels,
need root, ip and nft: the station then stands in network namespaces.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runFailover(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	f.registerRate(cmd, 200)
	fl := cmd.Flags()
	fl.IntVar(&f.trials, "trials", 10, "how many faults")
	fl.StringVar(&f.fault, "fault", "kill", "kill, stop, cut, mute, deafen, unplug, channels or manual")
	fl.BoolVar(&f.namespaces, "namespaces", false, "network namespaces also for a fault that doesn't need them")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
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
	if !fault.MovesRTU {
		return fmt.Errorf("--fault %s: it need not move the RTU, see the faults command", f.fault)
	}
	return f.with(ctx, f.namespaces || fault.Network, func(s *rig.Station) error {
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
		if f.json {
			if err := json.NewEncoder(out).Encode(report); err != nil {
				return err
			}
		} else {
			fmt.Fprintf(out, "%s, %d trials, lease %v: gap p50 %.0f ms, p90 %.0f ms, p99 %.0f ms, max %.0f ms (p50: %v); %d lost, %d repeated, %d violations\n",
				report.Fault, report.Trials, f.lease, report.P50Ms, report.P90Ms, report.P99Ms, report.MaxMs, report.PhasesP50, report.Lost, report.Repeated, report.Violations)
		}
		return verdict(s, report.Lost, report.Violations)
	})
}

func (r *failoverReport) add(t rig.Trial) {
	r.Trials++
	r.GapsMs = append(r.GapsMs, float64(t.Gap.Microseconds())/1000)
	r.Phases = append(r.Phases, phasesOf(t.Takeover))
	r.Lost += len(t.Lost)
	r.Repeated += t.Repeated
	r.Violations += t.Violations
}

func (r *failoverReport) finish() {
	sorted := slices.Sorted(slices.Values(r.GapsMs))
	r.P50Ms, r.P90Ms, r.P99Ms = percentile(sorted, 50), percentile(sorted, 90), percentile(sorted, 99)
	r.MaxMs = percentile(sorted, 100)
	median := func(get func(phases) int64) int64 {
		var all []int64
		for _, p := range r.Phases {
			all = append(all, get(p))
		}
		slices.Sort(all)
		return percentile(all, 50)
	}
	r.PhasesP50 = phases{
		DetectedMs:  median(func(p phases) int64 { return p.DetectedMs }),
		ElectedMs:   median(func(p phases) int64 { return p.ElectedMs }),
		LeasedMs:    median(func(p phases) int64 { return p.LeasedMs }),
		ConnectedMs: median(func(p phases) int64 { return p.ConnectedMs }),
		FirstDataMs: median(func(p phases) int64 { return p.FirstDataMs }),
	}
}

// percentile of sorted values by nearest rank; 0 without any.
func percentile[T ~int64 | ~float64](sorted []T, p int) T {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
