package trend

import (
	"time"
	"unsafe"

	"github.com/fepha/fepha/fsm"
)

// Shape is for how long the course of a point is kept, and how often it is sampled.
type Shape struct {
	Length time.Duration
	Period time.Duration // 1 s at least
}

// Usual is the shape unless somebody asks for another.
var Usual = Shape{time.Hour, time.Second}

// usualSamples is how many changes are kept of all points together in the usual shape.
const usualSamples = 1 << 20

// Samples is how many changes are kept of all points together: what lasts for the length at 290 changes a period.
func (s Shape) Samples() int {
	return int(usualSamples * (s.Length / s.Period) / (Usual.Length / Usual.Period))
}

// Memory is what the changes take, octets.
func (s Shape) Memory() int64 { return int64(s.Samples()) * sampleSize }

// Sample is what a point said from an instant on.
type Sample struct {
	TimeMs  int64 // ms since 1970-01-01 UTC, by this node's clock, when the change was seen
	Value   float64
	Quality uint8
}

// sampleSize is what a kept takes, octets.
const sampleSize = int64(unsafe.Sizeof(kept{}))

// kept is a sample, and where the point's one before it is.
type kept struct {
	before uint64 // its number; 0: there is none
	value  float64
	second uint32 // since the ring's beginning
	q      uint8
}

// ring holds the newest samples. They are numbered from 1; number n is at (n-1) modulo its size.
type ring struct {
	size    uint64
	samples []kept // grows up to size
	written uint64
	beganMs int64
	newest  map[fsm.PointKey]uint64 // number of each point's newest sample, which may be gone
}

func newRing(size int, nowMs int64) *ring {
	return &ring{size: uint64(size), beganMs: nowMs, newest: map[fsm.PointKey]uint64{}}
}

func (r *ring) at(n uint64) *kept { return &r.samples[(n-1)%r.size] }

// there tells whether a sample is still kept.
func (r *ring) there(n uint64) bool { return n > 0 && n+r.size > r.written }

// add notes what a point says now, unless it said so before.
func (r *ring) add(k fsm.PointKey, p *fsm.Point, nowMs int64) {
	last := r.newest[k]
	if r.there(last) {
		if s := r.at(last); s.value == p.Value && s.q == p.Quality {
			return
		}
	} else {
		last = 0
	}
	s := kept{before: last, value: p.Value, q: p.Quality, second: uint32((nowMs - r.beganMs) / 1000)}
	r.written++
	if uint64(len(r.samples)) < r.size {
		r.samples = append(r.samples, s)
	} else {
		*r.at(r.written) = s
	}
	r.newest[k] = r.written
}

func (r *ring) msOf(s *kept) int64 { return r.beganMs + int64(s.second)*1000 }

// completeFrom is from when on all changes are kept.
func (r *ring) completeFrom() int64 {
	if r.written <= r.size {
		return r.beganMs
	}
	return r.msOf(r.at(r.written + 1)) // the oldest one's place is the next to be written
}

// read returns the samples of a point since an instant, oldest first, and the one before them if it's kept.
func (r *ring) read(k fsm.PointKey, sinceMs int64) (samples []Sample) {
	for n := r.newest[k]; r.there(n); {
		s := r.at(n)
		samples = append(samples, Sample{r.msOf(s), s.value, s.q})
		if r.msOf(s) <= sinceMs {
			break
		}
		n = s.before
	}
	for i, j := 0, len(samples)-1; i < j; i, j = i+1, j-1 {
		samples[i], samples[j] = samples[j], samples[i]
	}
	return samples
}
