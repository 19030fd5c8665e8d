package rtdb

import "github.com/fepha/fepha/replica"

// Node is what this package needs of the replicated state.
type Node interface {
	replica.Replica

	// CaughtUp tells whether View shows what the group had committed a moment ago. A node that has just started shows an
	// old state until then, which must not be put over a newer view.
	CaughtUp() bool
}
