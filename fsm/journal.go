package fsm

// The journal is a queue of immutable events in chunks. A chunk is filled from front to back and never rewritten, so a
// snapshot shares all chunks, the unfinished one included, by remembering how far each was filled.

const (
	chunkEvents   = 512
	defaultRetain = 200_000
	maxRetain     = 10_000_000
)

// Event is one record of the journal.
type Event struct {
	Seq     uint64
	RTU     uint32
	Point   uint32
	Kind    Kind
	Type    uint8 // TypeID
	Quality uint8
	// Transient tells of a step position that the equipment is on its way (7.2.6.5).
	Transient bool
	ElapsedMs uint16 // of protection equipment: relay duration or operating time (7.2.6.20)
	Value     float64
	Time      uint64 // octets of the CP56Time2a, first octet in the lowest byte
	TimeMs    int64  // the same instant, ms since 1970-01-01 UTC
	Note      *Note  // of an audit event, which is for people and never forwarded; nil for a point's event
}

// Key is the key of the point that the event is about.
func (e *Event) Key() PointKey { return PointKey{RTU: e.RTU, Kind: e.Kind, Point: e.Point} }

type eventChunk [chunkEvents]Event

// journal holds the events first to last. Event n is in chunk (n-1)/chunkEvents, whatever was dropped before: so a
// restored journal is cut into the same chunks as the one it was made from.
type journal struct {
	retain uint64
	first  uint64 // oldest kept; last+1 if none is
	last   uint64
	base   uint64 // number of the chunk in chunks[0]
	chunks []*eventChunk

	counted   uint64 // what was dropped before this event is in the groups' counts
	unsettled bool   // a cursor or the retention changed since the groups' counts were made
}

// newJournal returns an empty journal whose next event has the number next.
func newJournal(next, retain uint64) journal {
	return journal{retain: retain, first: next, last: next - 1, base: (next - 1) / chunkEvents, counted: next}
}

// append adds an event, drops the oldest beyond the retention, and returns the event's number.
func (j *journal) append(e Event) uint64 {
	j.last++
	e.Seq = j.last
	i := (j.last - 1) / chunkEvents
	if i-j.base == uint64(len(j.chunks)) {
		j.chunks = append(j.chunks, new(eventChunk))
	}
	j.chunks[i-j.base][(j.last-1)%chunkEvents] = e
	j.trim()
	return e.Seq
}

// trim drops what is beyond the retention. It depends on the numbers alone, so it does not matter who made a snapshot
// when.
func (j *journal) trim() {
	if j.last-j.first+1 <= j.retain {
		return
	}
	j.first = j.last - j.retain + 1
	for (j.first-1)/chunkEvents > j.base {
		j.chunks[0] = nil // the slice is shared with no snapshot, and the array behind it would keep the chunk alive
		j.chunks = j.chunks[1:]
		j.base++
	}
}

func (j *journal) at(seq uint64) *Event {
	return &j.chunks[(seq-1)/chunkEvents-j.base][(seq-1)%chunkEvents]
}

// read copies the events after this number to dst.
func (j *journal) read(after uint64, dst []Event) []Event {
	next := max(after+1, j.first)
	if after >= j.last {
		return dst[:0]
	}
	n := 0
	for n < len(dst) && next <= j.last {
		k := (next - 1) % chunkEvents
		most := min(chunkEvents-k, j.last-next+1)
		c := copy(dst[n:], j.chunks[(next-1)/chunkEvents-j.base][k:k+most])
		n += c
		next += uint64(c)
	}
	return dst[:n]
}

// freeze returns a copy that later appends and drops do not change.
func (j *journal) freeze() journal {
	frozen := *j
	frozen.chunks = append([]*eventChunk(nil), j.chunks...)
	return frozen
}

// JournalFirst is the number of the oldest event kept. It is JournalLast+1 if none is.
func (s *State) JournalFirst() uint64 { return s.journal.first }

// JournalLast is the number of the newest event; 0 before the first.
func (s *State) JournalLast() uint64 { return s.journal.last }

// ReadJournal fills dst with the events after this number, oldest first, and returns the part that it filled. If the
// next ones were dropped it goes on with the oldest kept: the first event's Seq shows the gap.
func (s *State) ReadJournal(after uint64, dst []Event) []Event { return s.journal.read(after, dst) }
