package forwarder

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

var (
	schedules = flag.Int("schedules", 12, "random schedules per mode")
	firstSeed = flag.Uint64("seed", 1, "of the first schedule")
)

// TestSchedules lets clients drop, reconnect, acknowledge late or never, start on both nodes at once and die, while
// nodes are killed and restarted and the leader is lost. Whatever happens: each group has every event, in order on each
// link, and what came twice stays within the bound.
func TestSchedules(t *testing.T) {
	for _, mode := range []fsm.Mode{fsm.Exclusive, fsm.MainStandby, fsm.DualActive} {
		for i := range *schedules {
			seed := *firstSeed + uint64(i)
			t.Run(fmt.Sprintf("%s/%d", mode, seed), func(t *testing.T) { newSchedule(t, mode, seed).run() })
		}
	}
}

// schedule is one run. Only what clients receive comes from other goroutines.
type schedule struct {
	t       *testing.T
	mode    fsm.Mode
	random  *rand.Rand
	c       station
	feps    [2]*fep // nil: killed
	address [2]string
	clients []*tester
	emitted uint64

	mu       sync.Mutex
	received [2]map[uint64]bool // by event; by node in dual-active mode, else all in the first
	repeats  int                // most on one link
}

// tester is a client's connection.
type tester struct {
	*iec104.Client
	s        *schedule
	node     int
	patience int // acknowledges after so many ASDUs; 0: never

	// Guarded by s.mu.
	last    uint64 // number of the newest event, plus one
	repeats int
	fault   string
	started bool
}

func newSchedule(t *testing.T, mode fsm.Mode, seed uint64) *schedule {
	s := &schedule{t: t, mode: mode, random: rand.New(rand.NewPCG(seed, 0)), received: [2]map[uint64]bool{{}, {}}}
	s.c = startStation(t, mode.Proto(), "a")
	s.c.SetDelay(time.Duration(s.random.IntN(3)) * time.Millisecond)
	for i := range s.feps {
		s.address[i] = freeAddress(t)
		s.startNode(i)
	}
	return s
}

func id(node int) string { return fmt.Sprintf("fep%d", node+1) }

func (s *schedule) startNode(i int) {
	s.c.Do(s.t, "wit", &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: id(i), Alive: true, Lease: true}}})
	s.feps[i] = s.c.start(s.t, id(i), Uplink{Mode: s.mode, Listen: s.address[i], RoleIOA: roleIOA})
}

// killNode is SIGKILL, and what the leader does once the lease has ended. What was only in memory is lost.
func (s *schedule) killNode(i int) {
	s.feps[i].Stop()
	s.feps[i].stop()
	s.feps[i] = nil
	s.c.Do(s.t, "wit", &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: id(i)}}})
	if r := s.c.Resource(groupA); r.Owner == id(i) {
		to := ""
		for _, c := range s.c.clients() {
			if c.Started && c.Node != id(i) {
				to = c.Node
			}
		}
		s.c.Do(s.t, "wit", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
			Resource: groupA, ExpectEpoch: r.Epoch, Owner: to, Reason: "dead"}}})
	}
}

func (s *schedule) run() {
	for range 30 + s.random.IntN(30) {
		s.step()
	}
	// The faults end. A client as it should be gets everything.
	s.c.SetLeader(true)
	for i := range s.feps {
		if s.feps[i] == nil {
			s.startNode(i)
		}
		s.feps[i].SetLease(true)
	}
	for _, c := range s.clients {
		c.Close()
	}
	s.clients = nil
	s.emit(10)
	deadline := time.Now().Add(patience)
	for s.missing() > 0 {
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d events are still missing", s.missing(), s.emitted)
		}
		for n := range s.feps {
			if !slices.ContainsFunc(s.clients, func(c *tester) bool { return c.node == n && c.Err() == nil }) {
				s.connect(n, 1, true)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, c := range s.clients {
		c.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.fault != "" {
			s.t.Error(c.fault)
		}
	}
	const window = 12 * (asdu.MaxASDU / 11)
	if s.repeats > window+maxBehind {
		s.t.Errorf("%d events were repeated on one link, the bound is %d and a window of %d", s.repeats, maxBehind, window)
	}
}

// step is one thing that happens.
func (s *schedule) step() {
	switch n := s.random.IntN(100); {
	case n < 35:
		s.emit(1 + s.random.IntN(200))
	case n < 55:
		s.connect(s.random.IntN(2), []int{1, 1, 2, 5, 0}[s.random.IntN(5)], s.random.IntN(4) > 0)
	case n < 58 && s.mode != fsm.DualActive: // both at once
		var wg sync.WaitGroup
		for i := range 2 {
			c := s.dial(i, 1)
			if c != nil {
				wg.Go(func() { c.start() })
			}
		}
		wg.Wait()
	case n < 70 && len(s.clients) > 0:
		i := s.random.IntN(len(s.clients))
		s.clients[i].Close()
		s.clients = slices.Delete(s.clients, i, i+1)
	case n < 74 && len(s.clients) > 0:
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_ = s.clients[s.random.IntN(len(s.clients))].StopDT(ctx)
		cancel()
	case n < 78:
		if i := s.random.IntN(2); s.feps[i] != nil {
			s.killNode(i)
		} else {
			s.startNode(i)
		}
	case n < 81:
		if i := s.random.IntN(2); s.feps[i] != nil { // a clean restart
			s.feps[i].stop()
			s.startNode(i)
		}
	case n < 84:
		s.c.SetLeader(s.random.IntN(2) == 0)
	case n < 88:
		if f := s.feps[s.random.IntN(2)]; f != nil {
			f.SetLease(s.random.IntN(2) == 0)
		}
	case n < 91 && s.mode != fsm.DualActive:
		s.move()
	default:
		time.Sleep(time.Duration(s.random.IntN(10)) * time.Millisecond)
	}
}

func (s *schedule) emit(n int) {
	items := make([]*fsmpb.Item, n)
	for i := range items {
		items[i] = di(uint32(1+s.random.IntN(2)), float64(s.emitted&1), s.emitted)
		s.emitted++
	}
	s.c.Values(s.t, 1, items...)
}

// move is an operator's order, if the group has an owner.
func (s *schedule) move() {
	r := s.c.Resource(groupA)
	if r.Phase != fsm.Owned {
		return
	}
	to := id(s.random.IntN(2))
	if to != r.Owner && s.feps[0] != nil && s.feps[1] != nil {
		s.c.Apply("wit", &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: groupA, ExpectEpoch: r.Epoch, To: to, Reason: "operator"}}})
	}
}

func (s *schedule) dial(node, patience int) *tester {
	c := &tester{s: s, node: node, patience: patience}
	cfg := iec104.ClientConfig{Address: s.address[node], Handle: c.handle}
	cfg.ManualAck = true
	cfg.W = 1
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var err error
	if c.Client, err = iec104.Dial(ctx, cfg); err != nil {
		return nil
	}
	s.t.Cleanup(func() { c.Close() })
	s.clients = append(s.clients, c)
	return c
}

func (s *schedule) connect(node, patience int, start bool) {
	if c := s.dial(node, patience); c != nil && start {
		c.start()
	}
}

func (c *tester) start() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := c.StartDT(ctx); err != nil {
		c.Close()
	}
}

// handle enters what comes. Events of one link are in order; those that another had already are repeats.
func (c *tester) handle(_ *iec104.Client, a asdu.ASDU, index uint64) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := 0
	if s.mode == fsm.DualActive {
		slot = c.node
	}
	if a.Cause == asdu.Spontaneous && a.Type == asdu.M_SP_TB_1 {
		for o := range a.Objects() {
			if o.Address == roleIOA {
				continue
			}
			n := numberOf(o.Time)
			if n+1 <= c.last {
				c.fault = fmt.Sprintf("event %d came after %d on one link", n, c.last-1)
			}
			if n > c.last && c.started {
				c.fault = fmt.Sprintf("event %d came after %d on one link: a gap", n, c.last-1)
			}
			c.last, c.started = n+1, true
			if s.received[slot][n] {
				c.repeats++
				s.repeats = max(s.repeats, c.repeats)
			}
			s.received[slot][n] = true
		}
	}
	if c.patience > 0 && index%uint64(c.patience) == 0 {
		c.Ack(index)
	}
}

// missing is how many events a group, or in dual-active mode a node's link, doesn't have yet.
func (s *schedule) missing() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int(s.emitted) - len(s.received[0])
	if s.mode == fsm.DualActive {
		n += int(s.emitted) - len(s.received[1])
	}
	return n
}
