package iec104

import (
	"fmt"

	"github.com/fepha/fepha/iec104/asdu"
)

// Call is what a client asks of a Station, and the verbs to answer it with.
// They may be used from any goroutine, as long as one at a time, and return the
// errors of Session.Send: an answer is only sent on the link that asked, and
// not after it was stopped.
type Call struct {
	Session       *Session
	ASDU          asdu.ASDU          // what was asked; it may be kept
	CommonAddress asdu.CommonAddress // of this station, also if all were asked
	Object        asdu.Object        // the first one

	station *Station
	turn    uint64 // of the link, see conn
}

// Confirm answers positively: with ACTCON, or DEACTCON to a deactivation.
func (c *Call) Confirm() error { return c.send(c.ASDU.Mirror(c.confirmation(), false)) }

// Negative refuses: as Confirm, with P/N = 1.
func (c *Call) Negative() error { return c.send(c.ASDU.Mirror(c.confirmation(), true)) }

// Terminate ends what was confirmed: ACTTERM.
func (c *Call) Terminate() error { return c.send(c.ASDU.Mirror(asdu.ActivationTermination, false)) }

// Reject mirrors what was asked with P/N = 1 and one of the causes UnknownType
// to UnknownObjectAddress.
func (c *Call) Reject(cause asdu.CauseOfTransmission) error {
	return c.send(c.ASDU.Mirror(cause, true))
}

// Return sends return information: the new state of what was operated.
func (c *Call) Return(t asdu.TypeID, o asdu.Object) error {
	a, err := c.Session.cfg.Profile.New(asdu.Header{
		Type: t, Cause: asdu.RemoteReturn, Originator: c.ASDU.Originator, Test: c.ASDU.Test, CommonAddress: c.CommonAddress,
	}, o)
	if err != nil {
		return err
	}
	return c.send(a)
}

func (c *Call) confirmation() asdu.CauseOfTransmission {
	if c.ASDU.Cause == asdu.Deactivation {
		return asdu.DeactivationCon
	}
	return asdu.ActivationCon
}

func (c *Call) send(a asdu.ASDU) error {
	if !c.current() {
		return fmt.Errorf("%w: the link that asked was stopped", ErrNotStarted)
	}
	return c.station.respond(c.Session, a)
}

// current reports whether the link has not been stopped since.
func (c *Call) current() bool { return c.Session.turnNow() == c.turn }

// allowed reports whether the cause is one of those given; else it rejects the
// call, for an unknown cause or for an object address where none belongs.
func (c *Call) allowed(causes ...asdu.CauseOfTransmission) (bool, error) {
	for _, cause := range causes {
		if c.ASDU.Cause == cause {
			if !c.ASDU.Type.IsCommand() && cause != asdu.Request && c.Object.Address != 0 {
				return false, c.Reject(asdu.UnknownObjectAddress)
			}
			return true, nil
		}
	}
	return false, c.Reject(asdu.UnknownCause)
}

// single reports whether the call has one object, as all commands must.
func (c *Call) single() bool { return c.ASDU.Len() == 1 && !c.ASDU.Sequence }
