package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

func invalid(format string, args ...any) error {
	return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &api.Error{Status: http.StatusForbidden, Code: api.CodeUnauthorised, Message: fmt.Sprintf(format, args...)}
}

func writeError(w http.ResponseWriter, err error) {
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
	case errors.Is(err, replica.ErrBusy):
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
	_ = json.NewEncoder(w).Encode(e)
}

// refused turns the state machine's refusal into an api.Error; nil if it agreed.
func refused(r replica.Result) error {
	switch r.GetCode() {
	case fsmpb.Result_OK, fsmpb.Result_DUPLICATE:
		return nil
	case fsmpb.Result_NOT_FOUND:
		return notFound("%s", r.GetMessage())
	case fsmpb.Result_INVALID:
		return invalid("%s", r.GetMessage())
	}
	return conflict("%s", r.GetMessage())
}
