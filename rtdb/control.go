package rtdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
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

const (
	// expireTimeout is how long a control past its deadline is waited for: it was expired, and needs a commit.
	expireTimeout = 5 * time.Second

	// lookEvery is the least time between two looks at the state while a control is under way.
	lookEvery = 5 * time.Millisecond
)

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
	in.p.cfg.Node.View(func(s *fsm.State) {
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
	until, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	c, err := in.submit(until, submit)
	if err == nil && c.Stage != fsm.Done {
		c, err = in.wait(until, submit.Id)
	}
	if err != nil && until.Err() != nil && ctx.Err() == nil {
		// The state ends it, so that there is one answer even if the device's is on its way.
		late, cancel := context.WithTimeout(ctx, expireTimeout)
		defer cancel()
		if c, err = in.expire(late, submit.Id); err != nil {
			err = fmt.Errorf("no answer by the deadline: %w", err)
		}
	}
	var no *notSubmittedError
	switch {
	case ctx.Err() != nil:
		return answer{}
	case errors.As(err, &no):
		return refused("%s", no.reason)
	case err != nil:
		return answer{resultFailed, "outcome unknown: " + err.Error()}
	case c.OK:
		return answer{resultOK, c.Reason}
	case c.StartedMs == 0:
		return refused("%s", c.Reason)
	}
	return answer{resultFailed, c.Reason}
}

// notSubmittedError: the state has refused a control, and does not remember it.
type notSubmittedError struct{ reason string }

func (e *notSubmittedError) Error() string { return e.reason }

// errForgotten: a control was submitted, and the state doesn't remember it.
var errForgotten = errors.New("the station does not remember it")

// submit proposes a control and returns it as this node's state has it then.
func (in *intake) submit(ctx context.Context, submit *fsmpb.ControlSubmit) (fsm.Control, error) {
	node := in.p.cfg.Node
	if c, ok := in.control(submit.Id); ok {
		return c, nil
	}
	r, err := node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: submit}})
	if err != nil {
		return fsm.Control{}, err
	}
	if err := node.WaitApplied(ctx, r.Index); err != nil {
		return fsm.Control{}, err
	}
	c, ok := in.control(submit.Id)
	switch {
	case ok:
		return c, nil
	case r.Code == fsmpb.Result_OK || r.Code == fsmpb.Result_DUPLICATE:
		return c, errForgotten
	}
	return c, &notSubmittedError{r.Message}
}

// expire ends a control for which no answer came.
func (in *intake) expire(ctx context.Context, id string) (fsm.Control, error) {
	r, err := in.p.cfg.Node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ControlExpire{ControlExpire: &fsmpb.ControlExpire{Id: id}}})
	if err != nil {
		return fsm.Control{}, err
	}
	if err := in.p.cfg.Node.WaitApplied(ctx, r.Index); err != nil {
		return fsm.Control{}, err
	}
	return in.wait(ctx, id)
}

func (in *intake) control(id string) (c fsm.Control, ok bool) {
	in.p.cfg.Node.View(func(s *fsm.State) { c, ok = s.Control(id) })
	return c, ok
}

// wait waits until a control is done.
func (in *intake) wait(ctx context.Context, id string) (fsm.Control, error) {
	pause := time.NewTicker(lookEvery)
	defer pause.Stop()
	for {
		_, grown := in.p.cfg.Node.Applied()
		c, ok := in.control(id)
		switch {
		case !ok:
			return c, errForgotten
		case c.Stage == fsm.Done:
			return c, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return c, ctx.Err()
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}
