package trend

import (
	"context"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
)

// View gives the replicated state to read.
type View func(read func(s *fsm.State))

// Recorder samples a node's state.
type Recorder struct {
	view    View
	changed chan struct{} // the shape has

	mu      sync.Mutex
	shape   Shape
	ring    *ring
	version uint64 // of the image that was sampled last
	scanned bool   // whether it ever was
}

// New makes a recorder; Run has it record.
func New(view View, shape Shape) *Recorder {
	return &Recorder{view: view, changed: make(chan struct{}, 1), shape: shape, ring: newRing(shape.Samples(), time.Now().UnixMilli())}
}

// Configure gives it another shape. What it has kept in the former one is forgotten.
func (r *Recorder) Configure(shape Shape) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if shape == r.shape {
		return
	}
	r.shape, r.ring, r.scanned = shape, newRing(shape.Samples(), time.Now().UnixMilli()), false
	select {
	case r.changed <- struct{}{}:
	default: // Run has yet to see the one before
	}
}

func (r *Recorder) period() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shape.Period
}

// Run records until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(r.period())
	defer tick.Stop()
	for {
		r.sample(time.Now().UnixMilli())
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
			tick.Reset(r.period())
		case <-tick.C:
		}
	}
}

func (r *Recorder) sample(nowMs int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view(func(s *fsm.State) {
		keys, known := s.ChangesAfter(r.version)
		if known && r.scanned {
			for _, k := range keys {
				if p, ok := s.Point(k); ok && k.Kind == fsm.AI {
					r.ring.add(k, &p, nowMs)
				}
			}
		} else {
			for _, rtu := range s.PointRTUs() {
				for k, p := range s.Points(rtu) {
					if k.Kind == fsm.AI {
						r.ring.add(k, &p, nowMs)
					}
				}
			}
		}
		r.version, r.scanned = s.Version(), true
	})
}

// Read returns what is kept of a point, oldest first, beginning with what it said before if that is known, and from
// when on nothing is missing, in ms since 1970-01-01 UTC.
func (r *Recorder) Read(k fsm.PointKey, nowMs int64) (samples []Sample, completeFromMs int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := nowMs - r.shape.Length.Milliseconds()
	return r.ring.read(k, since), max(since, r.ring.completeFrom())
}
