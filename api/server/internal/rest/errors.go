package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/plain"
	"github.com/fepha/fepha/replica"
)

// Invalid is the error of a request that can't be: 400.
func Invalid(format string, args ...any) error {
	return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

// NotFound is the error of what isn't there: 404.
func NotFound(format string, args ...any) error {
	return &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: fmt.Sprintf(format, args...)}
}

// Conflict is the error of what can't be done just now: 409.
func Conflict(format string, args ...any) error {
	return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: fmt.Sprintf(format, args...)}
}

// Forbidden is the error of what the caller may not: 403.
func Forbidden(format string, args ...any) error {
	return &api.Error{Status: http.StatusForbidden, Code: api.CodeUnauthorised, Message: fmt.Sprintf(format, args...)}
}

// WriteError answers with an error: an [api.Error] as it is, others with the status that they stand for.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*api.Error](err)
	switch {
	case ok:
	case errors.Is(err, replica.ErrNoLeader), errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrUnknownOutcome),
		errors.Is(err, replica.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		e = &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeNoLeader, Message: err.Error()}
	case errors.Is(err, replica.ErrUnknownNode):
		e = &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: err.Error()}
	case errors.Is(err, fsm.ErrNotSnapshot), errors.Is(err, fsm.ErrDamaged):
		e = &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: err.Error()}
	case errors.Is(err, replica.ErrBusy), errors.Is(err, replica.ErrNotYet):
		e = &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: err.Error()}
	case errors.Is(err, replica.ErrNoRoom):
		e = &api.Error{Status: http.StatusInsufficientStorage, Code: api.CodeConflict, Message: err.Error()}
	case errors.Is(err, replica.ErrOverloaded):
		e = &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeOverloaded, Message: err.Error()}
	default:
		e = &api.Error{Status: http.StatusInternalServerError, Code: api.CodeInternal, Message: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(plain.JSONWriter(w)).Encode(e)
}

// Refused turns the state machine's refusal into an api.Error; nil if it agreed.
func Refused(r replica.Result) error {
	switch r.GetCode() {
	case fsmpb.Result_OK, fsmpb.Result_DUPLICATE:
		return nil
	case fsmpb.Result_NOT_FOUND:
		return NotFound("%s", r.GetMessage())
	case fsmpb.Result_INVALID:
		return Invalid("%s", r.GetMessage())
	}
	return Conflict("%s", r.GetMessage())
}

// Propose proposes a command and waits until it is committed and this node shows it.
func Propose(ctx context.Context, node replica.Member, c *fsmpb.Command) error {
	ctx, cancel := context.WithTimeout(ctx, api.ProposeTimeout)
	defer cancel()
	result, err := node.Propose(ctx, c)
	if err != nil {
		return err
	}
	if err := Refused(result); err != nil {
		return err
	}
	return node.WaitApplied(ctx, result.Index)
}
