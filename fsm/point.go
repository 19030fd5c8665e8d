package fsm

import (
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Points of the image: how they are read, and forgotten.

// Point returns the newest value of a point.
func (s *State) Point(k PointKey) (Point, bool) {
	rec, ok := s.image.Find(k)
	if !ok {
		return Point{}, false
	}
	return rec.Public(), true
}

// Points ranges over the points of an RTU in the order in which they were first seen, virtual points of that RTU
// included. The state must not change meanwhile.
func (s *State) Points(rtu uint32) iter.Seq2[PointKey, Point] {
	return func(yield func(PointKey, Point) bool) {
		ri := s.image.Of(rtu)
		if ri == nil {
			return
		}
		for pos := range ri.Len() {
			rec := ri.At(pos)
			if !yield(PointKey{RTU: rtu, Kind: rec.Kind(), Point: rec.Point()}, rec.Public()) {
				return
			}
		}
	}
}

// PointRTUs returns the numbers of the RTUs, real and virtual, that have points in the image, ascending.
func (s *State) PointRTUs() []uint32 { return s.image.RTUs() }

// PointCount is the number of points in the image.
func (s *State) PointCount() int { return s.image.Count() }

// Version counts the changes of points.
func (s *State) Version() uint64 { return s.image.Version() }

// ChangesAfter returns the keys of the points that changed after this version, each once, the newest change last. Not
// ok: that is more than 65,536 changes ago, before a restore, or before points vanished; scan all.
func (s *State) ChangesAfter(version uint64) (keys []PointKey, ok bool) {
	return s.image.ChangesAfter(version)
}

// forget takes points out of the image that an RTU's table no longer has: else it would hold whatever was ever
// configured. Events of theirs stay in the journal.
func (s *State) forget(at command.Stamp, op *fsmpb.Forget) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	r := u.resource
	if bad := r.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	gone := make(map[PointKey]bool, len(op.Points))
	for _, p := range op.Points {
		k := PointKey{RTU: op.Rtu, Kind: Kind(p.GetKind()), Point: p.GetPoint()}
		if _, there := s.image.Find(k); there && !s.virtual.isVirtual(k) {
			gone[k] = true
		}
	}
	if len(gone) == 0 {
		return r.About(command.Already())
	}
	for k := range gone {
		delete(u.untold, pointID{k.Kind, k.Point})
		delete(u.overrides, pointID{k.Kind, k.Point})
	}
	s.image.Retain(op.Rtu, func(kind Kind, point uint32) bool { return !gone[PointKey{RTU: op.Rtu, Kind: kind, Point: point}] })
	// For readers it's another configuration: only after one do they look for what is no longer there.
	s.config = proto.CloneOf(s.config)
	s.rev.Config++
	return r.About(command.Done())
}
