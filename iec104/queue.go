package iec104

import (
	"fmt"
	"sync"
)

// Queue is a bounded Source in memory: what was not acknowledged is kept when
// a link ends and goes first on the next one, in order. It feeds one started
// link at a time, as a Group has.
type Queue struct {
	mu      sync.Mutex
	size    int
	asdus   []ASDU // not acknowledged
	next    int    // of these, the next one to send
	base    uint64 // index of asdus[0]
	session *Session
}

// NewQueue makes a queue for at most size ASDUs, unacknowledged ones included.
func NewQueue(size int) *Queue { return &Queue{size: size, base: 1} }

// Push appends a copy of the ASDU. A full queue returns ErrFull and takes
// nothing, so nothing is dropped silently.
func (q *Queue) Push(a ASDU) error {
	q.mu.Lock()
	if len(q.asdus) >= q.size {
		q.mu.Unlock()
		return fmt.Errorf("%w: %d ASDUs are not acknowledged", ErrFull, q.size)
	}
	q.asdus = append(q.asdus, a.Clone())
	s := q.session
	q.mu.Unlock()
	if s != nil {
		s.Wake()
	}
	return nil
}

// Len is the number of ASDUs that are not acknowledged.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.asdus)
}

// Source makes the queue the Source of a session: it is a Group.Source.
func (q *Queue) Source(s *Session) Source {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.session = s
	return (*queueSource)(q)
}

// queueSource hides the methods that only a link may call.
type queueSource Queue

func (q *queueSource) Next() (a ASDU, index uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == len(q.asdus) {
		return a, 0, false
	}
	q.next++
	return q.asdus[q.next-1], q.base + uint64(q.next-1), true
}

func (q *queueSource) Acked(index uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := int(index + 1 - q.base)
	clear(q.asdus[:n])
	q.asdus = q.asdus[n:]
	q.next -= n
	q.base += uint64(n)
}

func (q *queueSource) Stopped(error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next, q.session = 0, nil
}
