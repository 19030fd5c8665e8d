package channeltab

import (
	"context"
	"fmt"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Replicated is the Registry of a node: the table in the group's state.
type Replicated struct {
	node    replica.Member
	changed chan struct{}
}

var _ Registry = (*Replicated)(nil)

// NewReplicated returns the table as this node has it. Changed tells nothing until Run runs.
func NewReplicated(n replica.Member) *Replicated {
	return &Replicated{node: n, changed: make(chan struct{}, 1)}
}

// Run watches the table and the leadership until ctx ends, and returns its error.
func (r *Replicated) Run(ctx context.Context) error {
	type revision struct {
		changes, table, version uint64 // a restore may bring back any of them
		led                     <-chan struct{}
	}
	var seen revision
	var led <-chan struct{} // a new channel for each change of leader
	elected := func() <-chan struct{} {
		led = r.node.LeaderChanged()
		return led
	}
	for range replica.Follow(ctx, r.node, replica.Pace{Also: elected}) {
		now := revision{led: led}
		r.node.View(func(s *fsm.State) {
			now.changes, now.table, now.version = s.Revisions().FNP, s.ChannelTable().ID(), s.ChannelTable().Version()
		})
		if now != seen {
			seen = now
			r.tell()
		}
	}
	return ctx.Err()
}

func (r *Replicated) tell() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Propose implements Registry.
func (r *Replicated) Propose(ctx context.Context, c chantable.Command) ([]chantable.Result, error) {
	changes, _ := c.AppendBinary(nil) // never fails
	res, err := r.node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Fnp{Fnp: &fsmpb.Fnp{Changes: changes}}})
	if err != nil {
		return nil, fmt.Errorf("channeltab: change the table: %w", err)
	}
	if res.GetCode() != fsmpb.Result_OK {
		return nil, fmt.Errorf("channeltab: change the table: refused: %s", res.GetMessage())
	}
	if err := r.node.WaitApplied(ctx, res.Index); err != nil {
		return nil, fmt.Errorf("channeltab: change the table: %w", err)
	}
	results := make([]chantable.Result, len(res.GetFnp()))
	for i, x := range res.GetFnp() {
		results[i] = chantable.Result{Outcome: chantable.Outcome(x.Outcome), CN: chantable.CN(x.Cn), Version: x.Version}
	}
	return results, nil
}

// Since implements Registry.
func (r *Replicated) Since(table, version uint64) (p chantable.Page) {
	r.node.View(func(s *fsm.State) { p = s.ChannelTable().Since(table, version) })
	return p
}

// Leader implements Registry.
func (r *Replicated) Leader() Leader {
	self, info := r.node.IsLeader(), r.node.Info()
	return Leader{Node: info.Leader, Self: self, Term: info.Term}
}

// Changed implements Registry.
func (r *Replicated) Changed() <-chan struct{} { return r.changed }
