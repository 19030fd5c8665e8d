package core

import "errors"

// Errors that callers test for. Each is wrapped with the station, address, value or bound concerned.
var (
	// ErrUnknownID: the copy of the table has no station with this id.
	ErrUnknownID = errors.New("channeltab: unknown station id")
	// ErrNotAcknowledged: sent as often as allowed without an answer. The peer is off or out of reach; whether it got
	// the message is not known.
	ErrNotAcknowledged = errors.New("channeltab: not acknowledged")
	// ErrInDoubt: the peer was restarted while the message was on its way. It may or may not have got it; sending it
	// again of our own accord could deliver it twice.
	ErrInDoubt = errors.New("channeltab: peer restarted, delivery in doubt")
	// ErrWrongStation: another station answers at the address that the table has for this one.
	ErrWrongStation = errors.New("channeltab: another station answers")
	// ErrTooLong: longer than MaxMessage.
	ErrTooLong = errors.New("channeltab: message too long")
	// ErrPoolFull: as many messages wait for this peer's acknowledgement as may.
	ErrPoolFull = errors.New("channeltab: too many messages wait for acknowledgement")
	// ErrClosed: the station or centre was closed.
	ErrClosed = errors.New("channeltab: closed")
)
