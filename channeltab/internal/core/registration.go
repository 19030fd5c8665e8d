package core

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
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
	State      State
	Outcome    wire.Outcome // of the last answer
	Level      uint8        // of the centre that gave it
	centre     chantable.ID
	CN         chantable.CN
	since      time.Time // of the first grant in a row
	every      time.Duration
	multicasts bool // the centre says that it multicasts

	configured []netip.AddrPort
	Current    int            // of configured
	found      netip.AddrPort // where the table was last multicast from
	redirect   netip.AddrPort // where a centre that defers has sent us; zero: nowhere

	contact  contact
	Due      time.Time // of the next Register or Leave
	tries    int       // without an answer
	leaveAt  uint64    // counter of the first Leave
	prompted time.Time // last time a Hello made it send at once
	inquired time.Time // last time all places were asked
}

// Target is where to send; the zero AddrPort if no centre is known.
func (r *registration) Target() netip.AddrPort {
	switch {
	case r.redirect.IsValid():
		return r.redirect
	case r.Current < len(r.configured):
		return r.configured[r.Current]
	}
	return r.found
}

// places are all the addresses where a centre may be heard; where a centre has sent us, that one alone.
func (r *registration) places() []netip.AddrPort {
	switch {
	case r.redirect.IsValid():
		return []netip.AddrPort{r.redirect}
	case r.found.IsValid() && !slices.Contains(r.configured, r.found):
		return append(slices.Clone(r.configured), r.found)
	}
	return r.configured
}

// reached notes which place has answered: that is where to send from now on.
func (r *registration) reached(from netip.AddrPort) {
	if i := slices.Index(r.places(), from); i >= 0 && !r.redirect.IsValid() {
		r.Current = i
	}
}

// begin notes that a Register or Leave is about to be sent, and turns to another centre if this one does not answer.
func (r *registration) begin(now time.Time, retry time.Duration) {
	r.Due = now.Add(retry)
	r.tries++
	if r.tries == 1 || r.tries%unansweredBeforeNext != 1 {
		return
	}
	if r.State == Registered {
		r.State = Registering
	}
	if r.redirect.IsValid() {
		r.redirect = netip.AddrPort{}
		return
	}
	if n := len(r.places()); n > 0 {
		r.Current = (r.Current + 1) % n
	}
}

// hello takes in the centre's offer of a contact: a centre that offers another than ours has not heard us, so it
// shall at once. Once a retry time only, so that two cannot keep each other busy.
func (r *registration) hello(now time.Time, h wire.Hello, retry time.Duration) (changed bool) {
	if !r.contact.fresh(h.EchoCounter) || h.Offer == 0 || h.Offer == r.contact.number {
		return false
	}
	r.contact.number = h.Offer
	if now.Sub(r.prompted) >= retry/2 && r.State != Left {
		r.prompted, r.Due = now, now
	}
	return true
}

// answer takes in the centre's answer and reports whether it was one to the newest request.
func (r *registration) answer(now time.Time, from chantable.ID, a wire.Answer, retry time.Duration) bool {
	if !r.contact.fresh(a.EchoCounter) {
		return false
	}
	r.tries, r.Outcome, r.Level, r.centre = 0, a.Outcome, a.Level, from
	r.every = max(time.Duration(a.Every)*time.Millisecond, retry)
	if r.State == Leaving && a.EchoCounter >= r.leaveAt {
		r.State = Left
		return true
	}
	if r.State >= Leaving {
		return true
	}
	r.Due = now.Add(r.every)
	switch a.Outcome {
	case wire.Granted:
		if r.State != Registered {
			r.since = now
		}
		r.State, r.CN, r.multicasts = Registered, a.CN, a.Multicast
	case wire.Deferred:
		r.State = Registering
		r.Due = now.Add(retry)
		if a.Centre.IsValid() && a.Centre != r.redirect {
			r.redirect = a.Centre
			if now.Sub(r.prompted) >= retry {
				r.prompted, r.Due = now, now
			}
		}
	default:
		r.State = Refused
	}
	return true
}
