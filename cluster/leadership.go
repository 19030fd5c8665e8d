package cluster

import (
	"context"
	"sync"
	"sync/atomic"
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
				l.term.Store(newLeaderTerm(ctx, l.parts, l.parts.raft.CurrentTerm()))
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
		t.end()
	}
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
