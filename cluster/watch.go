package cluster

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// watch ends a node that can't go on: better no node than one that only seems to be there. A leader whose disk hangs
// would stay leader for ever (raft#503, #666), since its heartbeats need no disk.
func (n *Node) watch() {
	ticker := time.NewTicker(n.timing.stuck / 20)
	defer ticker.Stop()
	var commit commitWatch
	stalled := false
	for {
		select {
		case <-ticker.C:
		case <-n.done:
			return
		}
		now := n.clock()
		n.watched.Store(int64(now))
		what, took := n.disk.longest()
		if took > n.timing.stuck {
			n.giveUp(fmt.Errorf("%w: %s takes %v", ErrStuck, what, took))
		}
		switch was := stalled; {
		case took > n.timing.stall && !was:
			stalled = true
			n.log.Warn("the disk hangs", "what", what, "for", took.Round(time.Millisecond))
		case took <= n.timing.stall && was:
			stalled = false
			n.log.Info("the disk goes on")
		}
		r := n.reign.Load()
		if r == nil {
			commit = commitWatch{}
			continue
		}
		if took := commit.stands(now, n.raft.LastIndex(), n.raft.CommitIndex(), r.followed()); took > n.timing.stuck {
			n.giveUp(fmt.Errorf("%w: nothing was committed for %v, though a quorum answers", ErrStuck, took))
		}
		if err := n.refusals.check(now, 2*n.timing.election, n.timing.stuck); err != nil {
			n.giveUp(fmt.Errorf("%w: %w", ErrStuck, err))
		}
	}
}

// Progress is nil while the node goes on: its watch over itself looks, and no write to disk takes so long that it acts
// on nothing it can't store. It neither waits nor blocks.
func (n *Node) Progress() error {
	if what, took := n.disk.longest(); took > n.timing.stall {
		return fmt.Errorf("%s takes %v", what, took.Round(time.Millisecond))
	}
	if late := n.clock() - time.Duration(n.watched.Load()); late > n.timing.stuck {
		return fmt.Errorf("the node has not looked after itself for %v", late.Round(time.Millisecond))
	}
	return nil
}

// commitWatch knows since when a leader that's followed has had entries that aren't committed.
type commitWatch struct {
	committed uint64
	since     time.Duration
	waiting   bool
}

func (c *commitWatch) stands(now time.Duration, last, committed uint64, followed bool) time.Duration {
	if committed != c.committed || last == committed || !followed || !c.waiting {
		*c = commitWatch{committed: committed, since: now, waiting: last > committed && followed}
		return 0
	}
	return now - c.since
}

// refusals knows since when Raft has refused entries without a break: because of a transfer of leadership that never
// ends (raft#696), or since its main loop takes none.
type refusals struct {
	mu       sync.Mutex
	transfer time.Duration
	enqueue  time.Duration
	last     time.Duration
}

// note takes what became of an entry.
func (r *refusals) note(now time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begin := func(is bool, since time.Duration) time.Duration {
		switch {
		case !is:
			return 0
		case since == 0:
			return now
		}
		return since
	}
	r.transfer = begin(errors.Is(err, raft.ErrLeadershipTransferInProgress), r.transfer)
	r.enqueue = begin(errors.Is(err, raft.ErrEnqueueTimeout), r.enqueue)
	r.last = now
}

func (r *refusals) check(now, transferLimit, enqueueLimit time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.transfer != 0 && r.last-r.transfer > transferLimit:
		return fmt.Errorf("a transfer of leadership has gone on for %v", now-r.transfer)
	case r.enqueue != 0 && r.last-r.enqueue > enqueueLimit:
		return fmt.Errorf("no entry was taken for %v", now-r.enqueue)
	}
	return nil
}

// fail is told of a disk that can't be used. While Raft runs it ends the calling goroutine, which is one of Raft's: it
// would panic, or go on without its memory. Before that the caller reports the error.
func (n *Node) fail(err error) {
	if !n.running.Load() {
		return
	}
	n.giveUp(fmt.Errorf("%w: %w", ErrStuck, err))
	runtime.Goexit()
}

// giveUp makes this node harmless: no lease, no live link, no word to the others. What hangs may never let the rest go,
// so it isn't closed; whoever started the node ends the process.
func (n *Node) giveUp(err error) {
	n.stuck.Do(func() {
		n.keeper.drop()
		n.tenures.drop()
		n.transport.mute()
		n.log.Error("giving up", "error", err)
		if n.cfg.OnStuck != nil {
			go n.cfg.OnStuck(err)
		}
	})
}
