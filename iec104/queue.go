package iec104

// Queue is a bounded Source in memory: what was not acknowledged is kept when
// a link ends and goes first on the next one. The zero Queue is not ready, see
// NewQueue. It feeds one started link at a time.
type Queue struct{}

// NewQueue makes a queue for at most size ASDUs, unacknowledged ones included.
func NewQueue(size int) *Queue { return &Queue{} }

// Push appends a copy of the ASDU. A full queue returns ErrFull and takes
// nothing: nothing is ever dropped silently.
func (q *Queue) Push(a ASDU) error { return nil }

// Len is the number of ASDUs that are not acknowledged yet.
func (q *Queue) Len() int { return 0 }

// Source returns the queue as the Source of a session: the function of
// Group.Source.
func (q *Queue) Source(s *Session) Source { return nil }
