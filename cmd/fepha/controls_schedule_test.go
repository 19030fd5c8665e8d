package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

var (
	controlsFor  = flag.Duration("controls.for", 12*time.Second, "how long TestControlSchedule goes on")
	controlsSeed = flag.Uint64("controls.seed", 0, "its seed; 0: another each time")
)

// Controls from everywhere at once, while nodes are killed, stopped and moved,
// links cut, and the device answers when it likes: it operates nothing more
// often than it was asked to, and every control has one end.
//
//	go test ./cmd/fepha -run ControlSchedule -controls.for 2m -controls.seed 7 -v
func TestControlSchedule(t *testing.T) {
	o, ctx := newOperatedStation(t)
	seed := *controlsSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("seed %d", seed)
	s, rng := o.s, rand.New(rand.NewPCG(seed, 0))

	operating, stop := context.WithTimeout(ctx, *controlsFor)
	defer stop()
	var clients sync.WaitGroup
	var numbers numbers
	for i, by := range []string{"uplink", "uplink, with time tag", "fep1", "fep2", "wit", "redis"} {
		draw := rand.New(rand.NewPCG(seed, uint64(i+1)))
		clients.Go(func() {
			for operating.Err() == nil {
				once, cancel := context.WithTimeout(ctx, 20*time.Second)
				out := o.give(once, by, numbers.draw(draw))
				cancel()
				if !out.ok { // a link that is lost comes back only after a while
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	for operating.Err() == nil {
		s.Devices[0].SetManner(sim.Manner{
			Confirm: time.Duration(rng.IntN(60)) * time.Millisecond, Terminate: time.Duration(rng.IntN(150)) * time.Millisecond,
			Silent: rng.IntN(12) == 0,
		})
		if err := mishap(ctx, s, rng); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	s.Devices[0].SetManner(sim.Manner{})
	clients.Wait()
	if _, err := s.WaitFor(ctx, "a whole station", rig.Complete); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	o.audit(t, ctx)
	given, ok := map[string]int{}, map[string]int{}
	for _, out := range o.outcomes {
		if given[out.by]++; out.ok {
			ok[out.by]++
		}
	}
	t.Logf("seed %d: given %v, done %v, the device operated %d times", seed, given, ok, len(s.Devices[0].Operations()))
	for by := range given {
		if ok[by] == 0 {
			t.Errorf("seed %d: nothing was done for %s", seed, by)
		}
	}
}

// numbers makes orders that differ.
type numbers struct {
	mu sync.Mutex
	n  int
}

func (n *numbers) draw(rng *rand.Rand) order {
	i := rng.IntN(len(outputTypes))
	n.mu.Lock()
	n.n++
	number := n.n
	n.mu.Unlock()
	bitstring := outputTypes[i].Untimed() == asdu.C_BO_NA_1
	if selects := rng.IntN(2) == 0; selects && !bitstring {
		return newOrder(selectOutput+asdu.InformationObjectAddress(i), number, true)
	}
	return newOrder(plainOutput+asdu.InformationObjectAddress(i), number, false)
}

// mishap is one of the things that happen, and its end.
func mishap(ctx context.Context, s *rig.Station, rng *rand.Rand) error {
	sleep := func(most time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(most)))) }
	sleep(800 * time.Millisecond)
	st, err := s.WaitFor(ctx, "a leader", func(st api.Status) bool { return st.Leader != "" && len(st.RTUs) > 0 && st.RTUs[0].Owner != "" })
	if err != nil {
		return err
	}
	switch what := rng.IntN(7); what {
	case 0, 1: // owner, leader
		id := []string{st.RTUs[0].Owner, st.Leader}[what]
		if err := s.Kill(id); err != nil {
			return fmt.Errorf("killing %s: %w", id, err)
		}
		sleep(1500 * time.Millisecond)
		return s.Start(id)
	case 2: // stands still
		if err := s.Pause(st.RTUs[0].Owner); err != nil {
			return err
		}
		sleep(1500 * time.Millisecond)
		return s.Resume(st.RTUs[0].Owner)
	case 3:
		s.Centre.Drop()
	case 4:
		if err := s.Devices[0].Break(0); err != nil {
			return err
		}
		sleep(time.Second)
		return s.Devices[0].Repair(0)
	case 5:
		_, _ = s.Client().Failover(ctx, 1, "") // it may say why not
	case 6: // nothing
	}
	return nil
}
