package iec104

import (
	"fmt"
	"sync"

	"github.com/fepha/fepha/iec104/asdu"
)

// Source feeds one started link: it is asked for the next ASDU only while the
// window has room, so that nothing waits in memory below the application, and
// the application decides the order up to the last moment.
//
// The link calls its methods one at a time. None of them may block or wait
// for the link; they may call [Session.Wake], [Session.Send] and
// [Session.Ack].
type Source interface {
	// Next returns the next ASDU and an index that Acked will report; indices
	// grow in the order of sending. The ASDU is encoded before Next is called
	// again, so it may alias a buffer that is used anew. With ok false there is
	// nothing now: [Session.Wake] makes the link ask again.
	Next() (a asdu.ASDU, index uint64, ok bool)

	// Acked tells that the peer has acknowledged everything up to and
	// including the ASDU with this index; several may be told in one call.
	Acked(index uint64)

	// Stopped is the last call: the link was stopped or lost. What was not
	// acknowledged was perhaps not received and has to be sent again on the
	// next started link.
	Stopped(err error)
}

// Queue is a bounded Source in memory: what was not acknowledged is kept when
// a link ends and goes first on the next one, in order. It feeds one started
// link at a time, as a Group has.
type Queue struct {
	mu      sync.Mutex
	size    int
	asdus   []asdu.ASDU // not acknowledged
	next    int         // of these, the next one to send
	base    uint64      // index of asdus[0]
	session *Session
}

// NewQueue makes a queue for at most size ASDUs, unacknowledged ones included.
func NewQueue(size int) *Queue { return &Queue{size: size, base: 1} }

// Push appends a copy of the ASDU. A full queue returns ErrNoRoom and takes
// nothing, so nothing is dropped silently.
func (q *Queue) Push(a asdu.ASDU) error {
	q.mu.Lock()
	if len(q.asdus) >= q.size {
		q.mu.Unlock()
		return fmt.Errorf("%w: %d ASDUs are not acknowledged", ErrNoRoom, q.size)
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

func (q *queueSource) Next() (a asdu.ASDU, index uint64, ok bool) {
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
