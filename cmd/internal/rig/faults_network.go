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
		channels(), fieldDrop(),
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
	f := ofNetwork("channels", "a firewall resets its connections to the devices", (*Network).Refuse)
	f.MovesUplink = false
	return f
}

func fieldDrop() Fault {
	f := ofNetwork("field-drop", "packets between it and the devices are dropped: its cable to the field is pulled beyond a switch", (*Network).DropField)
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
