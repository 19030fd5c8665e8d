package cluster

import "sync"

// broadcast wakes everyone who waits. Firing it costs next to nothing while no one does.
type broadcast struct {
	mu      sync.Mutex
	waiting chan struct{} // nil: no one waits
}

// wait returns a channel that the next fire closes. Ask for it first, then look at what's waited for.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = make(chan struct{})
	}
	return b.waiting
}

func (b *broadcast) fire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
}

// closeOnce closes a channel that only the calling goroutine closes, if it isn't closed yet.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// nudge wakes whoever waits for c, which holds one, unless it's about to wake up anyway.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
