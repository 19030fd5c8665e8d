package forwarder

import (
	"sync"
	"time"
)

// The bounds of how far the replicated cursor may be behind what was sent: what a client gets twice after a change of
// node is at most one window, which is the last k ASDUs of events, and maxBehind events.
const (
	// maxBehind events before the window may be unknown to the other nodes as acknowledged; then no new ones are sent
	// until they know.
	maxBehind = 256
	// eagerBehind is after how many acknowledged events the cursor is proposed. Several proposals are under way within
	// maxBehind, so that a commit's latency doesn't stop the flow.
	eagerBehind = 32
	// eventDelay is how long an acknowledged event waits for others before the cursor is proposed. It leaves the
	// commit its share of the 100 ms that DESIGN section 6 allows.
	eventDelay = 40 * time.Millisecond
	// skipDelay is the same where the cursor only moved over events of points that the uplink doesn't have. Repeating
	// those costs nothing: what counts is only that retention doesn't seem to overflow.
	skipDelay = time.Second
)

// cursor is how far a group's clients have acknowledged the journal: in this node's memory, and as the other nodes know.
// It has no clock. Its methods may be called from any goroutine.
type cursor struct {
	window int // k: ASDUs that a link may have unacknowledged

	mu       sync.Mutex
	at       uint64    // last event acknowledged, or passed over as none of the uplink's
	events   uint64    // acknowledged since the start, to be compared with the two below
	proposed uint64    // at, when it was last proposed
	counted  uint64    // events, when it was last proposed
	known    uint64    // events, when it was last known to be committed
	asdus    int       // of events that were sent
	sent     []uint64  // events, after the last window+1 of them; that of the n-th at n modulo window+1
	due      time.Time // when it is to be proposed; zero: not at all
	life     uint64    // counts resume, so that an answer to an earlier life's proposal counts for nothing
}

// proposal is what of a cursor is to be replicated.
type proposal struct {
	seq          uint64
	events, life uint64 // for committed
}

// resume begins a link, or its time as main, and returns after which event it goes on: the furthest of what this node
// remembers and what is replicated, which is never after last, the newest event of the journal (a restored state may
// be older than this node's memory).
func (c *cursor) resume(now time.Time, replicated, last uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life++
	c.events, c.counted, c.known, c.due = 0, 0, 0, time.Time{}
	c.asdus, c.sent = 0, append(c.sent[:0], make([]uint64, c.window+1)...)
	c.proposed = replicated
	if c.at <= replicated || c.at > last {
		c.at = replicated
		return c.at
	}
	// How many of the events in between were the uplink's isn't known any more: none is sent until they are replicated.
	c.events, c.due = maxBehind, now
	for i := range c.sent {
		c.sent[i] = maxBehind
	}
	return c.at
}

// ship takes in an ASDU of events that is about to be sent.
func (c *cursor) ship(events int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.sent[(c.asdus+c.window)%(c.window+1)]
	c.sent[c.asdus%(c.window+1)] = before + uint64(events)
	c.asdus++
}

// acknowledge moves the cursor over events of the uplink, the last of which is seq.
func (c *cursor) acknowledge(now time.Time, seq uint64, events int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq <= c.at {
		return
	}
	c.at = seq
	c.events += uint64(events)
	delay := eventDelay
	switch behind := c.events - c.counted; {
	case behind == 0:
		delay = skipDelay
	case behind >= eagerBehind:
		delay = 0
	}
	if due := now.Add(delay); c.due.IsZero() || due.Before(c.due) {
		c.due = due
	}
}

// held tells whether no more events may be sent until a proposal is committed: if another ASDU went out, those before
// the last window of ASDUs would be more than maxBehind ahead of what the others know.
func (c *cursor) held() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent[(c.asdus+1)%(c.window+1)] >= c.known+maxBehind
}

// next returns what is to be proposed, if it's time. Otherwise it returns when that will be, or zero.
func (c *cursor) next(now time.Time) (p proposal, due time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due.IsZero() || now.Before(c.due) {
		return proposal{}, c.due, false
	}
	return c.take(), time.Time{}, true
}

// flush is next without the wait: the link is over. Not ok: there is nothing new.
func (c *cursor) flush() (p proposal, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == c.proposed {
		return proposal{}, false
	}
	return c.take(), true
}

func (c *cursor) take() proposal {
	c.due = time.Time{}
	c.proposed, c.counted = c.at, c.events
	return proposal{c.at, c.events, c.life}
}

// committed says that a proposal is replicated.
func (c *cursor) committed(p proposal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.life == c.life {
		c.known = max(c.known, p.events)
	}
}

// failed says that a proposal was not replicated; it is due again after a while.
func (c *cursor) failed(now time.Time, p proposal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.life == c.life && c.due.IsZero() {
		c.due = now.Add(eventDelay)
	}
}

// position is the last event acknowledged, as this node knows.
func (c *cursor) position() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}
