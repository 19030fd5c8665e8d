package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
)

type faultsFlags struct {
	stationFlags
	seed     uint64
	duration time.Duration
	names    []string
	json     bool
}

func newFaultsCommand() *cobra.Command {
	var f faultsFlags
	var about string
	for _, fault := range rig.Faults() {
		about += fmt.Sprintf("\n  %-12s %s", fault.Name, fault.About)
	}
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Put a station through random faults; nothing may be lost, and there is one master always",
		Long: `Put a station through one random fault after the other. Which, where and how
long comes from the seed. Devices and control centre judge: it fails if an event
is lost, or if a device hears of two masters. Faults of the network need root, ip
and nft: the station then stands in network namespaces.

The faults:` + about,
		Example: `  fepha-bench faults --seed 7 --for 2m
  fepha-bench faults --faults kill,stop --for 30s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = uint64(time.Now().UnixNano()) % 1_000_000
			}
			return runFaults(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	f.registerRate(cmd, 200)
	fl := cmd.Flags()
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the faults; default: another each time")
	fl.DurationVar(&f.duration, "for", 2*time.Minute, "no new fault after this time")
	fl.StringSliceVar(&f.names, "faults", nil, "which faults; default: all that this kernel can do")
	fl.BoolVar(&f.json, "json", false, "print JSON, a line for each fault and one at the end")
	return cmd
}

// injection is one fault and what it cost.
type injection struct {
	AtMs       int64   `json:"at_ms"` // since the station was up
	Fault      string  `json:"fault"`
	Node       string  `json:"node"`
	LastedMs   int64   `json:"lasted_ms"`
	GapMs      float64 `json:"gap_ms"` // longest silence at the control centre until all was well
	Lost       int     `json:"lost"`
	Repeated   int     `json:"repeated"`
	Violations int     `json:"violations"`
	Refused    string  `json:"refused,omitempty"` // why the station would not do what was asked by hand
}

// faultsReport is what a run came to.
type faultsReport struct {
	Seed       uint64  `json:"seed"`
	Faults     int     `json:"faults"`
	Events     int     `json:"events"`
	MaxGapMs   float64 `json:"max_gap_ms"`
	Lost       int     `json:"lost"`
	Repeated   int     `json:"repeated"`
	Violations int     `json:"violations"`
	Refused    int     `json:"refused"`
}

func runFaults(ctx context.Context, f faultsFlags, out io.Writer) error {
	faults, namespaces, err := f.faults()
	if err != nil {
		return err
	}
	if !f.json {
		fmt.Fprintf(out, "seed %d\n", f.seed)
	}
	return f.with(ctx, namespaces, func(s *rig.Station) error {
		if faults, err = s.Possible(faults); err != nil && len(f.names) > 0 {
			return err
		} else if err != nil && !f.json {
			fmt.Fprintf(out, "left out: %v\n", err)
		}
		return f.run(ctx, s, faults, out)
	})
}

// faults are those that were asked for, and whether they need namespaces.
func (f faultsFlags) faults() (faults []rig.Fault, namespaces bool, err error) {
	if faults = rig.Faults(); len(f.names) > 0 {
		faults = nil
		for _, name := range f.names {
			fault, err := rig.FaultByName(name)
			if err != nil {
				return nil, false, fmt.Errorf("--faults: %w", err)
			}
			faults = append(faults, fault)
		}
	}
	refused := rig.NetworkRefused()
	for _, fault := range faults {
		if namespaces = namespaces || fault.Network; fault.Network && refused != nil {
			return nil, false, fmt.Errorf("fault %s: %w; --faults kill,kill-leader,kill-all,stop,manual,transfer do without", fault.Name, refused)
		}
	}
	return faults, namespaces, nil
}

func (f faultsFlags) run(ctx context.Context, s *rig.Station, faults []rig.Fault, out io.Writer) error {
	rng := newRand(f.seed)
	report := faultsReport{Seed: f.seed}
	for began := time.Now(); time.Since(began) < f.duration; {
		fault, at, lasting := draw(rng, faults, f.lease)
		i := injection{AtMs: time.Since(began).Milliseconds(), Fault: fault.Name, LastedMs: lasting.Milliseconds()}
		t, err := s.Endure(ctx, fault, at, lasting)
		i.Node = t.Owner
		if err != nil {
			return fmt.Errorf("seed %d, fault %d, %s of %s for %v, %v after the start: %w", f.seed, report.Faults+1, i.Fault, i.Node, lasting,
				time.Duration(i.AtMs)*time.Millisecond, err)
		}
		i.GapMs = float64(t.Gap.Microseconds()) / 1000
		i.Lost, i.Repeated, i.Violations = len(t.Lost), t.Repeated, t.Violations
		i.Refused = t.Refused
		report.add(i)
		if f.json {
			if err := json.NewEncoder(out).Encode(i); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%7.1f s  %-11s %-4s for %4d ms: gap %5.0f ms, %d lost, %d repeated, %d violations\n",
			float64(i.AtMs)/1000, i.Fault, i.Node, i.LastedMs, i.GapMs, i.Lost, i.Repeated, i.Violations)
		if i.Refused != "" {
			fmt.Fprintf(out, "%11s%s\n", "", "refused: "+i.Refused)
		}
	}
	report.Events = s.Devices[0].Sent.Len()
	if f.json {
		if err := json.NewEncoder(out).Encode(report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "seed %d: %d faults, %d events, longest gap %.0f ms; %d lost, %d repeated, %d violations, %d refused\n",
			report.Seed, report.Faults, report.Events, report.MaxGapMs, report.Lost, report.Repeated, report.Violations, report.Refused)
	}
	if err := verdict(s, report.Lost, report.Violations); err != nil {
		return fmt.Errorf("seed %d: %w", f.seed, err)
	}
	return nil
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// draw chooses a fault, where it is, and how long it lasts: from half a lease,
// which must do no harm, to six, after which everything has moved.
func draw(rng *rand.Rand, faults []rig.Fault, lease time.Duration) (fault rig.Fault, at func(api.Status) string, lasting time.Duration) {
	fault = faults[rng.IntN(len(faults))]
	lasting = lease/2 + time.Duration(rng.Int64N(int64(lease)*11/2))
	anywhere, node := rng.IntN(4) == 0, []string{"fep1", "fep2", "wit"}[rng.IntN(3)]
	if anywhere && fault.Anywhere {
		at = func(api.Status) string { return node }
	}
	return fault, at, lasting.Round(time.Millisecond)
}

func (r *faultsReport) add(i injection) {
	r.Faults++
	r.MaxGapMs = max(r.MaxGapMs, i.GapMs)
	r.Lost += i.Lost
	r.Repeated += i.Repeated
	r.Violations += i.Violations
	if i.Refused != "" {
		r.Refused++
	}
}
