package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/replica"
)

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
