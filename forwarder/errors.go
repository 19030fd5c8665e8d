package forwarder

import "errors"

// What callers test for, and what sessions are closed with. Each is wrapped with the uplink and group concerned.
var (
	// ErrConfig: the configuration given to New is wrong.
	ErrConfig = errors.New("bad uplink configuration")

	// ErrNoLease: this node may not act: it has no valid lease, so what it would tell may be old.
	ErrNoLease = errors.New("node has no lease")
	// ErrOwnedElsewhere: another node runs the group's live link.
	ErrOwnedElsewhere = errors.New("group is owned by another node")
	// ErrTaken: an exclusive group has a live link already, and it answers.
	ErrTaken = errors.New("group has a live link")
	// ErrUnresponsive: the live link of an exclusive group did not answer TESTFR in time, and a new one came.
	ErrUnresponsive = errors.New("live link did not answer TESTFR")
	// ErrNotDeclared: the replicated state does not know the group (yet).
	ErrNotDeclared = errors.New("group is not declared")
	// ErrTenureEnded: this node lost the right to run the live link: its lease, or the group.
	ErrTenureEnded = errors.New("tenure ended")
	// ErrAway: this node is about to stop, or under maintenance: the other FEP serves.
	ErrAway = errors.New("node stops or is under maintenance")
)
