package acquisition

import (
	"slices"
	"time"
)

// sequencer decides which links of an RTU are connected, started, held or probed. It is deterministic: clock readings
// and what became of the links go in, actions come out; there is no goroutine and no I/O in it.
//
// Within a FEP one channel is in use, and only while it owns the RTU. When all links of that channel have failed the
// next one is taken: at once if it is known to be reachable, else after retry. There is no way back as long as it works.
// All other links are probed.
type sequencer struct {
	modes []LinkMode
	retry time.Duration
	probe Probe

	links   [][]linkState // by channel and link
	owner   bool
	current int  // channel in use, or to be tried next
	begun   bool // whether current was tried since it became current

	peerActive bool // whether a link is started on the other FEP
	peerSince  time.Duration

	actions []action
	quieted int // links that are left alone since takeQuieted
}

// linkKey names a link within an RTU. Both numbers are from 0.
type linkKey struct{ channel, link int }

// action is something to be done with a link. Each one is answered by a call of connected, started, lost or checked.
type action struct {
	verb verb
	linkKey
}

type verb uint8

const (
	dialLink  verb = iota + 1 // connected, or lost
	startLink                 // of a connected one: started, or lost
	closeLink                 // lost
	checkLink                 // checked
)

// linkState is what the sequencer knows of a link.
type linkState struct {
	conn        conn
	verdict     verdict
	useAt       time.Duration // earliest next attempt to use it
	probeAt     time.Duration // earliest next probe
	failures    int           // in a row
	since       time.Duration // when it was started; only while it is
	probing     probing
	unconfirmed bool // STARTDT has not been confirmed for a while; only while it's starting
	doubted     bool // whether it's still connected, or reachable, is being asked
}

// conn is how far the connection to a link is. There is one at most: it is made in idle only.
type conn uint8

const (
	idle conn = iota
	checking
	dialing
	held
	starting
	started
	closing // it was given up, and isn't gone yet
)

// verdict is what the last attempt showed.
type verdict uint8

const (
	untried verdict = iota
	reachable
	failed
)

// use is what a link is wanted for.
type use uint8

const (
	useNone  use = iota
	useCheck     // connect and close, now and then
	useHold      // stay connected
	useData      // start it, or hold it beside the started one
)

func newSequencer(channels []Channel, retry time.Duration, probe Probe, begin time.Duration) *sequencer {
	s := &sequencer{retry: retry, probe: probe}
	for _, c := range channels {
		s.modes = append(s.modes, c.Mode)
		states := make([]linkState, len(c.Links))
		for i := range states {
			states[i].useAt, states[i].probeAt = begin, begin
		}
		s.links = append(s.links, states)
	}
	return s
}

// own says whether this node has the tenure of the RTU.
func (s *sequencer) own(now time.Duration, owner bool) {
	if owner == s.owner {
		return
	}
	s.owner = owner
	if owner {
		// "All channels are down" has to be found out anew, by this owner.
		for _, states := range s.links {
			for i := range states {
				if states[i].conn == idle && states[i].verdict == failed {
					states[i].verdict = untried
				}
			}
		}
		s.take(now, s.best(s.current, len(s.links)))
	}
	s.step(now)
}

// connected says that dialLink has made the connection.
func (s *sequencer) connected(now time.Duration, k linkKey) {
	l := s.link(k)
	if l.conn == dialing {
		l.conn = held
		l.succeeded()
	}
	s.step(now)
}

// started says that STARTDT was confirmed.
func (s *sequencer) started(now time.Duration, k linkKey) {
	if l := s.link(k); l.conn == starting {
		l.conn, l.since, l.unconfirmed = started, now, false
		s.current = k.channel // also if another one was tried meanwhile
	}
	s.step(now)
}

// waiting says that a link's STARTDT has not been confirmed for a while. The device may still hold another client's link, and
// would count from the beginning if this one was closed: so it's kept, and other links are tried meanwhile.
func (s *sequencer) waiting(now time.Duration, k linkKey) {
	if l := s.link(k); l.conn == starting {
		l.unconfirmed = true
	}
	s.step(now)
}

// kept tells whether a link that isn't confirmed is waited for.
func (s *sequencer) kept(l *linkState) bool {
	return l.unconfirmed && s.owner && !s.startedHere()
}

// startedHere tells whether this FEP has started a link.
func (s *sequencer) startedHere() bool {
	for _, states := range s.links {
		for i := range states {
			if states[i].conn == started {
				return true
			}
		}
	}
	return false
}

// lost says that there is no connection to the link any more, or that none could be made.
func (s *sequencer) lost(now time.Duration, k linkKey) {
	l := s.link(k)
	was := l.conn
	l.conn, l.unconfirmed = idle, false
	if was == closing {
		l.succeeded()
		l.useAt, l.probeAt = now, now+s.retry
	} else {
		if was == started && !l.doubted { // what was silent before isn't lost because of a probe
			s.disturbed(now, now-l.since)
		}
		s.fail(now, l)
	}
	s.step(now)
}

// checked says how checkLink ended; the connection it made is closed again.
func (s *sequencer) checked(now time.Duration, k linkKey, ok bool) {
	l := s.link(k)
	l.conn = idle
	if ok {
		l.succeeded()
		l.probeAt = now + s.backOff(0)
	} else {
		s.fail(now, l)
		s.begun = s.begun || s.owner && k.channel == s.current // it was waited for
	}
	s.step(now)
}

// doubt says that a connected link is asked whether it's alive, or that it has answered.
func (s *sequencer) doubt(k linkKey, doubted bool) {
	if l := s.link(k); l.conn >= held {
		l.doubted = doubted
	}
}

// examine doubts all links that aren't started, since the one that is, here or on the other FEP, is silent: those that are
// probed now and then are probed at once; it returns those that are held, which are to be challenged. If the silent link is lost
// then, these probes aren't why.
func (s *sequencer) examine(now time.Duration) (challenge []linkKey) {
	var probed []*linkState
	for c, states := range s.links {
		for i := range states {
			l, k := &states[i], linkKey{c, i}
			switch {
			case l.conn == dialing, l.conn == checking: // it hangs if it is over the same cable
				l.doubted = true
			case l.conn == held:
				l.doubted = true
				challenge = append(challenge, k)
			case l.conn == idle:
				l.doubted = true
				if s.probeUse(now, k) != useNone { // else it's doubted until the owner tries it
					l.probeAt = now
					probed = append(probed, l)
				}
			}
		}
	}
	s.step(now)
	for _, l := range probed {
		l.probing.done, l.probing.telling = false, false
	}
	return challenge
}

// tick lets time pass.
func (s *sequencer) tick(now time.Duration) { s.step(now) }

// deadline is when tick has something to do.
func (s *sequencer) deadline(now time.Duration) (at time.Duration, ok bool) {
	for c, states := range s.links {
		for i := range states {
			l := &states[i]
			if l.conn != idle {
				continue
			}
			want := s.want(now, linkKey{c, i})
			due := l.due(want)
			if want == useNone {
				if due = l.probing.until; due <= now {
					continue
				}
			}
			if !ok || due < at {
				at, ok = due, true
			}
		}
	}
	return at, ok
}

// takeActions returns the actions that are to be done, in order, and forgets them.
func (s *sequencer) takeActions() []action {
	a := s.actions
	s.actions = nil
	return a
}

func (s *sequencer) link(k linkKey) *linkState { return &s.links[k.channel][k.link] }

func (l *linkState) succeeded() { l.verdict, l.failures, l.doubted = reachable, 0, false }

func (s *sequencer) fail(now time.Duration, l *linkState) {
	l.verdict, l.doubted = failed, false
	l.failures++
	l.useAt, l.probeAt = now+s.retry, now+s.backOff(l.failures)
}

// due is when a connection may be made.
func (l *linkState) due(want use) time.Duration {
	if want == useData {
		return l.useAt
	}
	return l.probeAt
}

func (s *sequencer) act(v verb, k linkKey) { s.actions = append(s.actions, action{v, k}) }

// want is what a link is wanted for now.
func (s *sequencer) want(now time.Duration, k linkKey) use {
	if s.owner && k.channel == s.current {
		return useData
	}
	return s.probeUse(now, k)
}

// step does what is due.
func (s *sequencer) step(now time.Duration) {
	if s.owner {
		s.choose(now)
	}
	for c, states := range s.links {
		for i := range states {
			k := linkKey{c, i}
			l, want := &states[i], s.want(now, k)
			switch l.conn {
			case idle:
				s.begin(now, k, want)
			case dialing, held:
				if want < useHold {
					l.conn = closing
					s.act(closeLink, k)
				}
			case starting, started:
				if want != useData && !s.kept(l) || l.conn == starting && s.startedHere() && s.modes[c] == OneActive {
					l.conn, l.unconfirmed = closing, false
					s.act(closeLink, k)
				}
			}
		}
	}
	if s.owner {
		s.start()
	}
}

// begin makes a connection if one is wanted and due.
func (s *sequencer) begin(now time.Duration, k linkKey, want use) {
	l := s.link(k)
	if now < l.due(want) {
		return
	}
	switch want {
	case useData:
		s.begun = true
		l.conn = dialing
		s.act(dialLink, k)
	case useHold:
		s.probed(now, l)
		l.conn = dialing
		s.act(dialLink, k)
	case useCheck:
		s.probed(now, l)
		l.conn = checking
		s.act(checkLink, k)
	}
}

// start starts what is connected in the current channel: one link, or all.
func (s *sequencer) start() {
	states := s.links[s.current]
	if s.modes[s.current] == OneActive {
		for i := range states {
			if c := states[i].conn; c == starting && !states[i].unconfirmed || c == started || c == closing {
				return // of two started links of one device neither would be the one that counts
			}
		}
	}
	for i := range states {
		if states[i].conn != held {
			continue
		}
		states[i].conn = starting
		s.act(startLink, linkKey{s.current, i})
		if s.modes[s.current] == OneActive {
			return
		}
	}
}

// choose goes on to another channel when nothing is left of the current one.
func (s *sequencer) choose(now time.Duration) {
	for _, l := range s.links[s.current] {
		if l.conn >= dialing && !l.unconfirmed || !s.begun && (l.conn == checking || l.useAt <= now) {
			return
		}
	}
	next, others := s.current+1, len(s.links)-1
	if c := s.best(next, others); others > 0 && s.rank(c) > 0 {
		s.take(now, c)
	} else if s.begun {
		for n := range s.links {
			if c := (next + n) % len(s.links); !s.waitedFor(c) {
				s.take(now+s.retry, c)
				return
			}
		}
	}
}

// waitedFor tells whether all links of a channel have not confirmed STARTDT for a while.
func (s *sequencer) waitedFor(channel int) bool {
	return !slices.ContainsFunc(s.links[channel], func(l linkState) bool { return !l.unconfirmed })
}

// best is the channel that is most likely to work, of n from a channel on: the first of them if nothing is known.
func (s *sequencer) best(from, n int) int {
	best := from % len(s.links)
	for i := range n {
		if c := (from + i) % len(s.links); s.rank(c) > s.rank(best) {
			best = c
		}
	}
	return best
}

// rank is 2 for a channel that only needs to be started, 1 for one that was reachable when last tried, else 0; links that are
// doubted or waited for don't count.
func (s *sequencer) rank(channel int) (rank int) {
	for _, l := range s.links[channel] {
		switch {
		case l.doubted, l.unconfirmed:
		case l.conn == held:
			return 2
		case l.conn != closing && l.verdict == reachable:
			rank = 1
		}
	}
	return rank
}

// take makes a channel the current one, to be tried from a moment on.
func (s *sequencer) take(from time.Duration, channel int) {
	s.current = channel
	s.begun = s.rank(channel) == 2
	for i := range s.links[channel] {
		s.links[channel][i].useAt = from
	}
}
