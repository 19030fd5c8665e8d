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

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

// newGroup is a station whose nodes may run FNP.
func newGroup(t *testing.T, withFNP bool) *replicatest.Station {
	t.Helper()
	return replicatest.New(t, &fsmpb.Configure{
		Digest: "test", Fnp: withFNP, Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
	})
}

func TestReplicatedTable(t *testing.T) {
	g := newGroup(t, true)
	g.SetClock(func() time.Time { return time.UnixMilli(5000) })
	r := NewReplicated(g.Node("fep1"))
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

	g.Elect("fep2", 4)
	told("another leader")
	if l := r.Leader(); l != (Leader{Node: "fep2", Term: 4}) {
		t.Errorf("%+v", l)
	}

	g.Refuse(replica.ErrNoLeader)
	if _, err := r.Propose(ctx, chantable.Command{}); !errors.Is(err, replica.ErrNoLeader) {
		t.Errorf("without a leader: %v", err)
	}
}

// TestNoLeaderIsMissed: leadership that changes while something else is looked at is told too.
func TestNoLeaderIsMissed(t *testing.T) {
	g := newGroup(t, true)
	r := NewReplicated(g.Node("fep1"))
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
		g.Apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Fnp{Fnp: &fsmpb.Fnp{}}})
		g.Elect([]string{"fep1", "fep2"}[i%2], i+1)
		eventually(t, fmt.Sprintf("told of term %d", i+1), func() bool { return term.Load() == i+1 })
	}
}

func TestReplicatedTableOfAStationWithoutFNP(t *testing.T) {
	_, err := NewReplicated(newGroup(t, false).Node("fep1")).Propose(context.Background(), chantable.Command{})
	if err == nil || !strings.Contains(err.Error(), "has no FNP") {
		t.Errorf("%v", err)
	}
}
