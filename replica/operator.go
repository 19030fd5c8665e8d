package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// expireTimeout is how long a control past its deadline is waited for: to end it takes a commit.
const expireTimeout = 5 * time.Second

// ErrForgotten: a control was submitted, and the state doesn't remember it. Its outcome is unknown.
var ErrForgotten = errors.New("control is forgotten: its outcome is unknown")

// RefusedError says that the state has refused a control. Nothing of it was sent to the device.
type RefusedError struct{ Result Result }

func (e *RefusedError) Error() string { return "refused: " + e.Result.GetMessage() }

// Operator submits controls to the state and tells what becomes of them. However many wait, the state is looked at once
// for each change of the controls.
type Operator struct {
	replica  Replica
	busy     chan struct{} // 1 long: someone waits
	refusals *Refusals     // of what is beyond a requester's quota

	mu       sync.Mutex
	waiting  map[string]*Operation
	revision uint64 // of the controls delivered; only while someone waits
}

// NewOperator makes an operator; [Operator.Run] must run for its operations to end.
func NewOperator(r Replica) *Operator {
	return &Operator{replica: r, busy: make(chan struct{}, 1), refusals: NewRefusals(r), waiting: map[string]*Operation{}}
}

// Run tells those who wait what has changed, until ctx ends. It does nothing while nobody waits.
func (o *Operator) Run(ctx context.Context) {
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { o.refusals.Run(ctx) })
	for {
		select {
		case <-o.busy:
		case <-ctx.Done():
			return
		}
		for range Follow(ctx, o.replica, Pace{}) {
			if !o.deliver() {
				break
			}
		}
	}
}

// Operation is a control that was submitted.
type Operation struct {
	o      *Operator
	id     string
	answer Proposal // nil: the state has it, or it was not asked
	beyond error    // it was not asked, since the requester's quota is used up

	changed chan struct{} // 1 long: newest is another
	newest  fsm.Control   // guarded by o.mu; the zero one until something has changed
}

// Submit has a control committed, and returns its operation, whose Wait must be called. A control that the state knows
// already is not submitted again. Errors are [RefusedError], those of [Replica.Propose], and ErrForgotten.
func (o *Operator) Submit(ctx context.Context, c *fsmpb.ControlSubmit) (*Operation, error) {
	op := o.begin(c.Id)
	if op.look() {
		return op, nil
	}
	if err := o.beyondQuota(c); err != nil {
		op.end()
		return nil, err
	}
	result, err := o.replica.Propose(ctx, submission(c))
	if err == nil {
		err = op.submitted(ctx, result)
	}
	if err != nil {
		op.end()
		return nil, err
	}
	return op, nil
}

// SubmitAsync is Submit without the wait: the state takes the controls in the order of the calls, and what it refuses
// [Operation.Wait] tells.
func (o *Operator) SubmitAsync(c *fsmpb.ControlSubmit) *Operation {
	op := o.begin(c.Id)
	if op.beyond = o.beyondQuota(c); op.beyond == nil {
		op.answer = o.replica.ProposeAsync(submission(c))
	}
	return op
}

// beyondQuota refuses what the state would refuse: whoever asks in a loop costs no entry of the log.
func (o *Operator) beyondQuota(c *fsmpb.ControlSubmit) error {
	requester := cmp.Or(c.Requester, c.Origin)
	var why string
	o.replica.View(func(s *fsm.State) {
		why = s.ControlQuota(requester, fsm.ControlPhase(c.Phase), time.Now().UnixMilli())
	})
	if why == "" {
		return nil
	}
	point := fsm.PointKey{RTU: c.Rtu, Kind: fsm.Kind(c.Kind), Point: c.Point}
	o.refusals.Add("control", requester, point.String(), why)
	return &RefusedError{Result{Result: &fsmpb.Result{Code: fsmpb.Result_CONFLICT, Message: why}}}
}

func submission(c *fsmpb.ControlSubmit) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: c}}
}

// Wait returns the control when it's done, however it ended, and calls confirmed before, unless that is nil, if the
// device has confirmed it and goes on. At the deadline it makes the state end the control, so that there is one answer
// even if the device's is on its way. Errors are ctx's and those of Submit.
func (op *Operation) Wait(ctx context.Context, deadline time.Time, confirmed func()) (fsm.Control, error) {
	defer op.end()
	if op.beyond != nil {
		return fsm.Control{}, op.beyond
	}
	if op.answer != nil {
		select {
		case <-op.answer.Done():
		case <-ctx.Done():
			return fsm.Control{}, ctx.Err()
		}
		result, err := op.answer.Result()
		if err == nil {
			err = op.submitted(ctx, result)
		}
		if err != nil {
			return fsm.Control{}, err
		}
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		select {
		case <-op.changed:
			c := op.control()
			if c.ConfirmedMs != 0 && confirmed != nil {
				confirmed()
				confirmed = nil
			}
			if c.Stage == fsm.Done {
				return c, nil
			}
		case <-timer.C:
			if err := op.expire(ctx); err != nil {
				return fsm.Control{}, err
			}
		case <-ctx.Done():
			return fsm.Control{}, ctx.Err()
		}
	}
}

// Expire makes the state end a control whose deadline has passed, and returns it. It's for one of which it isn't known
// whether it was submitted. Errors are those of [Operation.Wait].
func (o *Operator) Expire(ctx context.Context, id string) (fsm.Control, error) {
	op := o.begin(id)
	defer op.end()
	if err := op.expire(ctx); err != nil {
		return fsm.Control{}, err
	}
	return op.control(), nil
}

// expire ends a control for which no answer came.
func (op *Operation) expire(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, expireTimeout)
	defer cancel()
	result, err := op.o.replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ControlExpire{ControlExpire: &fsmpb.ControlExpire{Id: op.id}}})
	if err == nil {
		err = op.o.replica.WaitApplied(ctx, result.Index)
	}
	if err == nil && !op.look() {
		err = ErrForgotten
	}
	if err != nil {
		return fmt.Errorf("no answer by the deadline: %w", err)
	}
	return nil
}

// begin makes an operation that hears of what changes from now on.
func (o *Operator) begin(id string) *Operation {
	op := &Operation{o: o, id: id, changed: make(chan struct{}, 1)}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		o.replica.View(func(s *fsm.State) { o.revision = s.Revisions().Controls })
		poke(o.busy)
	}
	o.waiting[id] = op
	return op
}

func (op *Operation) end() {
	op.o.mu.Lock()
	defer op.o.mu.Unlock()
	delete(op.o.waiting, op.id)
}

// submitted takes in what the state has made of the submission. Known there as refused, it's refused all the same.
func (op *Operation) submitted(ctx context.Context, r Result) error {
	if r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
		return &RefusedError{r}
	}
	if err := op.o.replica.WaitApplied(ctx, r.Index); err != nil {
		return err
	}
	if !op.look() {
		return ErrForgotten
	}
	return nil
}

// look takes the control from the state; false: it isn't there.
func (op *Operation) look() (known bool) {
	op.o.mu.Lock()
	defer op.o.mu.Unlock()
	op.o.replica.View(func(s *fsm.State) {
		var c fsm.Control
		if c, known = s.Control(op.id); known {
			op.tell(c)
		}
	})
	return known
}

// tell is called with o.mu held.
func (op *Operation) tell(c fsm.Control) {
	if c.Revision != op.newest.Revision {
		op.newest = c
		poke(op.changed)
	}
}

func (op *Operation) control() fsm.Control {
	op.o.mu.Lock()
	defer op.o.mu.Unlock()
	return op.newest
}

// deliver tells those who wait what has changed since the last time. It's false if nobody waits.
func (o *Operator) deliver() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		return false
	}
	var changes []fsm.Control
	o.replica.View(func(s *fsm.State) {
		if r := s.Revisions().Controls; r != o.revision {
			changes, o.revision = s.ControlsAfter(o.revision), r
		}
	})
	for _, c := range changes {
		if op := o.waiting[c.ID]; op != nil {
			op.tell(c)
		}
	}
	return true
}

// poke makes the owner of a channel of capacity 1 look, now or when it's back.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
