package iec104

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// NegativeError is a station's refusal.
type NegativeError struct {
	ASDU asdu.ASDU // the request as it came back, with the cause and P/N of the answer
}

func (e *NegativeError) Error() string {
	a := e.ASDU
	s := fmt.Sprintf("iec104: %v to station %d", a.Type, a.CommonAddress)
	if a.Len() > 0 && a.Object(0).Address != 0 {
		s += fmt.Sprintf(", object %d", a.Object(0).Address)
	}
	s += " refused"
	if refusal(a.Cause) {
		s += fmt.Sprintf(": %v", a.Cause)
	}
	return s
}

// refusal reports whether a cause says by itself that something was unknown:
// some stations forget P/N = 1 with it.
func refusal(c asdu.CauseOfTransmission) bool {
	return c >= asdu.UnknownType && c <= asdu.UnknownObjectAddress
}

// request is something that was sent and waits for its answers.
type request struct {
	asked asdu.ASDU
	// takes is given each answer that mirrors what was asked, refusals apart,
	// and returns true if it is the last one.
	takes func(a asdu.ASDU) bool
	// reads, if set, is given every other ASDU.
	reads func(a asdu.ASDU) bool
	err   error
	done  chan struct{}
}

// requests are those of one client.
type requests struct {
	mu      sync.Mutex
	pending []*request
}

// mirrors reports whether a is an answer to what was asked: the same type,
// station (any, if all were asked) and object. A command's S/E bit must be the
// same, or a late answer to a selection would pass for that to the execution.
func mirrors(a, asked asdu.ASDU) bool {
	if a.Type != asked.Type || a.CommonAddress != asked.CommonAddress && asked.CommonAddress != asdu.BroadcastAddress {
		return false
	}
	if a.Len() == 0 || asked.Len() == 0 {
		return a.Len() == asked.Len()
	}
	got, want := a.Object(0), asked.Object(0)
	return got.Address == want.Address && (!a.Type.IsCommand() || got.Select() == want.Select())
}

// answer gives an ASDU to whom it concerns.
func (rs *requests) answer(a asdu.ASDU) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.pending = slices.DeleteFunc(rs.pending, func(r *request) bool {
		end := false
		switch {
		case !mirrors(a, r.asked):
			end = r.reads != nil && r.reads(a)
		case a.Negative || refusal(a.Cause):
			r.err, end = &NegativeError{ASDU: a.Clone()}, true
		default:
			end = r.takes != nil && r.takes(a)
		}
		if end {
			close(r.done)
		}
		return end
	})
}

// ask sends a request and waits for its last answer.
func (c *Client) ask(ctx context.Context, r *request) error {
	r.done = make(chan struct{})
	rs := &c.requests
	rs.mu.Lock()
	for _, p := range rs.pending {
		if mirrors(r.asked, p.asked) {
			rs.mu.Unlock()
			return fmt.Errorf("%w: %w: %v to station %d", ErrNotSent, ErrPending, r.asked.Type, r.asked.CommonAddress)
		}
	}
	rs.pending = append(rs.pending, r)
	rs.mu.Unlock()
	defer func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		rs.pending = slices.DeleteFunc(rs.pending, func(p *request) bool { return p == r })
	}()
	if err := c.Send(ctx, r.asked); err != nil {
		return fmt.Errorf("iec104: %v to station %d: %w", r.asked.Type, r.asked.CommonAddress, err)
	}
	select {
	case <-r.done:
		return r.err
	case <-c.detached:
		return fmt.Errorf("iec104: no answer to %v from station %d: %w", r.asked.Type, r.asked.CommonAddress, c.closedError())
	case <-ctx.Done():
		return fmt.Errorf("iec104: no answer to %v from station %d: %w", r.asked.Type, r.asked.CommonAddress, ctx.Err())
	}
}

// activate asks with one object and waits until takes returns true.
func (c *Client) activate(ctx context.Context, h asdu.Header, o asdu.Object, takes func(a asdu.ASDU) bool) error {
	if h.Cause == 0 {
		h.Cause = asdu.Activation
	}
	a, err := c.cfg.Profile.New(h, o)
	if err != nil {
		return notSent(&err)
	}
	return c.ask(ctx, &request{asked: a, takes: takes})
}

// confirmed ends a request with its confirmation.
func confirmed(a asdu.ASDU) bool { return a.Cause == asdu.ActivationCon }

// untilTerminated ends a request when each station that confirmed it has
// terminated it: one, or with BroadcastAddress several.
func untilTerminated() func(a asdu.ASDU) bool {
	busy := make(map[asdu.CommonAddress]bool)
	return func(a asdu.ASDU) bool {
		switch a.Cause {
		case asdu.ActivationCon:
			busy[a.CommonAddress] = true
		case asdu.ActivationTermination:
			delete(busy, a.CommonAddress)
			return len(busy) == 0
		}
		return false
	}
}

// Interrogate asks for all values of a station (QOI 20) or of group 1 to 16
// (QOI 21 to 36) and returns when the station says that all were sent. The
// values go to Handle. With BroadcastAddress it returns when each station that
// has confirmed by then has ended.
func (c *Client) Interrogate(ctx context.Context, ca asdu.CommonAddress, qoi uint8) error {
	return c.activate(ctx, asdu.Header{Type: asdu.C_IC_NA_1, CommonAddress: ca}, asdu.Object{Qualifier: qoi}, untilTerminated())
}

// CounterInterrogate asks for counters: qcc is RQT 1 to 5 with FRZ in the upper
// two bits. A read (FRZ 0) returns when all were sent to Handle, a freeze when
// it is confirmed.
func (c *Client) CounterInterrogate(ctx context.Context, ca asdu.CommonAddress, qcc uint8) error {
	takes := untilTerminated()
	if qcc&^0x3f != asdu.FreezeRead {
		takes = confirmed
	}
	return c.activate(ctx, asdu.Header{Type: asdu.C_CI_NA_1, CommonAddress: ca}, asdu.Object{Qualifier: qcc}, takes)
}

// Read asks for the value of one object. The answer goes to Handle too.
func (c *Client) Read(ctx context.Context, ca asdu.CommonAddress, ioa asdu.InformationObjectAddress) (asdu.ASDU, error) {
	asked, err := c.cfg.Profile.New(asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request, CommonAddress: ca}, asdu.Object{Address: ioa})
	if err != nil {
		return asdu.ASDU{}, notSent(&err)
	}
	var answer asdu.ASDU
	err = c.ask(ctx, &request{asked: asked, reads: func(a asdu.ASDU) bool {
		if a.Cause != asdu.Request || a.CommonAddress != ca || !a.Type.IsMonitor() {
			return false
		}
		for o := range a.Objects() {
			if o.Address == ioa {
				answer = a.Clone()
				return true
			}
		}
		return false
	}})
	return answer, err
}

// SetClock sets the station's clock to t, in t's own location.
func (c *Client) SetClock(ctx context.Context, ca asdu.CommonAddress, t time.Time) error {
	return c.activate(ctx, asdu.Header{Type: asdu.C_CS_NA_1, CommonAddress: ca}, asdu.Object{Time: asdu.NewCP56Time2a(t, t.Location())}, confirmed)
}

// Test sends a test command with a counter (C_TS_TA_1) and waits until the
// same one comes back.
func (c *Client) Test(ctx context.Context, ca asdu.CommonAddress) error {
	now := time.Now()
	counter := float64(uint16(now.UnixNano()))
	return c.activate(ctx, asdu.Header{Type: asdu.C_TS_TA_1, CommonAddress: ca}, asdu.Object{Value: counter, Time: asdu.NewCP56Time2a(now, time.UTC)},
		func(a asdu.ASDU) bool { return confirmed(a) && a.Object(0).Value == counter })
}

// Reset asks the station to reset: QRPProcess, or QRPEvents.
func (c *Client) Reset(ctx context.Context, ca asdu.CommonAddress, qrp uint8) error {
	return c.activate(ctx, asdu.Header{Type: asdu.C_RP_NA_1, CommonAddress: ca}, asdu.Object{Qualifier: qrp}, confirmed)
}

// Command is a command to the process: types 45 to 51 and 58 to 64; or a parameter, 110 to 113, which is neither selected nor
// terminated (101, clause 7.4.9).
type Command struct {
	CommonAddress asdu.CommonAddress
	Originator    uint8
	Type          asdu.TypeID
	Object        asdu.Object
	// SelectFirst selects (S/E = 1), and executes (S/E = 0) once that is
	// confirmed. Otherwise Object goes as it is: with SelectBit it selects only.
	SelectFirst bool
	// Deactivate asks with cause 8: of P_AC_NA_1, which takes back what cause 6 has activated.
	Deactivate bool
	// Confirmed is called when the command, with SelectFirst its execution, was
	// confirmed, from the goroutine of Handle.
	Confirmed func(a asdu.ASDU)
	// AwaitTermination lets Command return after ACTTERM; otherwise after ACTCON.
	AwaitTermination bool
}

// Command sends a command and waits for the station's answer. The error is a
// *NegativeError if the station refused and ErrNotSent if the command itself
// never left, so it was not executed; after any other error it may have been.
func (c *Client) Command(ctx context.Context, cmd Command) error {
	h := asdu.Header{Type: cmd.Type, Originator: cmd.Originator, CommonAddress: cmd.CommonAddress}
	o := cmd.Object
	if cmd.SelectFirst {
		if cmd.Type.Untimed() == asdu.C_BO_NA_1 || cmd.Type.IsParameter() {
			return fmt.Errorf("%w: %v can't be selected", ErrNotSent, cmd.Type)
		}
		o.Qualifier |= asdu.SelectBit
		if err := c.activate(ctx, h, o, confirmed); err != nil {
			return fmt.Errorf("%w: selection: %w", ErrNotSent, err)
		}
		o.Qualifier &^= asdu.SelectBit
	}
	confirmation := asdu.ActivationCon
	if cmd.Deactivate {
		h.Cause, confirmation = asdu.Deactivation, asdu.DeactivationCon
	}
	return c.activate(ctx, h, o, func(a asdu.ASDU) bool {
		switch a.Cause {
		case confirmation:
			if cmd.Confirmed != nil {
				cmd.Confirmed(a)
			}
			return !cmd.AwaitTermination
		case asdu.ActivationTermination:
			return true
		}
		return false
	})
}

// Cancel takes back the selection of a command's object (cause 8).
func (c *Client) Cancel(ctx context.Context, cmd Command) error {
	h := asdu.Header{Type: cmd.Type, Cause: asdu.Deactivation, Originator: cmd.Originator, CommonAddress: cmd.CommonAddress}
	o := cmd.Object
	o.Qualifier |= asdu.SelectBit
	return c.activate(ctx, h, o, func(a asdu.ASDU) bool { return a.Cause == asdu.DeactivationCon })
}
