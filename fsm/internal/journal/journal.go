// Package journal is the queue of events.
package journal

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"

	"github.com/fepha/fepha/fsm/internal/points"
)

// The journal is a queue of immutable events in chunks. When it is full, the RTU that has most in it loses its oldest: so
// what is dropped lies anywhere, and whoever reads passes over numbers that are no longer there. A chunk is filled from
// front to back and its events are never rewritten, so a snapshot shares them by remembering how far each was filled and
// what was dropped of it. Chunks that have become thin are put together.

// Bounds of how many events are retained.
const (
	DefaultRetain = 200_000
	MaxRetain     = 10_000_000
)

const (
	chunkEvents = 512
	thinChunks  = chunkEvents / 2 // so many events of two neighbours or fewer are put together
)

// Event is one record of the journal: a value of a point.
type Event struct {
	Seq     uint64
	RTU     uint32
	Point   uint32
	Kind    points.Kind
	Type    uint8 // TypeID
	Quality uint8
	// Transient tells of a step position that the equipment is on its way (7.2.6.5).
	Transient bool
	ElapsedMs uint16 // of protection equipment: relay duration or operating time (7.2.6.20)
	Value     float64
	Time      uint64 // octets of the CP56Time2a, first octet in the lowest byte
	TimeMs    int64  // the same instant, ms since 1970-01-01 UTC
}

// Key is the key of the point that the event is about.
func (e *Event) Key() points.Key { return points.Key{RTU: e.RTU, Kind: e.Kind, Point: e.Point} }

// Journal holds events up to number last. What it does follows from the events that it holds alone, not from how they lie
// in chunks: so it does not matter who made a snapshot when.
type Journal struct {
	retain uint64
	last   uint64 // newest number given, to an event or to an entry of the audit
	count  uint64 // events held
	chunks []*chunk
	shares shares
	age    age
}

// chunk is a piece of the journal. Only the last one may have nothing in it.
type chunk struct {
	first   uint64 // numbers of its first and last event, held or not
	last    uint64
	events  []Event                  // ascending; room for no more than chunkEvents
	next    []uint64                 // by event: the next one of its RTU; 0: none yet
	dropped [chunkEvents / 64]uint64 // bit by event
	held    int
}

// New returns an empty journal whose next event has the number next.
func New(next, retain uint64) *Journal {
	return &Journal{retain: retain, last: next - 1, shares: shares{byRTU: map[uint32]*share{}}}
}

// Last is the newest number given; 0 before the first.
func (j *Journal) Last() uint64 { return j.last }

// Count is the number of events held.
func (j *Journal) Count() uint64 { return j.count }

// Retain is how many events the journal is to hold at most.
func (j *Journal) Retain() uint64 { return j.retain }

// SetRetain changes that. What is too much then is for the caller to drop.
func (j *Journal) SetRetain(events uint64) { j.retain = events }

// Share is how many of the events held are of an RTU.
func (j *Journal) Share(rtu uint32) uint64 { return j.shares.of(rtu) }

// Part is each RTU's equal part, in events, of those that have any.
func (j *Journal) Part() uint64 { return j.retain / uint64(max(1, len(j.shares.largest))) }

// Number gives the next number to what is kept elsewhere.
func (j *Journal) Number() uint64 {
	j.last++
	return j.last
}

// Append adds an event and returns its number.
func (j *Journal) Append(e Event) uint64 {
	e.Seq = j.Number()
	j.Hold(e)
	return e.Seq
}

// Hold adds an event that has its number, which is above all that are held.
func (j *Journal) Hold(e Event) {
	n := len(j.chunks)
	if n == 0 || len(j.chunks[n-1].events) == chunkEvents {
		j.chunks = append(j.chunks, &chunk{events: make([]Event, 0, chunkEvents), next: make([]uint64, 0, chunkEvents)})
		if n > 0 {
			j.tidy(n - 1)
			n = len(j.chunks) - 1
		}
		n++
	}
	c := j.chunks[n-1]
	c.events, c.next = append(c.events, e), append(c.next, 0)
	if c.held++; len(c.events) == 1 {
		c.first = e.Seq
	}
	c.last = e.Seq
	j.count++
	j.shares.add(e.RTU, e.Seq, &c.next[len(c.next)-1])
}

// Full tells whether something has to go.
func (j *Journal) Full() bool { return j.count > j.retain }

// DropShare drops the oldest event of the RTU that has most, of equal ones that with the lowest number, and returns the
// event's number.
func (j *Journal) DropShare() uint64 { return j.drop(j.shares.largest[0]) }

// DropOldest drops the oldest event of all and returns its number.
func (j *Journal) DropOldest() uint64 {
	c := j.chunks[0]
	return j.drop(j.shares.byRTU[c.events[c.oldest()].RTU])
}

func (j *Journal) drop(sh *share) uint64 {
	seq := sh.oldest
	k := j.chunk(seq)
	c := j.chunks[k]
	i := c.find(seq)
	c.dropped[i/64] |= 1 << (i % 64)
	c.held--
	j.count--
	j.shares.remove(sh, c.next[i])
	j.tidy(k)
	return seq
}

// tidy puts a chunk together with a neighbour if both have become thin, so that the journal's room is bounded whatever is
// dropped of it. The last chunk is being filled, and left alone. There are never more such moves than chunks were begun,
// so they cost an event at most the copy of half another.
func (j *Journal) tidy(k int) {
	switch c := j.chunks[k]; {
	case k == len(j.chunks)-1:
	case c.held == 0:
		j.chunks = slices.Delete(j.chunks, k, k+1)
	case k > 0 && c.held+j.chunks[k-1].held <= thinChunks:
		j.join(k - 1)
	case k+1 < len(j.chunks)-1 && c.held+j.chunks[k+1].held <= thinChunks:
		j.join(k)
	}
}

// join replaces chunk k and the next one by one with what is held of both.
func (j *Journal) join(k int) {
	a, b := j.chunks[k], j.chunks[k+1]
	n := a.held + b.held
	c := &chunk{events: make([]Event, 0, n), next: make([]uint64, 0, n), held: n, first: a.first, last: b.last}
	for _, old := range []*chunk{a, b} {
		for i := range old.events {
			if old.gone(i) {
				continue
			}
			c.events, c.next = append(c.events, old.events[i]), append(c.next, old.next[i])
			if old.next[i] == 0 { // the newest of its RTU, which knows where its successor is to be noted
				j.shares.byRTU[old.events[i].RTU].next = &c.next[len(c.next)-1]
			}
		}
	}
	j.chunks[k] = c
	j.chunks = slices.Delete(j.chunks, k+1, k+2)
}

// chunk is the place of the chunk in which an event of this number would be: the first one that doesn't end before it.
func (j *Journal) chunk(seq uint64) int {
	if len(j.chunks) > 0 && j.chunks[0].last >= seq {
		return 0
	}
	return sort.Search(len(j.chunks), func(k int) bool { return j.chunks[k].last >= seq })
}

// find is the place of the first event that has this number or a higher one.
func (c *chunk) find(seq uint64) int {
	if seq <= c.first {
		return 0
	}
	if c.last-c.first == uint64(len(c.events)-1) { // no number is missing
		return int(min(seq-c.first, uint64(len(c.events))))
	}
	i, _ := slices.BinarySearchFunc(c.events, seq, func(e Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return i
}

func (c *chunk) gone(i int) bool { return c.dropped[i/64]&(1<<(i%64)) != 0 }

// oldest is the place of the oldest event held; there must be one.
func (c *chunk) oldest() int {
	for w, b := range c.dropped {
		if b != ^uint64(0) {
			return w*64 + bits.TrailingZeros64(^b)
		}
	}
	return len(c.events)
}

// heldFrom counts the events held from this place on.
func (c *chunk) heldFrom(i int) (n int) {
	for ; i < len(c.events) && i%64 != 0; i++ {
		if !c.gone(i) {
			n++
		}
	}
	for ; i < len(c.events); i += 64 {
		n += min(64, len(c.events)-i) - bits.OnesCount64(c.dropped[i/64])
	}
	return n
}

// Oldest is the number of the oldest event held; Last+1 if none is.
func (j *Journal) Oldest() uint64 {
	for _, c := range j.chunks {
		if c.held > 0 {
			return c.events[c.oldest()].Seq
		}
	}
	return j.last + 1
}

// After counts the events held that have a higher number.
func (j *Journal) After(seq uint64) (n uint64) {
	for k := len(j.chunks) - 1; k >= 0; k-- {
		c := j.chunks[k]
		if len(c.events) == 0 {
			continue
		}
		if c.first <= seq {
			return n + uint64(c.heldFrom(c.find(seq+1)))
		}
		n += uint64(c.held)
	}
	return n
}

// Before is the number after which the newest of these many events begin that are held before a number.
func (j *Journal) Before(seq uint64, n int) uint64 {
	for k := min(j.chunk(seq), len(j.chunks)-1); k >= 0; k-- {
		c := j.chunks[k]
		for i := len(c.events) - 1; i >= 0; i-- {
			switch {
			case c.gone(i) || c.events[i].Seq >= seq:
			case n == 0:
				return c.events[i].Seq
			default:
				n--
			}
		}
	}
	return 0
}

// Newest returns the newest n events of an RTU, oldest first. It looks at as many events as within, the newest of all RTUs.
func (j *Journal) Newest(rtu uint32, n, within int) (events []Event) {
	for k := len(j.chunks) - 1; k >= 0; k-- {
		c := j.chunks[k]
		for i := len(c.events) - 1; i >= 0; i-- {
			if within--; within < 0 || len(events) == n {
				slices.Reverse(events)
				return events
			}
			if c.events[i].RTU == rtu && !c.gone(i) {
				events = append(events, c.events[i])
			}
		}
	}
	slices.Reverse(events)
	return events
}

// Read copies the events after this number to dst.
func (j *Journal) Read(after uint64, dst []Event) []Event {
	if after >= j.last {
		return dst[:0]
	}
	n := 0
	for k := j.chunk(after + 1); k < len(j.chunks) && n < len(dst); k++ {
		c := j.chunks[k]
		if len(c.events) == 0 {
			break
		}
		i := c.find(after + 1)
		if c.held == len(c.events) {
			n += copy(dst[n:], c.events[i:])
			continue
		}
		for ; i < len(c.events) && n < len(dst); i++ {
			if !c.gone(i) {
				dst[n] = c.events[i]
				n++
			}
		}
	}
	return dst[:n]
}

// Freeze returns a copy that later appends and drops do not change. It can only be read.
func (j *Journal) Freeze() *Journal {
	frozen := &Journal{retain: j.retain, last: j.last, count: j.count, chunks: make([]*chunk, len(j.chunks))}
	copies := make([]chunk, len(j.chunks))
	for k, c := range j.chunks {
		copies[k] = chunk{first: c.first, last: c.last, events: c.events, dropped: c.dropped, held: c.held}
		frozen.chunks[k] = &copies[k]
	}
	return frozen
}
