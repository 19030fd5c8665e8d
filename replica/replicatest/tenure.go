package replicatest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Tenure ends when its node doesn't hold the resource any more, as far as the node knows.
type Tenure struct {
	node     *Node
	resource string
	epoch    uint64
	err      atomic.Pointer[error] // nil: valid
	done     chan struct{}

	// Guarded by the station's mu.
	onEnd map[int]func()
	last  int // key in onEnd
}

var _ replica.Tenure = (*Tenure)(nil)

// WaitTenure implements [replica.Owner].
func (n *Node) WaitTenure(ctx context.Context, resource string) (replica.Tenure, error) {
	for {
		t, changed, err := n.tenure(resource)
		if t != nil || err != nil {
			return t, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tenure returns a tenure, nil if there is none until changed is closed.
func (n *Node) tenure(resource string) (t replica.Tenure, changed <-chan struct{}, err error) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if n.stopped.Load() {
		return nil, nil, replica.ErrClosed
	}
	r, _ := n.state().Resource(resource)
	if n.holds(resource, r.Epoch) != nil {
		return nil, n.s.changed, nil
	}
	held := &Tenure{node: n, resource: resource, epoch: r.Epoch, done: make(chan struct{}), onEnd: map[int]func(){}}
	n.tenures = append(n.tenures, held)
	return held, nil, nil
}

// holds tells why a node doesn't hold a resource in an epoch. s.mu is held.
func (n *Node) holds(resource string, epoch uint64) error {
	if err := n.CheckLease(); err != nil {
		return err
	}
	r, _ := n.state().Resource(resource)
	if r.Owner != n.id || r.Phase != fsm.Owned || r.Epoch != epoch {
		return fmt.Errorf("%s, epoch %d: %w", resource, epoch, replica.ErrEpochEnded)
	}
	return nil
}

// release says that the node has closed what it was asked to, once it has. s.mu is held.
func (n *Node) release(r fsm.Resource) {
	open := slices.ContainsFunc(n.tenures, func(t *Tenure) bool { return t.resource == r.ID })
	if r.Owner == n.id && r.Phase == fsm.Releasing && !open && !n.stopped.Load() {
		n.s.propose(n.id, &fsmpb.Command{Op: &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: r.ID, Epoch: r.Epoch, Node: n.id}}})
	}
}

// end is called with s.mu held.
func (t *Tenure) end(err error) {
	if !t.err.CompareAndSwap(nil, &err) || t.node.asleep {
		return
	}
	for _, closeNow := range t.onEnd {
		closeNow()
	}
	if !t.node.stuck {
		close(t.done)
	}
}

// Epoch implements [replica.Tenure].
func (t *Tenure) Epoch() uint64 { return t.epoch }

// Valid implements [replica.Tenure].
func (t *Tenure) Valid() bool { return t.Check() == nil }

// Check implements [replica.Tenure].
func (t *Tenure) Check() error {
	if err := t.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Done implements [replica.Tenure].
func (t *Tenure) Done() <-chan struct{} { return t.done }

// OnEnd implements [replica.Tenure].
func (t *Tenure) OnEnd(closeNow func()) (cancel func()) {
	s := t.node.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Check() != nil {
		closeNow()
		return func() {}
	}
	t.last++
	key := t.last
	t.onEnd[key] = closeNow
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(t.onEnd, key)
	}
}

// Close implements [replica.Tenure].
func (t *Tenure) Close() {
	n := t.node
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.tenures = slices.DeleteFunc(n.tenures, func(o *Tenure) bool { return o == t })
	r, _ := n.state().Resource(t.resource)
	n.release(r)
}
