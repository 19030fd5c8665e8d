package iec104

import (
	"context"
	"fmt"
)

// Command is a command to the process: types 45 to 51 and 58 to 64.
type Command struct {
	CommonAddress CommonAddress
	Originator    uint8
	Type          TypeID
	Object        Object
	// SelectFirst selects (S/E = 1), and executes (S/E = 0) once that is
	// confirmed. Otherwise Object goes as it is: with SelectBit it selects only.
	SelectFirst bool
	// Confirmed is called when the command, with SelectFirst its execution, was
	// confirmed, from the goroutine of Handle.
	Confirmed func(a ASDU)
	// AwaitTermination lets Command return after ACTTERM; otherwise after ACTCON.
	AwaitTermination bool
}

// Command sends a command and waits for the station's answer. The error is a
// *NegativeError if the station refused and ErrNotSent if the command itself
// never left, so it was not executed; after any other error it may have been.
func (c *Client) Command(ctx context.Context, cmd Command) error {
	h := Header{Type: cmd.Type, Originator: cmd.Originator, CommonAddress: cmd.CommonAddress}
	o := cmd.Object
	if cmd.SelectFirst {
		if cmd.Type.Untimed() == C_BO_NA_1 {
			return fmt.Errorf("%w: %v can't be selected", ErrNotSent, cmd.Type)
		}
		o.Qualifier |= SelectBit
		if err := c.activate(ctx, h, o, confirmed); err != nil {
			return fmt.Errorf("%w: selection: %w", ErrNotSent, err)
		}
		o.Qualifier &^= SelectBit
	}
	return c.activate(ctx, h, o, func(a ASDU) bool {
		switch a.Cause {
		case ActivationCon:
			if cmd.Confirmed != nil {
				cmd.Confirmed(a)
			}
			return !cmd.AwaitTermination
		case ActivationTermination:
			return true
		}
		return false
	})
}

// Cancel takes back the selection of a command's object (cause 8).
func (c *Client) Cancel(ctx context.Context, cmd Command) error {
	h := Header{Type: cmd.Type, Cause: Deactivation, Originator: cmd.Originator, CommonAddress: cmd.CommonAddress}
	o := cmd.Object
	o.Qualifier |= SelectBit
	return c.activate(ctx, h, o, func(a ASDU) bool { return a.Cause == DeactivationCon })
}
