package trace

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// traceQueue is how many frames wait for who watches, at most.
	traceQueue = 1024

	// KeptFrames is how many frames of a link are kept, so that one sees what was before a fault; fewer if they are large.
	KeptFrames = 2000
	keptOctets = 256 << 10 // of a link, at most twice as much

	// keptLinks is how many links of a resource have their frames kept: a control centre's client comes from another port
	// each time.
	keptLinks = 8

	maxKeptFrame = 255 // octets; an APDU has no more
)

// A Tracer keeps the newest frames of every link, and shows frames to whoever watches as they go by. Its methods may be
// called from any goroutine.
type Tracer struct {
	mu        sync.Mutex
	resources map[string]*traced
}

// Link is what a Tracer is told of a link.
type Link struct {
	Name    string                     // which of the resource's
	Remote  netip.AddrPort             // the other end; zero where it is not known
	Explain func(octets []byte) string // puts a frame in words
}

// Frame is a frame as it was on the wire.
type Frame struct {
	*Link
	At      time.Time
	Sent    bool // by this node
	Octets  []byte
	Dropped uint64 // frames before this one that were not kept, since the watcher was too slow
}

// traced is a resource.
type traced struct {
	links    []*tracedLink              // those whose frames are kept, the one that was opened last at the end; guarded by Tracer.mu
	watchers atomic.Pointer[[]*Watcher] // never changed but replaced; nil: nobody watches
}

// tracedLink keeps the newest frames of a link: those of two batches, of which the older one is given up as a whole.
type tracedLink struct {
	link   Link
	mu     sync.Mutex
	before frames
	now    frames
}

// frames are packed: 8 octets of time, one of direction, one of length, and the frame.
type frames struct {
	octets []byte
	count  int
}

// Open tells of a link that opens, and returns what is to be called with each of its frames, one after the other. The
// octets may be used during the call only.
func (t *Tracer) Open(resource string, l Link) func(at time.Time, sent bool, octets []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.resource(resource)
	kept := &tracedLink{link: l}
	if i := slices.IndexFunc(r.links, func(k *tracedLink) bool { return k.link.Name == l.Name }); i >= 0 {
		kept = r.links[i] // it was open before
		r.links = slices.Delete(r.links, i, i+1)
		kept.mu.Lock()
		kept.link = l
		kept.mu.Unlock()
	}
	if r.links = append(r.links, kept); len(r.links) > keptLinks {
		r.links = slices.Delete(r.links, 0, 1)
	}
	return func(at time.Time, sent bool, octets []byte) {
		kept.keep(at, sent, octets)
		if watchers := r.watchers.Load(); watchers != nil {
			f := Frame{Link: &l, At: at, Sent: sent, Octets: slices.Clone(octets)}
			for _, w := range *watchers {
				w.offer(f)
			}
		}
	}
}

// resource is called with t.mu held.
func (t *Tracer) resource(name string) *traced {
	if t.resources == nil {
		t.resources = map[string]*traced{}
	}
	r := t.resources[name]
	if r == nil {
		r = &traced{}
		t.resources[name] = r
	}
	return r
}

func (k *tracedLink) keep(at time.Time, sent bool, octets []byte) {
	octets = octets[:min(len(octets), maxKeptFrame)]
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now.count == KeptFrames || len(k.now.octets)+len(octets)+10 > keptOctets {
		k.before, k.now = k.now, frames{octets: k.before.octets[:0]}
	}
	ns := uint64(at.UnixNano())
	k.now.octets = append(k.now.octets, byte(ns>>56), byte(ns>>48), byte(ns>>40), byte(ns>>32), byte(ns>>24), byte(ns>>16), byte(ns>>8), byte(ns),
		direction(sent), byte(len(octets)))
	k.now.octets = append(k.now.octets, octets...)
	k.now.count++
}

func direction(sent bool) byte {
	if sent {
		return 1
	}
	return 0
}

// last returns the newest frames that are kept of a link, at most n, oldest first.
func (k *tracedLink) last(n int) (list []Frame) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.link
	for _, batch := range []frames{k.before, k.now} {
		for b := batch.octets; len(b) > 0; {
			var ns uint64
			for _, o := range b[:8] {
				ns = ns<<8 | uint64(o)
			}
			size := int(b[9])
			list = append(list, Frame{Link: &l, At: time.Unix(0, int64(ns)), Sent: b[8] == 1, Octets: slices.Clone(b[10 : 10+size])})
			b = b[10+size:]
		}
	}
	return list[max(0, len(list)-n):]
}

// Last returns the newest frames of each of a resource's links, at most n of a link, oldest first.
func (t *Tracer) Last(resource string, n int) (list []Frame) {
	t.mu.Lock()
	var links []*tracedLink
	if r := t.resources[resource]; r != nil {
		links = slices.Clone(r.links)
	}
	t.mu.Unlock()
	for _, k := range links {
		list = append(list, k.last(n)...)
	}
	slices.SortStableFunc(list, func(a, b Frame) int { return a.At.Compare(b.At) })
	return list
}

// A Watcher sees frames as they go by.
type Watcher struct {
	Frames <-chan Frame
	frames chan Frame

	mu      sync.Mutex
	dropped uint64 // since the last frame that was kept
}

func (w *Watcher) offer(f Frame) {
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

// TakeDropped is how many frames were missed that no frame has told yet.
func (w *Watcher) TakeDropped() (n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, w.dropped = w.dropped, 0
	return n
}

// Watch begins to watch a resource, until cancel is called.
func (t *Tracer) Watch(resource string) (w *Watcher, cancel func()) {
	queue := make(chan Frame, traceQueue)
	w = &Watcher{Frames: queue, frames: queue}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.resource(resource)
	r.change(func(all []*Watcher) []*Watcher { return append(all, w) })
	return w, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		r.change(func(all []*Watcher) []*Watcher {
			return slices.DeleteFunc(all, func(o *Watcher) bool { return o == w })
		})
	}
}

// change replaces the list of those who watch by a changed copy. Tracer.mu is held.
func (r *traced) change(edit func([]*Watcher) []*Watcher) {
	var all []*Watcher
	if old := r.watchers.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = edit(all); len(all) == 0 {
		r.watchers.Store(nil)
		return
	}
	r.watchers.Store(&all)
}
