package iec104

import (
	"maps"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// selections are the selected objects of a station (101, clause 7.4.4). It is
// deterministic: readings of a monotonic clock go in.
//
// A selection that has run out or was cancelled is remembered for as long as
// it could have held, so that an execute command that comes too late is not
// taken for a direct one.
type selections struct {
	timeout time.Duration
	held    map[selectionKey]selection
}

type selectionKey struct {
	ca  asdu.CommonAddress
	ioa asdu.InformationObjectAddress
}

// order is what a selection and its execution must agree in.
type order struct {
	t         asdu.TypeID
	value     float64
	qualifier uint8 // without S/E
}

func orderOf(t asdu.TypeID, o asdu.Object) order {
	return order{t, o.Value, o.Qualifier &^ asdu.SelectBit}
}

// holder is who selected.
type holder interface {
	current() bool // the link has not been stopped since
}

// linkStart is a session from a start to the next stop.
type linkStart struct {
	session *Session
	turn    uint64
}

func (l linkStart) current() bool { return l.session.turnNow() == l.turn }

type selection struct {
	by    holder
	order order
	until time.Duration
	over  bool // cancelled, or executed otherwise than selected
}

// holds reports whether the selection stands.
func (s selection) holds(now time.Duration) bool {
	return !s.over && now < s.until && s.by.current()
}

// choose selects an object. One that another link has selected is refused.
func (s *selections) choose(now time.Duration, by holder, key selectionKey, o order) bool {
	maps.DeleteFunc(s.held, func(_ selectionKey, old selection) bool {
		return now >= old.until+s.timeout || !old.by.current()
	})
	if old, ok := s.held[key]; ok && old.by != by && old.holds(now) {
		return false
	}
	if s.held == nil {
		s.held = make(map[selectionKey]selection)
	}
	s.held[key] = selection{by: by, order: o, until: now + s.timeout}
	return true
}

// execute reports whether an object may be operated, and ends its selection.
func (s *selections) execute(now time.Duration, by holder, key selectionKey, o order, required bool) bool {
	old, ok := s.held[key]
	switch {
	case !ok:
		return !required
	case !old.holds(now):
		late := old.by == by && old.by.current() && now < old.until+s.timeout
		return !late && !required
	case old.by != by:
		return false
	case old.order != o:
		s.end(now, key, old)
		return false
	}
	delete(s.held, key)
	return true
}

// cancel takes back a selection, and reports whether there was one.
func (s *selections) cancel(now time.Duration, by holder, key selectionKey) bool {
	old, ok := s.held[key]
	if !ok || old.by != by || !old.holds(now) {
		return false
	}
	s.end(now, key, old)
	return true
}

func (s *selections) end(now time.Duration, key selectionKey, old selection) {
	old.over, old.until = true, now
	s.held[key] = old
}
