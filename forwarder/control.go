package forwarder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
)

// Why a command is refused; each is answered with P/N = 1.
var (
	errStandby    = errors.New("the link is standby")
	errShape      = errors.New("not one single command")
	errTest       = errors.New("a test is not executed")
	errState      = errors.New("state is neither on nor off")
	errNumber     = errors.New("value is not a number")
	errStale      = errors.New("time tag is too far from now")
	errBusy       = errors.New("another command for the point is under way")
	errSelected   = errors.New("the point is selected by another")
	errNoSelect   = errors.New("not selected on this link, or no longer")
	errUnanswered = errors.New("failed")
)

// selection is a point that the device has confirmed as selected for this link.
type selection struct {
	submit *fsmpb.ControlSubmit
	ends   time.Time
}

// command takes a command to a control of the table. It returns false for any other ASDU, which is to be rejected as
// usual. The client hears of it when the device has answered, from another goroutine.
func (l *link) command(a iec104.ASDU) bool {
	u := l.g.u
	if !u.cfg.Controls || !a.Type.IsCommand() || a.Len() == 0 || a.CommonAddress != u.cfg.CommonAddress ||
		a.Cause != iec104.Activation && a.Cause != iec104.Deactivation {
		return false
	}
	e, ok := u.table.find(a.Object(0).Address)
	if !ok || e.role || e.typeID.Untimed() != a.Type.Untimed() {
		return false
	}
	a = a.Clone()
	now := l.g.now()
	err := l.check(a, now)
	if err == nil && !u.busy.take(e.key) {
		err = errBusy
	}
	if err != nil {
		l.refuse(a, err)
		return true
	}
	var op *operation
	submit, err := l.control(a, e, now)
	if err == nil {
		op = u.operator.submit(submit, now.Add(u.cfg.ControlTimeout))
	}
	if err != nil {
		u.busy.drop(e.key)
		l.refuse(a, err)
		return true
	}
	u.work.Go(func() {
		defer u.busy.drop(e.key)
		l.await(u.ctx, op, a, submit)
	})
	return true
}

// check finds out what is wrong with a command by itself.
func (l *link) check(a iec104.ASDU, now time.Time) error {
	o := a.Object(0)
	switch {
	case !l.isMain():
		return errStandby
	case a.Count() != 1 || a.Sequence:
		return errShape
	case a.Test:
		return errTest
	case math.IsNaN(o.Value) || math.IsInf(o.Value, 0):
		return errNumber
	}
	switch a.Type.Untimed() {
	case iec104.C_DC_NA_1, iec104.C_RC_NA_1:
		if o.Value != 1 && o.Value != 2 {
			return errState
		}
	}
	if a.Type.TimeTag() == iec104.CP56 && a.Cause == iec104.Activation {
		return checkAge(o.Time, now, l.g.u.cfg.CommandAge, l.g.location())
	}
	return nil
}

// checkAge refuses a time tag that is invalid or too far from now; a negative age allows any valid one.
func checkAge(t iec104.CP56Time2a, now time.Time, age time.Duration, loc *time.Location) error {
	at, err := t.Time(loc)
	switch {
	case err != nil:
		return err
	case t.Invalid():
		return fmt.Errorf("%w: marked invalid", iec104.ErrTime)
	}
	if off := now.Sub(at).Abs(); age >= 0 && off > age {
		return fmt.Errorf("%w: %v, at most %v", errStale, off.Round(time.Millisecond), age)
	}
	return nil
}

// control makes the request from a command that is right by itself.
func (l *link) control(a iec104.ASDU, e *entry, now time.Time) (*fsmpb.ControlSubmit, error) {
	u, o := l.g.u, a.Object(0)
	c := &fsmpb.ControlSubmit{
		Origin: l.origin(), Rtu: e.key.RTU, Kind: e.key.Kind.Proto(), Point: e.key.Point,
		Type: uint32(a.Type.Untimed()), Value: o.Value, Qualifier: uint32(o.Qualifier &^ iec104.SelectBit),
		DeadlineMs: now.Add(u.cfg.ControlTimeout).UnixMilli(), Category: e.category,
	}
	if a.Type.Untimed() == iec104.C_BO_NA_1 { // has no qualifier, and no selection
		c.Qualifier = 0
	}
	selects := a.Cause == iec104.Activation && o.Select()
	if selects {
		c.Phase, c.DeadlineMs = fsmpb.ControlSubmit_SELECT, now.Add(u.cfg.SelectTimeout).UnixMilli()
	} else if sel, ok := l.takeSelection(o.Address); ok {
		// Whatever comes ends the selection: it's used, taken back, or not what was selected.
		c.Phase, c.SelectId = fsmpb.ControlSubmit_EXECUTE, sel.submit.Id
		if a.Cause == iec104.Deactivation {
			c.Phase, c.Value, c.Qualifier = fsmpb.ControlSubmit_CANCEL, sel.submit.Value, sel.submit.Qualifier
		} else if !now.Before(sel.ends) || sel.submit.Value != c.Value || sel.submit.Qualifier != c.Qualifier || sel.submit.Type != c.Type {
			l.deselect(sel)
			return nil, errNoSelect
		}
	} else if a.Cause == iec104.Deactivation {
		return nil, errNoSelect
	}
	return c, l.conflict(c, now)
}

// conflict looks for other controls of the point, whoever asked for them.
func (l *link) conflict(c *fsmpb.ControlSubmit, now time.Time) (err error) {
	if c.SelectId != "" { // the state checks the selection
		return nil
	}
	same := func(o *fsm.Control) bool {
		return o.RTU == c.Rtu && o.Kind.Proto() == c.Kind && o.Point == c.Point
	}
	l.g.node().View(func(s *fsm.State) {
		for _, o := range s.PendingControls(c.Rtu) {
			if same(&o) {
				err = fmt.Errorf("%w: %s", errBusy, o.Origin)
			}
		}
		for _, o := range s.Controls() {
			if same(&o) && o.Phase == fsm.Select && o.Stage == fsm.Done && o.OK && !o.Used &&
				o.DeadlineMs > now.UnixMilli() && o.Origin != c.Origin {
				err = fmt.Errorf("%w: %s", errSelected, o.Origin)
			}
		}
	})
	return err
}

// origin is who asks: it's the same for all commands of a connection, and no other's.
func (l *link) origin() string {
	return fmt.Sprintf("%s %s %s#%d", l.g.resource, l.g.node().ID(), l.client, l.session.ID())
}

// await passes the device's answers on to the client.
func (l *link) await(ctx context.Context, op *operation, a iec104.ASDU, submit *fsmpb.ControlSubmit) {
	confirmation := iec104.ActivationCon
	if a.Cause == iec104.Deactivation {
		confirmation = iec104.DeactivationCon
	}
	confirmed := false
	c, err := op.wait(ctx, func() {
		confirmed = true
		if submit.Phase == fsmpb.ControlSubmit_SELECT && !l.keepSelection(a.Object(0).Address, submit) {
			return
		}
		l.send(a.Mirror(confirmation, false))
	})
	if err == nil && !c.OK {
		err = fmt.Errorf("%w: %s", errUnanswered, c.Reason)
	}
	switch {
	case !confirmed && err != nil:
		l.refuse(a, err)
	case submit.Phase == fsmpb.ControlSubmit_DIRECT || submit.Phase == fsmpb.ControlSubmit_EXECUTE:
		// The device's return information is in the journal by now, and goes first. But a client that is catching up
		// with a long backlog would take a late termination for a failure.
		l.sendAfterEvents(a.Mirror(iec104.ActivationTermination, err != nil), maxBehind)
	}
}

// refuse answers a command with P/N = 1.
func (l *link) refuse(a iec104.ASDU, why error) {
	l.g.log.Warn("command refused", "client", l.client, "type", a.Type, "ioa", a.Object(0).Address, "reason", why)
	confirmation := iec104.ActivationCon
	if a.Cause == iec104.Deactivation {
		confirmation = iec104.DeactivationCon
	}
	l.send(a.Mirror(confirmation, true))
}

// keepSelection remembers a selection that the device has confirmed. False: the link stopped meanwhile, so it's undone.
func (l *link) keepSelection(address iec104.InformationObjectAddress, c *fsmpb.ControlSubmit) bool {
	sel := selection{c, time.UnixMilli(c.DeadlineMs)}
	l.mu.Lock()
	stopped := l.feed == nil
	if !stopped {
		if l.selections == nil {
			l.selections = map[iec104.InformationObjectAddress]selection{}
		}
		l.selections[address] = sel
	}
	l.mu.Unlock()
	if stopped {
		l.deselect(sel)
	}
	return !stopped
}

func (l *link) takeSelection(address iec104.InformationObjectAddress) (selection, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sel, ok := l.selections[address]
	delete(l.selections, address)
	return sel, ok
}

// cancelSelections ends all selections of a link that has stopped: they stay with their link (101, clause 6.8).
func (l *link) cancelSelections() {
	l.mu.Lock()
	all := l.selections
	l.selections = nil
	l.mu.Unlock()
	for _, sel := range all {
		l.deselect(sel)
	}
}

// deselect tells the device that a selection is over. Nobody waits for the answer.
func (l *link) deselect(sel selection) {
	u, s := l.g.u, sel.submit
	deadline := l.g.now().Add(u.cfg.ControlTimeout)
	op := u.operator.submit(&fsmpb.ControlSubmit{
		Origin: s.Origin, Rtu: s.Rtu, Kind: s.Kind, Point: s.Point, Type: s.Type, Value: s.Value, Qualifier: s.Qualifier,
		Phase: fsmpb.ControlSubmit_CANCEL, SelectId: s.Id, DeadlineMs: deadline.UnixMilli(), Category: s.Category,
	}, deadline)
	u.work.Go(func() {
		if _, err := op.wait(u.ctx, nil); err != nil {
			l.g.log.Info("selection could not be cancelled", "client", l.client, "point", s.Point, "rtu", s.Rtu, "error", err)
		}
	})
}
