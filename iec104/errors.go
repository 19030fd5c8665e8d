package iec104

import (
	"errors"
	"fmt"
	"io"
)

// Why a link was closed, a frame or a call on a link was refused. Test with errors.Is; what wraps them names the value and
// the bound. What an ASDU is refused for is in package asdu.
var (
	// ErrConfig: parameters out of range or against each other (Config.Validate).
	ErrConfig = errors.New("iec104: invalid configuration")

	// The peer broke a rule of the APCI, which closes the link.

	// ErrStart: a frame does not begin with the start octet 68 hex (104, clause 5).
	ErrStart = errors.New("iec104: start octet is not 68 hex")
	// ErrFrameLength: the length octet is below 4 or above 253, or that of an S- or U-frame is not 4.
	ErrFrameLength = errors.New("iec104: frame length out of range")
	// ErrControlField: a U-frame with no function bit or several, or a set bit that the standard fixes at 0.
	ErrControlField = errors.New("iec104: bad control field")
	// ErrStopped: an I- or S-frame while the link is stopped.
	ErrStopped = errors.New("iec104: frame not allowed on a stopped link")
	// ErrEarlyData: an I-frame before STARTDT con.
	ErrEarlyData = fmt.Errorf("%w: data before STARTDT con", ErrStopped)
	// ErrRole: a function that only the other side may ask for.
	ErrRole = errors.New("iec104: function not allowed for the peer's role")
	// ErrSendSequence: N(S) is not the next one, so something was lost or repeated.
	ErrSendSequence = errors.New("iec104: N(S) out of sequence")
	// ErrRecvSequence: N(R) acknowledges what was never sent, or less than before.
	ErrRecvSequence = errors.New("iec104: N(R) out of range")
	// ErrT1: an I-frame or a U-frame was not answered within t1.
	ErrT1 = errors.New("iec104: t1 ended")
	// ErrNotAcknowledged: that was an I-frame. The peer may be there all the same, with a t2 that is longer than our t1.
	ErrNotAcknowledged = errors.New("no acknowledgement of an I-frame")
	// ErrRate: more frames a second than Limits allows.
	ErrRate = errors.New("iec104: too many frames a second")
	// ErrBacklog: the peer sent more than its window while the handler was busy.
	ErrBacklog = errors.New("iec104: received ASDUs exceed the backlog")

	// What was asked does not fit the link's state.

	// ErrClosed: the link is closed.
	ErrClosed = errors.New("iec104: link closed")
	// ErrNotStarted: data was to be sent on a link that is not started.
	ErrNotStarted = errors.New("iec104: link not started")
	// ErrNotSent: the ASDU has not left, for certain: it will never be acted on.
	ErrNotSent = errors.New("iec104: not sent")
	// ErrNoRoom: as much waits to be sent as a bounded queue holds (Queue.Push, Session.Send, Session.Stream).
	ErrNoRoom = errors.New("iec104: no room")
	// ErrPending: the same request is already waiting for its answer.
	ErrPending = errors.New("iec104: request pending")

	// This side closed the link, or refused the connection.

	// ErrGuard: WriteGuard did not allow a write.
	ErrGuard = errors.New("iec104: write not allowed")
	// ErrVeto: Group.AllowStart refused STARTDT.
	ErrVeto = errors.New("iec104: start refused")
	// ErrSuperseded: a newer link of the same group was started.
	ErrSuperseded = errors.New("iec104: superseded by a newer link of the group")
	// ErrNoGroup: the client's address or certificate belongs to no group.
	ErrNoGroup = errors.New("iec104: client in no group")
	// ErrLimit: Limits.Connections or Limits.PerAddress is reached.
	ErrLimit = errors.New("iec104: too many connections")
	// ErrRefused: Group.AllowConnect refused the connection, or the TLS handshake failed.
	ErrRefused = errors.New("iec104: connection refused")
)

// Reason is a short name of why a link was closed or a connection refused, fit
// for a metric's label: "t1", "sequence", "guard", "peer", ...
func Reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "network"
}

var reasons = []struct {
	err  error
	name string
}{
	{nil, "none"},
	{ErrGuard, "guard"}, {ErrVeto, "veto"}, {ErrSuperseded, "superseded"},
	{ErrNoGroup, "group"}, {ErrLimit, "limit"}, {ErrRefused, "refused"},
	{ErrStart, "frame"}, {ErrFrameLength, "frame"}, {ErrControlField, "frame"},
	{ErrStopped, "stopped"}, {ErrRole, "role"}, {ErrSendSequence, "sequence"}, {ErrRecvSequence, "sequence"},
	{ErrT1, "t1"}, {ErrRate, "rate"}, {ErrBacklog, "backlog"},
	{ErrPanic, "panic"}, {ErrClosed, "closed"}, {io.EOF, "peer"},
}
