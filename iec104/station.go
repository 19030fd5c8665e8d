package iec104

import (
	"iter"
	"time"
)

// Station answers what a control centre asks of a controlled station, as the
// standard wants it: mirrors for what is unknown, interrogations, clock, tests,
// and commands with select and execute. Its methods Handle and Started are
// those of Group. A nil function means that the station does not have that
// service: its TypeID is answered as unknown.
type Station struct {
	CommonAddresses []CommonAddress
	Location        *time.Location   // of the station's time tags; nil: UTC
	Now             func() time.Time // nil: time.Now

	// Interrogation yields the values of a group, 20 for all or 21 to 36, in
	// the order to be sent. It is drawn from as the window opens, after all
	// that the Source has, so a value is as new as the events before it. A
	// type with a time tag is sent as the one without. ok false: no such group.
	Interrogation func(ca CommonAddress, qoi uint8) (values iter.Seq2[TypeID, Object], ok bool)
	// Counters yields the counters of a group, 5 for all or 1 to 4 (RQT).
	Counters func(ca CommonAddress, rqt uint8) (values iter.Seq2[TypeID, Object], ok bool)
	// Freeze freezes (1), freezes and resets (2) or resets (3) counters (FRZ).
	Freeze func(ca CommonAddress, rqt, frz uint8) error
	// Read returns one object's value.
	Read func(ca CommonAddress, ioa InformationObjectAddress) (t TypeID, o Object, ok bool)
	// Clock sets the clock; an error refuses.
	Clock func(ca CommonAddress, t CP56Time2a) error
	// Reset resets the process; an error refuses. QRP 2 is always refused.
	Reset func(ca CommonAddress, qrp uint8) error

	// Has reports whether a command's object exists; nil: all do.
	Has func(ca CommonAddress, t TypeID, ioa InformationObjectAddress) bool
	// Command executes a command that passed all checks, the selection
	// included. It must end in r's verbs, now or later and from any goroutine.
	Command func(r *Call)
	// Selectable may refuse a selection.
	Selectable func(r *Call) error
	// SelectTimeout is how long a selection holds; 30 s.
	SelectTimeout time.Duration
	// CommandAge is how old a time-tagged command may be; 30 s, negative: any.
	CommandAge time.Duration

	// Other handles further types, e.g. C_TS_NA_1 or parameters, which are
	// unknown otherwise.
	Other map[TypeID]func(r *Call)

	// Respond sends an answer; nil: Session.Send.
	Respond func(s *Session, a ASDU) error
}

// Handle is for Group.Handle.
func (st *Station) Handle(s *Session, a ASDU, index uint64) {}

// Started is for Group.Started: it sends end of initialization, once a group
// for each common address.
func (st *Station) Started(s *Session) {}

// Call is what a client asked, and the verbs to answer with.
type Call struct {
	Session       *Session
	ASDU          ASDU // detached: may be kept
	CommonAddress CommonAddress
	Object        Object // the first object
}

// Confirm answers positively: ACTCON, or DEACTCON to a deactivation.
func (r *Call) Confirm() error { return nil }

// Negative answers likewise with P/N = 1.
func (r *Call) Negative() error { return nil }

// Terminate sends ACTTERM.
func (r *Call) Terminate() error { return nil }

// Reject mirrors the request with P/N = 1 and one of the causes 44 to 47.
func (r *Call) Reject(cause CauseOfTransmission) error { return nil }
