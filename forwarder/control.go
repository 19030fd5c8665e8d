package forwarder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

// Why a command is refused; each is answered with P/N = 1.
var (
	errStandby    = errors.New("the link is standby")
	errShape      = errors.New("not one single command")
	errTest       = errors.New("a test is not executed")
	errState      = errors.New("state is neither on nor off")
	errNumber     = errors.New("value is not a number")
	errStale      = errors.New("time tag is too far from now")
	errNoSelect   = errors.New("not selected on this link, or no longer")
	errUnanswered = errors.New("failed")
)

// selection is a point that the device has confirmed as selected for this link. It is remembered for a while after its end, so
// that an execute that comes too late isn't taken for a direct command (conformance rows 50 and 52).
type selection struct {
	submit *fsmpb.ControlSubmit
	ends   time.Time // a time-out after the present one if over
	over   bool      // taken back, or executed otherwise than selected
}

// command answers a command to the process: at once if it is wrong by itself, else when the state has refused it, as it
// does while another control of the point is under way, or the device has answered.
func (l *link) command(f *feed, c *iec104.Call) error {
	u := l.g.u
	e, ok := u.table.Load().find(object{c.CommonAddress, c.Object.Address}, true)
	if !ok || e.typeID.Untimed() != c.ASDU.Type.Untimed() {
		return c.Reject(asdu.UnknownObjectAddress)
	}
	now := l.g.now()
	if err := l.check(c, now); err != nil {
		return l.refuse(c, err)
	}
	submit, err := l.control(c, e, now)
	if err != nil {
		return l.refuse(c, err)
	}
	op := u.operator.submit(submit, f.stopAt)
	deadline := now.Add(u.cfg.ControlTimeout) // for the answer; the control's own, but for a selection
	u.work.Go(func() { l.answered(l.await(u.ctx, f, c, op, submit, deadline)) })
	return nil
}

// check finds out what is wrong with a command by itself.
func (l *link) check(c *iec104.Call, now time.Time) error {
	a, o := c.ASDU, c.Object
	switch {
	case !l.isMain():
		return errStandby
	case a.Len() != 1 || a.Sequence:
		return errShape
	case a.Test:
		return errTest
	case math.IsNaN(o.Value) || math.IsInf(o.Value, 0):
		return errNumber
	}
	switch a.Type.Untimed() {
	case asdu.C_DC_NA_1, asdu.C_RC_NA_1:
		if o.Value != 1 && o.Value != 2 {
			return errState
		}
	}
	if a.Type.TimeTag() == asdu.CP56 && a.Cause == asdu.Activation {
		return checkAge(o.Time, now, l.g.u.cfg.CommandAge, l.g.location())
	}
	return nil
}

// checkAge refuses a time tag that is invalid or too far from now; a negative age allows any valid one.
func checkAge(t asdu.CP56Time2a, now time.Time, age time.Duration, loc *time.Location) error {
	at, err := t.Time(loc)
	switch {
	case err != nil:
		return err
	case t.Invalid():
		return fmt.Errorf("%w: marked invalid", asdu.ErrTime)
	}
	if off := now.Sub(at).Abs(); age >= 0 && off > age {
		return fmt.Errorf("%w: %v, at most %v", errStale, off.Round(time.Millisecond), age)
	}
	return nil
}

// control makes the request from a command that is right by itself.
func (l *link) control(call *iec104.Call, e *entry, now time.Time) (*fsmpb.ControlSubmit, error) {
	u, a, o := l.g.u, call.ASDU, call.Object
	c := &fsmpb.ControlSubmit{
		Origin: l.origin(), Requester: l.requester(), Rtu: e.key.RTU, Kind: e.key.Kind.Proto(), Point: e.key.Point,
		Type: uint32(a.Type.Untimed()), Value: o.Value, Qualifier: uint32(o.Qualifier &^ asdu.SelectBit),
		DeadlineMs: now.Add(u.cfg.ControlTimeout).UnixMilli(), Category: u.table.Load().categories[e.where()],
	}
	if a.Type.IsParameter() { // neither selected nor terminated (101, clause 7.4.9), and its qualifier has no S/E
		c.Qualifier = uint32(o.Qualifier)
		if a.Type == asdu.P_AC_NA_1 {
			c.Value = bit(a.Cause == asdu.Activation)
		}
		return c, nil
	}
	if a.Type.Untimed() == asdu.C_BO_NA_1 { // has no qualifier, and no selection
		c.Qualifier = 0
	}
	if a.Cause == asdu.Activation && o.Select() {
		c.Phase, c.DeadlineMs = fsmpb.ControlSubmit_SELECT, now.Add(u.cfg.SelectTimeout).UnixMilli()
		return c, nil
	}
	asSelected := func(s *fsmpb.ControlSubmit) bool {
		return a.Cause == asdu.Activation && s.Value == c.Value && s.Qualifier == c.Qualifier && s.Type == c.Type
	}
	switch sel, known := l.takeSelection(e.where(), now, asSelected); {
	case !known && a.Cause == asdu.Activation:
		return c, nil
	case !known || sel.over:
		return nil, errNoSelect
	case a.Cause == asdu.Deactivation:
		c.Phase, c.SelectId = fsmpb.ControlSubmit_CANCEL, sel.submit.Id
		c.Value, c.Qualifier = sel.submit.Value, sel.submit.Qualifier
	case !now.Before(sel.ends) || !asSelected(sel.submit):
		l.deselect(sel)
		return nil, errNoSelect
	default:
		c.Phase, c.SelectId = fsmpb.ControlSubmit_EXECUTE, sel.submit.Id
	}
	return c, nil
}

// requester is whose quota a command counts to: the client's, on whatever connection, which shares the group's.
func (l *link) requester() string {
	return l.g.resource + " " + hostOf(l.client)
}

// origin is who asks: it's the same for all commands of a connection, and no other's.
func (l *link) origin() string {
	return fmt.Sprintf("%s %s %s#%d", l.g.resource, l.g.replica().ID(), l.client, l.session.ID())
}

// await passes the device's answers on to the client. The feed goes on once the first one is on its way.
func (l *link) await(ctx context.Context, f *feed, c *iec104.Call, op *replica.Operation, submit *fsmpb.ControlSubmit, deadline time.Time) error {
	defer f.goOn(submit.Id)
	var sent error
	confirmed := false
	control, err := op.Wait(ctx, deadline, func() {
		confirmed = true
		if submit.Phase != fsmpb.ControlSubmit_SELECT || l.keepSelection(f, object{c.CommonAddress, c.Object.Address}, submit) {
			// By way of the feed, which alone keeps it before the events that it holds back.
			sent = f.confirm(submit.Id, c.ASDU.Mirror(confirmation(c.ASDU.Cause), false))
		}
	})
	if err == nil && !control.OK {
		err = fmt.Errorf("%w: %s", errUnanswered, control.Reason)
	}
	switch {
	case sent != nil:
		return sent
	case !confirmed && err != nil:
		return l.refuse(c, err)
	case c.ASDU.Type.IsParameter():
	case submit.Phase == fsmpb.ControlSubmit_DIRECT || submit.Phase == fsmpb.ControlSubmit_EXECUTE:
		// The device's return information is in the journal by now, and goes first. But a client that is catching up
		// with a long backlog would take a late termination for a failure.
		return f.answer(c.ASDU.Mirror(asdu.ActivationTermination, err != nil), f.lastEvent(), maxBehind)
	}
	return nil
}

// confirmation is the cause that confirms another.
func confirmation(cause asdu.CauseOfTransmission) asdu.CauseOfTransmission {
	if cause == asdu.Deactivation {
		return asdu.DeactivationCon
	}
	return asdu.ActivationCon
}

// refuse answers a command with P/N = 1.
func (l *link) refuse(c *iec104.Call, why error) error {
	if before, told := l.refusals.tell(l.g.now()); told {
		l.g.log.Warn("command refused", "client", l.client, "type", c.ASDU.Type, "ioa", c.Object.Address, "reason", why, "untold before", before)
	}
	return c.Negative()
}

// keepSelection remembers a selection that the device has confirmed. False: the link stopped meanwhile, so it's undone.
func (l *link) keepSelection(f *feed, at object, c *fsmpb.ControlSubmit) bool {
	sel := selection{submit: c, ends: time.UnixMilli(c.DeadlineMs)}
	l.mu.Lock()
	stopped := l.feed != f
	if !stopped {
		if l.selections == nil {
			l.selections = map[object]selection{}
		}
		l.selections[at] = sel
	}
	l.mu.Unlock()
	if stopped {
		l.deselect(sel)
	}
	return !stopped
}

// takeSelection returns a point's selection, and whether there is or was one lately. Whatever comes ends it: it's used, taken
// back, or not what was selected.
func (l *link) takeSelection(at object, now time.Time, used func(*fsmpb.ControlSubmit) bool) (sel selection, known bool) {
	timeout := l.g.u.cfg.SelectTimeout
	l.mu.Lock()
	defer l.mu.Unlock()
	sel, known = l.selections[at]
	switch {
	case !known || sel.over && now.Before(sel.ends):
	case sel.over || !now.Before(sel.ends.Add(timeout)):
		delete(l.selections, at)
		known = false
	case now.Before(sel.ends) && used(sel.submit):
		delete(l.selections, at)
	default:
		l.selections[at] = selection{submit: sel.submit, ends: now.Add(timeout), over: true}
	}
	return sel, known
}

// cancelSelections ends all selections of a link that has stopped: they stay with their link (101, clause 6.8).
func (l *link) cancelSelections() {
	l.mu.Lock()
	all := l.selections
	l.selections = nil
	l.mu.Unlock()
	for _, sel := range all {
		if !sel.over {
			l.deselect(sel)
		}
	}
}

// deselect tells the device that a selection is over. Nobody waits for the answer.
func (l *link) deselect(sel selection) {
	u, s := l.g.u, sel.submit
	deadline := l.g.now().Add(u.cfg.ControlTimeout)
	op := u.operator.submit(&fsmpb.ControlSubmit{
		Origin: s.Origin, Requester: s.Requester, Rtu: s.Rtu, Kind: s.Kind, Point: s.Point, Type: s.Type, Value: s.Value, Qualifier: s.Qualifier,
		Phase: fsmpb.ControlSubmit_CANCEL, SelectId: s.Id, DeadlineMs: deadline.UnixMilli(), Category: s.Category,
	}, nil)
	u.work.Go(func() {
		if _, err := op.Wait(u.ctx, deadline, nil); err != nil {
			l.g.log.Info("selection could not be cancelled", "client", l.client, "point", s.Point, "rtu", s.Rtu, "error", err)
		}
	})
}
