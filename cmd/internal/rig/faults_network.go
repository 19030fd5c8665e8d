package rig

import (
	"context"
	"fmt"
	"time"
)

// faultsOfNetwork befall a node's packets.
func faultsOfNetwork() []Fault {
	return []Fault{
		ofNetwork("cut", "all its packets are dropped, both ways", (*Network).Cut),
		ofNetwork("mute", "what it sends is dropped", (*Network).Mute),
		ofNetwork("deafen", "what is sent to it is dropped", (*Network).Deafen),
		ofNetwork("unplug", "its cable is pulled", func(n *Network, node string, on bool) error { return n.Plug(node, !on) }),
		ofNetwork("split", "packets between it and the other nodes are dropped; devices and control centre reach it", (*Network).Split),
		ofNetwork("refuse", "a firewall resets its connections to and from the other nodes", (*Network).RefuseNodes),
		channels(),
		ofField("field-cable", "its cable to the devices is pulled: it sees the carrier go", func(n *Network, node string, on bool) error { return n.PlugField(node, !on) }),
		ofField("field-drop", "packets between it and the devices are dropped: its cable to them is pulled beyond a switch", (*Network).DropField),
		ofCentre("centre-cable", "its cable to the control centre is pulled: it sees the carrier go", func(n *Network, node string, on bool) error { return n.PlugCentre(node, !on) }),
		ofCentre("centre-drop", "packets between it and the control centre are dropped: its cable to it is pulled beyond a switch", (*Network).DropCentre),
		flapping(),
		loss(1), loss(5), loss(30),
		delay(50 * time.Millisecond),
	}
}

func ofNetwork(name, about string, set func(n *Network, node string, on bool) error) Fault {
	return Fault{
		Name: name, About: about, Network: true, MovesRTU: true, MovesUplink: true, Anywhere: true,
		Inject: func(_ context.Context, s *Station, node string) error { return set(s.opts.Network, node, true) },
		Heal:   func(_ context.Context, s *Station, node string) error { return set(s.opts.Network, node, false) },
	}
}

func channels() Fault {
	return ofField("channels", "a firewall resets its connections to the devices", (*Network).Refuse)
}

// ofField and ofCentre are faults of one of a node's networks. The RTU moves alone, or the uplink does.
func ofField(name, about string, set func(n *Network, node string, on bool) error) Fault {
	f := ofNetwork(name, about, set)
	f.MovesUplink = false
	return f
}

func ofCentre(name, about string, set func(n *Network, node string, on bool) error) Fault {
	f := ofNetwork(name, about, set)
	f.MovesRTU, f.uplink = false, true
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

func delay(by time.Duration) Fault {
	return stays(ofNetwork("delay", fmt.Sprintf("its packets take %v longer, each way", by),
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
		if err := Pause(ctx, s.opts.Lease/2); err != nil {
			return err
		}
	}
	return nil
}
