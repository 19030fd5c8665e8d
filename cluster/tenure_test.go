package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// tenant is a node's tenures over a state of its own, in virtual time.
type tenant struct {
	t     *testing.T
	s     *tenures
	index uint64
}

func newTenant(t *testing.T) *tenant {
	state := newStateMachine()
	s := newTenures(newClock(), "fep1", state)
	state.notify(s.ownersChanged, func(uint64) {})
	t.Cleanup(s.close)
	n := &tenant{t: t, s: s}
	n.apply(clustertest.Configure(), clustertest.Assign(rtu1, 0, "fep1", ""))
	return n
}

func (n *tenant) apply(commands ...*fsmpb.Command) {
	n.t.Helper()
	for _, c := range commands {
		c.Node = "fep1"
	}
	n.index++
	o := n.s.state.Apply(&raft.Log{Index: n.index, Data: marshal(n.t, commands...)}).(outcome)
	for i, r := range o.results {
		if r.GetCode() != fsmpb.Result_OK {
			n.t.Fatalf("%v: %v", commands[i], r)
		}
	}
}

func (n *tenant) lease(d time.Duration, generation uint64) {
	n.s.renewed(lease.View{Until: n.s.clock() + d, Generation: generation})
}

func (n *tenant) begin() *tenure {
	n.t.Helper()
	t, ok := n.s.begin(rtu1)
	if !ok {
		n.t.Fatal("no tenure")
	}
	return t
}

// over checks that a tenure has ended in every way there is to see it.
func over(t *testing.T, tenure *tenure, why error) {
	t.Helper()
	synctest.Wait()
	if err := tenure.Check(); !errors.Is(err, why) || tenure.Valid() {
		t.Errorf("%v, valid %t; expected %v", err, tenure.Valid(), why)
	}
	select {
	case <-tenure.Done():
	default:
		t.Error("Done isn't closed")
	}
	called := false
	tenure.OnEnd(func() { called = true })()
	if !called {
		t.Error("OnEnd wasn't called at once")
	}
}

func TestTenureNeedsOwnershipAndLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTenant(t)
		if _, ok := n.s.begin(rtu1); ok {
			t.Error("without a lease")
		}
		n.lease(500*ms, 1)
		tenure := n.begin()
		if tenure.epoch != 1 || tenure.resource != rtu1 || tenure.Check() != nil {
			t.Errorf("%+v: %v", tenure, tenure.Check())
		}
		for _, id := range []string{"rtu/2", "rtu/99"} {
			if _, ok := n.s.begin(id); ok {
				t.Errorf("of %s, which isn't its own", id)
			}
		}
		tenure.Close()
		tenure.Close()
		over(t, tenure, replica.ErrEpochEnded)
	})
}

// TestTenureEndsWithTheLease: at the very instant, with its links closed by someone who waits for no sender.
func TestTenureEndsWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTenant(t)
		n.lease(500*ms, 1)
		tenure := n.begin()
		defer tenure.Close()
		began := time.Now()
		var closedAfter time.Duration
		var sender sync.Mutex // a sender that blocks in a write, holding what it needs to send
		sender.Lock()
		tenure.OnEnd(func() { closedAfter = time.Since(began) })
		kept := tenure.OnEnd(func() { t.Error("called although it was taken back") })
		kept()
		time.Sleep(499 * ms)
		if !tenure.Valid() {
			t.Error("ended too early")
		}
		n.lease(500*ms, 1) // renewed
		time.Sleep(499 * ms)
		if !tenure.Valid() {
			t.Error("ended though it was renewed")
		}
		time.Sleep(ms)
		if tenure.Valid() {
			t.Error("valid at the lease's end")
		}
		over(t, tenure, replica.ErrLeaseExpired)
		if closedAfter != 999*ms {
			t.Errorf("closed after %v, expected 999 ms", closedAfter)
		}
		sender.Unlock()
		n.lease(500*ms, 2)
		over(t, tenure, replica.ErrLeaseExpired) // for good
		again := n.begin()
		if !again.Valid() || again.epoch != tenure.epoch {
			t.Error("no tenure under the next lease")
		}
		again.Close()
		if n.s.lapses() != 1 {
			t.Errorf("%d lapses", n.s.lapses())
		}
	})
}

// TestTenureAfterAPause: a process that was stopped over its lease's end and has already another lease when it goes on must
// not take the one for the other.
func TestTenureAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTenant(t)
		n.lease(500*ms, 1)
		tenure := n.begin()
		defer tenure.Close()
		n.s.lease.Store(&lease.View{Until: n.s.clock() + time.Hour, Generation: 2}) // before the watchdog has run
		if err := tenure.Check(); !errors.Is(err, replica.ErrLeaseExpired) {
			t.Errorf("%v", err)
		}
		n.s.nudge()
		over(t, tenure, replica.ErrLeaseExpired)
	})
}

func TestTenureEndsWithTheEpoch(t *testing.T) {
	for name, c := range map[string]*fsmpb.Command{
		"another owner":      clustertest.Assign(rtu1, 1, "fep2", ""),
		"no owner":           clustertest.Assign(rtu1, 1, "", ""),
		"the same, anew":     clustertest.Assign(rtu1, 1, "fep1", ""),
		"a move that begins": clustertest.Move(rtu1, 1, "fep2"),
		"the resource gone":  {Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{Digest: "two", Nodes: clustertest.Three()}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTenant(t)
				n.lease(time.Hour, 1)
				tenure := n.begin()
				defer tenure.Close()
				var closed atomic.Bool
				tenure.OnEnd(func() { closed.Store(true) })
				n.apply(clustertest.Pin(rtu1, "fep1")) // not an owner's matter
				if !tenure.Valid() {
					t.Error("ended by a pin")
				}
				n.apply(c)
				if tenure.Valid() {
					t.Error("valid once the change is applied")
				}
				over(t, tenure, replica.ErrEpochEnded)
				if !closed.Load() {
					t.Error("links not closed")
				}
			})
		})
	}
}

func TestTenureDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTenant(t)
		n.lease(time.Hour, 1)
		tenure := n.begin()
		defer tenure.Close()
		n.s.drop()
		over(t, tenure, replica.ErrLeaseExpired)
		n.lease(time.Hour, 2)
		if _, ok := n.s.begin(rtu1); ok {
			t.Error("began after drop")
		}
	})
}

// TestMove is a planned move: the new owner has it only after every tenure of the old one was closed.
func TestMove(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	one, two := s.owned("fep1", rtu1), s.owned("fep1", rtu1)
	if one == two {
		t.Fatal("tenures are shared")
	}
	s.propose("wit", clustertest.Move(rtu1, one.epoch, "fep2"))
	<-one.Done()
	<-two.Done()
	one.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*ms)
	defer cancel()
	if got, err := s.nodes["fep2"].WaitTenure(ctx, rtu1); err == nil {
		t.Errorf("fep2 got %+v while fep1 hadn't closed everything", got)
	}
	two.Close()
	got := s.owned("fep2", rtu1)
	if got.Epoch() != one.epoch+1 {
		t.Errorf("epoch %d after %d", got.Epoch(), one.epoch)
	}
	got.Close()
}

// TestMoveAfterARestart: a node that was asked to release something and was restarted meanwhile says that it has.
func TestMoveAfterARestart(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep2")
	s.move(rtu1, "fep1")
	tenure := s.owned("fep1", rtu1) // never closed
	s.propose("fep2", clustertest.Move(rtu1, tenure.epoch, "fep2"))
	<-tenure.Done()
	s.stop("fep1")
	s.start("fep1")
	s.owned("fep2", rtu1).Close()
}

func TestWaitTenureEnds(t *testing.T) {
	s := newStation(t, nil)
	n := s.nodes["wit"]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.WaitTenure(ctx, rtu1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	failed := make(chan error)
	go func() {
		_, err := n.WaitTenure(context.Background(), rtu1)
		failed <- err
	}()
	s.stop("wit")
	if err := <-failed; !errors.Is(err, replica.ErrClosed) {
		t.Errorf("%v, expected %v", err, replica.ErrClosed)
	}
}

func BenchmarkTenureValid(b *testing.B) {
	s := newTenures(newClock(), "fep1", newStateMachine())
	defer s.close()
	s.lease.Store(&lease.View{Until: time.Hour, Generation: 1})
	t := &tenure{of: s, generation: 1}
	for b.Loop() {
		if !t.Valid() {
			b.Fatal("not valid")
		}
	}
}
