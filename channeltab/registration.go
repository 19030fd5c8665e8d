package channeltab

import (
	"net/netip"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// State is where a station stands with the centre.
type State uint8

// States of a registration.
const (
	Registering State = iota // no centre has answered lately
	Registered               // granted
	Refused                  // answered, but not granted; see the outcome
	Leaving                  // has said that it leaves, and waits for the answer
	Left                     // says nothing more
)

func (s State) String() string {
	return [...]string{"registering", "registered", "refused", "leaving", "left"}[s]
}

// unansweredBeforeNext is how many Registers may go unanswered before another centre is tried.
const unansweredBeforeNext = 2

// registration is a station's dealings with the centre: where to send, when, and what was answered.
type registration struct {
	state    State
	outcome  Outcome // of the last answer
	level    uint8   // of the centre that gave it
	centre   chantable.ID
	cn       chantable.CN
	since    time.Time // of the first grant in a row
	every    time.Duration
	overcast bool // the centre says that it multicasts

	configured []netip.AddrPort
	current    int            // of configured
	found      netip.AddrPort // where the table was last multicast from
	redirect   netip.AddrPort // where a centre that defers has sent us; zero: nowhere

	contact  contact
	due      time.Time // of the next Register or Leave
	tries    int       // without an answer
	leaveAt  uint64    // counter of the first Leave
	prompted time.Time // last time a Hello made it send at once
}

// target is where to send; the zero AddrPort if no centre is known.
func (r *registration) target() netip.AddrPort {
	switch {
	case r.redirect.IsValid():
		return r.redirect
	case r.current < len(r.configured):
		return r.configured[r.current]
	}
	return r.found
}

// begin notes that a Register or Leave is about to be sent, and turns to another centre if this one does not answer.
func (r *registration) begin(now time.Time, retry time.Duration) {
	r.due = now.Add(retry)
	r.tries++
	if r.tries == 1 || r.tries%unansweredBeforeNext != 1 {
		return
	}
	if r.state == Registered {
		r.state = Registering
	}
	if r.redirect.IsValid() {
		r.redirect = netip.AddrPort{}
		return
	}
	places := len(r.configured)
	if r.found.IsValid() {
		places++
	}
	if places > 0 {
		r.current = (r.current + 1) % places
	}
}

// hello takes in the centre's offer of a contact: a centre that offers another than ours has not heard us, so it
// shall at once. Once a retry time only, so that two cannot keep each other busy.
func (r *registration) hello(now time.Time, h Hello, retry time.Duration) (changed bool) {
	if !r.contact.fresh(h.EchoCounter) || h.Offer == 0 || h.Offer == r.contact.number {
		return false
	}
	r.contact.number = h.Offer
	if now.Sub(r.prompted) >= retry/2 && r.state != Left {
		r.prompted, r.due = now, now
	}
	return true
}

// answer takes in the centre's answer and reports whether it was one to the newest request.
func (r *registration) answer(now time.Time, from chantable.ID, a Answer, retry time.Duration) bool {
	if !r.contact.fresh(a.EchoCounter) {
		return false
	}
	r.tries, r.outcome, r.level, r.centre = 0, a.Outcome, a.Level, from
	r.every = max(time.Duration(a.Every)*time.Millisecond, retry)
	if r.state == Leaving && a.EchoCounter >= r.leaveAt {
		r.state = Left
		return true
	}
	if r.state >= Leaving {
		return true
	}
	r.due = now.Add(r.every)
	switch a.Outcome {
	case Granted:
		if r.state != Registered {
			r.since = now
		}
		r.state, r.cn, r.overcast = Registered, a.CN, a.Multicast
	case Deferred:
		r.state = Registering
		r.due = now.Add(retry)
		if a.Centre.IsValid() && a.Centre != r.redirect {
			r.redirect = a.Centre
			if now.Sub(r.prompted) >= retry {
				r.prompted, r.due = now, now
			}
		}
	default:
		r.state = Refused
	}
	return true
}
