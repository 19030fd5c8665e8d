package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// assigned is the part of the state that the linearizability check is about: who owns the uplink group.
type assigned struct {
	epoch uint64
	owner string
}

// assignment is an operation: assign the group in an epoch.
type assignment struct {
	expect uint64
	owner  string
	known  how
}

// how an operation is known to have ended.
type how int

const (
	done    how = iota // it took effect, giving what it returned
	perhaps            // it may have taken effect, once
	policy             // the leader's: it took effect, and the journal says so, but not when
	read               // it's no assignment: it returned what there was
)

var assignments = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{assigned{}} },
	Step: func(state, input, output any) []any {
		s, in, out := state.(assigned), input.(assignment), output.(assigned)
		then := assigned{in.expect + 1, in.owner}
		matches := s.epoch == in.expect && (s.owner != "" || in.owner != "")
		switch {
		case in.known == read && out == s:
			return []any{s}
		case in.known == read:
			return nil
		case in.known == perhaps && matches:
			return []any{then, s}
		case in.known == perhaps:
			return []any{s}
		case matches && (in.known == policy || out == then):
			return []any{then}
		}
		return nil
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}).ToModel()

// TestAssignmentsAreLinearizable has three clients assign one resource, each through another node, while leaders come and
// go. Every answer must fit one order of all assignments, in which each took effect between its call and its answer.
func TestAssignmentsAreLinearizable(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	s.owned("fep1", rtu1).Close() // the station is configured
	var mu sync.Mutex
	var history []porcupine.Operation
	began := time.Now()
	since := func() int64 { return int64(time.Since(began)) }
	const each = 150 // assignments of a client
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for client, id := range []string{"fep1", "fep2", "wit"} {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(client), 7))
			epoch := uint64(0)
			for range each {
				select {
				case <-stop:
					return
				default:
				}
				in := assignment{expect: epoch, owner: []string{"fep1", "fep2", ""}[rng.IntN(3)]}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				call := since()
				r, err := s.nodes[id].Propose(ctx, clustertest.Assign(uplink, in.expect, in.owner, "client"))
				cancel()
				ops := learned(client, in, r, err, call, since())
				if err == nil {
					epoch = r.GetEpoch()
				}
				mu.Lock()
				history = append(history, ops...)
				mu.Unlock()
				time.Sleep(time.Duration(rng.IntN(10)) * ms)
			}
		})
	}
	for range 4 {
		l := s.leader()
		mu.Lock()
		before := len(history)
		mu.Unlock()
		until(t, "assignments under this leader", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(history) >= min(before+40, 3*each)
		})
		s.fabric.isolate(l.ID(), s.others(l.ID())...)
		until(t, "another leader", func() bool {
			for _, id := range s.others(l.ID()) {
				if n := s.nodes[s.nodes[id].Leader()]; n != nil && n != l && n.IsLeader() {
					return true
				}
			}
			return false
		})
		s.fabric.heal()
	}
	clients.Wait()
	close(stop)

	leader := s.leader()
	leader.View(func(st *fsm.State) {
		for _, e := range st.ReadAudit(0, 10000) {
			if n := e.Note; n.Kind == fsm.NoteOwner && n.Resource == uplink && n.Reason != "client" {
				history = append(history, porcupine.Operation{
					ClientId: 3, Input: assignment{n.Epoch - 1, n.To, policy}, Output: assigned{}, Call: 0, Return: int64(time.Hour),
				})
			}
		}
		if st.HistoryFirst() != 1 {
			t.Error("the audit has dropped entries: its room is too small for this test")
		}
	})
	counts := map[how]int{}
	for _, op := range history {
		counts[op.Input.(assignment).known]++
	}
	t.Logf("%d took effect, %d perhaps, %d of the policy's", counts[done], counts[perhaps], counts[policy])
	if got := porcupine.CheckOperationsTimeout(assignments, history, time.Minute); got != porcupine.Ok {
		t.Errorf("linearizable: %s", got)
	}
}

// learned is what a client learned. What isn't OK may have taken effect all the same: a proposal whose answer was lost is
// made again, and then finds its own doing, or what others have done since.
func learned(client int, in assignment, r replica.Result, err error, call, returned int64) []porcupine.Operation {
	op := porcupine.Operation{ClientId: client, Input: in, Output: assigned{}, Call: call, Return: returned}
	if err != nil {
		in.known, op.Return = perhaps, int64(time.Hour)
		op.Input = in
		return []porcupine.Operation{op}
	}
	op.Output = assigned{r.GetEpoch(), r.GetOwner()}
	if r.GetCode() == fsmpb.Result_OK {
		return []porcupine.Operation{op}
	}
	onlyRead := op
	in.known = perhaps
	op.Input = in
	in.known = read
	onlyRead.Input = in
	return []porcupine.Operation{op, onlyRead}
}
