package channeltab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// fakeGroup is a Raft group of one node, in memory.
type fakeGroup struct {
	mu    sync.Mutex
	state *fsm.State
	index uint64
	grown chan struct{}
	led   chan struct{}
	info  replica.Info
	lead  bool
	err   error

	stalled chan struct{} // closed: proposals are not held up
}

func newFakeGroup(t *testing.T, withFNP bool) *fakeGroup {
	t.Helper()
	g := &fakeGroup{state: fsm.New(), grown: make(chan struct{}), led: make(chan struct{})}
	g.stall(false)
	g.apply(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
		Digest: "test", Fnp: withFNP, Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
	}}})
	return g
}

func (g *fakeGroup) apply(c *fsmpb.Command) replica.Result {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index++
	r := g.state.Apply(g.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]
	close(g.grown)
	g.grown = make(chan struct{})
	return replica.Result{Result: r, Index: g.index}
}

func (g *fakeGroup) elect(leader string, self bool, term uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.info, g.lead = replica.Info{Leader: leader, Term: term}, self
	close(g.led)
	g.led = make(chan struct{})
}

func (g *fakeGroup) View(read func(*fsm.State)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	read(g.state)
}

func (g *fakeGroup) Applied() (uint64, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index, g.grown
}

// stall holds proposals up, or lets them go on.
func (g *fakeGroup) stall(up bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if up {
		g.stalled = make(chan struct{})
		return
	}
	if g.stalled == nil {
		g.stalled = make(chan struct{})
	}
	close(g.stalled)
}

func (g *fakeGroup) Propose(ctx context.Context, c *fsmpb.Command) (replica.Result, error) {
	if g.err != nil {
		return replica.Result{}, g.err
	}
	g.mu.Lock()
	stalled := g.stalled
	g.mu.Unlock()
	select {
	case <-stalled:
	case <-ctx.Done():
		return replica.Result{}, ctx.Err()
	}
	c.AtMs = 5000
	return g.apply(c), nil
}

func (g *fakeGroup) WaitApplied(context.Context, uint64) error { return nil }

func (g *fakeGroup) Info() replica.Info {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.info
}

func (g *fakeGroup) IsLeader() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lead
}

func (g *fakeGroup) LeaderChanged() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.led
}

func TestReplicatedTable(t *testing.T) {
	g := newFakeGroup(t, true)
	r := NewReplicated(g)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
	defer running.Wait()
	defer cancel()
	told := func(what string) {
		t.Helper()
		select {
		case <-r.Changed():
		case <-time.After(10 * time.Second):
			t.Fatalf("not told of %s", what)
		}
	}

	claim := chantable.Claim{ID: 7, Name: "pump", Address: stationAddress(7), Instance: 1, Epoch: 1}
	results, err := r.Propose(ctx, chantable.Command{Changes: []chantable.Change{
		{Kind: chantable.Renew, Table: 99}, {Kind: chantable.Register, Claim: claim}, {Kind: chantable.Renew},
	}})
	if err != nil || len(results) != 3 {
		t.Fatalf("%+v, %v", results, err)
	}
	if want := (chantable.Result{Outcome: chantable.Done, CN: 1, Version: 1}); results[1] != want || results[2].Outcome != chantable.Stale {
		t.Errorf("%+v, want the second %+v, the third stale", results, want)
	}
	told("the changes")
	p := r.Since(0, 0)
	if p.Table != 99 || len(p.Entries) != 1 || p.Entries[0].ID != 7 || p.Entries[0].Since != 5000 {
		t.Errorf("%+v", p)
	}

	g.elect("fep2", false, 4)
	told("another leader")
	if l := r.Leader(); l != (Leader{Node: "fep2", Term: 4}) {
		t.Errorf("%+v", l)
	}

	g.err = replica.ErrNoLeader
	if _, err := r.Propose(ctx, chantable.Command{}); !errors.Is(err, replica.ErrNoLeader) {
		t.Errorf("without a leader: %v", err)
	}
}

// TestNoLeaderIsMissed: leadership that changes while something else is looked at is told too.
func TestNoLeaderIsMissed(t *testing.T) {
	g := newFakeGroup(t, true)
	r := NewReplicated(g)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = r.Run(ctx) })
	var term atomic.Uint64
	running.Go(func() {
		for {
			select {
			case <-r.Changed():
				term.Store(r.Leader().Term)
			case <-ctx.Done():
				return
			}
		}
	})
	for i := range uint64(100) {
		g.apply(&fsmpb.Command{Op: &fsmpb.Command_Fnp{Fnp: &fsmpb.Fnp{}}})
		g.elect("fep1", i%2 == 0, i+1)
		eventually(t, fmt.Sprintf("told of term %d", i+1), func() bool { return term.Load() == i+1 })
	}
}

func TestReplicatedTableOfAStationWithoutFNP(t *testing.T) {
	_, err := NewReplicated(newFakeGroup(t, false)).Propose(context.Background(), chantable.Command{})
	if err == nil || !strings.Contains(err.Error(), "has no FNP") {
		t.Errorf("%v", err)
	}
}
