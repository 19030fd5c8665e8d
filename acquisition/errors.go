package acquisition

import "errors"

// What callers and logs tell apart. Each is wrapped with what was being done.
var (
	// ErrConfig: an RTU's configuration can't be used. The message names the RTU and what was expected.
	ErrConfig = errors.New("acquisition: bad configuration")

	// ErrEnded: this node may not use the link any more, since its tenure has ended.
	ErrEnded = errors.New("acquisition: tenure ended")

	// ErrRejected: the state refused a batch of values; the device will send them again.
	ErrRejected = errors.New("acquisition: values refused")

	// ErrOverrun: the device sends on although nothing was acknowledged for long.
	ErrOverrun = errors.New("acquisition: device ignores its window")
)
