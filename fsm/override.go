package fsm

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/image"
	"github.com/fepha/fepha/fsm/internal/points"
)

// Overrides: points that an operator has blocked, or to which he has given a value by hand. The image then holds what he
// wants to be seen, so everybody who reads it sees that, marked with BL or SB (IEC 60870-5-101, 7.2.6.1 and 7.2.6.3). What the
// device says meanwhile is kept beneath, and is in force again with one event when the override is taken back.

// maxOverrides is how many points of a station may be overridden at a time.
const maxOverrides = 1000

// OverrideMode is what was done to a point.
type OverrideMode uint8

// The modes, with the numbers of [fsmpb.Override_Mode].
const (
	NoOverride  OverrideMode = iota
	Blocked                  // it keeps the value that it had
	Substituted              // it has a value that an operator gave it
)

var overrideNames = [...]string{"released", "blocked", "substituted"}

// String gives released, blocked or substituted.
func (m OverrideMode) String() string { return overrideNames[min(int(m), len(overrideNames)-1)] }

// Override is an override that is in force.
type Override struct {
	Key     PointKey
	Mode    OverrideMode
	Reason  string
	Origin  string // who did it
	SinceMs int64  // ms since 1970-01-01 UTC
	// Device is what the device said last; Time, TimeMs, Value, Quality, Type and Transient alone are set. Not Answered: it
	// never said anything.
	Device   Point
	Answered bool
	Changes  uint64 // how often the device told of the point meanwhile
}

// Overrides are all that are in force, by RTU, kind and point.
func (s *State) Overrides() (all []Override) {
	for _, u := range s.sortedRTUs() {
		for _, id := range u.overriddenIDs() {
			all = append(all, *u.overrides[id])
		}
	}
	return all
}

// Override returns the override of a point, if there is one.
func (s *State) Override(k PointKey) (Override, bool) {
	if o, ok := s.overridden(k); ok {
		return *o, true
	}
	return Override{}, false
}

func (s *State) overridden(k PointKey) (o *Override, ok bool) {
	if u := s.rtus[k.RTU]; u != nil {
		o, ok = u.overrides[pointID{k.Kind, k.Point}]
	}
	return o, ok
}

func (s *State) overrideCount() (n int) {
	for _, u := range s.rtus {
		n += len(u.overrides)
	}
	return n
}

func (u *rtu) overriddenIDs() []pointID {
	return slices.SortedFunc(maps.Keys(u.overrides), comparePointIDs)
}

func comparePointIDs(a, b pointID) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.point, b.point))
}

// markable tells whether values of a type have the bits that say blocked and substituted. A counter's reading (7.2.6.9) and a
// measured value without quality (M_ME_ND_1) have none, and an operator's value must not look like the device's.
func markable(typeID uint8) bool {
	switch typeID {
	case 15, 16, 37, 21:
		return false
	}
	return true
}

// override blocks a point, gives it a value by hand, or takes that back.
func (s *State) override(at command.Stamp, op *fsmpb.Override) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	k := PointKey{RTU: op.Rtu, Kind: Kind(op.Kind), Point: op.Point}
	id := pointID{k.Kind, k.Point}
	mode := OverrideMode(op.Mode)
	switch {
	case k.Kind != DI && k.Kind != AI:
		return command.Refuse(fsmpb.Result_INVALID, "%s: expected a di or an ai: no other value has room for the mark", k)
	case s.virtual.isVirtual(k):
		return command.Refuse(fsmpb.Result_INVALID, "%s: it is a virtual point, which the station itself produces", k)
	case op.Mode < 0 || mode > Substituted:
		return command.Refuse(fsmpb.Result_INVALID, "%s: mode %d: expected RELEASE, BLOCK or SUBSTITUTE", k, op.Mode)
	case mode == NoOverride:
		return s.release(at, u, id, op.Origin)
	case op.Reason == "":
		return command.Refuse(fsmpb.Result_INVALID, "%s: expected a reason", k)
	case math.IsNaN(op.Value) || math.IsInf(op.Value, 0):
		return command.Refuse(fsmpb.Result_INVALID, "%s: %g is no value", k, op.Value)
	}
	o := u.overrides[id]
	rec, known := s.image.Find(k)
	typeID := uint8(op.Type)
	if known {
		typeID = rec.Type
	}
	switch {
	case !known && mode == Blocked:
		return command.Refuse(fsmpb.Result_CONFLICT, "%s has no value that it could keep: the device has not told of it yet", k)
	case !known && (op.Type == 0 || op.Type > math.MaxUint8):
		return command.Refuse(fsmpb.Result_INVALID, "%s: type %d: expected a TypeID of 1 to 255", k, op.Type)
	case !markable(typeID):
		return command.Refuse(fsmpb.Result_INVALID, "%s: values of type %d have no room for the mark", k, typeID)
	case o == nil && s.overrideCount() >= maxOverrides:
		return command.Refuse(fsmpb.Result_CONFLICT, "%d points are blocked or substituted already, and no more can be: take some back", maxOverrides)
	}
	if o == nil {
		o = &Override{Key: k, Answered: known}
		if known {
			o.Device = rec.Public()
			o.Device.Seq, o.Device.Version = 0, 0
		}
		if u.overrides == nil {
			u.overrides = map[pointID]*Override{}
		}
		u.overrides[id] = o
	}
	o.Mode, o.Reason, o.Origin, o.SinceMs = mode, command.Clip(op.Reason), command.Clip(op.Origin), at.Ms

	delete(u.untold, id)
	rec = s.image.Put(k)
	rec.Type = typeID
	if mode == Blocked {
		rec.Quality |= QualityBlocked
	} else {
		rec.Value, rec.Quality, rec.Transient = op.Value, QualitySubstituted, false
	}
	s.tellOverride(at, k, rec, &Note{Kind: NoteOverride, To: mode.String(), Reason: o.Reason, Origin: o.Origin})
	return command.Done()
}

// release puts what the device says into force again. A point that the device never told of is invalid from then on.
func (s *State) release(at command.Stamp, u *rtu, id pointID, origin string) *fsmpb.Result {
	o := u.overrides[id]
	if o == nil {
		return command.Already()
	}
	delete(u.overrides, id)
	rec := s.image.Put(o.Key)
	if d := &o.Device; o.Answered {
		rec.Value, rec.Quality, rec.Type, rec.Transient = d.Value, d.Quality, d.Type, d.Transient
	} else {
		rec.Quality = QualityNotTopical | QualityInvalid
	}
	n := &Note{Kind: NoteOverride, To: NoOverride.String(), Origin: command.Clip(origin)}
	if o.Answered && o.Device.TimeMs > o.SinceMs { // it became so meanwhile, and the device has said when
		rec.Time, rec.TimeMs = o.Device.Time, o.Device.TimeMs
		s.noteOverride(at, o.Key, rec, n)
		rec.Told(s.append(eventOfRecord(o.Key, rec)))
		return command.Done()
	}
	s.tellOverride(at, o.Key, rec, n)
	return command.Done()
}

// tellOverride makes an event and an entry of the audit of what an operator has done to a point just now.
func (s *State) tellOverride(at command.Stamp, k PointKey, rec *image.Record, n *Note) {
	rec.Time, rec.TimeMs = at.CP56|points.SubstitutedTime, at.Ms
	s.noteOverride(at, k, rec, n)
	rec.Told(s.append(eventOfRecord(k, rec)))
}

func (s *State) noteOverride(at command.Stamp, k PointKey, rec *image.Record, n *Note) {
	s.audit.Append(at, AuditEntry{Note: *n, Point: k, Type: rec.Type, Value: rec.Value})
}

func eventOfRecord(k PointKey, rec *image.Record) Event {
	return Event{
		RTU: k.RTU, Point: k.Point, Kind: k.Kind, Type: rec.Type, Quality: rec.Quality, Transient: rec.Transient,
		Value: rec.Value, Time: rec.Time, TimeMs: rec.TimeMs,
	}
}

// takeBeneath keeps what the device says of an overridden point. What is older than the last interrogation is passed over.
func (o *Override) takeBeneath(it *fsmpb.Item) {
	if it.Mode == fsmpb.Item_OVERTAKEN && o.Answered {
		return
	}
	o.Answered = true
	d := Point{Value: it.Value, Quality: uint8(it.Quality), Type: uint8(it.Type), Transient: it.Transient, Time: it.Time, TimeMs: it.TimeMs}
	if informationOf(it).Same(o.Key.Kind, o.Device.Information()) && it.Mode != fsmpb.Item_EVENT {
		return // since when it is so stays known
	}
	o.Device = d
	o.Changes++
}

// spoil notes that what the device said is not topical any more; false if it wasn't before. What the operator wants to be seen
// stays as it is.
func (o *Override) spoil(at command.Stamp) bool {
	bit := points.NotTopicalBit(o.Device.Type)
	if !o.Answered || o.Device.Quality&bit != 0 {
		return false
	}
	o.Device.Quality |= bit
	o.Device.Time, o.Device.TimeMs = at.CP56|points.SubstitutedTime, at.Ms
	return true
}

// overridesProto is for a snapshot.
func (u *rtu) overridesProto() (list []*fsmpb.RTUState_Override) {
	for _, id := range u.overriddenIDs() {
		o := u.overrides[id]
		d := &o.Device
		list = append(list, &fsmpb.RTUState_Override{
			Kind: id.kind.Proto(), Point: id.point, Mode: fsmpb.Override_Mode(o.Mode), Reason: o.Reason, Origin: o.Origin,
			SinceMs: o.SinceMs, Changes: o.Changes, Answered: o.Answered, Value: d.Value, Quality: uint32(d.Quality),
			Type: uint32(d.Type), Transient: d.Transient, Time: d.Time, TimeMs: d.TimeMs,
		})
	}
	return list
}

func (in *restorer) takeOverrides(u *rtu, p *fsmpb.RTUState) error {
	for _, x := range p.Overrides {
		k := PointKey{RTU: u.number, Kind: Kind(x.Kind), Point: x.Point}
		id := pointID{k.Kind, k.Point}
		mode := OverrideMode(x.Mode)
		if u.overrides[id] != nil || k.Kind != DI && k.Kind != AI || x.Mode <= 0 || mode > Substituted || x.Type > math.MaxUint8 || x.Quality > math.MaxUint8 {
			return fmt.Errorf("RTU %d: override of %v: mode %d, type %d, quality %d", u.number, k, x.Mode, x.Type, x.Quality)
		}
		if u.overrides == nil {
			u.overrides = map[pointID]*Override{}
		}
		u.overrides[id] = &Override{
			Key: k, Mode: mode, Reason: x.Reason, Origin: x.Origin, SinceMs: x.SinceMs, Changes: x.Changes, Answered: x.Answered,
			Device: Point{Value: x.Value, Quality: uint8(x.Quality), Type: uint8(x.Type), Transient: x.Transient, Time: x.Time, TimeMs: x.TimeMs},
		}
	}
	return nil
}
