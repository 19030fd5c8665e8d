package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// tenure implements [replica.Tenure]. Once every tenure of a resource is closed, the node says so to the others by itself.
type tenure struct {
	resource string
	epoch    uint64

	of         *tenures
	generation uint64                // of the lease under which it began
	why        atomic.Pointer[ended] // nil while it lasts
	done       chan struct{}

	mu       sync.Mutex // guards the callbacks; never held while one runs or a link is written
	onEnd    map[int]func()
	nextID   int
	notified bool
}

// ended says why a tenure is over.
type ended struct{ err error }

// Epoch implements [replica.Tenure].
func (t *tenure) Epoch() uint64 { return t.epoch }

// Valid implements [replica.Tenure].
func (t *tenure) Valid() bool {
	if t.why.Load() != nil {
		return false
	}
	l := t.of.lease.Load()
	return l.Generation == t.generation && t.of.clock() < l.Until
}

// Check implements [replica.Tenure].
func (t *tenure) Check() error {
	if t.Valid() {
		return nil
	}
	if e := t.why.Load(); e != nil {
		return e.err
	}
	return t.expired()
}

func (t *tenure) expired() error {
	return fmt.Errorf("%s, epoch %d: %w", t.resource, t.epoch, replica.ErrLeaseExpired)
}

// Done implements [replica.Tenure].
func (t *tenure) Done() <-chan struct{} { return t.done }

// OnEnd implements [replica.Tenure].
func (t *tenure) OnEnd(closeNow func()) (cancel func()) {
	t.mu.Lock()
	if t.notified {
		t.mu.Unlock()
		closeNow()
		return func() {}
	}
	id := t.nextID
	t.nextID++
	if t.onEnd == nil {
		t.onEnd = map[int]func(){}
	}
	t.onEnd[id] = closeNow
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.onEnd, id)
	}
}

// Close implements [replica.Tenure].
func (t *tenure) Close() {
	t.end(fmt.Errorf("%s, epoch %d: %w: given up", t.resource, t.epoch, replica.ErrEpochEnded))
	t.notify()
	t.of.forget(t)
}

// end makes Valid false for good. notify follows, on a goroutine of its own.
func (t *tenure) end(err error) bool { return t.why.CompareAndSwap(nil, &ended{err}) }

func (t *tenure) notify() {
	t.mu.Lock()
	if t.notified {
		t.mu.Unlock()
		return
	}
	t.notified = true
	callbacks := t.onEnd
	t.onEnd = nil
	close(t.done)
	t.mu.Unlock()
	for _, closeNow := range callbacks {
		closeNow()
	}
}

// tenures are this node's lease and what it runs under it. A watchdog goroutine ends tenures: it waits for the lease's
// end or for a change of owners, and never for anyone who sends.
type tenures struct {
	clock   func() time.Duration
	self    string
	state   *stateMachine
	lease   atomic.Pointer[lease.View]
	changed broadcast // a lease began, owners changed, or a tenure was closed
	wake    chan struct{}
	done    chan struct{}
	wg      sync.WaitGroup

	mu     sync.Mutex // taken after stateMachine.mu
	open   map[string]map[*tenure]bool
	ending []*tenure // over, and to be notified
	closed bool
}

func newTenures(clock func() time.Duration, self string, state *stateMachine) *tenures {
	s := &tenures{
		clock: clock, self: self, state: state,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		open: map[string]map[*tenure]bool{},
	}
	s.lease.Store(&lease.View{})
	s.wg.Go(s.watch)
	return s
}

// checkLease is nil while this node's lease is valid.
func (s *tenures) checkLease() error {
	if s.clock() < s.lease.Load().Until {
		return nil
	}
	return fmt.Errorf("node %s: %w", s.self, replica.ErrLeaseExpired)
}

// await waits until this node has the tenure of a resource. Errors are ctx's, or ErrClosed.
func (s *tenures) await(ctx context.Context, resource string, closed <-chan struct{}) (*tenure, error) {
	for {
		changed := s.changed.wait()
		if t, ok := s.begin(resource); ok {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the tenure of %s: %w", resource, ctx.Err())
		case <-closed:
			return nil, fmt.Errorf("waiting for the tenure of %s: %w", resource, replica.ErrClosed)
		}
	}
}

func (s *tenures) owned(state *fsm.State, resource string) (fsm.Resource, bool) {
	r, ok := state.Resource(resource)
	return r, ok && r.Owner == s.self && r.Phase == fsm.Owned
}

// begin makes a tenure. It's in the book before the state can change again, so no change passes it by.
func (s *tenures) begin(resource string) (t *tenure, ok bool) {
	s.state.view(func(state *fsm.State) {
		r, owned := s.owned(state, resource)
		l := s.lease.Load()
		if !owned || s.clock() >= l.Until {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			return
		}
		t, ok = &tenure{resource: resource, epoch: r.Epoch, of: s, generation: l.Generation, done: make(chan struct{})}, true
		if s.open[resource] == nil {
			s.open[resource] = map[*tenure]bool{}
		}
		s.open[resource][t] = true
	})
	return t, ok
}

// renewed publishes the lease.
func (s *tenures) renewed(l lease.View) {
	before := s.lease.Swap(&l)
	if before.Generation != l.Generation {
		s.changed.fire()
	}
	s.nudge()
}

// lapses counts the leases that have ended without being renewed.
func (s *tenures) lapses() uint64 {
	l := s.lease.Load()
	if l.Generation > 0 && s.clock() < l.Until {
		return l.Generation - 1
	}
	return l.Generation
}

// ownersChanged ends the tenures that the state no longer bears out. It's called as the state changes: when anything
// that depends on the change is answered, Valid is false already.
func (s *tenures) ownersChanged() {
	s.state.view(func(state *fsm.State) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for resource, open := range s.open {
			r, owned := s.owned(state, resource)
			for t := range open {
				if !owned || r.Epoch != t.epoch {
					s.endLocked(t, fmt.Errorf("%s, epoch %d: %w: %s", resource, t.epoch, replica.ErrEpochEnded, describe(r)))
				}
			}
		}
	})
	s.changed.fire()
	s.nudge()
}

func describe(r fsm.Resource) string {
	switch {
	case r.ID == "":
		return "there's no such resource any more"
	case r.Phase == fsm.Releasing:
		return "it's being released to " + r.Target
	case r.Phase == fsm.Unowned:
		return fmt.Sprintf("nobody owns it in epoch %d", r.Epoch)
	}
	return fmt.Sprintf("%s owns it in epoch %d", r.Owner, r.Epoch)
}

func (s *tenures) endLocked(t *tenure, err error) {
	if t.end(err) {
		s.ending = append(s.ending, t)
	}
}

// forget takes a closed tenure out of the book.
func (s *tenures) forget(t *tenure) {
	s.mu.Lock()
	open := s.open[t.resource]
	delete(open, t)
	if len(open) == 0 {
		delete(s.open, t.resource)
	}
	s.mu.Unlock()
	s.changed.fire()
}

// free tells whether nothing runs under any tenure of resource.
func (s *tenures) free(resource string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open[resource]) == 0
}

func (s *tenures) nudge() { nudge(s.wake) }

// release proposes for this node that a planned move goes on, as soon as nothing runs under any tenure of the resource any
// more. It returns when done is closed.
func (s *tenures) release(propose func(*fsmpb.Command), done <-chan struct{}) {
	told := map[string]uint64{} // epoch in which it was said
	for {
		changed := s.changed.wait()
		s.state.view(func(state *fsm.State) {
			for _, r := range state.Resources() {
				if r.Owner != s.self || r.Phase != fsm.Releasing || told[r.ID] == r.Epoch || !s.free(r.ID) {
					continue
				}
				told[r.ID] = r.Epoch
				propose(&fsmpb.Command{Op: &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: r.ID, Epoch: r.Epoch, Node: s.self}}})
			}
		})
		select {
		case <-changed:
		case <-done:
			return
		}
	}
}

// watch is the watchdog.
func (s *tenures) watch() {
	for {
		l := s.lease.Load()
		wait := time.Hour
		if left := l.Until - s.clock(); left > 0 {
			wait = left
		}
		s.sweep()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		case <-s.done:
			timer.Stop()
			return
		}
	}
}

// sweep ends the tenures of leases that are over, and notifies those that have ended.
func (s *tenures) sweep() {
	l := s.lease.Load()
	s.mu.Lock()
	valid := s.clock() < l.Until
	for _, open := range s.open {
		for t := range open {
			if !valid || t.generation != l.Generation {
				s.endLocked(t, t.expired())
			}
		}
	}
	ending := s.ending
	s.ending = nil
	s.mu.Unlock()
	for _, t := range ending {
		t.notify()
	}
}

// drop ends the lease and every tenure at once, and lets none begin any more.
func (s *tenures) drop() {
	s.lease.Store(&lease.View{})
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.sweep()
}

func (s *tenures) close() {
	s.drop()
	close(s.done)
	s.wg.Wait()
}
