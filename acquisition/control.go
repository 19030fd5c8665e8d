package acquisition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// lastWord is how long before a control's deadline the wait for the device ends, so that the result is still told.
const lastWord = 50 * time.Millisecond

// controls is what a collector remembers of the controls that it executes.
type controls struct {
	// Of the worker's loop.
	taken    map[string]bool // by id, those that are pending: each is taken on once
	looked   bool
	revision uint64 // seen.controls when it looked

	mu        sync.Mutex
	selected  map[string]*session // by the id of a confirmed selection: where it was made
	selecting []string            // the keys, oldest first
}

// selections is how many selections are remembered; a device has one at a time, or one a point.
const selections = 256

func (c *controls) init() {
	c.taken = map[string]bool{}
	c.selected = map[string]*session{}
}

// takeControls takes on what was submitted, as soon as there is a link to send it on; for a short while it waits for one,
// so that a control isn't refused because the RTU has just moved.
func (w *worker) takeControls() {
	col, s := w.collector, w.seen.Load()
	if col == nil || s == nil {
		return
	}
	c, r, now := &col.controls, &w.reports, w.now()
	if c.looked && c.revision == s.controls {
		return
	}
	if at := max(r.offSince, col.beganAt) + controlsWait; len(col.started) == 0 && now < at {
		r.later(at)
		return
	}
	c.looked, c.revision = true, s.controls
	col.execute()
}

// execute takes on the controls that were submitted and aren't taken on yet.
func (col *collector) execute() {
	taken := map[string]bool{}
	for _, p := range col.parts {
		p.execute(taken)
	}
	col.controls.taken = taken
}

// execute takes on those of a sector, and notes the pending ones in taken.
func (p *part) execute(taken map[string]bool) {
	col := p.col
	var pending []fsm.Control
	col.w.env.Replica.View(func(s *fsm.State) { pending = s.PendingControls(p.rtu.Number) })
	for _, c := range pending {
		if c.Stage != fsm.Submitted && !col.controls.taken[c.ID] {
			continue // of a former tenure: never sent again
		}
		taken[c.ID] = true
		if col.controls.taken[c.ID] {
			continue
		}
		p.counts.controls.Add(1)
		sessions := append([]*session(nil), col.started...)
		col.wg.Go(func() { p.control(sessions, c) })
	}
}

// control executes one control on the device: at most once, since it goes on only after its start in this epoch is
// committed, and only one tenure has this epoch.
func (p *part) control(sessions []*session, c fsm.Control) {
	col := p.col
	ctx, cancel := context.WithDeadline(col.ctx, time.UnixMilli(c.DeadlineMs).Add(-lastWord))
	defer cancel()
	r, err := col.w.env.Replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{
		Id: c.ID, Epoch: col.tenure.Epoch(), Node: col.w.env.Replica.ID(),
	}}})
	if err != nil || r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
		return // not ours to send, or not known to be; it ends by its deadline or by the next owner
	}
	result := p.send(ctx, sessions, c)
	if !result.Ok {
		p.counts.controlsRefused.Add(1)
		p.faults.note(controlFailed, 1, "%s, %s %d: %s", c.ID, c.Kind, c.Point, result.Reason)
	}
	result.Terminated = true
	col.answer(c, result)
}

// answer proposes what the device answered. It bears the epoch, so it may come late.
func (col *collector) answer(c fsm.Control, r *fsmpb.ControlResult) {
	r.Id, r.Epoch = c.ID, col.tenure.Epoch()
	col.w.env.Replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_ControlResult{ControlResult: r}})
}

// send sends a control to the device and waits for its answer.
func (p *part) send(ctx context.Context, sessions []*session, c fsm.Control) *fsmpb.ControlResult {
	refuse := func(format string, args ...any) *fsmpb.ControlResult {
		return &fsmpb.ControlResult{Reason: fmt.Sprintf(format, args...)}
	}
	point, ok := p.table.control(c.Kind.Proto(), c.Point)
	if !ok {
		return refuse("RTU %d has no %s %d", c.RTU, c.Kind, c.Point)
	}
	how := p.rtu.Controls[ControlKey{c.Kind.Proto(), c.Point}]
	if c.Phase == fsm.Direct && how.Select == SelectRequired {
		return refuse("%s %d of RTU %d has to be selected first: its row says select: required", c.Kind, c.Point, c.RTU)
	}
	if c.Phase == fsm.Execute || c.Phase == fsm.Cancel {
		s := p.col.controls.selection(c.SelectID)
		if s == nil || s.client.Err() != nil {
			return refuse("the link on which it was selected is lost")
		}
		sessions = []*session{s}
	}
	if len(sessions) == 0 {
		return refuse("RTU %d has no started link", c.RTU)
	}
	cmd, err := point.command(c, how, p.rtu.CommonAddress, p.sector.location, time.Now())
	if err != nil {
		return refuse("not sent: %v", err)
	}
	cmd.AwaitTermination = cmd.AwaitTermination && !p.rtu.NoTermination
	operate := p.col.operate
	if shown, ok := p.table.monitoredPoint(fsmpb.Kind_DI, how.State); ok && how.Shown && p.rtu.ConfirmByState && executes(c.Phase) {
		operate = func(ctx context.Context, s *session, c fsm.Control, cmd iec104.Command) (*fsmpb.ControlResult, bool) {
			return p.operateByState(ctx, s, c, cmd, shown)
		}
	}
	var result *fsmpb.ControlResult
	for _, s := range sessions {
		if result, ok = operate(ctx, s, c, cmd); ok {
			break
		}
	}
	return result
}

// executes tells whether a phase operates, rather than selects or takes back.
func executes(p fsm.ControlPhase) bool { return p == fsm.Direct || p == fsm.Execute }

// operate sends a command on one link and waits for the answer. answered is false if the device behind it doesn't know
// the object and so has operated nothing: where a channel leads to several devices, it may be another one's.
func (col *collector) operate(ctx context.Context, s *session, c fsm.Control, cmd iec104.Command) (r *fsmpb.ControlResult, answered bool) {
	var confirmed atomic.Bool
	cmd.Confirmed = func(a asdu.ASDU) {
		if cmd.AwaitTermination && !confirmed.Swap(true) {
			col.answer(c, &fsmpb.ControlResult{Ok: true, Cause: uint32(a.Cause)})
		}
	}
	var err error
	if c.Phase == fsm.Cancel {
		err = s.client.Cancel(ctx, cmd)
	} else {
		err = s.client.Command(ctx, cmd)
	}
	var negative *iec104.NegativeError
	switch {
	case err == nil:
		r = &fsmpb.ControlResult{Ok: true, Cause: uint32(asdu.ActivationCon)}
		switch c.Phase {
		case fsm.Select:
			col.controls.remember(c.ID, s)
		case fsm.Cancel:
			r.Cause = uint32(asdu.DeactivationCon)
		default:
			if cmd.AwaitTermination {
				r.Cause = uint32(asdu.ActivationTermination)
			} else if cmd.Deactivate {
				r.Cause = uint32(asdu.DeactivationCon)
			}
		}
	case errors.As(err, &negative):
		cause := negative.ASDU.Cause
		r = &fsmpb.ControlResult{Reason: fmt.Sprintf("refused by the device: %v", cause), Cause: uint32(cause)}
		return r, cause != asdu.UnknownObjectAddress && cause != asdu.UnknownCommonAddress
	case errors.Is(err, iec104.ErrNotSent):
		r = &fsmpb.ControlResult{Reason: err.Error()}
	case confirmed.Load() && s.client.Err() == nil:
		// A device that never terminates has said that it began, and not that it's done: see RTU.NoTermination.
		r = &fsmpb.ControlResult{Cause: uint32(asdu.ActivationCon), Reason: "outcome unknown: confirmed, not terminated"}
	case s.client.Err() != nil:
		r = &fsmpb.ControlResult{Reason: "outcome unknown: link lost"}
	default:
		r = &fsmpb.ControlResult{Reason: fmt.Sprintf("outcome unknown: %v", answer(err))}
	}
	return r, true
}

// remember keeps where a selection was confirmed.
func (c *controls) remember(id string, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.selected[id] = s
	c.selecting = append(c.selecting, id)
	if len(c.selecting) > selections {
		delete(c.selected, c.selecting[0])
		c.selecting = c.selecting[1:]
	}
}

// selection is the session on which a selection was confirmed; nil: not in this tenure.
func (c *controls) selection(id string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.selected[id]
}

// command is a control as the device is to get it.
func (p *Point) command(c fsm.Control, how Operation, address asdu.CommonAddress, location *time.Location, now time.Time) (iec104.Command, error) {
	typ, asked := p.Type, asdu.TypeID(c.Type)
	if typ == 0 {
		typ = asked
	}
	if asked == 0 {
		asked = typ
	}
	if !commands(p.Kind, typ) || !commands(p.Kind, asked) || family(typ) != family(asked) {
		return iec104.Command{}, fmt.Errorf("%v %d can't be operated by %v as %v", c.Kind, p.Number, asked, typ)
	}
	var (
		value float64
		err   error
	)
	switch {
	case typ.IsParameter() && !(c.Phase == fsm.Direct):
		err = fmt.Errorf("%v can't be selected", typ)
	case typ == asdu.P_AC_NA_1 && c.Value != 0 && c.Value != 1:
		err = fmt.Errorf("%v of %v, expected 1 to activate, or 0 to take that back", c.Value, typ)
	case typ == asdu.P_AC_NA_1:
		value = c.Value
	case p.Kind == fsmpb.Kind_DO:
		value, err = p.state(asked, typ, c.Value)
	default:
		value, err = p.setPoint(c.Value)
	}
	if err != nil {
		return iec104.Command{}, err
	}
	o := asdu.Object{Address: p.Address, Value: value, Qualifier: cmp.Or(c.Qualifier, how.Qualifier)}
	if typ.IsParameter() { // its qualifier has no S/E, and nothing follows its confirmation
		return iec104.Command{CommonAddress: address, Type: typ, Object: o, Deactivate: typ == asdu.P_AC_NA_1 && value == 0}, nil
	}
	o.Qualifier &^= asdu.SelectBit
	if c.Phase == fsm.Select || c.Phase == fsm.Cancel {
		o.Qualifier |= asdu.SelectBit
	}
	if typ.TimeTag() == asdu.CP56 {
		o.Time = asdu.NewCP56Time2a(now, location)
	}
	return iec104.Command{
		CommonAddress:    address,
		Type:             typ,
		Object:           o,
		SelectFirst:      c.Phase == fsm.Direct && how.Select == SelectDevice,
		AwaitTermination: executes(c.Phase),
	}, nil
}

// family tells commands, loaded parameters and their activation apart: none of them is relayed as another.
func family(t asdu.TypeID) int {
	switch {
	case t == asdu.P_AC_NA_1:
		return 2
	case t.IsParameter():
		return 1
	}
	return 0
}

// state turns off and on as they were asked for (0 and 1 of a single command, 1 and 2 of the others) into those of the
// type that the device knows.
func (p *Point) state(asked, typ asdu.TypeID, v float64) (float64, error) {
	single := func(t asdu.TypeID) bool { return t.Untimed() == asdu.C_SC_NA_1 }
	low := 1.0
	if single(asked) {
		low = 0
	}
	if v != low && v != low+1 {
		return 0, fmt.Errorf("%v %v of DO %d, expected %v or %v", asked, v, p.Number, low, low+1)
	}
	on := v - low
	if p.Invert {
		on = 1 - on
	}
	if single(typ) {
		return on, nil
	}
	return on + 1, nil
}

// setPoint turns an engineering value into the device's.
func (p *Point) setPoint(v float64) (float64, error) {
	a := p.Analog
	if a == nil {
		return v, nil
	}
	if !(v >= a.Low && v <= a.High) {
		return 0, fmt.Errorf("%v for AO %d, expected %v to %v", v, p.Number, a.Low, a.High)
	}
	return (v - a.Offset) / a.Scale, nil
}
