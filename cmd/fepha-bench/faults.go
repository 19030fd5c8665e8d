package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
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
	hostile  bool
	json     bool
}

func newFaultsCommand() *cobra.Command {
	var f faultsFlags
	var about string
	for _, fault := range rig.Faults() {
		about += fmt.Sprintf("\n  %-13s %s", fault.Name, fault.About)
	}
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Put a station through random faults; nothing may be lost, and there is one master always",
		Long: `Put a station through one random fault after the other, each as often as the
others. Their order, where and how long comes from the seed. Devices and control
centre judge: it fails if an event is lost, if a device hears of two masters, if
two nodes tell different things of one event, or if the station isn't whole again
after a while; then logs and data are kept.

With --hostile there are neighbours beside them that wish the station ill: a
device that babbles and breaks the protocol, an uplink's client that floods it
with controls and acknowledges nothing, strangers at all ports, a source of
forged datagrams, callers of the API without credentials, and programs beside
the FEPs that abuse their Redis. Nothing may be lost for the others: for device
and control centre; for two FNP stations, whose messages must be acknowledged
and arrive once; for an operator, each of whose controls has one outcome, is
executed once at most, and is refused for no quota; for a reader of Redis. None
of these is left without for more than 30 s, and each node's memory and log stay
within a bound. It needs what faults of the network need.

Faults of the network need root, ip and nft, and put the station in network
namespaces; those of a disk need root, mkfs.ext4 and mount, and give each node a
small disk of its own; those of the clock need the program built anew with a
clock that can be stepped, which takes some minutes the first time.

The faults:` + about,
		Example: `  fepha-bench faults --seed 7 --for 2m
  fepha-bench faults --faults kill,stop --for 30s
  fepha-bench faults --hostile --for 10m`,
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
	fl.BoolVar(&f.hostile, "hostile", false, "with hostile neighbours")
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
	Ended      string  `json:"ended,omitempty"`   // last words of the node, if it ended because it could not go on
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

	Hostile *siegeReport `json:"hostile,omitempty"`
}

func runFaults(ctx context.Context, f faultsFlags, out io.Writer) error {
	faults, left, err := f.faults()
	if err != nil {
		return err
	}
	n := needs{network: f.hostile}
	for _, fault := range faults {
		n.add(fault)
	}
	if !f.json {
		fmt.Fprintf(out, "seed %d; again: fepha-bench faults --seed %[1]d --for %v --faults %s%s\n", f.seed, f.duration, names(faults),
			map[bool]string{true: " --hostile"}[f.hostile])
		for _, reason := range left {
			fmt.Fprintln(out, "left out:", reason)
		}
	}
	options := f.options
	f.options = func(o *rig.Options) {
		o.Seed, o.Hostile = f.seed, f.hostile
		if options != nil {
			options(o)
		}
	}
	return f.with(ctx, n, func(s *rig.Station) error { return f.run(ctx, s, faults, out) })
}

// faults are those that were asked for, or all that can be had here, and why
// the others can't.
func (f faultsFlags) faults() (faults []rig.Fault, left []error, err error) {
	for _, name := range f.names {
		fault, err := rig.FaultByName(name)
		if err == nil {
			err = f.refused(fault)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("--faults: %w", err)
		}
		faults = append(faults, fault)
	}
	if len(faults) > 0 {
		return faults, nil, nil
	}
	for _, fault := range rig.Faults() {
		if err := f.refused(fault); err != nil {
			left = append(left, err)
		} else {
			faults = append(faults, fault)
		}
	}
	return faults, left, nil
}

// refused says why a fault can't be had; nil: it can.
func (f faultsFlags) refused(fault rig.Fault) error {
	if fault.Clock && f.binary != "" {
		return fmt.Errorf("%s: the clock of --binary can't be stepped", fault.Name)
	}
	if err := fault.Refused(); err != nil {
		return fmt.Errorf("%s: %w", fault.Name, err)
	}
	return nil
}

func names(faults []rig.Fault) string {
	var list []string
	for _, f := range faults {
		list = append(list, f.Name)
	}
	return strings.Join(list, ",")
}

func (f faultsFlags) run(ctx context.Context, s *rig.Station, faults []rig.Fault, out io.Writer) error {
	report := faultsReport{Seed: f.seed}
	var besiegers *siege
	if f.hostile {
		var err error
		if besiegers, err = besiege(s); err != nil {
			return err
		}
	}
	errs := []error{f.injectAll(ctx, s, faults, &report, out)}
	report.Events = s.Devices[0].Sent.Len()
	if besiegers != nil {
		borne, err := besiegers.raise()
		report.Hostile = borne
		errs = append(errs, err)
	}
	errs = append(errs, verdict(s, report.Lost, report.Violations))
	if f.json {
		errs = append(errs, json.NewEncoder(out).Encode(report))
	} else {
		report.print(out)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("seed %d: %w", f.seed, err)
	}
	return nil
}

// injectAll injects one fault after the other, and tells of each, until the time is over or the station isn't whole again.
func (f faultsFlags) injectAll(ctx context.Context, s *rig.Station, faults []rig.Fault, report *faultsReport, out io.Writer) error {
	deck := newDeck(f.seed, faults, f.lease)
	for began := time.Now(); time.Since(began) < f.duration; {
		fault, at, lasting := deck.draw()
		i := injection{AtMs: time.Since(began).Milliseconds(), Fault: fault.Name, LastedMs: lasting.Milliseconds()}
		t, err := s.Endure(ctx, fault, at, lasting)
		i.Node = t.Owner
		if err != nil {
			return fmt.Errorf("fault %d, %s of %s for %v, %v after the start: %w", report.Faults+1, i.Fault, i.Node, lasting,
				time.Duration(i.AtMs)*time.Millisecond, err)
		}
		i.GapMs = float64(t.Gap.Microseconds()) / 1000
		i.Lost, i.Repeated, i.Violations = len(t.Lost), t.Repeated, t.Violations
		i.Refused, i.Ended = t.Refused, t.Ended
		report.add(i)
		if f.json {
			if err := json.NewEncoder(out).Encode(i); err != nil {
				return err
			}
			continue
		}
		i.print(out)
	}
	return nil
}

func (i injection) print(out io.Writer) {
	fmt.Fprintf(out, "%7.1f s  %-13s %-4s for %4d ms: gap %5.0f ms, %d lost, %d repeated, %d violations\n",
		float64(i.AtMs)/1000, i.Fault, i.Node, i.LastedMs, i.GapMs, i.Lost, i.Repeated, i.Violations)
	if i.Refused != "" {
		fmt.Fprintf(out, "%11s%s\n", "", "refused: "+i.Refused)
	}
	if i.Ended != "" {
		fmt.Fprintf(out, "%11s%s\n", "", i.Node+" ended: "+i.Ended)
	}
}

func (r *faultsReport) print(out io.Writer) {
	if r.Hostile != nil {
		r.Hostile.print(out)
	}
	fmt.Fprintf(out, "seed %d: %d faults, %d events, longest gap %.0f ms; %d lost, %d repeated, %d violations, %d refused\n",
		r.Seed, r.Faults, r.Events, r.MaxGapMs, r.Lost, r.Repeated, r.Violations, r.Refused)
}

// deck deals the faults: all of them in some order, then all in another.
type deck struct {
	rng    *rand.Rand
	faults []rig.Fault
	lease  time.Duration
	left   []rig.Fault
}

func newDeck(seed uint64, faults []rig.Fault, lease time.Duration) *deck {
	return &deck{rng: rand.New(rand.NewPCG(seed, 0)), faults: faults, lease: lease}
}

// draw deals a fault, where it is, nil: where it is meant to be, and how long
// it lasts: from half a lease, which must do no harm, to six, after which
// everything has moved.
func (d *deck) draw() (fault rig.Fault, at func(api.Status) string, lasting time.Duration) {
	if len(d.left) == 0 {
		for _, i := range d.rng.Perm(len(d.faults)) {
			d.left = append(d.left, d.faults[i])
		}
	}
	fault, d.left = d.left[0], d.left[1:]
	lasting = d.lease/2 + time.Duration(d.rng.Int64N(int64(d.lease)*11/2))
	if near := d.lease*3/5 + time.Duration(d.rng.Int64N(int64(d.lease)*3/5)); fault.NearLease && d.rng.IntN(2) == 0 {
		lasting = near
	}
	anywhere, node := d.rng.IntN(4) == 0, []string{"fep1", "fep2", "wit"}[d.rng.IntN(3)]
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
