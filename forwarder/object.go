package forwarder

import (
	"math"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// unknownQuality is that of a point that never had a value: not topical and invalid, or the IV of a counter.
const unknownQuality, unknownCounterQuality = iec104.NT | iec104.IV, iec104.IV

// event is a journal's event as an object of the entry's type.
func (e *entry) event(ev *fsm.Event) iec104.Object {
	return e.object(ev.Value, iec104.TypeID(ev.Type), ev.Quality, ev.Time)
}

// value is the newest value in the image as an object of the entry's type.
func (e *entry) value(s *fsm.State) iec104.Object {
	p, ok := s.Point(e.key)
	if !ok {
		q := uint8(unknownQuality)
		if e.key.Kind == fsm.Counter {
			q = unknownCounterQuality
		}
		return iec104.Object{Address: e.address, Quality: q}
	}
	return e.object(p.Value, iec104.TypeID(p.Type), p.Quality, p.Time)
}

// object carries a value that came as type from over to the entry's own type. Quality and time tag stay as they are,
// bit for bit; only a value that the type can't hold is bounded and marked.
func (e *entry) object(v float64, from iec104.TypeID, quality uint8, tag uint64) iec104.Object {
	v, mark := fit(v, from.Untimed(), e.typeID.Untimed())
	return iec104.Object{Address: e.address, Value: v, Quality: quality | mark, Time: timeTag(tag)}
}

// fit returns the value as type to holds it, and the quality bits to set if it isn't quite the same.
func fit(v float64, from, to iec104.TypeID) (fitted float64, mark uint8) {
	switch to {
	case iec104.M_SP_NA_1:
		if from != iec104.M_DP_NA_1 {
			return bit(v != 0), 0
		}
		if v == 1 || v == 2 { // determined off, on; 0 and 3 are neither (101, clause 7.2.6.2)
			return v - 1, 0
		}
		return 0, iec104.IV
	case iec104.M_DP_NA_1:
		if from != iec104.M_DP_NA_1 {
			return 1 + bit(v != 0), 0
		}
		return bound(v, 0, 3, iec104.IV)
	case iec104.M_ST_NA_1:
		return bound(v, -64, 63, iec104.OV)
	case iec104.M_ME_NA_1:
		return bound(v, -1, 1-1.0/(1<<15), iec104.OV)
	case iec104.M_ME_ND_1: // has no quality to mark
		v, _ = bound(v, -1, 1-1.0/(1<<15), 0)
		return v, 0
	case iec104.M_ME_NB_1:
		return bound(v, math.MinInt16, math.MaxInt16, iec104.OV)
	case iec104.M_ME_NC_1:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return v, 0
		}
		return bound(v, -math.MaxFloat32, math.MaxFloat32, iec104.OV)
	case iec104.M_IT_NA_1:
		return bound(v, math.MinInt32, math.MaxInt32, iec104.IV)
	}
	return v, 0
}

// bound limits v, with the mark if that changes it; a NaN becomes 0, invalid.
func bound(v, low, high float64, mark uint8) (float64, uint8) {
	switch {
	case math.IsNaN(v):
		return 0, iec104.IV
	case v < low:
		return low, mark
	case v > high:
		return high, mark
	}
	return v, 0
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// timeTag is a time tag as the state keeps it: first octet in the lowest byte.
func timeTag(octets uint64) (t iec104.CP56Time2a) {
	for i := range t {
		t[i] = byte(octets >> (8 * i))
	}
	return t
}
