package lease

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

var (
	modelSeeds = flag.Int("model.seeds", 0, "how many seeds the model runs; 0: a number that suits the run")
	modelSeed  = flag.Uint64("model.seed", 0, "the one seed to run, with a trace")
)

// TestModel runs the lease protocol and the placement through seeded faults: at no instant do two nodes drive one
// resource, and once a majority with a FEP is connected, everything is owned again within a bound.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		if err := runModel(*modelSeed, "", t.Logf); err != nil {
			t.Fatal(err)
		}
		return
	}
	seeds := *modelSeeds
	if seeds == 0 {
		seeds = 2000
		if raceEnabled {
			seeds = 300 // the model is one goroutine a seed: other tests are for races
		}
	}
	if seed, err := firstFailure(1, seeds, ""); err != nil {
		t.Fatalf("seed %d: %v\nrun again with: go test ./cluster -run TestModel -v -model.seed %d", seed, err, seed)
	}
}

// TestModelNoticesMistakes leaves out one part of the protocol at a time. Each is a mistake that was made somewhere, and
// the model must find two drivers.
func TestModelNoticesMistakes(t *testing.T) {
	for _, c := range []struct {
		broken mutation
		from   uint64 // a seed from which on it doesn't take long
	}{
		{noWait, 1}, {noStopTime, 1}, {noRateMargin, 1180}, {fromAnswer, 130}, {noMinApplied, 25}, {noBar, 50}, {noFence, 560},
		{forgetsAtRestart, 430}, {forgetsAtTerm, 1}, {forgetsOwn, 2185}, {forgetsHolder, 1},
	} {
		t.Run(string(c.broken), func(t *testing.T) {
			seed, err := firstFailure(c.from, 6000, c.broken)
			if err == nil {
				t.Fatal("not noticed")
			}
			t.Logf("seed %d: %v", seed, err)
		})
	}
}

// firstFailure runs n seeds, or until one fails.
func firstFailure(from uint64, n int, m mutation) (seed uint64, err error) {
	var next atomic.Uint64
	next.Store(from - 1)
	var found atomic.Bool
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := next.Add(1); s < from+uint64(n) && !found.Load(); s = next.Add(1) {
				if e := runModel(s, m, nil); e != nil {
					found.Store(true)
					mu.Lock()
					if err == nil || s < seed {
						seed, err = s, e
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return seed, err
}

// ownedWithin bounds, in true time, how long it takes until everything is owned after a majority with a FEP has come
// together: an election or two among nodes that have just seen faults, the wait for old leases, and a move or two.
const ownedWithin = 6 * time.Second

func runModel(seed uint64, m mutation, trace func(string, ...any)) error {
	s := newSim(seed, m)
	if trace != nil {
		s.trace = trace
	}
	s.run(3 * time.Second)
	for range 6 {
		s.disturb()
		s.run(s.now + s.upTo(1500*time.Millisecond))
		if s.rng.IntN(3) == 0 {
			s.endFaults()
			s.run(s.now + time.Second)
		}
		if s.failed != nil {
			return s.failed
		}
	}
	away := s.endFaults()
	s.run(s.now + ownedWithin)
	if s.failed != nil {
		return s.failed
	}
	if m != "" {
		return nil
	}
	return s.allOwned(away)
}

// disturb makes a few faults, out of each other's sight.
func (s *sim) disturb() {
	for range 1 + s.rng.IntN(4) {
		n, o := s.nodes[s.rng.IntN(len(s.nodes))], s.nodes[s.rng.IntN(len(s.nodes))]
		when := s.now + s.upTo(time.Second)
		what := s.rng.IntN(15)
		length := s.upTo(1500 * time.Millisecond)
		s.at(when, nil, func() { s.fault(what, n, o, length) })
	}
}

func (s *sim) fault(what int, n, o *simNode, length time.Duration) {
	switch what {
	case 0, 1:
		s.trace("%v %s is cut off", s.now, n.id)
		s.isolate(n)
	case 2:
		s.trace("%v %s doesn't reach %s", s.now, n.id, o.id)
		s.cut[[2]string{n.id, o.id}] = true
	case 12, 13:
		s.trace("%v %s and %s don't reach each other", s.now, n.id, o.id)
		s.cut[[2]string{n.id, o.id}], s.cut[[2]string{o.id, n.id}] = true, true
	case 14: // a node that's heard and doesn't hear
		s.trace("%v %s hears no one", s.now, n.id)
		for _, p := range s.nodes {
			s.cut[[2]string{p.id, n.id}] = true
		}
	case 3:
		s.trace("%v the network is mended", s.now)
		clear(s.cut)
	case 4:
		s.loss = s.rng.Float64() * 0.4
	case 5:
		s.slow = time.Millisecond + s.upTo(300*time.Millisecond)
		s.trace("%v delays up to %v", s.now, s.slow)
	case 6, 7:
		s.crash(n)
		s.at(s.now+length/2, nil, func() { s.restart(n) })
	case 8, 9:
		s.pause(n)
		s.at(s.now+length, nil, func() { s.resume(n) })
	case 10:
		if r, ok := n.state.Resource(fsm.RTUResource(uint32(1 + s.rng.IntN(2)))); ok && n.up && !n.paused {
			s.trace("%v %s is asked to move %s to %s", s.now, n.id, r.ID, o.id)
			n.propose(&fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: r.ID, ExpectEpoch: r.Epoch, To: o.id, Reason: "test"}}})
		}
	case 11:
		if n.up && !n.paused {
			n.propose(simLinks(n.id, uint32(1+s.rng.IntN(2)), fsmpb.LinkState(s.rng.IntN(4))))
		}
	}
}

func simLinks(node string, rtu uint32, state fsmpb.LinkState) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{Rtu: rtu, Node: node, Links: []*fsmpb.Links_Link{
		{Channel: 1, Link: 1, State: state}, {Channel: 2, Link: 1, State: state},
	}}}}
}

func (s *sim) isolate(n *simNode) {
	for _, o := range s.nodes {
		if o != n {
			s.cut[[2]string{n.id, o.id}], s.cut[[2]string{o.id, n.id}] = true, true
		}
	}
}

func (s *sim) crash(n *simNode) {
	if n.up {
		s.trace("%v %s crashes", s.now, n.id)
		n.up = false
		n.life++
	}
}

func (s *sim) restart(n *simNode) {
	if !n.up {
		s.trace("%v %s starts", s.now, n.id)
		n.boot()
	}
}

func (s *sim) pause(n *simNode) {
	if n.up && !n.paused {
		s.trace("%v %s is stopped", s.now, n.id)
		n.paused = true
	}
}

func (s *sim) resume(n *simNode) {
	if n.up && n.paused {
		s.trace("%v %s goes on", s.now, n.id)
		n.paused = false
		backlog := n.backlog
		n.backlog = nil
		for _, do := range backlog {
			s.at(s.now, n, do)
		}
	}
}

// endFaults ends all faults but perhaps one: a node that stays cut off, with a majority left.
func (s *sim) endFaults() (away *simNode) {
	s.trace("%v all faults end", s.now)
	clear(s.cut)
	s.loss, s.slow = 0, 5*time.Millisecond
	for i := range s.queue {
		if s.queue[i].node == nil {
			s.queue[i].do = func() {}
		}
	}
	for _, n := range s.nodes {
		s.restart(n)
		s.resume(n)
	}
	if s.rng.IntN(2) == 0 {
		away = s.nodes[s.rng.IntN(len(s.nodes))]
		s.trace("%v but %s is cut off", s.now, away.id)
		s.isolate(away)
	}
	return away
}

// allOwned checks that each RTU and the FNP endpoint is driven by exactly one node.
func (s *sim) allOwned(away *simNode) error {
	for _, id := range []string{fsm.RTUResource(1), fsm.RTUResource(2), fsm.FNPResource()} {
		var drivers []string
		for _, n := range s.nodes {
			if n.drives(id) {
				drivers = append(drivers, n.id)
			}
		}
		if len(drivers) != 1 {
			r := fsm.Resource{}
			for _, n := range s.nodes {
				if n != away {
					r, _ = n.state.Resource(id)
				}
			}
			return fmt.Errorf("after %v without faults %v drive %s: %+v", ownedWithin, drivers, id, r)
		}
	}
	return nil
}
