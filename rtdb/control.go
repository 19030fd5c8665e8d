package rtdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// result is the word in ctl:res.
type result string

const (
	resultOK      result = "ok"      // the device has executed it
	resultFailed  result = "failed"  // it may have been sent to the device; the reason says what is known
	resultRefused result = "refused" // nothing was sent to the device
)

// answer is what the requester is told; empty: nothing, since this node stops before it knows.
type answer struct {
	result result
	reason string
}

func refused(format string, args ...any) answer {
	return answer{resultRefused, fmt.Sprintf(format, args...)}
}

// handle brings a request to its end. again: it was delivered before. reserved: no other request for the point is under
// way here.
func (in *intake) handle(ctx context.Context, r *request, again, reserved bool) (a answer) {
	described, ok := in.p.cfg.Describe(r.point)
	if !ok {
		return refused("no %s %d of RTU %d is configured", r.point.Kind, r.point.Point, r.point.RTU)
	}
	operation := r.submit(in.prefix, described)
	steps := []*fsmpb.ControlSubmit{operation}
	if r.selects {
		selection := r.submit(in.prefix, described)
		selection.Id += "-select"
		selection.Phase = fsmpb.ControlSubmit_SELECT
		operation.Phase, operation.SelectId = fsmpb.ControlSubmit_EXECUTE, selection.Id
		steps = []*fsmpb.ControlSubmit{selection, operation}
	}
	if !in.known(steps) {
		if a, ok := r.admit(again); !ok {
			return a
		}
		// Of two requests for a point the earlier one is executed. What was delivered before may have been submitted by
		// another node, and this one not have heard of it yet: the state is to say what it is.
		if !again && !reserved {
			return refused("another request for this point is under way")
		}
	}
	for _, step := range steps {
		if a = in.operate(ctx, step, r.deadline); a.result != resultOK {
			break
		}
	}
	return a
}

// known tells whether the state has a control of this request already, as this node sees it.
func (in *intake) known(steps []*fsmpb.ControlSubmit) (known bool) {
	in.p.cfg.Replica.View(func(s *fsm.State) {
		for _, step := range steps {
			_, ok := s.Control(step.Id)
			known = known || ok
		}
	})
	return known
}

// admit looks at the deadline of a request that the state doesn't know. One that was delivered before may have been
// executed and forgotten since.
func (r *request) admit(again bool) (answer, bool) {
	left := time.Until(r.deadline)
	switch {
	case left <= 0 && again:
		return answer{resultFailed, "outcome unknown: the deadline has passed, and who took the request on has not answered it"}, false
	case left <= 0:
		return refused("the deadline passed %v ago", -left.Round(time.Millisecond)), false
	case left > maxRequestTimeout:
		return refused("the deadline is %v ahead: expected %v at most", left.Round(time.Millisecond), maxRequestTimeout), false
	}
	return answer{}, true
}

// operate submits a control and waits until it is done.
func (in *intake) operate(ctx context.Context, submit *fsmpb.ControlSubmit, deadline time.Time) answer {
	c, err := in.await(ctx, submit, deadline)
	if no, ok := errors.AsType[*replica.RefusedError](err); ok {
		if c, ok = in.control(submit.Id); !ok {
			return refused("%s", no.Result.GetMessage())
		}
		err = nil
	}
	switch {
	case ctx.Err() != nil:
		return answer{}
	case err != nil:
		return answer{resultFailed, "outcome unknown: " + err.Error()}
	case c.OK:
		return answer{resultOK, c.Reason}
	case c.StartedMs == 0:
		return refused("%s", c.Reason)
	}
	return answer{resultFailed, c.Reason}
}

func (in *intake) await(ctx context.Context, submit *fsmpb.ControlSubmit, deadline time.Time) (fsm.Control, error) {
	until, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	op, err := in.operator.Submit(until, submit)
	switch {
	case err == nil:
		return op.Wait(ctx, deadline, nil)
	case until.Err() != nil && ctx.Err() == nil: // it may have been submitted all the same
		return in.operator.Expire(ctx, submit.Id)
	}
	return fsm.Control{}, err
}

func (in *intake) control(id string) (c fsm.Control, ok bool) {
	in.p.cfg.Replica.View(func(s *fsm.State) { c, ok = s.Control(id) })
	return c, ok
}
