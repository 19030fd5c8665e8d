package channeltab

import (
	"errors"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/wire"
)

// Errors that callers test for. Each is wrapped with the station, address, value or bound concerned.
var (
	// ErrConfig: a configuration can't work.
	ErrConfig = wire.ErrConfig
	// ErrUnknownID: the copy of the table has no station with this id.
	ErrUnknownID = core.ErrUnknownID
	// ErrNotAcknowledged: sent as often as allowed without an answer. The peer is off or out of reach; whether it got
	// the message is not known.
	ErrNotAcknowledged = core.ErrNotAcknowledged
	// ErrInDoubt: the peer was restarted while the message was on its way. It may or may not have got it; sending it
	// again of our own accord could deliver it twice.
	ErrInDoubt = core.ErrInDoubt
	// ErrWrongStation: another station answers at the address that the table has for this one.
	ErrWrongStation = core.ErrWrongStation
	// ErrTooLong: longer than MaxMessage.
	ErrTooLong = core.ErrTooLong
	// ErrPoolFull: as many messages wait for this peer's acknowledgement as may.
	ErrPoolFull = core.ErrPoolFull
	// ErrClosed: the station or centre was closed.
	ErrClosed = core.ErrClosed
	// ErrUnknownCN: the copy of the table has no station on this channel.
	ErrUnknownCN = errors.New("channeltab: unassigned channel number")
	// ErrRefused: the centre refuses the registration; see Status.Outcome.
	ErrRefused = errors.New("channeltab: registration refused")
	// ErrCopyFile: the saved copy is damaged or not this station's. The station starts without it.
	ErrCopyFile = errors.New("channeltab: saved copy unusable")
	// ErrEpochOver: another node owns the pair's endpoint.
	ErrEpochOver = errors.New("channeltab: epoch of the endpoint is over")
)
