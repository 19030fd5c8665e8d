package api

import (
	"errors"
	"net/http"
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

	// Problems are what is wrong with a configuration, each with its place: at most 1,000. Message has the first 100 of them.
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is what is wrong with a configuration, or likely not meant, in one place.
type Problem struct {
	File     string `json:"file"`   // station.yaml, or a table as it's named there
	Line     int    `json:"line"`   // from 1; 0: the file as a whole
	Column   int    `json:"column"` // from 1, in characters
	Key      string `json:"key"`    // such as rtus[0].iec104.k; in a table, the column's name
	Problem  string `json:"problem"`
	Expected string `json:"expected"`
}

func (e *Error) Error() string { return e.Message }

// Invalid makes an error one about what was asked for.
func Invalid(err error) error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalid, Message: err.Error()}
}

// Conflict makes an error one about how the station is just now.
func Conflict(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeNoLeader {
		return err
	}
	return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error()}
}
