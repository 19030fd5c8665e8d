package acquisition

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
)

// A seed replays hours of faults: nodes killed and back, leases that lapse, moves, devices that drop their connections or
// refuse them, a log that stalls. In the end every event that the device has sent is in the journal.
func TestFaults(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"), channel("a:2", "a:3"))
				rtu.StandbyProbe = Probe(seed % 3)
				b := newBench(t, rtu)
				addresses := []string{"a:1", "a:2", "a:3"}
				d := newDevice(t, b.net, quirks{}, addresses...)
				b.start("fep1", "fep2")
				stop := b.emit(d, 20*time.Millisecond)
				r := rand.New(rand.NewPCG(seed, 0))
				nodes := []string{"fep1", "fep2"}
				for range 60 {
					time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
					node, address := nodes[r.IntN(2)], addresses[r.IntN(3)]
					owner := b.Resource(fsm.RTUResource(1))
					switch r.IntN(7) {
					case 0: // killed, and back
						b.Kill(t, owner.Owner)
						b.Assign(t, fsm.RTUResource(1), theOther(owner.Owner))
						b.Node(owner.Owner).SetLease(true)
					case 1: // restarted before anyone has noticed
						b.stop(node)
						b.run(node)
					case 2:
						b.Node(node).SetLease(false)
						time.Sleep(time.Duration(r.IntN(800)) * time.Millisecond)
						b.Node(node).SetLease(true)
					case 3:
						if owner.Phase == fsm.Owned {
							b.Move(t, fsm.RTUResource(1), theOther(owner.Owner))
						}
					case 4:
						d.drop()
					case 5:
						d.shut(address)
						time.Sleep(time.Duration(r.IntN(12)) * time.Second)
						d.open(address)
					case 6:
						b.SetLeader(false)
						time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
						b.SetLeader(true)
					}
				}
				n := stop()
				b.until(2*time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
				got, repeated := b.distinct()
				t.Logf("%d events, %d in the journal, %d of them more than once; epoch %d", n, got, repeated, b.Resource(fsm.RTUResource(1)).Epoch)
				if got != n {
					t.Errorf("%d events sent, %d in the journal", n, got)
				}
			})
		})
	}
}

func theOther(node string) string {
	if node == "fep1" {
		return "fep2"
	}
	return "fep1"
}
