package wire

import "errors"

// Errors that callers test for.
var (
	// ErrConfig: a configuration can't work.
	ErrConfig = errors.New("channeltab: bad configuration")
	// ErrDatagram: not a datagram of this protocol.
	ErrDatagram = errors.New("channeltab: malformed datagram")
	// ErrKey: the datagram was not made with a key of this network.
	ErrKey = errors.New("channeltab: datagram not authentic")
)
