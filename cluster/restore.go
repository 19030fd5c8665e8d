package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// Restore replaces the state of the whole group by a snapshot that WriteSnapshot wrote: events, owners and epochs are
// then as they were. Only the leader can (ErrNotLeader). All leases are let run out first, since nodes take over the new
// state one after the other and it may name other owners: so it takes the time of a lease, and links are opened anew.
func (n *Node) Restore(ctx context.Context, snapshot io.Reader) error {
	r := n.reign.Load()
	if r == nil || !r.ready() {
		return fmt.Errorf("restoring a snapshot: %w: %s is", replica.ErrNotLeader, n.leaderID())
	}
	f, size, err := n.spool(snapshot)
	if err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if err := r.restore(ctx, f, size); err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	return nil
}

// spool copies a snapshot to the data folder and checks it: Raft can't go back once it has begun.
func (n *Node) spool(snapshot io.Reader) (_ *os.File, size int64, err error) {
	f, err := os.CreateTemp(n.cfg.DataDir, "restore.*")
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if size, err = io.Copy(f, snapshot); err != nil {
		return nil, 0, err
	}
	if _, err = f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	if _, err = fsm.Restore(f); err != nil {
		return nil, 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, size, err
}

var errRestoring = errors.New("another restore is under way")

func (r *reign) restore(ctx context.Context, snapshot io.Reader, size int64) error {
	r.mu.Lock()
	if r.regent.grantor.shut {
		r.mu.Unlock()
		return errRestoring
	}
	r.regent.grantor.shut = true
	r.mu.Unlock()
	if err := r.waitAllFree(ctx); err != nil {
		r.mu.Lock()
		r.regent.grantor.shut = false
		r.mu.Unlock()
		return err
	}
	// From here on leases stay shut for this reign if something goes wrong: the next one knows what came of it.
	if err := r.node.raft.Restore(&raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Size: size}, snapshot, r.node.timing.stuck); err != nil {
		return err
	}
	index, err := r.mark() // nodes that have applied it have the new state
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.regent.reopen(r.node.clock(), index)
	r.mu.Unlock()
	nudge(r.kick)
	return nil
}

// waitAllFree waits until no node holds a lease.
func (r *reign) waitAllFree(ctx context.Context) error {
	for {
		voters := r.node.voters()
		now := r.node.clock()
		wait := time.Duration(0)
		r.mu.Lock()
		// Who was taken out of the group may hold one, too.
		for _, id := range append(slices.Collect(maps.Keys(r.regent.grantor.granted)), voters...) {
			at, known := r.regent.grantor.free(id, voters)
			if !known {
				at = now + r.node.timing.renew
			}
			wait = max(wait, at-now)
		}
		r.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if err := r.pause(ctx, wait); err != nil {
			return err
		}
	}
}
