package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fepha/fepha/api"
)

// A Fault is something that befalls a station. The files faults_*.go have them
// by what they befall.
type Fault struct {
	Name  string
	About string

	Network bool // needs Options.Network
	Disks   bool // needs Options.Disks
	Clock   bool // needs Options.Clock

	MovesRTU    bool // hitting its owner, it moves the RTU to the other FEP
	MovesUplink bool // likewise the uplink
	Anywhere    bool // may be at any node, also at one that owns nothing
	NearLease   bool // is meanest when it lasts about as long as a lease
	leader      bool // it is for the leader,
	uplink      bool // or for the uplink's owner, else for the first RTU's
	mayEnd      bool // the node may end by itself, saying why with exit code 1, for its supervisor to start it again

	// Inject starts the fault at a node, Heal ends it and may be called even if
	// Inject failed.
	Inject func(ctx context.Context, s *Station, node string) error
	Heal   func(ctx context.Context, s *Station, node string) error
}

// Faults are all faults, in a fixed order.
func Faults() []Fault {
	return slices.Concat(faultsOfProcesses(), faultsOfNetwork(), faultsOfDisks(), faultsByHand())
}

// ErrUnknownFault: a fault's name that there is not.
var ErrUnknownFault = errors.New("unknown fault")

// FaultByName returns one of Faults.
func FaultByName(name string) (Fault, error) {
	list := Faults()
	if i := slices.IndexFunc(list, func(f Fault) bool { return f.Name == name }); i >= 0 {
		return list[i], nil
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return Fault{}, fmt.Errorf("%w %q: expected one of %q", ErrUnknownFault, name, names)
}

// Refused says why a fault can't be had on this machine, whatever the station;
// nil: it can.
func (f Fault) Refused() error {
	if f.Network {
		if err := NetworkRefused(); err != nil {
			return err
		}
	}
	if f.Disks {
		return DisksRefused()
	}
	return nil
}

// Victim is the node that the fault is for, as the station is now.
func (f Fault) Victim(st api.Status) string {
	switch {
	case f.leader:
		return st.Leader
	case f.uplink:
		return st.Uplinks[0].Owner
	}
	return st.RTUs[0].Owner
}

// fits says why a station can't have the fault.
func (f Fault) fits(o Options) error {
	switch {
	case f.Network && o.Network == nil:
		return fmt.Errorf("%s: %w: the station is on loopback", f.Name, ErrNoNetwork)
	case f.Disks && !o.Disks:
		return fmt.Errorf("%s: %w", f.Name, ErrNoDisks)
	case f.Clock && !o.Clock:
		return fmt.Errorf("%s: the program's clock can't be stepped", f.Name)
	}
	return nil
}

func nothing(context.Context, *Station, string) error { return nil }

// ofLeader makes a fault one of the leader, which may own nothing.
func ofLeader(f Fault) Fault {
	f.leader, f.Anywhere = true, false
	return stays(f)
}

// stays is for faults that may leave everything where it is.
func stays(f Fault) Fault {
	f.MovesRTU, f.MovesUplink = false, false
	return f
}

// faultsByHand are what an operator does.
func faultsByHand() []Fault {
	return []Fault{
		{Name: "manual", About: "the RTU is moved by hand", MovesRTU: true, Inject: moveRTU, Heal: nothing},
		{Name: "shutdown", About: "SIGTERM of the owner, made the leader before; started again", MovesRTU: true, MovesUplink: true,
			Inject: shutdown, Heal: of((*Station).Start)},
		{Name: "transfer", About: "leadership is transferred by hand", leader: true, Inject: transfer, Heal: nothing},
	}
}

func moveRTU(ctx context.Context, s *Station, _ string) error {
	_, err := s.Client().Failover(ctx, s.opts.RTUs[0].Number, "")
	return err
}

// shutdown makes the owner the leader too, and asks it to end.
func shutdown(ctx context.Context, s *Station, owner string) error {
	if st, err := s.Client().Status(ctx); err != nil {
		return err
	} else if st.Leader != owner {
		if _, err := s.Client().Transfer(ctx, owner); err != nil {
			return err
		}
	}
	if _, err := s.WaitFor(ctx, owner+" to lead", func(st api.Status) bool { return st.Leader == owner && Complete(st) }); err != nil {
		return err
	}
	s.Centre.Received.ResetGap()
	return s.Stop(owner)
}

func transfer(ctx context.Context, s *Station, leader string) error {
	to := "fep1"
	if leader == to {
		to = "fep2"
	}
	_, err := s.Client().Transfer(ctx, to)
	return err
}
