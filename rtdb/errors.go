package rtdb

import "errors"

// What callers and logs tell apart. Each is wrapped with what was being done.
var (
	// ErrConfig: the configuration can't be used. The message says what was expected.
	ErrConfig = errors.New("rtdb: bad configuration")

	// ErrConnectionLost: a connection ended, so nobody knows what the server still holds.
	ErrConnectionLost = errors.New("connection lost")

	// ErrViewGone: the connection is there, but the view has been removed from the server.
	ErrViewGone = errors.New("the view was removed from the server")
)
