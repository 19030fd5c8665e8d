package fsm

import (
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/image"
	"github.com/fepha/fepha/fsm/internal/points"
)

// What nobody vouches for any more is not topical (NT). Of an RTU that goes off line that is an event. After an outage of the
// whole station, and of a device that doesn't answer, it's told as a value: such points are many, and their events would push
// out of the journal what control centres still have to get.

// setOnline notes that an RTU is on some channel of some node, or on none. Off line, its points turn not topical, once;
// that of a DI is an event. On line again, values become topical one by one, as they arrive.
func (s *State) setOnline(at command.Stamp, op *fsmpb.Online) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	r := u.resource
	if op.Epoch != 0 && op.Epoch != r.Epoch {
		return r.About(command.Refuse(fsmpb.Result_STALE_EPOCH, "%s: epoch %d, it is in epoch %d of %q", r.ID, op.Epoch, r.Epoch, r.Owner))
	}
	if u.online == op.Online {
		return r.About(command.Already())
	}
	if !op.Online {
		if node := u.activeOn(); node != "" { // it came back while this was on its way
			return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: it has an active link on %q", r.ID, node))
		}
	}
	u.online, u.onlineSinceMs = op.Online, at.Ms
	s.rev.Online++
	s.note(at, &Note{Kind: NoteOnline, Resource: r.ID, Epoch: r.Epoch, To: r.Owner, OK: op.Online})
	if !op.Online {
		s.spoil(at, u)
	}
	return r.About(command.Done())
}

// spoil marks all points of an RTU as not topical, but for the virtual ones.
func (s *State) spoil(at command.Stamp, u *rtu) {
	number := u.number
	ri := s.image.Of(number)
	if ri == nil {
		return
	}
	for pos := range ri.Len() {
		rec := ri.At(pos)
		if o := u.overrides[pointID{rec.Kind(), rec.Point()}]; o != nil {
			o.spoil(at)
			continue
		}
		bit := points.NotTopicalBit(rec.Type)
		if rec.Quality&bit != 0 || s.virtual.isVirtual(PointKey{RTU: number, Kind: rec.Kind(), Point: rec.Point()}) {
			continue
		}
		rec = s.image.Write(number, ri, pos)
		rec.Quality |= bit
		rec.Time, rec.TimeMs = at.CP56|points.SubstitutedTime, at.Ms
		if rec.Kind() == DI {
			delete(u.untold, pointID{DI, rec.Point()})
			rec.Told(s.append(Event{
				RTU: number, Point: rec.Point(), Kind: DI, Type: rec.Type, Quality: rec.Quality,
				Value: rec.Value, Time: rec.Time, TimeMs: rec.TimeMs,
			}))
		}
	}
}

// outage makes all points not topical: whatever the image holds is of before.
func (s *State) outage(at command.Stamp) *fsmpb.Result {
	s.rev.Outages++
	for _, number := range s.image.RTUs() {
		ri := s.image.Of(number)
		for pos := range ri.Len() {
			s.doubt(at, number, ri, pos)
		}
	}
	return command.Done()
}

// notTopical makes some points not topical.
func (s *State) notTopical(at command.Stamp, op *fsmpb.NotTopical) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	if bad := u.resource.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	changed := false
	if ri := s.image.Of(op.Rtu); ri != nil {
		for _, p := range op.Points {
			if pos, known := ri.Find(Kind(p.GetKind()), p.GetPoint()); known {
				changed = s.doubt(at, op.Rtu, ri, pos) || changed
			}
		}
	}
	if !changed {
		return u.resource.About(command.Already())
	}
	return u.resource.About(command.Done())
}

// doubt makes a point not topical, to be told as a value; false if it's virtual, or not topical already.
func (s *State) doubt(at command.Stamp, number uint32, ri *image.RTU, pos int) bool {
	rec := ri.At(pos)
	if o, overridden := s.overridden(PointKey{RTU: number, Kind: rec.Kind(), Point: rec.Point()}); overridden {
		return o.spoil(at)
	}
	bit := points.NotTopicalBit(rec.Type)
	if rec.Quality&bit != 0 || s.virtual.isVirtual(PointKey{RTU: number, Kind: rec.Kind(), Point: rec.Point()}) {
		return false
	}
	rec = s.image.Write(number, ri, pos)
	rec.Quality |= bit
	rec.Time, rec.TimeMs = at.CP56|points.SubstitutedTime, at.Ms
	rec.AsValue = true
	return true
}
