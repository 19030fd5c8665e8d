package fsm

import (
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/image"
	"github.com/fepha/fepha/fsm/internal/points"
)

// An interrogation's answer may overtake events that the device still has to send. So what it changes goes into the image at
// once, and what the journal has told last is kept beside it until the device's backlog has ended: then each point that still
// differs becomes one event. It is in the state, so an owner that dies meanwhile leaves nothing untold.

// pointID identifies a point of an RTU.
type pointID struct {
	kind  Kind
	point uint32
}

func informationOf(it *fsmpb.Item) points.Information {
	return points.Information{Value: it.Value, Type: uint8(it.Type), Quality: uint8(it.Quality), Transient: it.Transient, TimeMs: it.TimeMs}
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
func (u *rtu) keepTold(id pointID, told points.Information) {
	if u.untold == nil {
		u.untold = map[pointID]points.Information{}
	}
	u.untold[id] = told
}

// toldLast is what the journal told last of a point, as far as it matters: what the image holds, if no interrogation has
// changed that since.
func (u *rtu) toldLast(id pointID, rec *image.Record) (told points.Information, kept bool) {
	if told, kept = u.untold[id]; kept {
		return told, true
	}
	return rec.Information(), false
}

// putInterrogated stores the answer to an interrogation.
func (s *State) putInterrogated(u *rtu, it *fsmpb.Item) {
	ri, id := s.image.RTU(u.number), pointID{Kind(it.Kind), it.Point}
	pos, known := ri.Find(id.kind, id.point)
	if !known {
		s.image.Write(u.number, ri, s.image.Add(ri, id.kind, id.point)).Set(it)
		return
	}
	now := informationOf(it)
	told, kept := u.toldLast(id, ri.At(pos))
	switch {
	case told.Same(id.kind, now):
		delete(u.untold, id)
		if !kept { // the image holds it, and since when
			return
		}
	case told.BecomesTopical(id.kind, now):
		delete(u.untold, id)
	default:
		u.keepTold(id, told)
		if ri.At(pos).Information().Same(id.kind, now) {
			return
		}
	}
	s.image.Write(u.number, ri, pos).Set(it)
}

// putOvertaken stores an event that is older than what was interrogated since.
func (s *State) putOvertaken(u *rtu, it *fsmpb.Item) {
	ri, id := s.image.RTU(u.number), pointID{Kind(it.Kind), it.Point}
	pos, known := ri.Find(id.kind, id.point)
	if !known {
		s.putEvent(u, it)
		return
	}
	rec := s.image.Write(u.number, ri, pos)
	rec.Seq = s.appendSeen(eventOf(u.number, it))
	if told := informationOf(it); rec.Information().Same(id.kind, told) {
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
	if bad := r.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	if len(u.untold) == 0 {
		return r.About(command.Already())
	}
	ri := s.image.RTU(u.number)
	for _, id := range u.untoldIDs() {
		pos, known := ri.Find(id.kind, id.point)
		if !known {
			continue
		}
		rec := s.image.Write(u.number, ri, pos)
		if rec.TimeMs < u.untold[id].TimeMs { // it became so after what was told
			rec.Time, rec.TimeMs = at.CP56|points.SubstitutedTime, at.Ms
		}
		rec.Told(s.appendSeen(Event{
			RTU: u.number, Point: id.point, Kind: id.kind, Type: rec.Type, Quality: rec.Quality, Transient: rec.Transient,
			Value: rec.Value, Time: rec.Time, TimeMs: rec.TimeMs,
		}))
	}
	u.untold = nil
	return r.About(command.Done())
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
			Kind: id.kind.Proto(), Point: id.point, Type: uint32(told.Type), Value: told.Value, Quality: uint32(told.Quality),
			Transient: told.Transient, TimeMs: told.TimeMs,
		})
	}
	return list
}
