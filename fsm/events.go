package fsm

import (
	"math"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// events applies a batch of an RTU's values: all of it, once, in order, and only from the RTU's owner. The owner
// acknowledges to the device what was applied, and nothing else.
func (s *State) events(at command.Stamp, op *fsmpb.Events) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	r := u.resource
	if bad := r.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	switch {
	case op.Batch == 0:
		return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: batch 0: batches are numbered from 1", r.ID))
	case op.Batch <= r.LastBatch:
		return r.About(command.Already())
	case op.Batch > r.LastBatch+1:
		return r.About(command.Refuse(fsmpb.Result_GAP, "%s: batch %d came after %d", r.ID, op.Batch, r.LastBatch))
	}
	for i, it := range op.Items {
		if why := s.faultOf(op.Rtu, it); why != "" {
			return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: batch %d, item %d, %s/%d: %s", r.ID, op.Batch, i, Kind(it.GetKind()), it.GetPoint(), why))
		}
	}
	for i, x := range op.Strays {
		if why := faultOfStray(x); why != "" {
			return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: batch %d, stray %d: %s", r.ID, op.Batch, i, why))
		}
	}
	for _, it := range op.Items {
		s.putItem(u, it)
	}
	s.keepStrays(u, op)
	r.LastBatch = op.Batch
	return r.About(command.Done())
}

// faultOf says why an item can't be stored.
func (s *State) faultOf(rtu uint32, it *fsmpb.Item) string {
	k := it.GetKind()
	switch {
	case k < 0 || k > math.MaxUint8 || !Kind(k).Monitored():
		return "expected a di, an ai, a counter or a bitstring"
	case it.Type == 0 || it.Type > math.MaxUint8:
		return "expected a TypeID of 1 to 255"
	case it.Quality > math.MaxUint8:
		return "expected a quality of one octet"
	case it.ElapsedMs > math.MaxUint16:
		return "expected an elapsed time of at most 65535 ms"
	case it.Mode < 0 || it.Mode > fsmpb.Item_OVERTAKEN:
		return "expected mode EVENT, COMPARE, IMAGE, INTERROGATED or OVERTAKEN"
	case s.virtual.isVirtual(PointKey{RTU: rtu, Kind: Kind(k), Point: it.Point}):
		return "it is a virtual point, which the station itself produces"
	}
	return ""
}

// putItem stores one value.
func (s *State) putItem(u *rtu, it *fsmpb.Item) {
	if o := u.overrides[pointID{Kind(it.Kind), it.Point}]; o != nil {
		o.takeBeneath(it)
		return
	}
	switch it.Mode {
	case fsmpb.Item_INTERROGATED:
		s.putInterrogated(u, it)
	case fsmpb.Item_OVERTAKEN:
		s.putOvertaken(u, it)
	case fsmpb.Item_COMPARE:
		s.putCompared(u, it)
	case fsmpb.Item_IMAGE:
		s.image.Put(PointKey{RTU: u.number, Kind: Kind(it.Kind), Point: it.Point}).Set(it)
		s.saw(eventOf(u.number, it), 0)
	default:
		s.putEvent(u, it)
	}
}

// putEvent stores a value in the image and in the journal.
func (s *State) putEvent(u *rtu, it *fsmpb.Item) {
	rec := s.image.Put(PointKey{RTU: u.number, Kind: Kind(it.Kind), Point: it.Point})
	rec.Set(it)
	rec.Told(s.appendSeen(eventOf(u.number, it)))
	delete(u.untold, pointID{rec.Kind(), rec.Point()})
}

// putCompared stores a value as an event, but for one that is what was told last, or only topical again. What was told last leaves
// the image untouched, time tag included: the tag tells when the value was taken on, and readers of changes have nothing to do.
func (s *State) putCompared(u *rtu, it *fsmpb.Item) {
	ri, id := s.image.RTU(u.number), pointID{Kind(it.Kind), it.Point}
	if pos, known := ri.Find(id.kind, id.point); known {
		told, kept := u.toldLast(id, ri.At(pos))
		again := told.BecomesTopical(id.kind, informationOf(it))
		if again || told.Same(id.kind, informationOf(it)) {
			if again || kept {
				s.image.Write(u.number, ri, pos).Set(it)
				delete(u.untold, id)
			}
			return
		}
	}
	s.putEvent(u, it)
}

func eventOf(rtu uint32, it *fsmpb.Item) Event {
	return Event{
		RTU: rtu, Point: it.Point, Kind: Kind(it.Kind), Type: uint8(it.Type), Quality: uint8(it.Quality),
		Transient: it.Transient, ElapsedMs: uint16(it.ElapsedMs), Value: it.Value, Time: it.Time, TimeMs: it.TimeMs,
	}
}
