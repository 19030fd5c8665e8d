package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// notices are what Raft said last of this node's leadership. Raft's main loop waits until its notice is taken (nomad#6977),
// and its other channel drops all but the latest (consul#6852): so a goroutine does nothing but take them, and counts, so
// that a loss between two wins isn't missed.
type notices struct {
	mu    sync.Mutex
	leads bool
	count int
	news  broadcast
}

func (l *notices) drain(notify <-chan bool, done <-chan struct{}) {
	for {
		select {
		case leads := <-notify:
			l.mu.Lock()
			l.leads = leads
			l.count++
			l.mu.Unlock()
			l.news.fire()
		case <-done:
			return
		}
	}
}

func (l *notices) latest() (leads bool, count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leads, l.count
}

// leadership begins and ends terms as leadership is won and lost.
type leadership struct {
	led     time.Duration // clock reading at which this node led last; 0: never. run's
	notices notices
	parts   *leaderParts
	term    atomic.Pointer[leaderTerm] // nil while this node doesn't lead
}

func (l *leadership) run(ctx context.Context) {
	seen := 0
	for {
		news := l.notices.news.wait()
		if leads, count := l.notices.latest(); count != seen {
			seen = count
			l.endTerm()
			if leads {
				l.term.Store(newLeaderTerm(ctx, l.parts, l.parts.raft.CurrentTerm(), l.outage()))
			}
			l.parts.changed.fire()
		}
		select {
		case <-news:
		case <-ctx.Done():
			l.endTerm()
			return
		}
	}
}

func (l *leadership) endTerm() {
	if t := l.term.Swap(nil); t != nil {
		l.led = t.clock()
		t.end()
	}
}

// outageAfter is how long a station has no leader before what its image holds is not topical: as long as an RTU may be on no
// channel. Who collects needs a lease, and no lease lasts as long without a leader.
const outageAfter = 3 * time.Second

// outage tells whether the station had no leader for so long, or this node, which begins to lead, can't know.
func (l *leadership) outage() bool {
	if l.led == 0 && !l.parts.heard() {
		return true
	}
	return l.parts.clock()-max(l.led, l.parts.lastLeader()) > outageAfter
}

// current is the term in which this node leads; nil while it doesn't.
func (l *leadership) current() *leaderTerm { return l.term.Load() }

// ready tells whether this node leads and has applied everything that earlier leaders committed.
func (l *leadership) ready() bool {
	t := l.current()
	return t != nil && t.ready()
}

// followed tells whether this node leads, and whether a quorum supports its term.
func (l *leadership) followed() (leads, followed bool) {
	t := l.current()
	return t != nil, t != nil && t.followed()
}
