package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

type scaleFlags struct {
	stationFlags
	rtus, points, kills int
	rest                time.Duration
	json                bool
}

func newScaleCommand() *cobra.Command {
	var f scaleFlags
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Measure memory, CPU at rest and a takeover of a station with many points and RTUs",
		Long: `Bring up a station with many RTUs, half of whose points are alarms and half
measurands, all of them forwarded. When the control centre has every value:
what each node's process takes of memory and, at rest, of a core. Then kill the
owner of all RTUs: how long until each device has a started link again.

Redis is off: an embedded one takes another 700 octets a point.`,
		Example: `  fepha-bench scale --rtus 500 --points 1000000 --json
  fepha-bench scale --rtus 50 --points 100000 --kills 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runScale(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.rtus, "rtus", 500, "RTUs")
	fl.IntVar(&f.points, "points", 1_000_000, "points of all RTUs")
	fl.IntVar(&f.kills, "kills", 3, "how often the owner is killed")
	fl.DurationVar(&f.rest, "rest", 20*time.Second, "how long nothing happens while CPU is measured")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// nodeUsage is one node at rest.
type nodeUsage struct {
	Node       string  `json:"node"`
	ResidentMB float64 `json:"resident_mb"` // 10^6 octets
	FileMB     float64 `json:"file_mb"`     // of these, pages of files: program and log
	MostMB     float64 `json:"most_mb"`     // since its start
	CPUPercent float64 `json:"cpu_percent"` // of one core
}

// scaleReport is what a run came to.
type scaleReport struct {
	RTUs    int         `json:"rtus"`
	Points  int         `json:"points"`
	UpS     float64     `json:"up_s"` // from the start until the control centre has every value
	Nodes   []nodeUsage `json:"nodes"`
	MovedMs []float64   `json:"moved_ms"`     // of each kill: until the last device's link was started again
	After   []nodeUsage `json:"after_a_kill"` // the FEPs again, after the last kill
}

func runScale(ctx context.Context, f scaleFlags, out io.Writer) error {
	if f.rtus < 1 || f.rtus > 500 || f.points < f.rtus || f.points/f.rtus > 20_000 {
		return fmt.Errorf("--rtus %d --points %d: expected 1 to 500 RTUs of 1 to 20,000 points each", f.rtus, f.points)
	}
	var points []sim.DevicePoint
	for i := range f.points / f.rtus {
		p := sim.DevicePoint{Address: asdu.InformationObjectAddress(i + 1), Type: asdu.M_SP_TB_1}
		if i%2 == 1 {
			p.Type, p.Value = asdu.M_ME_NC_1, float64(i)
		}
		points = append(points, p)
	}
	f.comeUp = 5 * time.Minute
	f.options = func(o *rig.Options) {
		o.Judge, o.Redis, o.RTUs = false, "{mode: off}", nil
		for i := range f.rtus {
			o.RTUs = append(o.RTUs, rig.RTU{Number: uint32(i + 1), Name: fmt.Sprintf("device %d", i+1), CommonAddress: 1, Points: points})
		}
	}
	report := scaleReport{RTUs: f.rtus, Points: f.rtus * len(points)}
	began := time.Now()
	return f.with(ctx, needs{}, func(s *rig.Station) (err error) {
		if err := everyValue(ctx, s, report.Points); err != nil {
			return err
		}
		report.UpS = time.Since(began).Seconds()
		if report.Nodes, err = atRest(ctx, s, f.rest); err != nil {
			return err
		}
		for range f.kills {
			moved, err := killOwnerOfAll(ctx, s)
			if err != nil {
				return err
			}
			report.MovedMs = append(report.MovedMs, ms(moved))
		}
		if f.kills > 0 {
			if report.After, err = atRest(ctx, s, time.Second); err != nil {
				return err
			}
		}
		return report.print(out, f.json)
	})
}

// everyValue waits until the control centre has seen each point.
func everyValue(ctx context.Context, s *rig.Station, points int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for s.Centre.Values() < points {
		if err := rig.Pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("the control centre has %d of %d values: %w", s.Centre.Values(), points, err)
		}
	}
	return nil
}

// atRest measures the nodes while nothing happens.
func atRest(ctx context.Context, s *rig.Station, rest time.Duration) (list []nodeUsage, err error) {
	if err := rig.Pause(ctx, rest/2); err != nil { // what has just happened is over: garbage, snapshots
		return nil, err
	}
	used, err := watch(ctx, s, rest)
	if err != nil {
		return nil, err
	}
	for _, n := range s.Nodes() {
		u := used[n.ID]
		list = append(list, nodeUsage{
			Node: n.ID, ResidentMB: megabytes(u.Resident), FileMB: megabytes(u.File), MostMB: megabytes(u.Most), CPUPercent: 100 * u.cpu,
		})
	}
	return list, nil
}

// killOwnerOfAll has all RTUs on one FEP and kills it; it returns how long the
// slowest device was without a started link, and leaves the station whole.
func killOwnerOfAll(ctx context.Context, s *rig.Station) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	ready := func(st api.Status) bool { // one owner, and the other FEP holds a link to each
		for _, r := range st.RTUs {
			held := false
			for _, c := range r.Channels {
				for _, l := range c.Links {
					for node, state := range l {
						held = held || node != r.Owner && state == "standby"
					}
				}
			}
			if !held || r.Owner != st.RTUs[0].Owner {
				return false
			}
		}
		return rig.Complete(st)
	}
	st, err := s.WaitFor(ctx, "the station to be whole", rig.Complete)
	if err != nil {
		return 0, err
	}
	owner := st.RTUs[0].Owner
	for _, r := range st.RTUs { // a channel that is slow at the start may have moved some
		if r.Owner != owner {
			if _, err := s.Client().Failover(ctx, r.Number, owner); err != nil {
				return 0, err
			}
		}
	}
	if _, err = s.WaitFor(ctx, "all RTUs on one FEP and held by the other", ready); err != nil {
		return 0, err
	}
	killed := time.Now()
	if err := s.Kill(owner); err != nil {
		return 0, err
	}
	last := killed
	for _, d := range s.Devices {
		for !d.StartedAt().After(killed) {
			if err := rig.Pause(ctx, time.Millisecond); err != nil {
				return 0, fmt.Errorf("%v has no started link: %w", d.Addresses(), err)
			}
		}
		if at := d.StartedAt(); at.After(last) {
			last = at
		}
	}
	if err := s.StartAll(); err != nil {
		return 0, err
	}
	_, err = s.WaitFor(ctx, "the station to be whole again", ready)
	return last.Sub(killed), err
}

func (r scaleReport) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(out, "%d points, %d RTUs: up after %.1f s\n", r.Points, r.RTUs, r.UpS)
	for _, n := range r.Nodes {
		fmt.Fprintf(out, "%-5s %6.1f MB resident (%.1f of files), %6.1f MB at most, %5.2f %% of a core at rest\n", n.Node, n.ResidentMB, n.FileMB, n.MostMB, n.CPUPercent)
	}
	for _, took := range r.MovedMs {
		fmt.Fprintf(out, "owner of all killed: each device has a started link again after %.0f ms\n", took)
	}
	for _, n := range r.After {
		fmt.Fprintf(out, "%-5s %6.1f MB resident, %6.1f MB at most, after that\n", n.Node, n.ResidentMB, n.MostMB)
	}
	return nil
}
