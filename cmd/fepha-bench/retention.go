package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
)

type retentionFlags struct {
	stationFlags
	events int
	json   bool
}

// perASDU is how many events the devices put in an ASDU: 20 of the 22 that fit.
const perASDU = 20

const (
	retentionRTUs = 10
	retentionK    = 12 // ASDUs that a device may send again after a move

	// keptFree is how many events of the retention are left: to the first value of each point, to the station's audit
	// events, and to what the devices send again after two moves of each.
	keptFree = retentionRTUs*floodPoints + 1600 + 2*retentionRTUs*retentionK*perASDU
)

func newRetentionCommand() *cobra.Command {
	var f retentionFlags
	cmd := &cobra.Command{
		Use:   "retention",
		Short: "Kill all nodes of a station that retains events for an absent control centre, and count what arrives",
		Long: `Have devices emit while there is no control centre, kill all three nodes at once
with SIGKILL, start them again, and let the control centre come: each event has to
arrive, once and in order.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRetention(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.events, "events", 200_000, fmt.Sprintf("events that the station retains; the devices emit %d fewer, since it has some of its own", keptFree))
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// retentionReport is what a run came to.
type retentionReport struct {
	Retained  uint64  `json:"retained"` // emitted before the kill
	Cores     int     `json:"cores"`
	WholeMs   float64 `json:"whole_after_ms"` // from the start of the processes until they collect again
	BacklogMs float64 `json:"backlog_ms"`     // from the control centre's start until all had arrived
	Rate      float64 `json:"backlog_events_per_s"`
	Arrived   uint64  `json:"arrived"`
	Lost      uint64  `json:"lost"`
	Repeated  uint64  `json:"repeated"`
	Dropped   uint64  `json:"dropped"` // as the station says
	Complaint string  `json:"first_wrong,omitempty"`
}

func runRetention(ctx context.Context, f retentionFlags, out io.Writer) error {
	if f.events <= keptFree {
		return fmt.Errorf("--events %d: expected more than %d", f.events, keptFree)
	}
	fl := newFlood(perASDU, uint64(f.events-keptFree))
	f.options = func(o *rig.Options) {
		fl.fill(o, retentionRTUs, retentionK)
		o.NoCentre, o.Retain = true, f.events
	}
	r := retentionReport{Cores: runtime.GOMAXPROCS(0)}
	if err := f.with(ctx, needs{}, func(s *rig.Station) error { return r.run(ctx, s, fl) }); err != nil {
		return err
	}
	var err error
	if f.json {
		err = json.NewEncoder(out).Encode(r)
	} else {
		_, err = fmt.Fprintf(out, "%d events retained, all nodes killed, whole after %.0f ms; backlog at the control centre after %.0f ms, %.0f events/s; %d arrived, %d lost, %d repeated, %d dropped (%d cores)\n",
			r.Retained, r.WholeMs, r.BacklogMs, r.Rate, r.Arrived, r.Lost, r.Repeated, r.Dropped, r.Cores)
	}
	if err == nil && (r.Lost > 0 || r.Dropped > 0 || r.Arrived != r.Retained) {
		err = fmt.Errorf("%d of %d events lost, %d dropped: %s", r.Lost, r.Retained, r.Dropped, r.Complaint)
	}
	return err
}

func (r *retentionReport) run(ctx context.Context, s *rig.Station, f *flood) error {
	ctx, cancel := context.WithTimeout(ctx, 2*comeUpTimeout)
	defer cancel()
	stop := s.Simulate(f.start)
	defer stop()
	// The flood ends by itself, as nothing arrives. What was acknowledged to the devices is committed.
	for f.acknowledged() < f.most {
		if err := rig.Pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d events are acknowledged to the devices: %w", f.acknowledged(), f.most, err)
		}
	}
	f.stopped.Store(true)
	r.Retained = f.emitted.Load()
	if err := s.KillAll(); err != nil {
		return err
	}
	began := time.Now()
	if err := s.StartAll(); err != nil {
		return err
	}
	if _, err := s.WaitFor(ctx, "the station to collect again", rig.Collects); err != nil {
		return err
	}
	r.WholeMs = ms(time.Since(began))
	began = time.Now()
	s.StartCentre()
	err := f.settle(ctx)
	took := time.Since(began)
	r.BacklogMs, r.Rate = ms(took), float64(f.arrived.Load())/took.Seconds()
	r.Lost, r.Repeated = f.lost.Load(), f.repeated.Load()
	r.Arrived = f.arrived.Load() - r.Lost
	r.Complaint = f.complaint()
	st, statusErr := s.WaitFor(ctx, "the status", func(st api.Status) bool { return len(st.Uplinks) > 0 })
	if statusErr == nil {
		r.Dropped = st.Uplinks[0].Dropped
	}
	return errors.Join(err, statusErr)
}
