package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/internal/raftio"
)

// watchdog ends a node that can't go on: better no node than one that only seems to be there. A leader whose disk hangs
// would stay leader for ever (raft#503, #666), since its heartbeats need no disk.
type watchdog struct {
	clock    func() time.Duration
	timing   timing
	log      *slog.Logger
	raft     *raft.Raft
	disk     *raftio.DiskWatch
	refusals *refusals
	followed func() (leads, followed bool) // this node leads; a quorum supports its term
	giveUp   func(error)

	checked atomic.Int64 // clock reading of its last check, ns
}

func (w *watchdog) run(done <-chan struct{}) {
	ticker := time.NewTicker(w.timing.stuck / 20)
	defer ticker.Stop()
	var commit commitWatch
	stalled := false
	for {
		select {
		case <-ticker.C:
		case <-done:
			return
		}
		now := w.clock()
		w.checked.Store(int64(now))
		what, took := w.disk.Longest()
		if took > w.timing.stuck {
			w.giveUp(fmt.Errorf("%w: %s takes %v", ErrStuck, what, took))
		}
		switch was := stalled; {
		case took > w.timing.hang && !was:
			stalled = true
			w.log.Warn("the disk hangs", "what", what, "for", took.Round(time.Millisecond))
		case took <= w.timing.hang && was:
			stalled = false
			w.log.Info("the disk goes on")
		}
		leads, followed := w.followed()
		if !leads {
			commit = commitWatch{}
			continue
		}
		if took := commit.stands(now, w.raft.LastIndex(), w.raft.CommitIndex(), followed); took > w.timing.stuck {
			w.giveUp(fmt.Errorf("%w: nothing was committed for %v, though a quorum answers", ErrStuck, took))
		}
		if err := w.refusals.check(now, 2*w.timing.election, w.timing.stuck); err != nil {
			w.giveUp(fmt.Errorf("%w: %w", ErrStuck, err))
		}
	}
}

// progress is nil while the node goes on: the watchdog itself checks, and no write to disk hangs. It neither waits nor blocks.
func (w *watchdog) progress() error {
	if what, took := w.disk.Longest(); took > w.timing.hang {
		return fmt.Errorf("%s takes %v", what, took.Round(time.Millisecond))
	}
	if late := w.clock() - time.Duration(w.checked.Load()); late > w.timing.stuck {
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

// failStop makes a node that can't go on harmless: no lease, no live link, no word to the others. What hangs may never let
// the rest go, so the node isn't closed; whoever started it ends the process.
type failStop struct {
	silence func() // ends lease, tenures and all messages
	log     *slog.Logger
	onStuck func(error) // may be nil

	armed atomic.Bool // all that silence needs is made
	once  sync.Once
}

func (f *failStop) giveUp(err error) {
	f.once.Do(func() {
		f.silence()
		f.log.Error("giving up", "error", err)
		if f.onStuck != nil {
			go f.onStuck(err)
		}
	})
}

// diskFailed is told of a disk that can't be used. While Raft runs it ends the calling goroutine, which is one of Raft's: it
// would panic, or go on without its memory. Before that the caller reports the error.
func (f *failStop) diskFailed(err error) {
	if !f.armed.Load() {
		return
	}
	f.giveUp(fmt.Errorf("%w: %w", ErrStuck, err))
	runtime.Goexit()
}
