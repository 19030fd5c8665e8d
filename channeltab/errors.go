package channeltab

import "errors"

// Errors that callers test for. Each is wrapped with the station, address, value or bound concerned.
var (
	// ErrConfig: a configuration can't work.
	ErrConfig = errors.New("channeltab: bad configuration")
	// ErrUnknownID: the copy of the table has no station with this id.
	ErrUnknownID = errors.New("channeltab: unknown station id")
	// ErrUnknownCN: the copy of the table has no station on this channel.
	ErrUnknownCN = errors.New("channeltab: unassigned channel number")
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
	// ErrRefused: the centre refuses the registration; see Status.Outcome.
	ErrRefused = errors.New("channeltab: registration refused")
	// ErrCopyFile: the saved copy is damaged or not this station's. The station starts without it.
	ErrCopyFile = errors.New("channeltab: saved copy unusable")
	// ErrDatagram: not a datagram of this protocol.
	ErrDatagram = errors.New("channeltab: malformed datagram")
	// ErrKey: the datagram was not made with a key of this network.
	ErrKey = errors.New("channeltab: datagram not authentic")
	// ErrEpochOver: another node owns the pair's endpoint.
	ErrEpochOver = errors.New("channeltab: epoch of the endpoint is over")
	// ErrClosed: the station or centre was closed.
	ErrClosed = errors.New("channeltab: closed")
)
