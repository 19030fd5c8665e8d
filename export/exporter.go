package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	maxBatch = 5000                   // records that are in memory at a time
	pace     = 50 * time.Millisecond  // so many small batches a second are enough
	idle     = 500 * time.Millisecond // between two looks at what a target has delivered

	leastBackoff = time.Second
	mostBackoff  = 30 * time.Second

	// behindAfter is how long an export may not have caught up before that is a condition.
	behindAfter = time.Minute
)

// errAnew: the target has to be taken up again, since an operator has paused the export or set its cursor back.
var errAnew = errors.New("cursor was set anew")

// exporter is one export on this node.
type exporter struct {
	cfg      *Config
	export   Export
	resource string
	log      *slog.Logger
	values   sampler

	mu         sync.Mutex
	counted    Stats
	caughtUp   time.Time // when the owner had last delivered all there was
	complained string    // what was logged last
}

func newExporter(cfg *Config, e Export) *exporter {
	return &exporter{
		cfg: cfg, export: e, resource: fsm.ExportResource(e.Name), log: cfg.Log.With("export", e.Name), counted: Stats{Name: e.Name},
		values: sampler{cfg: cfg, states: e.States},
	}
}

// run exports while this node has the tenure, until ctx ends.
func (e *exporter) run(ctx context.Context) {
	for ctx.Err() == nil {
		tenure, err := e.cfg.Replica.WaitTenure(ctx, e.resource)
		if err != nil {
			return
		}
		e.own(ctx, tenure)
		tenure.Close()
	}
}

// own exports until the tenure is over.
func (e *exporter) own(ctx context.Context, tenure replica.Tenure) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer tenure.OnEnd(cancel)()
	e.log.Info("export begins", "epoch", tenure.Epoch())
	e.mu.Lock()
	e.caughtUp = time.Now()
	e.mu.Unlock()
	backoff := leastBackoff
	for ctx.Err() == nil && e.unpaused(ctx) {
		delivered, err := e.takeUp(ctx, tenure.Epoch())
		if ctx.Err() != nil || errors.Is(err, errAnew) {
			continue
		}
		e.failed(err)
		if delivered {
			backoff = leastBackoff
		}
		pause := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, mostBackoff)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	e.log.Info("export ends", "epoch", tenure.Epoch())
}

// unpaused waits until no operator wants the export to wait. It's false if ctx ended.
func (e *exporter) unpaused(ctx context.Context) bool {
	for range replica.Follow(ctx, e.cfg.Replica, replica.Pace{Least: pace}) {
		if x, ok := e.state(); ok && !x.Paused {
			return true
		}
	}
	return false
}

func (e *exporter) state() (x fsm.Export, ok bool) {
	e.cfg.Replica.View(func(s *fsm.State) { x, ok = s.Export(e.resource) })
	return x, ok
}

// takeUp opens the target and writes to it until something is wrong with it. It tells whether anything was delivered.
func (e *exporter) takeUp(ctx context.Context, epoch uint64) (delivered bool, err error) {
	// A node that has just started may show an old cursor.
	if err := e.catchUp(ctx, epoch); err != nil {
		return false, err
	}
	x, ok := e.state()
	if !ok {
		return false, fmt.Errorf("%s is not in the state", e.resource)
	}
	start := Start{Node: e.cfg.Replica.ID(), Epoch: epoch, After: x.Cursor, High: x.High, Spans: x.Spans}
	target, err := e.export.Driver.Open(ctx, start)
	if err != nil {
		return false, err
	}
	defer func() {
		if closing := target.Close(); closing != nil && err == nil {
			err = closing
		}
	}()
	p := pump{e: e, target: target, epoch: epoch, replays: x.Replays, position: min(x.Cursor, target.Delivered()), cursor: x.Cursor}
	e.values.anew()
	for range replica.Follow(ctx, e.cfg.Replica, replica.Pace{Least: pace, Most: idle}) {
		if err := p.round(ctx); err != nil {
			return p.cursor > x.Cursor, err
		}
	}
	return p.cursor > x.Cursor, ctx.Err()
}

func (e *exporter) cursorAt(seq, epoch, replays uint64) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_ExportCursor{ExportCursor: &fsmpb.ExportCursor{
		Resource: e.resource, Epoch: epoch, Seq: seq, Replays: replays,
	}}}
}

// catchUp waits until this node's state shows all that was committed before, by a command of its own that changes nothing.
func (e *exporter) catchUp(ctx context.Context, epoch uint64) error {
	result, err := e.cfg.Replica.Propose(ctx, e.cursorAt(0, epoch, 0))
	if err == nil {
		err = e.cfg.Replica.WaitApplied(ctx, result.Index)
	}
	if err != nil {
		return fmt.Errorf("the cursor can't be committed: %w", err)
	}
	return nil
}

// failed takes in why the export doesn't get on. What is the same as before isn't logged again.
func (e *exporter) failed(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted.Errors++
	e.counted.Error = err.Error()
	if e.complained != e.counted.Error {
		e.complained = e.counted.Error
		e.log.Warn("export is held up: tried again", "error", err)
	}
}

// gotOn takes in that records were written, and whether there are no more now.
func (e *exporter) gotOn(records, values int, all bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted.Records += uint64(records)
	e.counted.Values += uint64(values)
	if records > 0 || all {
		e.counted.Error, e.complained = "", ""
	}
	if all {
		e.caughtUp = time.Now()
	}
}

func (e *exporter) stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counted
}

// judge reports whether the owner is behind, as of now.
func (e *exporter) judge(x fsm.Export) {
	e.mu.Lock()
	since, why := e.caughtUp, e.counted.Error
	e.mu.Unlock()
	if x.Paused || x.Backlog == 0 || time.Since(since) < behindAfter {
		e.cfg.Conditions.Clear(condition.ExportBehind, e.resource)
		return
	}
	if why == "" {
		why = "the target takes them more slowly than they come"
	}
	e.cfg.Conditions.Set(condition.Report{
		Kind: condition.ExportBehind, Resource: e.resource, Count: x.Backlog,
		Values: condition.Values(since.In(e.cfg.Location).Format("2006-01-02 15:04:05"), why),
	})
}
