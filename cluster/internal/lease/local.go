package lease

import (
	"sync"
	"time"
)

// Local is this node's side of the leases: what it supported, and the lease it has. Each of its methods reads the current
// term and acts on it in one critical section, which is what the safety of support stands on.
type Local struct {
	clock   func() time.Duration
	term    func() uint64 // Raft's current term: on disk before it's returned, and never lower than before
	publish func(View)

	start time.Duration // what was supported before isn't known

	mu      sync.Mutex
	others  support             // by this node, of whichever node's lease
	holders map[string]*support // of the lease of one other node alone
	own     support             // by this node's requests, of its own
	holder  holder
	applied uint64
	dropped bool
}

// View is the lease as those who act under it see it.
type View struct {
	Until      time.Duration // valid before this instant
	Generation uint64        // grows when a lease begins after none was valid
}

// NewLocal is for a node that starts, with leases that are valid for a time. Leases that it supported before it was stopped
// may have been longer than those of now, by excess; it then answers as if it had supported them that much later. Publish
// is called with the lease whenever it has changed.
func NewLocal(clock func() time.Duration, lease, excess time.Duration, term func() uint64, publish func(View)) *Local {
	start := clock() + excess
	return &Local{
		clock: clock, term: term, publish: publish, holder: holder{lease: lease}, start: start,
		others: newSupport(start), holders: map[string]*support{}, own: newSupport(start),
	}
}

// Support supports a term now, for the lease of one node alone or for AnyNode's, before the answer that says so leaves.
// It's refused for any term but the current one. Holders are members of the group, so there are few.
func (l *Local) Support(term uint64, holder string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.others
	if holder != AnyNode {
		if s = l.holders[holder]; s == nil {
			fresh := newSupport(l.start)
			s = &fresh
			l.holders[holder] = s
		}
	}
	return !l.dropped && s.give(l.clock(), term, l.term())
}

// Elapsed is for how long this node has supported no term before the given one, which must be its current one.
func (l *Local) Elapsed(term uint64) (p Proof, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, current := l.clock(), l.term()
	others, ok := l.others.elapsed(now, term, current)
	own, _ := l.own.elapsed(now, term, current)
	p = Proof{Others: others, Holders: map[string]time.Duration{}, Own: own}
	for id, s := range l.holders {
		p.Holders[id], _ = s.elapsed(now, term, current)
	}
	return p, ok
}

// Accept takes a leader's grant. By sending the request this node supported the leader's term; it counts as having done
// so, for this lease, if it comes to be, which it doesn't once the node has left that term.
func (l *Local) Accept(term uint64, g Grant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped || !l.own.give(g.Sent, term, l.term()) {
		return false
	}
	l.holder.accept(l.clock(), g, l.applied)
	l.publishLocked()
	return true
}

// AppliedTo tells the lease that the state has caught up, after the tenures have.
func (l *Local) AppliedTo(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applied = max(l.applied, index)
	if len(l.holder.pending) > 0 && !l.dropped {
		l.holder.advance(l.clock(), l.applied)
		l.publishLocked()
	}
}

func (l *Local) publishLocked() {
	l.publish(View{Until: l.holder.until, Generation: l.holder.generation})
}

// Drop gives up the lease and supports nothing any more.
func (l *Local) Drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = true
	l.holder.drop()
	l.publishLocked()
}
