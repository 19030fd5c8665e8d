package trend

import (
	"context"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
)

const period = time.Second

// View gives the replicated state to read.
type View func(read func(s *fsm.State))

// Recorder samples a node's state.
type Recorder struct {
	view View

	mu      sync.Mutex
	ring    *ring
	version uint64 // of the image that was sampled last
	scanned bool   // whether it ever was
}

// New makes a recorder; Run has it record.
func New(view View) *Recorder {
	return &Recorder{view: view, ring: newRing(Samples, time.Now().UnixMilli())}
}

// Run records until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		r.sample(time.Now().UnixMilli())
		select {
		case <-ctx.Done():
			return nil
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

// Read returns what is kept of a point's last hour, oldest first, beginning with what it said before if that is known, and from
// when on nothing is missing, in ms since 1970-01-01 UTC.
func (r *Recorder) Read(k fsm.PointKey, nowMs int64) (samples []Sample, completeFromMs int64) {
	since := nowMs - Span.Milliseconds()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ring.read(k, since), max(since, r.ring.completeFrom())
}
