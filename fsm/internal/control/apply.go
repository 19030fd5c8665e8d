package control

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/points"
	"github.com/fepha/fepha/fsm/internal/resource"
)

// The commands of a control's life. At most once rests on three of them: an id is submitted once; it is started once, by
// the RTU's owner in its epoch, before anything is sent; and a change of owner ends what was started.

const (
	maxControlText = 256
	maxAheadMs     = 60 * 60 * 1000 // how far ahead a deadline may be, since ids are remembered until then
)

// Apply applies a command that is about a control; nil: it isn't.
func (cs *Controls) Apply(at command.Stamp, c *fsmpb.Command) *fsmpb.Result {
	switch op := c.GetOp().(type) {
	case *fsmpb.Command_ControlSubmit:
		return cs.submit(at, op.ControlSubmit)
	case *fsmpb.Command_ControlStart:
		return cs.start(at, op.ControlStart)
	case *fsmpb.Command_ControlResult:
		return cs.result(at, op.ControlResult)
	case *fsmpb.Command_ControlExpire:
		return cs.expire(at, op.ControlExpire)
	}
	return nil
}

// submit takes a request. One that can't be granted now is remembered too, as done: each id gets one final answer.
func (cs *Controls) submit(at command.Stamp, op *fsmpb.ControlSubmit) *fsmpb.Result {
	if why := faultOfControl(at, op); why != "" {
		return command.Refuse(fsmpb.Result_INVALID, "control %.64q: %s", op.Id, why)
	}
	if known := cs.get(op.Id); known != nil {
		if !known.asks(op) {
			return command.Refuse(fsmpb.Result_CONFLICT, "control %q: the id was used for another request", op.Id)
		}
		return command.Already()
	}
	cs.forget(at.Ms)
	c := newControl(op)
	if why := cs.Quota(c.Requester, c.Phase, at.Ms); why != "" {
		cs.station.Refused(at, c, why)
		return command.Refuse(fsmpb.Result_CONFLICT, "control %q: %s", op.Id, why)
	}
	cs.number++
	c.Number, c.Stage, c.SubmittedMs = cs.number, Submitted, at.Ms
	cs.add(c)
	r := cs.station.Resource(c.RTU)
	if r == nil {
		cs.reject(at, c, "no such RTU")
		return command.Refuse(fsmpb.Result_NOT_FOUND, "control %q: there is no RTU %d", c.ID, c.RTU)
	}
	if why := cs.whyNot(at, c, r); why != "" {
		cs.reject(at, c, why)
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "control %q: %s", c.ID, why))
	}
	if op.Alone {
		if why := cs.occupied(at, c); why != "" {
			cs.reject(at, c, why)
			return r.About(command.Refuse(fsmpb.Result_CONFLICT, "control %q: %s", c.ID, why))
		}
	}
	if c.Phase == Execute || c.Phase == Cancel {
		cs.endSelection(at, cs.get(c.SelectID), c.Phase.String())
	}
	q := cs.of(c.RTU)
	q.pending = append(q.pending, c)
	cs.changed(at, c)
	return r.About(command.Done())
}

// faultOfControl says why a request can never be right.
func faultOfControl(at command.Stamp, op *fsmpb.ControlSubmit) string {
	needsSelect := op.Phase == fsmpb.ControlSubmit_EXECUTE || op.Phase == fsmpb.ControlSubmit_CANCEL
	switch {
	case op.Id == "" || max(len(op.Id), len(op.Origin), len(op.SelectId), len(op.Category), len(op.Requester)) > maxControlText:
		return fmt.Sprintf("expected an id, and texts of at most %d octets", maxControlText)
	case op.Kind != fsmpb.Kind_DO && op.Kind != fsmpb.Kind_AO:
		return fmt.Sprintf("kind %s: expected do or ao", points.Kind(op.Kind&math.MaxUint8))
	case op.Type == 0 || op.Type > math.MaxUint8:
		return fmt.Sprintf("type %d: expected a TypeID of 1 to 255", op.Type)
	case op.Qualifier > math.MaxUint8:
		return fmt.Sprintf("qualifier %d: expected one octet", op.Qualifier)
	case math.IsNaN(op.Value) || op.Alone && math.IsInf(op.Value, 0):
		return "value: expected a number"
	case op.Phase < 0 || op.Phase >= fsmpb.ControlSubmit_Phase(phases):
		return fmt.Sprintf("phase %d: expected DIRECT, SELECT, EXECUTE or CANCEL", op.Phase)
	case needsSelect != (op.SelectId != ""):
		return fmt.Sprintf("%s with select id %q: EXECUTE and CANCEL name their SELECT, the others none", op.Phase, op.SelectId)
	case op.DeadlineMs <= 0 || op.DeadlineMs > at.Ms+maxAheadMs:
		return fmt.Sprintf("deadline %d ms: expected one within an hour of %d", op.DeadlineMs, at.Ms)
	}
	return ""
}

// newControl is the request as such.
func newControl(op *fsmpb.ControlSubmit) *Control {
	return &Control{
		ID: op.Id, Origin: op.Origin, Requester: cmp.Or(op.Requester, op.Origin), RTU: op.Rtu, Kind: points.Kind(op.Kind), Point: op.Point, Type: uint8(op.Type), Value: op.Value,
		Qualifier: uint8(op.Qualifier), Phase: Phase(op.Phase), SelectID: op.SelectId, DeadlineMs: op.DeadlineMs,
		Category: op.Category,
	}
}

// asks tells whether a request is the one that the control was made from.
func (c *Control) asks(op *fsmpb.ControlSubmit) bool {
	return c.Origin == op.Origin && c.Requester == cmp.Or(op.Requester, op.Origin) && c.RTU == op.Rtu && c.Kind == points.Kind(op.Kind) && c.Point == op.Point && c.Type == uint8(op.Type) &&
		c.Value == op.Value && c.Qualifier == uint8(op.Qualifier) && c.Phase == Phase(op.Phase) && c.SelectID == op.SelectId &&
		c.DeadlineMs == op.DeadlineMs && c.Category == op.Category
}

// whyNot says why a request can't be granted as things are.
func (cs *Controls) whyNot(at command.Stamp, c *Control, r *resource.Resource) string {
	if at.Ms >= c.DeadlineMs {
		return "deadline passed before it was submitted"
	}
	if c.Phase != Execute && c.Phase != Cancel {
		return ""
	}
	sel := cs.get(c.SelectID)
	switch {
	case sel == nil || sel.Phase != Select:
		return fmt.Sprintf("there is no selection %q", c.SelectID)
	case sel.Stage != Done:
		return fmt.Sprintf("selection %q is not confirmed yet", sel.ID)
	case !sel.OK:
		return fmt.Sprintf("selection %q failed: %s", sel.ID, sel.Reason)
	case sel.Used:
		return fmt.Sprintf("selection %q has ended: %s", sel.ID, sel.Reason)
	case at.Ms >= sel.DeadlineMs:
		return fmt.Sprintf("selection %q has ended: deadline", sel.ID)
	case sel.Epoch != r.Epoch:
		return fmt.Sprintf("selection %q is of epoch %d, %s is in epoch %d", sel.ID, sel.Epoch, r.ID, r.Epoch)
	case sel.Origin != c.Origin || sel.RTU != c.RTU || sel.Kind != c.Kind || sel.Point != c.Point || sel.Type != c.Type ||
		sel.Value != c.Value || sel.Qualifier != c.Qualifier:
		return fmt.Sprintf("selection %q is of another origin, point, type, value or qualifier", sel.ID)
	}
	return ""
}

// occupied says why a request would come between another's controls of its point. A select by the origin that has the point
// selected takes the place of the former selection.
func (cs *Controls) occupied(at command.Stamp, c *Control) string {
	q := cs.of(c.RTU)
	same := func(o *Control) bool { return o.Kind == c.Kind && o.Point == c.Point }
	for _, o := range q.pending {
		if same(o) {
			return "another control of the point is under way, by " + o.Origin
		}
	}
	for _, o := range slices.Clone(q.selected) {
		switch {
		case !same(o) || o.ID == c.SelectID || at.Ms >= o.DeadlineMs:
		case c.Phase == Select && o.Origin == c.Origin:
			cs.endSelection(at, o, "selected again")
		default:
			return "the point is selected by " + o.Origin
		}
	}
	return ""
}

// start lets the owner send a control. Only after this is committed may it.
//
// DUPLICATE answers the same node in the same epoch: good for a proposal that was repeated because its answer was lost,
// and that is known not to have been sent yet. A process that has restarted does not know that; it must be given a new
// epoch before it acts as owner, which ends what its predecessor started.
func (cs *Controls) start(at command.Stamp, op *fsmpb.ControlStart) *fsmpb.Result {
	c := cs.get(op.Id)
	if c == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no control %q", op.Id)
	}
	r := cs.station.Resource(c.RTU)
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "control %q: there is no RTU %d", c.ID, c.RTU)
	}
	if bad := r.Fence(op.Epoch, op.Node); bad != nil {
		return bad
	}
	switch {
	case c.Stage == Done:
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "control %q is done: %s", c.ID, c.Reason))
	case c.Stage != Submitted:
		return r.About(command.Already())
	case r.Phase != resource.Owned:
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "control %q: %s is %s", c.ID, r.ID, r.Phase))
	case at.Ms >= c.DeadlineMs:
		cs.finish(at, c, false, "deadline")
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "control %q: its deadline has passed", c.ID))
	}
	c.Stage, c.Node, c.Epoch, c.StartedMs = Executing, op.Node, op.Epoch, at.Ms
	cs.changed(at, c)
	return r.About(command.Done())
}

// result takes the device's answer. A positive answer to a SELECT or CANCEL is final: only what is executed is
// terminated.
func (cs *Controls) result(at command.Stamp, op *fsmpb.ControlResult) *fsmpb.Result {
	c := cs.get(op.Id)
	switch {
	case c == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no control %q", op.Id)
	case op.Cause > math.MaxUint8:
		return command.Refuse(fsmpb.Result_INVALID, "control %q: cause %d: expected one octet", c.ID, op.Cause)
	case c.Stage == Submitted:
		return command.Refuse(fsmpb.Result_CONFLICT, "control %q was not started", c.ID)
	case op.Epoch != c.Epoch || at.Node != c.Node:
		return command.Refuse(fsmpb.Result_STALE_EPOCH, "control %q: %q in epoch %d did not start it, %q in epoch %d did", c.ID, at.Node, op.Epoch, c.Node, c.Epoch)
	case c.Stage == Done && c.OK == op.Ok:
		return command.Already()
	case c.Stage == Done:
		return command.Refuse(fsmpb.Result_CONFLICT, "control %q is done already, ok %t: %s", c.ID, c.OK, c.Reason)
	}
	final := op.Terminated || !op.Ok || c.Phase == Select || c.Phase == Cancel
	if c.Stage == Confirmed && !final {
		return command.Already()
	}
	c.Cause = uint8(op.Cause)
	if c.Stage == Executing && op.Ok {
		c.OK, c.ConfirmedMs = true, at.Ms
	}
	if final {
		cs.finish(at, c, op.Ok, op.Reason)
	} else {
		c.Stage = Confirmed
		cs.changed(at, c)
	}
	return command.Done()
}

// expire ends a control for which no answer will come, or a selection that nobody will use. One that may have been
// sent ends with an unknown outcome, and is not sent again.
func (cs *Controls) expire(at command.Stamp, op *fsmpb.ControlExpire) *fsmpb.Result {
	c := cs.get(op.Id)
	if c == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no control %q", op.Id)
	}
	reason := op.Reason
	if reason == "" {
		reason = "deadline"
	}
	switch {
	case c.Stage == Submitted:
		cs.finish(at, c, false, reason)
	case c.Stage != Done:
		cs.finish(at, c, false, "unknown outcome: "+reason)
	case c.IsSelection():
		cs.endSelection(at, c, reason)
	default:
		return command.Already()
	}
	return command.Done()
}
