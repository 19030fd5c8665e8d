package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// controlTimeout is a control's, unless the request says another.
const controlTimeout = 10 * time.Second

// listControls answers ?rtu=N&limit=N with the newest controls that are
// remembered, oldest first.
func (s *Server) listControls(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r, "rtu", "limit"); err != nil {
		return err
	}
	limit, err := rest.QueryNumber(r, "limit", rest.DefaultPage, rest.MaxPage)
	if err != nil {
		return err
	}
	rtu, err := rest.QueryNumber(r, "rtu", 0, math.MaxUint32)
	if err != nil {
		return err
	}
	var all []fsm.Control
	s.cfg.Node.View(func(state *fsm.State) { all = state.ControlsAfter(0) })
	slices.SortFunc(all, func(a, b fsm.Control) int { return cmp.Compare(b.Number, a.Number) })
	list := []api.Control{}
	for _, c := range all {
		if rtu != 0 && c.RTU != uint32(rtu) {
			continue
		}
		if list = append(list, s.control(c)); len(list) == int(limit) {
			break
		}
	}
	slices.Reverse(list)
	return s.json.Reply(w, list)
}

func (s *Server) showControl(w http.ResponseWriter, r *http.Request) error {
	var c fsm.Control
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) { c, ok = state.Control(r.PathValue("id")) })
	if !ok {
		return rest.NotFound("no control %q: it never was, or is forgotten", r.PathValue("id"))
	}
	return s.json.Reply(w, s.control(c))
}

// listOperable answers with the points of an RTU that can be operated.
func (s *Server) listOperable(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	known := false
	s.cfg.Node.View(func(state *fsm.State) { _, known = state.RTU(number) })
	if !known {
		return rest.NotFound("no RTU %d", number)
	}
	list := []api.Operable{}
	for _, k := range s.cfg.Controls(number) {
		info, _ := s.cfg.Describe(k)
		list = append(list, api.Operable{RTU: k.RTU, Kind: k.Kind.String(), Point: k.Point, Name: info.Name, Type: info.Type, Category: info.Category, Unit: info.Unit})
	}
	return s.json.Reply(w, list)
}

// submitControl answers when the control is done, however it ended. The request
// goes on to its end if the client goes.
func (s *Server) submitControl(w http.ResponseWriter, r *http.Request) error {
	var req api.ControlRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	submit, timeout, err := s.readControl(req)
	if err != nil {
		return err
	}
	submit.Origin, submit.Requester = access.OriginOf(r), access.RequesterOf(r)
	if err := rest.TakesLong(w, timeout+api.ProposeTimeout+api.ExpireTimeout); err != nil {
		return err
	}
	deadline := time.Now().Add(timeout)
	submit.DeadlineMs = deadline.UnixMilli()
	submit.Phase, submit.SelectId = phases[req.Phase], req.SelectID
	if req.Select {
		submit.Phase = fsmpb.ControlSubmit_SELECT
	}
	c, err := s.operate(submit, deadline)
	if err == nil && req.Select && c.OK {
		submit.Phase, submit.SelectId = fsmpb.ControlSubmit_EXECUTE, c.ID
		c, err = s.operate(submit, deadline)
	}
	if err != nil {
		return err
	}
	return s.json.Reply(w, s.control(c))
}

// phases are what a request may ask for.
var phases = map[string]fsmpb.ControlSubmit_Phase{
	"": fsmpb.ControlSubmit_DIRECT, api.PhaseSelect: fsmpb.ControlSubmit_SELECT,
	api.PhaseExecute: fsmpb.ControlSubmit_EXECUTE, api.PhaseCancel: fsmpb.ControlSubmit_CANCEL,
}

// readControl makes of a request what is submitted, but for its id and phase.
func (s *Server) readControl(req api.ControlRequest) (c *fsmpb.ControlSubmit, timeout time.Duration, err error) {
	kind, _ := fsm.ParseKind(req.Kind)
	timeout = time.Duration(req.TimeoutMs) * time.Millisecond
	if req.TimeoutMs == 0 {
		timeout = controlTimeout
	}
	switch {
	case kind != fsm.DO && kind != fsm.AO:
		return nil, 0, rest.Invalid("kind %q: expected do or ao", req.Kind)
	case req.TimeoutMs < 0 || timeout > api.ControlTimeout:
		return nil, 0, rest.Invalid("timeout_ms %d: expected 1 to %d", req.TimeoutMs, api.ControlTimeout.Milliseconds())
	}
	if _, known := phases[req.Phase]; !known {
		return nil, 0, rest.Invalid("phase %q: expected select, execute or cancel", req.Phase)
	}
	if ofSelection := req.Phase == api.PhaseExecute || req.Phase == api.PhaseCancel; ofSelection != (req.SelectID != "") || req.Select && req.Phase != "" {
		return nil, 0, rest.Invalid("phase %q, select_id %q, select %t: expected a select_id with execute and cancel alone, and no phase with select", req.Phase, req.SelectID, req.Select)
	}
	qualifier, err := fsm.ParseQualifier(kind, string(req.Qualifier))
	if err != nil {
		return nil, 0, rest.Invalid("%v", err)
	}
	k := fsm.PointKey{RTU: req.RTU, Kind: kind, Point: req.Point}
	info, ok := s.cfg.Describe(k)
	if !ok {
		return nil, 0, rest.NotFound("no point %v in this node's configuration", k)
	}
	value, err := requestedValue(&req, kind, info)
	return &fsmpb.ControlSubmit{
		Rtu: req.RTU, Kind: kind.Proto(), Point: req.Point, Type: uint32(info.Type), Value: value,
		Qualifier: uint32(qualifier), Category: info.Category,
	}, timeout, err
}

// requestedValue is the value that a request asks for.
func requestedValue(req *api.ControlRequest, kind fsm.Kind, info PointInfo) (float64, error) {
	switch {
	case (req.State != "") == (req.Value != nil):
		return 0, rest.Invalid("expected either state or value")
	case req.Value != nil:
		return *req.Value, nil
	case kind != fsm.DO:
		return 0, rest.Invalid("state %q: expected a value, since this is no DO", req.State)
	case req.State == api.StateOff:
		return float64(info.Off), nil
	case req.State == api.StateOn:
		return float64(info.Off) + 1, nil
	}
	return 0, rest.Invalid("state %q: expected on or off", req.State)
}

// stateOf is what a value of a DO means; "" where it means nothing, or is of no
// DO that is known.
func stateOf(kind fsm.Kind, v float64, info PointInfo) string {
	switch {
	case kind != fsm.DO || info.Type == 0:
		return ""
	case v == float64(info.Off):
		return api.StateOff
	case v == float64(info.Off)+1:
		return api.StateOn
	}
	return ""
}

// operate submits a control under a new id and waits until it is done.
func (s *Server) operate(submit *fsmpb.ControlSubmit, deadline time.Time) (fsm.Control, error) {
	submit.Id, submit.Alone = "api-"+rand.Text(), true
	ctx, cancel := context.WithTimeout(s.ctx, api.ProposeTimeout)
	defer cancel()
	op, err := s.operator.Submit(ctx, submit)
	if no, ok := errors.AsType[*replica.RefusedError](err); ok {
		return fsm.Control{}, rest.Refused(no.Result)
	}
	if err != nil {
		return fsm.Control{}, err
	}
	c, err := op.Wait(s.ctx, deadline, nil)
	if errors.Is(err, replica.ErrForgotten) {
		err = rest.Conflict("control %s: %v", submit.Id, err)
	}
	return c, err
}

func (s *Server) control(c fsm.Control) api.Control {
	info, _ := s.cfg.Describe(fsm.PointKey{RTU: c.RTU, Kind: c.Kind, Point: c.Point})
	return api.Control{
		ID: c.ID, Origin: c.Origin, RTU: c.RTU, Kind: c.Kind.String(), Point: c.Point, Name: info.Name, Type: c.Type,
		Value: api.Value(c.Value), State: stateOf(c.Kind, c.Value, info), Qualifier: fsm.QualifierNumber(c.Kind, c.Qualifier), Phase: c.Phase.String(), SelectID: c.SelectID, Category: c.Category,
		Stage: c.Stage.String(), OK: c.OK, Reason: c.Reason, Cause: c.Cause, Node: c.Node, Epoch: c.Epoch,
		SubmittedMs: c.SubmittedMs, StartedMs: c.StartedMs, ConfirmedMs: c.ConfirmedMs, DoneMs: c.DoneMs, DeadlineMs: c.DeadlineMs,
	}
}
