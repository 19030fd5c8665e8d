package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/internal/rig"
)

type eventsFlags struct {
	stationFlags
	perASDU  []int
	duration time.Duration
	rtus, k  int
	underWay int
	json     bool
}

func newEventsCommand() *cobra.Command {
	var f eventsFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Measure the highest rate of events that a station carries without losing one",
		Long: `Measure the highest rate of events that a station carries without losing one:
from devices to the control centre, committed by three processes with their data
on disk. The devices keep their windows full; the control centre checks that each
event comes, once and in order. Devices and control centre share the machine.`,
		Example: "  fepha-bench events --per-asdu 1,20 --for 10s --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runEvents(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.IntSliceVar(&f.perASDU, "per-asdu", []int{1, 20}, "objects in each ASDU of the devices, one run for each")
	fl.DurationVar(&f.duration, "for", 10*time.Second, "how long each run is measured, after 3 s of running in")
	fl.IntVar(&f.rtus, "rtus", 10, "devices")
	fl.IntVar(&f.k, "k", 120, "window of devices and uplink, in ASDUs")
	fl.IntVar(&f.underWay, "under-way", 20_000, "events that may be between devices and control centre")
	fl.BoolVar(&f.json, "json", false, "print JSON, a line for each run")
	return cmd
}

// eventsReport is what a run came to.
type eventsReport struct {
	PerASDU   int     `json:"per_asdu"`
	RTUs      int     `json:"rtus"`
	K         int     `json:"k"`
	Cores     int     `json:"cores"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"events_per_s"`          // mean over the time measured
	Slowest   float64 `json:"slowest_second_per_s"`  // of the seconds measured
	Emitted   uint64  `json:"emitted"`               // running in and out included
	Arrived   uint64  `json:"arrived"`               // likewise
	Lost      uint64  `json:"lost"`                  // or out of order
	Repeated  uint64  `json:"repeated"`              //
	ToEndMs   float64 `json:"last_event_after_ms"`   // after the devices had stopped
	Complaint string  `json:"first_wrong,omitempty"` // the first event that was not the expected one
}

func runEvents(ctx context.Context, f eventsFlags, out io.Writer) error {
	for _, n := range f.perASDU {
		if n < 1 || floodPoints%n != 0 || n > 22 {
			return fmt.Errorf("--per-asdu %d: expected a divisor of %d up to 22", n, floodPoints)
		}
	}
	for _, n := range f.perASDU {
		r, err := f.measure(ctx, n)
		if err != nil {
			return fmt.Errorf("%d objects an ASDU: %w", n, err)
		}
		if f.json {
			err = json.NewEncoder(out).Encode(r)
		} else {
			_, err = fmt.Fprintf(out, "%2d objects an ASDU, %d RTUs, k %d, %d cores: %.0f events/s over %.0f s, slowest second %.0f/s; %d emitted, %d arrived, %d lost, %d repeated\n",
				r.PerASDU, r.RTUs, r.K, r.Cores, r.Rate, r.Seconds, r.Slowest, r.Emitted, r.Arrived, r.Lost, r.Repeated)
		}
		if err == nil && r.Lost+r.Repeated > 0 {
			err = fmt.Errorf("%d objects an ASDU: %d events lost, %d repeated: %s", n, r.Lost, r.Repeated, r.Complaint)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measure makes a run with so many objects in an ASDU.
func (f eventsFlags) measure(ctx context.Context, perASDU int) (r eventsReport, err error) {
	fl := newFlood(perASDU, uint64(f.underWay))
	f.options = func(o *rig.Options) { fl.fill(o, f.rtus, f.k) }
	r = eventsReport{PerASDU: perASDU, RTUs: f.rtus, K: f.k, Cores: runtime.GOMAXPROCS(0)}
	err = f.with(ctx, needs{}, func(s *rig.Station) error {
		defer s.Simulate(fl.start)()
		return r.run(ctx, fl, f.duration)
	})
	return r, err
}

const (
	runIn         = 3 * time.Second
	settleTimeout = 30 * time.Second
)

func (r *eventsReport) run(ctx context.Context, f *flood, duration time.Duration) error {
	if err := rig.Pause(ctx, runIn); err != nil {
		return err
	}
	began, first := time.Now(), f.arrived.Load()
	var seconds []float64
	for last, at := first, began; time.Since(began) < duration; {
		if err := rig.Pause(ctx, time.Second); err != nil {
			return err
		}
		n, now := f.arrived.Load(), time.Now()
		seconds = append(seconds, float64(n-last)/now.Sub(at).Seconds())
		last, at = n, now
	}
	r.Seconds = time.Since(began).Seconds()
	r.Rate, r.Slowest = float64(f.arrived.Load()-first)/r.Seconds, slices.Min(seconds)
	stopped := time.Now()
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	err := f.settle(ctx)
	r.ToEndMs = float64(time.Since(stopped).Microseconds()) / 1000
	r.Emitted, r.Lost, r.Repeated = f.emitted.Load(), f.lost.Load(), f.repeated.Load()
	r.Arrived = f.arrived.Load() - r.Lost
	r.Complaint = f.complaint()
	return err
}
