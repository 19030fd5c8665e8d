package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fepha/fepha/api"
)

// A Fault is something that befalls a station.
type Fault struct {
	Name  string
	About string

	Network     bool // needs Options.Network
	MovesRTU    bool // hitting its owner, it moves the RTU to the other FEP
	MovesUplink bool // likewise the uplink
	Anywhere    bool // may be at any node, also at one that owns nothing
	leader      bool // it is for the leader, else for the first RTU's owner

	// Inject starts the fault at a node, Heal ends it and may be called even if
	// Inject failed.
	Inject func(ctx context.Context, s *Station, node string) error
	Heal   func(ctx context.Context, s *Station, node string) error
}

// Faults are all faults, in a fixed order.
func Faults() []Fault {
	return []Fault{
		ofProcess("kill", "SIGKILL, started again", (*Station).Kill, (*Station).Start),
		ofLeader(ofProcess("kill-leader", "SIGKILL of the leader, started again", (*Station).Kill, (*Station).Start)),
		{Name: "kill-all", About: "SIGKILL of all nodes at once, started again",
			Inject: func(_ context.Context, s *Station, _ string) error { return s.KillAll() },
			Heal:   func(_ context.Context, s *Station, _ string) error { return s.StartAll() }},
		ofProcess("stop", "SIGSTOP, then SIGCONT", (*Station).Pause, (*Station).Resume),
		ofNetwork("cut", "all its packets are dropped, both ways", (*Network).Cut),
		ofNetwork("mute", "what it sends is dropped", (*Network).Mute),
		ofNetwork("deafen", "what is sent to it is dropped", (*Network).Deafen),
		ofNetwork("unplug", "its cable is pulled", func(n *Network, node string, on bool) error { return n.Plug(node, !on) }),
		channels(),
		flapping(),
		loss(1), loss(5), loss(30),
		delay(50 * time.Millisecond),
		{Name: "manual", About: "the RTU is moved by hand", MovesRTU: true, Inject: moveRTU, Heal: nothing},
		{Name: "transfer", About: "leadership is transferred by hand", leader: true, Inject: transfer, Heal: nothing},
	}
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

// Possible are those of faults that this station and kernel can have, and why
// the others can't be had.
func (s *Station) Possible(faults []Fault) (possible []Fault, refused error) {
	for _, f := range faults {
		switch {
		case f.Network && s.opts.Network == nil:
			refused = errors.Join(refused, fmt.Errorf("%s: %w: the station is on loopback", f.Name, ErrNoNetwork))
		case f.Name == nameDelay && s.opts.Network.CanDelay() != nil:
			refused = errors.Join(refused, fmt.Errorf("%s: %w", f.Name, s.opts.Network.CanDelay()))
		default:
			possible = append(possible, f)
		}
	}
	return possible, refused
}

// Victim is the node that the fault is for, as the station is now.
func (f Fault) Victim(st api.Status) string {
	if f.leader {
		return st.Leader
	}
	return st.RTUs[0].Owner
}

func nothing(context.Context, *Station, string) error { return nil }

func ofProcess(name, about string, inject, heal func(*Station, string) error) Fault {
	return Fault{
		Name: name, About: about, MovesRTU: true, MovesUplink: true, Anywhere: true,
		Inject: func(_ context.Context, s *Station, node string) error { return inject(s, node) },
		Heal:   func(_ context.Context, s *Station, node string) error { return heal(s, node) },
	}
}

func ofNetwork(name, about string, set func(n *Network, node string, on bool) error) Fault {
	return Fault{
		Name: name, About: about, Network: true, MovesRTU: true, MovesUplink: true, Anywhere: true,
		Inject: func(_ context.Context, s *Station, node string) error { return set(s.opts.Network, node, true) },
		Heal:   func(_ context.Context, s *Station, node string) error { return set(s.opts.Network, node, false) },
	}
}

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

func channels() Fault {
	f := ofNetwork("channels", "a firewall resets its connections to the devices", (*Network).Refuse)
	f.MovesUplink = false
	return f
}

func loss(percent int) Fault {
	return stays(ofNetwork(fmt.Sprintf("loss-%d", percent), fmt.Sprintf("%d %% of its packets are lost, each way", percent),
		func(n *Network, node string, on bool) error {
			if on {
				return n.Lose(node, percent)
			}
			return n.Lose(node, 0)
		}))
}

// nameDelay is the fault that not every kernel can do.
const nameDelay = "delay"

func delay(by time.Duration) Fault {
	return stays(ofNetwork(nameDelay, fmt.Sprintf("what it sends takes %v longer", by),
		func(n *Network, node string, on bool) error {
			if on {
				return n.Delay(node, by)
			}
			return n.Delay(node, 0)
		}))
}

func flapping() Fault {
	f := stays(ofNetwork("flap", "it is cut and not, every half lease", (*Network).Cut))
	f.Inject = flap
	return f
}

// flaps is how often the network goes and comes back.
const flaps = 5

func flap(ctx context.Context, s *Station, node string) error {
	for i := range 2 * flaps {
		if err := s.opts.Network.Cut(node, i%2 == 0); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.opts.Lease / 2):
		}
	}
	return nil
}

func moveRTU(ctx context.Context, s *Station, _ string) error {
	_, err := s.Client().Failover(ctx, s.opts.RTUs[0].Number, "")
	return err
}

func transfer(ctx context.Context, s *Station, leader string) error {
	to := "fep1"
	if leader == to {
		to = "fep2"
	}
	_, err := s.Client().Transfer(ctx, to)
	return err
}
