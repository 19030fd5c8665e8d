package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Code is the kind of an Error, fixed for programs.
type Code string

const (
	CodeInvalid      Code = "invalid"      // the request can never be right
	CodeNotFound     Code = "not_found"    // no such thing
	CodeConflict     Code = "conflict"     // not now: the station's state is another
	CodeNoLeader     Code = "no_leader"    // the station can't decide just now
	CodeUnauthorised Code = "unauthorised" // not from this caller
	CodeOverloaded   Code = "overloaded"   // too much at once: try again later
	CodePeerOff      Code = "peer_off"     // an FNP station does not acknowledge: it is off or out of reach
	CodeInDoubt      Code = "in_doubt"     // an FNP message may or may not have arrived
	CodeInternal     Code = "internal"
)

// Error is a request's failure as the client sees it.
type Error struct {
	Status  int    `json:"-"` // HTTP
	Code    Code   `json:"code"`
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

func invalid(format string, args ...any) error {
	return &Error{http.StatusBadRequest, CodeInvalid, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &Error{http.StatusNotFound, CodeNotFound, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &Error{http.StatusConflict, CodeConflict, fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &Error{http.StatusForbidden, CodeUnauthorised, fmt.Sprintf(format, args...)}
}

func writeError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
	case errors.Is(err, replica.ErrNoLeader), errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrUnknownOutcome),
		errors.Is(err, replica.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		e = &Error{http.StatusServiceUnavailable, CodeNoLeader, err.Error()}
	case errors.Is(err, replica.ErrUnknownNode):
		e = &Error{http.StatusNotFound, CodeNotFound, err.Error()}
	case errors.Is(err, fsm.ErrNotSnapshot), errors.Is(err, fsm.ErrDamaged):
		e = &Error{http.StatusBadRequest, CodeInvalid, err.Error()}
	case errors.Is(err, replica.ErrOverloaded):
		e = &Error{http.StatusServiceUnavailable, CodeOverloaded, err.Error()}
	default:
		e = &Error{http.StatusInternalServerError, CodeInternal, err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e)
}

// refused turns the state machine's refusal into an Error; nil if it agreed.
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
