package acquisition

import (
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
)

const (
	// probeEvery is how many times retry lies between probes, and probeBackOff what that grows to at most while a link
	// refuses.
	probeEvery   = 2
	probeBackOff = 8

	// A device that serves a single client may drop that one when another connects. Whoever probes it learns that only
	// from the started link being lost at once: disturbedWithin is how soon, and disturbedTwice how often in a row, before
	// the link is left alone for quiet.
	disturbedWithin = time.Second
	disturbedTwice  = 2
	quiet           = 30 * time.Minute
)

// probing is what the sequencer remembers of a link's probes.
type probing struct {
	at      time.Duration // when the last one began
	done    bool          // whether there was one
	telling bool          // whether there was a started link that it could disturb
	blamed  bool          // whether one was lost right after it
	strikes int           // telling probes in a row that were blamed
	until   time.Duration // not before
}

// probeUse is what a link that isn't needed is wanted for.
func (s *sequencer) probeUse(now time.Duration, k linkKey) use {
	if now < s.link(k).probing.until {
		return useNone
	}
	switch s.probe {
	case ProbeHold:
		return useHold
	case ProbeConnect:
		return useCheck
	}
	return useNone
}

// backOff is the wait between probes of a link after this many failures in a row.
func (s *sequencer) backOff(failures int) time.Duration {
	wait := probeEvery * s.retry
	for range failures - 1 {
		wait = min(2*wait, probeBackOff*s.retry)
	}
	return wait
}

// probed notes that a probe of a link begins.
func (s *sequencer) probed(now time.Duration, l *linkState) {
	p := &l.probing
	if p.telling && !p.blamed {
		p.strikes = 0
	}
	p.at, p.done, p.telling, p.blamed = now, true, s.active(), false
}

// active tells whether any link of the RTU is started, here or on the other FEP.
func (s *sequencer) active() bool {
	return s.peerActive || s.startedHere()
}

// peer says whether a link of the RTU is started on the other FEP, and whether one was lost just now.
func (s *sequencer) peer(now time.Duration, active, lost bool) {
	lived := now - s.peerSince
	if active && (lost || !s.peerActive) {
		s.peerSince = now
	}
	s.peerActive = active
	if lost {
		s.disturbed(now, lived)
		s.step(now)
	}
}

// disturbed says that a started link of the RTU was lost, and how long it lived. One that doesn't live long anyway is no
// sign that it's the probes: a device that comes and goes is to be probed on, or nobody knows when it's back.
func (s *sequencer) disturbed(now, lived time.Duration) {
	if lived < s.retry/2 {
		return
	}
	for _, states := range s.links {
		for i := range states {
			l := &states[i]
			p := &l.probing
			if !p.done || p.blamed || now-p.at > disturbedWithin {
				continue
			}
			p.blamed = true
			p.strikes++
			if p.strikes >= disturbedTwice {
				p.strikes, p.until = 0, now+quiet
				s.quieted++
			}
		}
	}
}

// takeQuieted is how many links were left alone for it since the last call.
func (s *sequencer) takeQuieted() int {
	n := s.quieted
	s.quieted = 0
	return n
}

// state is what is reported of a link. It changes with what is known of it, not with each attempt.
func (s *sequencer) state(now time.Duration, k linkKey) fsmpb.LinkState {
	l := s.link(k)
	switch l.conn {
	case started:
		return fsmpb.LinkState_ACTIVE
	case held, starting, closing:
		return fsmpb.LinkState_STANDBY
	}
	switch {
	case l.verdict == failed:
		return fsmpb.LinkState_DOWN
	case l.verdict == reachable && (now >= l.probing.until || s.want(now, k) == useData): // else nobody looks any more
		return fsmpb.LinkState_STANDBY
	}
	// The policy takes "all down" for "all tried": what the owner will still try is not down.
	if s.owner || s.probeUse(now, k) != useNone {
		return fsmpb.LinkState_CONNECTING
	}
	return fsmpb.LinkState_DOWN
}
