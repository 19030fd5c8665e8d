package acquisition

import (
	"context"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// renewEvery is how often an epoch is renewed at most.
const renewEvery = time.Second

// tenures hands each tenure of the RTU to the loop, one after the other, and never one in an epoch that was used before.
//
// Batches of values are numbered within an epoch, and the state takes a number that it knows for a repetition. So a
// number must never be used for two contents, although a batch of a process that has died, or of a tenure that has
// ended, may still be on its way to the log. This holds since an epoch is used by one tenure of one process: what is
// still on its way bears an older one, and is refused. An epoch that began before this process did, as the log orders
// it, or that a former tenure has used, is ended by assigning the RTU to this node once more.
func (w *worker) tenures() error {
	used, err := w.mark()
	if err != nil {
		return w.unlessEnding(err)
	}
	for {
		t, err := w.env.Replica.WaitTenure(w.ctx, w.resource())
		if err != nil {
			return w.unlessEnding(err)
		}
		if t.Epoch() <= used {
			t.Close()
			if err := w.renew(t.Epoch()); err != nil {
				return w.unlessEnding(err)
			}
			continue
		}
		used = t.Epoch()
		ended := make(chan struct{})
		w.post(tenureEvent{t, ended})
		select {
		case <-ended:
		case <-w.ctx.Done():
			return nil
		}
		if t.Check() == nil { // given up: the state has refused values, and may do so again
			if err := w.sleep(w.rtu.Retry); err != nil {
				return w.unlessEnding(err)
			}
		}
	}
}

// unlessEnding is err, unless it only says that the work is to end.
func (w *worker) unlessEnding(err error) error {
	if w.ctx.Err() != nil {
		return nil
	}
	return err
}

func (w *worker) resource() string { return fsm.RTUResource(w.rtu.Number) }

// mark waits until a command of this worker is applied here, and returns the epoch of then: whatever an earlier process
// of this node has brought to the log bears this one or an older one.
func (w *worker) mark() (epoch uint64, err error) {
	select {
	case index := <-w.marked:
		if err := w.env.Replica.WaitApplied(w.ctx, index); err != nil {
			return 0, err
		}
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	}
	r, _ := w.owned()
	return r.Epoch, nil
}

// owned returns the RTU as a resource.
func (w *worker) owned() (r fsm.Resource, ok bool) {
	w.env.Replica.View(func(s *fsm.State) { r, ok = s.Resource(w.resource()) })
	return r, ok
}

// renew ends an epoch of this node by a new one of this node.
func (w *worker) renew(epoch uint64) error {
	r, _ := w.owned()
	result, err := w.env.Replica.Propose(w.ctx, &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: w.resource(), ExpectEpoch: epoch, Owner: w.env.Replica.ID(), Reason: "resumed",
		Timings: &fsmpb.Timings{DetectedMs: r.Timings.DetectedMs, ElectedMs: r.Timings.ElectedMs, LeasedMs: r.Timings.LeasedMs},
	}}})
	if err != nil {
		return err
	}
	if err := w.env.Replica.WaitApplied(w.ctx, result.Index); err != nil {
		return err
	}
	if result.Code == fsmpb.Result_OK {
		return nil
	}
	// Someone else was faster, and the tenure that comes next shows it.
	return w.sleep(renewEvery)
}

func (w *worker) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}
