package replica

import "context"

// Owner is a Replica on a node that may own resources and run their live links.
type Owner interface {
	Replica

	// WaitTenure waits until this node has the tenure of a resource. Each one returned must be closed. Errors are ctx's, or
	// ErrClosed.
	WaitTenure(ctx context.Context, resource string) (Tenure, error)

	// CheckLease is nil while this node's lease is valid, whatever it owns, else ErrLeaseExpired. It is as cheap as
	// Tenure.Valid: for links that every node may serve, to be called right before each write.
	CheckLease() error
}

// Tenure is the right to run the live links of one resource in one epoch. It holds while the state says that this node
// owns the resource in that epoch and is not releasing it, and this node's lease is valid. At most one node has a valid
// tenure of a resource at any instant, and one that has ended never becomes valid again.
//
// Whoever got a Tenure calls Close after the last link opened under it was closed: a planned move waits for that.
type Tenure interface {
	// Epoch of the resource, from 1.
	Epoch() uint64

	// Valid tells whether the tenure holds at this instant. It reads a clock and a few atomics: call it right before every
	// write to a live link.
	Valid() bool

	// Check is Valid with the reason: ErrLeaseExpired or ErrEpochEnded, with the resource and the epoch.
	Check() error

	// Done is closed when the tenure is over. It follows the end by a scheduler's delay, so it is for cleaning up; what
	// keeps a link silent is Valid.
	Done() <-chan struct{}

	// OnEnd registers closeNow to be called when the tenure ends, on a goroutine that shares no lock with those who send;
	// at once if it is over already. closeNow must not block: it closes sockets. The returned function takes it back.
	OnEnd(closeNow func()) (cancel func())

	// Close says that every link run under this tenure is closed and that none will be opened. It may be called twice.
	Close()
}
