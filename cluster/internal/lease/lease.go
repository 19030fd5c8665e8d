package lease

import (
	"slices"
	"time"
)

const (
	// clockRatePercent is how far a node's clock rate may be from true, in percent. Crystals stay within 0.01 %; NTP
	// slews by at most 0.05 %.
	clockRatePercent = 1

	// stopTime is how long a holder may need to close its links after its lease has ended.
	stopTime = 50 * time.Millisecond

	// renewals is how often a lease is asked for in the time that a successor waits.
	renewals = 4
)

// ValidFor is how long a lease is valid, counted by its holder, if a successor that waits from the same instant by its own
// clock is to find that the holder has stopped: the holder's clock may be slow and the waiter's fast.
func ValidFor(wait time.Duration) time.Duration {
	return (wait - stopTime) * (100 - clockRatePercent) / (100 + clockRatePercent)
}

// RenewEvery is the time between two requests for a lease: two may be lost, and the third still comes in time.
func RenewEvery(wait time.Duration) time.Duration { return wait / renewals }

// Quorum is the size of a majority of n voters.
func Quorum(n int) int { return n/2 + 1 }

// support is what a voter remembers of supporting terms: telling a node, by an answer that a lease may be built on, that
// it's still in that term. A new leader asks how long ago that was for terms before its own.
//
// Its methods take the voter's current term. Reading that term and calling the method is one critical section with
// all others, so that a term that was raised is never supported again once elapsed was answered.
type support struct {
	term   uint64        // newest term seen
	newest time.Duration // term was not supported later
	before time.Duration // no earlier term was supported later
}

// newSupport is for a voter that starts at now. It doesn't remember what it supported before it was stopped, so it counts
// as having done so until now.
func newSupport(now time.Duration) support {
	return support{newest: now, before: now}
}

func (s *support) enter(current uint64) {
	if current > s.term {
		s.before = max(s.before, s.newest)
		s.newest = s.before
		s.term = current
	}
}

// give notes that at an instant the voter supports a term, and tells whether it may: only its current one.
func (s *support) give(at time.Duration, term, current uint64) bool {
	s.enter(current)
	if term != current {
		return false
	}
	s.newest = max(s.newest, at)
	return true
}

// elapsed is for how long at least the voter has supported no term before the given one. Only a voter that is in that
// very term knows: in an earlier one it might support it again.
func (s *support) elapsed(now time.Duration, term, current uint64) (time.Duration, bool) {
	s.enter(current)
	if term != current {
		return 0, false
	}
	return now - s.before, true
}

// Proof is a voter's answer to a new leader: for how long at least it has supported no earlier term. What supports the lease
// of one node alone is told apart: what the voter asked for itself, and what it was asked for on behalf of a holder.
type Proof struct {
	Others  time.Duration            // for whichever node's lease
	Holders map[string]time.Duration // for that of one other node alone; who isn't in it wasn't supported so
	Own     time.Duration
}

// AnyNode is the holder of a support that whichever node's lease may stand on.
const AnyNode = ""

// Grant is a leader's answer to a request for a lease.
type Grant struct {
	Sent       time.Duration // when the holder sent the request
	MinApplied uint64        // what the holder's state must have applied before the lease counts
}

// holder is a node's own lease.
type holder struct {
	lease      time.Duration
	until      time.Duration // it's valid before this instant
	generation uint64        // grows when a lease begins after none was valid
	pending    []Grant       // granted, but the state isn't there yet; oldest first
}

// maxPendingGrants bounds holder.pending. Grants wait only while this node's state is behind an assignment.
const maxPendingGrants = 16

// accept takes a grant that arrived at now, with the state at index applied.
func (h *holder) accept(now time.Duration, g Grant, applied uint64) {
	if len(h.pending) == maxPendingGrants {
		h.pending = h.pending[1:]
	}
	h.pending = append(h.pending, g)
	h.advance(now, applied)
}

// advance counts the pending grants that the state has caught up with.
func (h *holder) advance(now time.Duration, applied uint64) {
	h.pending = slices.DeleteFunc(h.pending, func(g Grant) bool {
		if g.MinApplied > applied {
			return now >= g.Sent+h.lease
		}
		h.extend(now, g.Sent+h.lease)
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
