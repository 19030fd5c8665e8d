package forwarder

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// expireTimeout is how long a control past its deadline is waited for: it was expired, and needs a commit.
const expireTimeout = 5 * time.Second

// operator hands controls to the replicated state and tells what becomes of them.
type operator struct {
	node   Node
	prefix string        // of ids: unique to this process
	last   atomic.Uint64 // number of the newest id

	mu       sync.Mutex
	waiting  map[string]chan fsm.Control
	revision uint64 // of the controls seen
}

func newOperator(n Node, started time.Time) *operator {
	return &operator{
		node:    n,
		prefix:  fmt.Sprintf("uplink-%s-%s-", n.ID(), strconv.FormatInt(started.UnixNano(), 36)),
		waiting: map[string]chan fsm.Control{},
	}
}

// operation is a control that was submitted.
type operation struct {
	o        *operator
	id       string
	deadline time.Time // for the answer; the control's own, but for a selection
	answer   Proposal
	changes  chan fsm.Control
}

// submit proposes a control under a new id, which it tells to before, if that isn't nil. Its wait must be called.
func (o *operator) submit(c *fsmpb.ControlSubmit, deadline time.Time, before func(id string)) *operation {
	c.Id, c.Alone = o.prefix+strconv.FormatUint(o.last.Add(1), 10), true
	if before != nil {
		before(c.Id)
	}
	// A control changes at most four times, so who delivers never has to wait.
	op := &operation{o: o, id: c.Id, deadline: deadline, changes: make(chan fsm.Control, 4)}
	o.mu.Lock()
	o.waiting[c.Id] = op.changes
	o.mu.Unlock()
	op.answer = o.node.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: c}})
	return op
}

// wait returns the control when it's done, and calls confirmed before if the device has confirmed it and goes on. An
// error says that it was refused, or that ctx has ended.
func (op *operation) wait(ctx context.Context, confirmed func()) (fsm.Control, error) {
	defer func() {
		op.o.mu.Lock()
		delete(op.o.waiting, op.id)
		op.o.mu.Unlock()
	}()
	select {
	case <-op.answer.Done():
	case <-ctx.Done():
		return fsm.Control{}, ctx.Err()
	}
	result, err := op.answer.Result()
	if err != nil {
		return fsm.Control{}, err
	}
	if result.Code != fsmpb.Result_OK && result.Code != fsmpb.Result_DUPLICATE {
		return fsm.Control{}, fmt.Errorf("refused: %s", result.Message)
	}
	late := time.NewTimer(time.Until(op.deadline))
	defer late.Stop()
	for {
		select {
		case c := <-op.changes:
			if c.ConfirmedMs != 0 && confirmed != nil {
				confirmed()
				confirmed = nil
			}
			if c.Stage == fsm.Done {
				return c, nil
			}
		case <-late.C:
			// The state ends it, so that there's one answer even if the device's is on its way.
			op.o.expire(op.id)
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, expireTimeout)
			defer cancel()
		case <-ctx.Done():
			return fsm.Control{}, fmt.Errorf("no answer by the deadline: %w", ctx.Err())
		}
	}
}

// expire ends a control for which no answer came, or a selection.
func (o *operator) expire(id string) {
	o.node.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_ControlExpire{ControlExpire: &fsmpb.ControlExpire{Id: id}}})
}

// deliver tells those who wait what has changed since the last time.
func (o *operator) deliver() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var changes []fsm.Control
	o.node.View(func(s *fsm.State) {
		if r := s.Revisions().Controls; r != o.revision {
			if len(o.waiting) > 0 {
				changes = s.ControlsAfter(o.revision)
			}
			o.revision = r
		}
	})
	for _, c := range changes {
		if ch := o.waiting[c.ID]; ch != nil {
			select {
			case ch <- c:
			default: // it's done, and this is the end of its selection
			}
		}
	}
}
