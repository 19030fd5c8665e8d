package replica

import "errors"

// What callers test for. Each is wrapped with what was being done.
var (
	// ErrClosed: the node was closed, or is closing.
	ErrClosed = errors.New("node closed")

	// ErrNoLeader: no leader was found until the context ended. Whether the command was committed isn't known; it may
	// be proposed again, since commands are idempotent.
	ErrNoLeader = errors.New("no leader")

	// ErrUnknownOutcome: the command was handed to a leader, and the context ended before the answer came.
	ErrUnknownOutcome = errors.New("outcome unknown")

	// ErrOverloaded: more proposals wait on this node than it may hold in memory. Slow down and try again.
	ErrOverloaded = errors.New("too many proposals waiting")

	// ErrNoRoom: this node's disk has no room left for what can wait.
	ErrNoRoom = errors.New("too little room on the disk")

	// ErrBusy: another one of the kind is under way, and one at a time may be.
	ErrBusy = errors.New("another one is under way")

	// ErrTooLarge: the command is larger than one entry may be.
	ErrTooLarge = errors.New("command too large")

	// ErrNotLeader: the operation can only be done by the leader; the message names it where it's known.
	ErrNotLeader = errors.New("not the leader")

	// ErrLeaseExpired: this node's lease has ended, so the links it ran under it must be silent.
	ErrLeaseExpired = errors.New("lease expired")

	// ErrEpochEnded: the resource has another owner or epoch now, or is being released.
	ErrEpochEnded = errors.New("epoch ended")

	// ErrUnknownNode: no such node in the configuration or in the group.
	ErrUnknownNode = errors.New("unknown node")

	// ErrNotYet: not all nodes understand the command yet.
	ErrNotYet = errors.New("not all nodes understand this yet: finish the upgrade first, `fepha upgrade check` tells what is missing")
)
