package cluster

import (
	"sync"
	"time"
)

// keeper guards this node's side of the leases: what it vouched for, and the lease it has. Each of its methods reads the
// current term and acts on it in one critical section, which is what the safety of voucher stands on.
type keeper struct {
	clock   clock
	term    func() uint64 // Raft's current term: on disk before it's returned, and never lower than before
	publish func(leaseView)

	mu      sync.Mutex
	voucher voucher // of leases that others have
	asked   voucher // of this node's own
	holder  holder
	applied uint64
	dropped bool
}

// newKeeper is for a node that starts. Leases that it vouched for before it was stopped may have been longer than those of
// now, by excess; it then answers as if it had vouched for them that much later.
func newKeeper(clock clock, lease, excess time.Duration, term func() uint64, publish func(leaseView)) *keeper {
	return &keeper{
		clock: clock, term: term, publish: publish, holder: holder{lease: lease},
		voucher: newVoucher(clock() + excess), asked: newVoucher(clock() + excess),
	}
}

// vouch vouches for a term now, before the answer that says so leaves. It's refused for any but the current one.
func (k *keeper) vouch(term uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.dropped && k.voucher.vouch(k.clock(), term, k.term())
}

// elapsed is for how long this node has vouched for no term before the given one, which must be its current one.
func (k *keeper) elapsed(term uint64) (p proof, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, current := k.clock(), k.term()
	others, ok := k.voucher.elapsed(now, term, current)
	own, _ := k.asked.elapsed(now, term, current)
	return proof{others, own}, ok
}

// accept takes a leader's grant. By sending the request this node vouched for the leader's term; it counts as having
// done so, for this lease, if it comes to be, which it doesn't once the node has left that term.
func (k *keeper) accept(term uint64, g grant) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dropped || !k.asked.vouch(g.sent, term, k.term()) {
		return false
	}
	k.holder.accept(k.clock(), g, k.applied)
	k.publishLocked()
	return true
}

// appliedTo tells the lease that the state has caught up, after the tenures have.
func (k *keeper) appliedTo(index uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.applied = max(k.applied, index)
	if len(k.holder.pending) > 0 && !k.dropped {
		k.holder.advance(k.clock(), k.applied)
		k.publishLocked()
	}
}

func (k *keeper) publishLocked() {
	k.publish(leaseView{until: k.holder.until, generation: k.holder.generation})
}

// drop gives up the lease and vouches for nothing any more.
func (k *keeper) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropped = true
	k.holder.drop()
	k.publishLocked()
}
