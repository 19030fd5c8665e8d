package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// stationFlags describe the station that is put through something.
type stationFlags struct {
	binary, dir, mode string
	rate              float64
	lease             time.Duration
	profile           string
	exports           string

	comeUp  time.Duration      // how long the station may take to work, if longer than comeUpTimeout
	options func(*rig.Options) // what a command wants otherwise; nil: nothing
}

func (f *stationFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.binary, "binary", "", "the fepha program; default: built from source")
	fl.StringVar(&f.dir, "dir", "", "folder for configuration, data and logs; default a temporary one, removed at the end")
	fl.StringVar(&f.mode, "mode", "main-standby", "mode of the uplink: exclusive, main-standby or dual-active")
	fl.StringVar(&f.profile, "profile", "", "folder for a CPU profile of each node's process, for go tool pprof")
	fl.StringVar(&f.exports, "exports", "", "file with the entries of station.yaml's list of exports, for a station that exports meanwhile")
	fl.DurationVar(&f.lease, "lease", 500*time.Millisecond, "lease of the station")
}

func (f *stationFlags) registerRate(cmd *cobra.Command, rate float64) {
	cmd.Flags().Float64Var(&f.rate, "rate", rate, "events a second that the device emits")
}

// comeUpTimeout bounds how long the station may take to work.
const comeUpTimeout = 60 * time.Second

// needs are what faults want of the station that they befall.
type needs struct{ network, disks, clock bool }

func (n *needs) add(f rig.Fault) {
	n.network, n.disks, n.clock = n.network || f.Network, n.disks || f.Disks, n.clock || f.Clock
}

// with brings up a station with one device that emits and judges, calls do, and
// removes everything; but what it leaves in a temporary folder stays if do
// fails.
func (f *stationFlags) with(ctx context.Context, n needs, do func(*rig.Station) error) (err error) {
	temporary, err := os.MkdirTemp("", "fepha-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if _, made := os.Stat(filepath.Join(temporary, "station")); err != nil && ctx.Err() == nil && made == nil {
			err = fmt.Errorf("%w\nlogs and data are kept in %s", err, temporary)
			return
		}
		err = errors.Join(err, os.RemoveAll(temporary))
	}()
	o := rig.Options{
		Binary: f.binary, Dir: f.dir, Mode: f.mode, Lease: f.lease, Judge: true, RTUs: []rig.RTU{device()}, Profile: f.profile,
		Disks: n.disks, Clock: n.clock,
	}
	if f.exports != "" {
		list, err := os.ReadFile(f.exports)
		if err != nil {
			return err
		}
		o.Exports = string(list)
	}
	if f.options != nil {
		f.options(&o)
	}
	if o.Binary == "" {
		if o.Binary, err = rig.Build(ctx, temporary, n.clock); err != nil {
			return err
		}
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(temporary, "station")
	}
	if n.network {
		if o.Network, err = rig.NewNetwork(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.Network.Close()) }()
	}
	s, err := rig.New(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.StartAll(); err != nil {
		return err
	}
	if f.rate > 0 {
		s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, f.rate, 1) })
	}
	up, cancel := context.WithTimeout(ctx, max(f.comeUp, comeUpTimeout))
	defer cancel()
	whole := rig.Complete
	if o.NoCentre {
		whole = rig.Collects
	}
	if _, err := s.WaitFor(up, "the station to come up", whole); err != nil {
		return err
	}
	return do(s)
}

// device has 16 alarms.
func device() rig.RTU {
	r := rig.RTU{Number: 1, Name: "device", CommonAddress: 1}
	for i := range 16 {
		r.Points = append(r.Points, sim.DevicePoint{Address: asdu.InformationObjectAddress(1 + i), Type: asdu.M_SP_TB_1})
	}
	return r
}

// verdict is an error if a station did what it never may.
func verdict(s *rig.Station, lost, violations int) error {
	var errs []error
	if lost > 0 {
		errs = append(errs, fmt.Errorf("%d events lost", lost))
	}
	if violations > 0 {
		first, _ := s.Devices[0].Violations()
		errs = append(errs, fmt.Errorf("%d frames of two masters, the first: %v", violations, first[0]))
	}
	return errors.Join(errs...)
}
