package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/replica"
	"github.com/hashicorp/raft"
)

// election watches who leads, and makes Raft campaign without delay when no one does.
type election struct {
	clock   func() time.Duration
	timing  timing
	log     *slog.Logger
	raft    *raft.Raft
	group   *group
	contact func() time.Duration // clock reading at which a leader was last heard
	changed *broadcast           // fires when there's another leader, or none

	began atomic.Int64 // clock reading at which this node last began to campaign, ns
}

// campaigned is the clock reading at which this node last began to campaign.
func (e *election) campaigned() time.Duration { return time.Duration(e.began.Load()) }

// observe notes when Raft sees another leader or begins to campaign, and logs leaders come and gone.
func (e *election) observe(done <-chan struct{}) {
	seen := make(chan raft.Observation, 64)
	observer := raft.NewObserver(seen, false, func(o *raft.Observation) bool {
		switch state := o.Data.(type) {
		case raft.LeaderObservation:
			return true
		case raft.RaftState:
			if state == raft.Candidate {
				e.began.Store(int64(e.clock()))
			}
		}
		return false
	})
	e.raft.RegisterObserver(observer)
	defer e.raft.DeregisterObserver(observer)
	leader := ""
	for {
		select {
		case <-seen:
			e.changed.fire()
			if now := e.group.leader(); now != leader {
				e.logLeader(leader, now)
				leader = now
			}
		case <-done:
			return
		}
	}
}

// logLeader logs a change. A node's own leadership is logged by its leader term, once that's ready.
func (e *election) logLeader(before, now string) {
	switch {
	case now == e.group.self.ID:
	case now != "":
		e.log.Info("leader", "leader", now, "term", e.raft.CurrentTerm())
	case before == e.group.self.ID:
		e.log.Warn("leading no more", "term", e.raft.CurrentTerm())
	default:
		// When leadership is handed on or won by a newer term there's none for a moment, too.
		if silence := e.clock() - e.contact(); silence >= e.timing.heartbeat {
			e.log.Warn("the leader is silent", "leader", before, "for", silence.Round(time.Millisecond))
		}
	}
}

// campaignEarly makes Raft check at once when the leader has been silent for a heartbeat timeout. By itself it checks at
// random times, and when it finds fresh contact sleeps for a whole random timeout again: between one and three timeouts
// after the leader's last word. Nodes check one after the other, so that their campaigns don't collide.
func (e *election) campaignEarly(done <-chan struct{}) {
	patience := e.timing.heartbeat + e.timing.stagger + time.Millisecond
	for {
		wait := patience
		if e.raft.State() == raft.Follower {
			silence := time.Since(e.raft.LastContact())
			if silence >= patience && e.group.leader() != "" {
				e.checkContact()
				wait = patience / 20
			} else if silence < patience {
				wait = patience - silence
			}
		}
		select {
		case <-time.After(wait):
		case <-done:
			return
		}
	}
}

// checkContact wakes Raft's follower: it checks the leader's last contact when its timeout is made shorter.
func (e *election) checkContact() {
	c := e.raft.ReloadableConfig()
	for _, timeout := range []time.Duration{e.timing.heartbeat + time.Microsecond, e.timing.heartbeat} {
		c.HeartbeatTimeout, c.ElectionTimeout = timeout, max(timeout, e.timing.election)
		if err := e.raft.ReloadConfig(c); err != nil {
			e.log.Error("reloading Raft's timeouts failed", "error", err)
			return
		}
	}
}

// raftCalls are Raft's slow operations, with a deadline that the library doesn't have.
type raftCalls struct {
	raft    *raft.Raft
	group   *group
	changed *broadcast    // another leader, or none
	limit   time.Duration // for a transfer of leadership
	done    <-chan struct{}
	wg      *sync.WaitGroup
}

// transfer hands on leadership to a member, and waits until it's known who has it. Raft's future isn't asked: shutting down
// leaves it without an answer.
func (c *raftCalls) transfer(ctx context.Context, to string) error {
	address, ok := c.group.address(to)
	if !ok {
		return fmt.Errorf("transferring leadership to %q: %w", to, replica.ErrUnknownNode)
	}
	c.raft.LeadershipTransferToServer(raft.ServerID(to), raft.ServerAddress(address))
	limit := time.NewTimer(c.limit)
	defer limit.Stop()
	for {
		changed := c.changed.wait()
		if c.group.leader() == to {
			return nil
		}
		select {
		case <-changed:
		case <-limit.C:
			return fmt.Errorf("transferring leadership to %s: it didn't take it within %v", to, c.limit)
		case <-ctx.Done():
			return fmt.Errorf("transferring leadership to %s: %w: %w", to, replica.ErrUnknownOutcome, ctx.Err())
		case <-c.done:
			return fmt.Errorf("transferring leadership to %s: %w", to, replica.ErrClosed)
		}
	}
}

// await waits for one of Raft's futures, but not longer than ctx: their own timeouts cover the queueing only.
func (c *raftCalls) await(ctx context.Context, f raft.Future, what string) error {
	failed := make(chan error, 1)
	c.wg.Go(func() { failed <- f.Error() })
	select {
	case err := <-failed:
		switch {
		case errors.Is(err, raft.ErrNotLeader):
			return fmt.Errorf("%s: %w any more", what, replica.ErrNotLeader)
		case errors.Is(err, raft.ErrLeadershipLost):
			return fmt.Errorf("%s: %w: %w", what, replica.ErrUnknownOutcome, err)
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w: %w", what, replica.ErrUnknownOutcome, ctx.Err())
	case <-c.done:
		return fmt.Errorf("%s: %w", what, replica.ErrClosed)
	}
}
