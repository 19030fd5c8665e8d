package acquisition

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
)

// A probe is blamed for a link that the other FEP lost only if nothing else explains the loss: a node that dies or gives
// the RTU up loses its links too.
func TestProbesAreNotBlamedForTakeovers(t *testing.T) {
	active := &seen{peers: []fsm.Link{{Channel: 1, Link: 1, State: fsm.LinkActive}}, peerEpoch: 5}
	for _, tc := range []struct {
		name   string
		after  *seen
		blamed bool
	}{
		{"lost while it owns the RTU", &seen{peerEpoch: 5}, true},
		{"died", &seen{}, false},
		{"owned in another epoch", &seen{peerEpoch: 6}, false},
		{"not lost", active, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			channels := []Channel{{Mode: OneActive, Links: []string{"192.0.2.1:2404"}}}
			w := &worker{seq: newSequencer(channels, time.Second, ProbeConnect, 0)}
			w.watchPeers(0, active)
			w.seq.tick(time.Second) // begins a probe
			if got := w.seq.takeActions(); len(got) != 1 || got[0].verb != checkLink {
				t.Fatalf("no probe: %v", got)
			}
			w.watchPeers(1100*time.Millisecond, tc.after)
			if got := w.seq.link(linkKey{}).probing.blamed; got != tc.blamed {
				t.Errorf("blamed %v, want %v", got, tc.blamed)
			}
		})
	}
}
