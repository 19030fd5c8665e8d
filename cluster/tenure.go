package cluster

import "context"

// Tenure is the right to run the live links of one resource in one epoch. It holds while the state says that this
// node owns the resource in that epoch and isn't releasing it, and this node's lease is valid.
//
// Whoever got a Tenure calls Close after the last link opened under it was closed: a planned move waits for that.
type Tenure struct {
	Resource string
	Epoch    uint64
}

// Tenure returns the tenure of resource if this node has it now. Each one returned must be closed.
func (n *Node) Tenure(resource string) (*Tenure, bool) { return nil, false }

// WaitTenure waits until this node has the tenure of resource. Errors are ctx's, or ErrClosed.
func (n *Node) WaitTenure(ctx context.Context, resource string) (*Tenure, error) {
	return nil, errNotYet
}

// Valid tells whether the tenure holds at this instant. It reads a clock and a few atomics: call it right before
// every write to a live link.
func (t *Tenure) Valid() bool { return false }

// Check is Valid with the reason: ErrLeaseExpired or ErrEpochEnded, with the resource and the epoch.
func (t *Tenure) Check() error { return errNotYet }

// Done is closed when the tenure is over. It follows the end by a scheduler's delay, so it's for cleaning up; what
// keeps a link silent is Valid.
func (t *Tenure) Done() <-chan struct{} { return nil }

// OnEnd has closeNow called when the tenure ends, on a goroutine that shares no lock with those who send, at once if
// it's over already. closeNow must not block: it closes sockets. The returned function takes it back.
func (t *Tenure) OnEnd(closeNow func()) (cancel func()) { return func() {} }

// Close says that every link run under this tenure is closed and that none will be opened. It may be called twice.
func (t *Tenure) Close() {}
