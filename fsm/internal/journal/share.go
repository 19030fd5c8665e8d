package journal

import "slices"

// share is what an RTU has in the journal.
type share struct {
	rtu    uint32
	held   uint64
	oldest uint64  // number of its oldest event
	next   *uint64 // where the number of the one after its newest is to be noted
	place  int     // in shares.largest
}

// shares holds the share of each RTU that has events in the journal.
type shares struct {
	byRTU   map[uint32]*share
	largest []*share // a heap: the one that has most is first
	recent  *share   // that an event was added to last, unless it's gone: events come in batches of one RTU
}

func (s *shares) of(rtu uint32) uint64 {
	if sh := s.byRTU[rtu]; sh != nil {
		return sh.held
	}
	return 0
}

// add counts an event, and has it follow the RTU's newest one. next is where the number of its own successor is to be noted.
func (s *shares) add(rtu uint32, seq uint64, next *uint64) {
	sh := s.recent
	if sh == nil || sh.rtu != rtu {
		sh = s.byRTU[rtu]
	}
	if sh == nil {
		sh = &share{rtu: rtu, oldest: seq, place: len(s.largest)}
		s.byRTU[rtu] = sh
		s.largest = append(s.largest, sh)
	} else {
		*sh.next = seq
	}
	s.recent = sh
	sh.held++
	sh.next = next
	s.rise(sh.place)
}

// remove takes out the oldest event of a share; next is the one after it.
func (s *shares) remove(sh *share, next uint64) {
	sh.held--
	sh.oldest = next
	if sh.held > 0 {
		s.sink(sh.place)
		return
	}
	delete(s.byRTU, sh.rtu)
	s.recent = nil
	last := len(s.largest) - 1
	place := sh.place
	s.swap(place, last)
	s.largest = slices.Delete(s.largest, last, last+1)
	if place < last {
		s.sink(place)
		s.rise(place)
	}
}

// more tells which of two has most. There is an order even among equals, so that all nodes choose the same one.
func (s *shares) more(a, b int) bool {
	x, y := s.largest[a], s.largest[b]
	return x.held > y.held || x.held == y.held && x.rtu < y.rtu
}

func (s *shares) swap(a, b int) {
	s.largest[a], s.largest[b] = s.largest[b], s.largest[a]
	s.largest[a].place, s.largest[b].place = a, b
}

func (s *shares) rise(i int) {
	for i > 0 && s.more(i, (i-1)/2) {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (s *shares) sink(i int) {
	for {
		most := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s.largest); child++ {
			if s.more(child, most) {
				most = child
			}
		}
		if most == i {
			return
		}
		s.swap(i, most)
		i = most
	}
}
