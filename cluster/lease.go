package cluster

import (
	"fmt"
	"slices"
	"time"
)

// The lease protocol's three parts, as pure functions of messages and clock readings. LEASES.md has the protocol and
// why it's safe. Instants are readings of the node's own monotonic clock, as the time since an arbitrary origin; an
// instant of one node never meets one of another, only durations travel.

const (
	// clockRatePercent is how far a node's clock rate may be from true, in percent. Crystals stay within 0.01 %; NTP
	// slews by at most 0.05 %.
	clockRatePercent = 1

	// stopTime is how long a holder may need to close its links after its lease has ended.
	stopTime = 50 * time.Millisecond
)

// validFor is how long a lease is valid, counted by its holder, if a successor that waits from the same instant by its own
// clock is to find that the holder has stopped: the holder's clock may be slow and the waiter's fast.
func validFor(wait time.Duration) time.Duration {
	return (wait - stopTime) * (100 - clockRatePercent) / (100 + clockRatePercent)
}

// voucher is what a voter remembers of vouching for terms: telling a node, by an answer that a lease may be built on,
// that it's still in that term. A new leader asks how long ago that was for terms before its own.
//
// Its methods take the voter's current term. Reading that term and calling the method is one critical section with
// all others, so that a term that was raised is never vouched for again once elapsed was answered.
type voucher struct {
	term   uint64        // newest term seen
	newest time.Duration // no vouching for term is later
	before time.Duration // no vouching for an earlier term is later
}

// newVoucher is for a voter that starts at now. It doesn't remember what it vouched for before it was stopped, so it
// counts as having done so until now.
func newVoucher(now time.Duration) voucher {
	return voucher{newest: now, before: now}
}

func (v *voucher) enter(current uint64) {
	if current > v.term {
		v.before = max(v.before, v.newest)
		v.newest = v.before
		v.term = current
	}
}

// vouch notes that at an instant the voter vouches for a term, and tells whether it may: only for its current one.
func (v *voucher) vouch(at time.Duration, term, current uint64) bool {
	v.enter(current)
	if term != current {
		return false
	}
	v.newest = max(v.newest, at)
	return true
}

// elapsed is for how long at least the voter has vouched for no term before the given one. Only a voter that is in that
// very term knows: in an earlier one it might vouch again.
func (v *voucher) elapsed(now time.Duration, term, current uint64) (time.Duration, bool) {
	v.enter(current)
	if term != current {
		return 0, false
	}
	return now - v.before, true
}

// proof is a voter's answer to a new leader: for how long at least it has vouched for no earlier term. What it asked for
// itself is told apart, since that vouches for its own lease alone.
type proof struct {
	others time.Duration
	own    time.Duration
}

// grant is a leader's answer to a request for a lease.
type grant struct {
	sent       time.Duration // when the holder sent the request
	minApplied uint64        // what the holder's state must have applied before the lease counts
}

// holder is a node's own lease.
type holder struct {
	lease      time.Duration
	until      time.Duration // it's valid before this instant
	generation uint64        // grows when a lease begins after none was valid
	pending    []grant       // granted, but the state isn't there yet; oldest first
}

// maxPendingGrants bounds holder.pending. Grants wait only while this node's state is behind an assignment.
const maxPendingGrants = 16

// accept takes a grant that arrived at now, with the state at index applied.
func (h *holder) accept(now time.Duration, g grant, applied uint64) {
	if len(h.pending) == maxPendingGrants {
		h.pending = h.pending[1:]
	}
	h.pending = append(h.pending, g)
	h.advance(now, applied)
}

// advance counts the pending grants that the state has caught up with.
func (h *holder) advance(now time.Duration, applied uint64) {
	h.pending = slices.DeleteFunc(h.pending, func(g grant) bool {
		if g.minApplied > applied {
			return now >= g.sent+h.lease
		}
		h.extend(now, g.sent+h.lease)
		return true
	})
}

func (h *holder) extend(now, until time.Duration) {
	if until <= now || until <= h.until {
		return
	}
	if now >= h.until {
		h.generation++
	}
	h.until = until
}

// drop ends the lease at once.
func (h *holder) drop() {
	h.until, h.pending = 0, nil
}

// grantor is a leader's side of the leases, for one term that it leads.
type grantor struct {
	self  string
	lease time.Duration // how long one is valid, for its holder
	wait  time.Duration // for a successor
	ready bool          // everything that earlier leaders committed is applied
	shut  bool          // no one is given a lease

	before     map[string]proof         // a voter has vouched for no earlier term after these instants
	vouched    map[string]time.Duration // a voter vouched for this term at this instant or later
	granted    map[string]time.Duration // when a node's last lease was granted; the holder counts from before that
	barred     map[string]int           // nodes that are given no lease while proposals to take from them are in flight
	minApplied uint64                   // what a holder must have applied to know what was taken from it
}

func newGrantor(self string, wait time.Duration) *grantor {
	return &grantor{
		self: self, lease: validFor(wait), wait: wait,
		before:  map[string]proof{},
		vouched: map[string]time.Duration{},
		granted: map[string]time.Duration{},
		barred:  map[string]int{},
	}
}

// open lets leases be granted, once the leader has applied everything that earlier leaders committed.
func (g *grantor) open(applied uint64) {
	g.ready = true
	g.minApplied = max(g.minApplied, applied)
}

// noteElapsed takes a voter's answer, received at an instant.
func (g *grantor) noteElapsed(voter string, received time.Duration, p proof) {
	g.before[voter] = proof{others: received - p.others, own: received - p.own}
}

// noteVouched takes a voter's answer to a probe that was sent at an instant.
func (g *grantor) noteVouched(voter string, sent time.Duration) {
	g.vouched[voter] = max(g.vouched[voter], sent)
}

// quorum is the size of a majority of n voters.
func quorum(n int) int { return n/2 + 1 }

// evident tells whether a quorum of voters has vouched for the term at an instant or later. The leader and the
// requester count: both do so by this very exchange.
func (g *grantor) evident(since time.Duration, requester string, voters []string) bool {
	n := 0
	for _, v := range voters {
		if at, ok := g.vouched[v]; v == g.self || v == requester || ok && at >= since {
			n++
		}
	}
	return n >= quorum(len(voters))
}

// refusal tells why a node can't be given a lease whatever the evidence; "" if it can.
func (g *grantor) refusal(node string) string {
	switch {
	case !g.ready:
		return "the leader is still applying what earlier ones committed"
	case g.shut:
		return "the state is being replaced"
	case g.barred[node] > 0:
		return "its resources are being taken away"
	}
	return ""
}

// grant notes that a lease is granted at now, before the answer that says so leaves, and returns what its holder must
// have applied; owners is the index of the newest entry known that changed an owner. It must be asked for only after
// evident and refusal said yes and the leader itself has vouched for its term, all since the request came in.
func (g *grantor) grant(now time.Duration, node string, owners uint64) (minApplied uint64) {
	g.minApplied = max(g.minApplied, owners)
	g.granted[node] = now
	return g.minApplied
}

// fresh tells whether a lease granted to a node may be valid still, by this clock.
func (g *grantor) fresh(now time.Duration, node string) bool {
	at, ok := g.granted[node]
	return ok && now < at+g.lease
}

// free is the instant from which on a node holds no lease, if it's granted none any more. It isn't known before a quorum
// has proved how old the leases of earlier terms are.
func (g *grantor) free(node string, voters []string) (at time.Duration, known bool) {
	old, known := g.lastOld(node, voters)
	return max(old, g.granted[node]) + g.wait, known
}

// anyNode stands for whichever node in lastOld.
const anyNode = ""

// lastOld is an instant after which no lease of an earlier term, held by a node, can have begun. Such a lease stands on a
// quorum that vouched for its term, and any quorum has a member in common with it. That member may be the holder.
func (g *grantor) lastOld(node string, voters []string) (at time.Duration, known bool) {
	var answers []time.Duration
	for _, v := range voters {
		p, ok := g.before[v]
		if !ok {
			continue
		}
		if v == node || node == anyNode {
			p.others = max(p.others, p.own)
		}
		answers = append(answers, p.others)
	}
	n := quorum(len(voters))
	if len(answers) < n {
		return 0, false
	}
	slices.Sort(answers)
	return answers[n-1], true
}

// bar begins to take resources from a node: no lease is granted to it until unbar. It fails while the node may hold one.
func (g *grantor) bar(now time.Duration, node string, voters []string) error {
	switch at, known := g.free(node, voters); {
	case !known:
		return fmt.Errorf("node %s may hold a lease of an earlier term: no quorum has proved how old it is", node)
	case now < at:
		return fmt.Errorf("node %s may hold a lease for another %v", node, at-now)
	}
	g.barred[node]++
	return nil
}

// unbar ends what bar began, once the proposal is applied at index, or certainly never will be (0).
func (g *grantor) unbar(node string, index uint64) {
	g.minApplied = max(g.minApplied, index)
	if g.barred[node]--; g.barred[node] <= 0 {
		delete(g.barred, node)
	}
}
