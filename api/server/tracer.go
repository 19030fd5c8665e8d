package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// traceQueue is how many frames wait for who watches, at most.
const traceQueue = 1024

// A Tracer shows the frames of links to whoever watches. While nobody does,
// Show costs one atomic load. Its methods may be called from any goroutine, on
// a nil Tracer too.
type Tracer struct {
	watched atomic.Pointer[map[string][]*watcher] // by resource; never changed but replaced; nil: nobody watches
	mu      sync.Mutex                            // of those who replace it
}

// Frame is a frame as it was on the wire.
type Frame struct {
	At      time.Time
	Link    string // which of the resource's
	Sent    bool   // by this node
	Octets  []byte
	Explain func(octets []byte) string // puts it in words
	Dropped uint64                     // frames before this one that were not kept, since the watcher was too slow
}

// Watched tells whether anybody watches anything.
func (t *Tracer) Watched() bool { return t != nil && t.watched.Load() != nil }

// Show shows a frame of a resource's link to who watches that resource. It
// never blocks, and keeps a copy of the octets.
func (t *Tracer) Show(resource string, f Frame) {
	if !t.Watched() {
		return
	}
	watched := t.watched.Load()
	if watched == nil || (*watched)[resource] == nil {
		return
	}
	f.Octets = append([]byte(nil), f.Octets...)
	for _, w := range (*watched)[resource] {
		w.offer(f)
	}
}

// watcher is one who watches.
type watcher struct {
	frames chan Frame

	mu      sync.Mutex
	dropped uint64 // since the last frame that was kept
}

func (w *watcher) offer(f Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.Dropped = w.dropped
	select {
	case w.frames <- f:
		w.dropped = 0
	default:
		w.dropped++
	}
}

// takeDropped is what no frame has told yet.
func (w *watcher) takeDropped() (n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, w.dropped = w.dropped, 0
	return n
}

// watch begins to watch a resource, until cancel is called.
func (t *Tracer) watch(resource string) (w *watcher, cancel func()) {
	w = &watcher{frames: make(chan Frame, traceQueue)}
	t.change(func(all map[string][]*watcher) { all[resource] = append(all[resource], w) })
	return w, func() {
		t.change(func(all map[string][]*watcher) {
			var others []*watcher
			for _, o := range all[resource] {
				if o != w {
					others = append(others, o)
				}
			}
			if all[resource] = others; others == nil {
				delete(all, resource)
			}
		})
	}
}

// change replaces the map by a changed copy.
func (t *Tracer) change(edit func(map[string][]*watcher)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[string][]*watcher{}
	if old := t.watched.Load(); old != nil {
		for resource, list := range *old {
			next[resource] = append([]*watcher(nil), list...)
		}
	}
	if edit(next); len(next) == 0 {
		t.watched.Store(nil)
		return
	}
	t.watched.Store(&next)
}
