package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/sim"
)

type failoverFlags struct {
	trials int
	fault  string
	rate   float64
	lease  time.Duration
	binary string
	json   bool
}

func newFailoverCommand() *cobra.Command {
	var f failoverFlags
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Kill the owner over and over and measure the gap at the control centre",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withBinary(f.binary, func(binary, dir string) error {
				return runFailover(cmd.Context(), f, binary, dir, cmd.OutOrStdout())
			})
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&f.trials, "trials", 10, "how many faults")
	fl.StringVar(&f.fault, "fault", "kill", "kill: SIGKILL of the owner")
	fl.Float64Var(&f.rate, "rate", 200, "events a second that the device emits")
	fl.DurationVar(&f.lease, "lease", 500*time.Millisecond, "lease of the station")
	fl.StringVar(&f.binary, "binary", "", "the fepha program; default: built from source")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// failoverReport is what the trials came to; gaps in milliseconds.
type failoverReport struct {
	Fault    string    `json:"fault"`
	Trials   int       `json:"trials"`
	LeaseMs  int64     `json:"lease_ms"`
	GapsMs   []float64 `json:"gaps_ms"` // in order of the trials
	P50Ms    float64   `json:"p50_ms"`
	P90Ms    float64   `json:"p90_ms"`
	P99Ms    float64   `json:"p99_ms"`
	MaxMs    float64   `json:"max_ms"`
	Lost     int       `json:"lost"`
	Repeated int       `json:"repeated"`
}

func runFailover(ctx context.Context, f failoverFlags, binary, dir string, out io.Writer) error {
	if f.fault != "kill" {
		return fmt.Errorf("--fault %q: expected kill", f.fault)
	}
	var points []sim.DevicePoint
	for i := range 16 {
		points = append(points, sim.DevicePoint{Address: iec104.InformationObjectAddress(1 + i), Type: iec104.M_SP_TB_1})
	}
	s, err := rig.New(rig.Options{
		Binary: binary, Dir: dir, Lease: f.lease,
		RTUs: []rig.RTU{{Number: 1, Name: "device", CommonAddress: 1, Points: points}},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.StartAll(); err != nil {
		return err
	}
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, f.rate, 1) })
	report := failoverReport{Fault: f.fault, LeaseMs: f.lease.Milliseconds()}
	for i := range f.trials {
		t, err := s.KillOwner(ctx)
		if err != nil {
			return fmt.Errorf("trial %d: %w", i+1, err)
		}
		report.add(t)
		if !f.json {
			fmt.Fprintf(out, "trial %2d: %s killed, %s took over: gap %4d ms, %d lost, %d repeated\n",
				i+1, t.Owner, t.Taker, t.Gap.Milliseconds(), len(t.Lost), t.Repeated)
		}
	}
	report.finish()
	if f.json {
		if err := json.NewEncoder(out).Encode(report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "%s, %d trials, lease %v: gap p50 %.0f ms, p90 %.0f ms, p99 %.0f ms, max %.0f ms; %d lost, %d repeated\n",
			report.Fault, report.Trials, f.lease, report.P50Ms, report.P90Ms, report.P99Ms, report.MaxMs, report.Lost, report.Repeated)
	}
	if report.Lost > 0 {
		return fmt.Errorf("%d events lost", report.Lost)
	}
	return nil
}

func (r *failoverReport) add(t rig.Trial) {
	r.Trials++
	r.GapsMs = append(r.GapsMs, float64(t.Gap.Microseconds())/1000)
	r.Lost += len(t.Lost)
	r.Repeated += t.Repeated
}

func (r *failoverReport) finish() {
	sorted := slices.Sorted(slices.Values(r.GapsMs))
	r.P50Ms, r.P90Ms, r.P99Ms = percentile(sorted, 50), percentile(sorted, 90), percentile(sorted, 99)
	r.MaxMs = percentile(sorted, 100)
}

// percentile of sorted values by nearest rank; 0 without any.
func percentile(sorted []float64, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
