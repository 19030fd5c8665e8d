package fsm

import (
	"maps"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// An interrogation's answer may overtake events that the device still has to send. So what it changes goes into the image at
// once, and what the journal has told last is kept beside it until the device's backlog has ended: then each point that still
// differs becomes one event. It is in the state, so an owner that dies meanwhile leaves nothing untold.

// pointID identifies a point of an RTU.
type pointID struct {
	kind  Kind
	point uint32
}

// information is what a value says, and since when.
type information struct {
	value           float64
	typeID, quality uint8
	transient       bool
	timeMs          int64 // ms since 1970-01-01 UTC
}

func (r *pointRecord) information() information {
	return information{r.value, r.typeID, r.quality, r.transient, r.timeMs}
}

func informationOf(it *fsmpb.Item) information {
	return information{it.Value, uint8(it.Type), uint8(it.Quality), it.Transient, it.TimeMs}
}

// same tells whether both say the same of a point, whenever. Devices send a point as one type when it changes and as another when they
// are interrogated; 1 is on of a single point, but off of a double one.
func (a information) same(kind Kind, b information) bool {
	va, vb, qa, qb := a.value, b.value, a.quality, b.quality
	if kind == DI {
		va, vb = comparableState(a.typeID, va), comparableState(b.typeID, vb)
		if protectionEvent(a.typeID) != protectionEvent(b.typeID) { // the elapsed time, of which EI tells, is in only one of them
			qa, qb = qa&^qualityElapsed, qb&^qualityElapsed
		}
	}
	return qa == qb && a.transient == b.transient && math.Float64bits(va) == math.Float64bits(vb)
}

// becomesTopical tells whether b says nothing new but that the value is topical again.
func (a information) becomesTopical(kind Kind, b information) bool {
	if a.quality&notTopicalBit(a.typeID) == 0 || b.quality&notTopicalBit(b.typeID) != 0 {
		return false
	}
	a.quality &^= notTopicalBit(a.typeID)
	return a.same(kind, b)
}

// Untold tells whether an interrogation has changed a point since the journal told of it.
func (s *State) Untold(k PointKey) bool {
	u := s.rtus[k.RTU]
	if u == nil {
		return false
	}
	_, untold := u.untold[pointID{k.Kind, k.Point}]
	return untold
}

// UntoldCount is how many points of an RTU are untold.
func (s *State) UntoldCount(rtu uint32) int {
	if u := s.rtus[rtu]; u != nil {
		return len(u.untold)
	}
	return 0
}

// keepTold keeps what the journal told last of a point.
func (u *rtu) keepTold(id pointID, told information) {
	if u.untold == nil {
		u.untold = map[pointID]information{}
	}
	u.untold[id] = told
}

// toldLast is what the journal told last of a point, as far as it matters: what the image holds, if no interrogation has
// changed that since.
func (u *rtu) toldLast(id pointID, rec *pointRecord) (told information, kept bool) {
	if told, kept = u.untold[id]; kept {
		return told, true
	}
	return rec.information(), false
}

// putInterrogated stores the answer to an interrogation.
func (s *State) putInterrogated(u *rtu, it *fsmpb.Item) {
	ri, id := s.image.rtu(u.number), pointID{Kind(it.Kind), it.Point}
	pos, known := ri.find(id.kind, id.point)
	if !known {
		s.image.write(u.number, ri, s.image.add(ri, id.kind, id.point)).set(it)
		return
	}
	now := informationOf(it)
	told, kept := u.toldLast(id, ri.at(pos))
	switch {
	case told.same(id.kind, now):
		delete(u.untold, id)
		if !kept { // the image holds it, and since when
			return
		}
	case told.becomesTopical(id.kind, now):
		delete(u.untold, id)
	default:
		u.keepTold(id, told)
		if ri.at(pos).information().same(id.kind, now) {
			return
		}
	}
	s.image.write(u.number, ri, pos).set(it)
}

// putOvertaken stores an event that is older than what was interrogated since.
func (s *State) putOvertaken(u *rtu, it *fsmpb.Item) {
	ri, id := s.image.rtu(u.number), pointID{Kind(it.Kind), it.Point}
	pos, known := ri.find(id.kind, id.point)
	if !known {
		s.putEvent(u, it)
		return
	}
	rec := s.image.write(u.number, ri, pos)
	rec.seq = s.append(eventOf(u.number, it))
	if told := informationOf(it); rec.information().same(id.kind, told) {
		delete(u.untold, id)
	} else {
		u.keepTold(id, told)
	}
}

// endBacklog makes an event of each point that an interrogation has changed and the device's own events have not told.
func (s *State) endBacklog(at command.Stamp, op *fsmpb.BacklogEnd) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	r := u.resource
	if bad := fence(r, op.Epoch, at.Node); bad != nil {
		return bad
	}
	if len(u.untold) == 0 {
		return about(r, command.Already())
	}
	ri := s.image.rtu(u.number)
	for _, id := range u.untoldIDs() {
		pos, known := ri.find(id.kind, id.point)
		if !known {
			continue
		}
		rec := s.image.write(u.number, ri, pos)
		if rec.timeMs < u.untold[id].timeMs { // it became so after what was told
			rec.time, rec.timeMs = at.CP56|substitutedTime, at.Ms
		}
		rec.told(s.append(Event{
			RTU: u.number, Point: id.point, Kind: id.kind, Type: rec.typeID, Quality: rec.quality, Transient: rec.transient,
			Value: rec.value, Time: rec.time, TimeMs: rec.timeMs,
		}))
	}
	u.untold = nil
	return about(r, command.Done())
}

// untoldIDs are the untold points, in order.
func (u *rtu) untoldIDs() []pointID {
	return slices.SortedFunc(maps.Keys(u.untold), comparePointIDs)
}

// untoldProto is for a snapshot.
func (u *rtu) untoldProto() (list []*fsmpb.RTUState_Untold) {
	for _, id := range u.untoldIDs() {
		told := u.untold[id]
		list = append(list, &fsmpb.RTUState_Untold{
			Kind: id.kind.Proto(), Point: id.point, Type: uint32(told.typeID), Value: told.value, Quality: uint32(told.quality),
			Transient: told.transient, TimeMs: told.timeMs,
		})
	}
	return list
}
