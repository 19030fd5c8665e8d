package forwarder

import (
	"math"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// unknownQuality is that of a point that never had a value: not topical and invalid, or the IV of a counter.
const unknownQuality, unknownCounterQuality = asdu.NT | asdu.IV, asdu.IV

// tagging is how an uplink has time tags.
type tagging struct {
	plain       bool           // they never bear the bit for a substituted time
	station, to *time.Location // the state's zone and the uplink's
}

// of is a tag of the state's for the uplink: the same bit for bit, unless it has another zone or none of that bit.
func (t *tagging) of(octets uint64) asdu.CP56Time2a {
	tag := asdu.UnpackCP56Time2a(octets).In(t.station, t.to)
	if t.plain {
		return tag.WithSubstituted(false)
	}
	return tag
}

// value is the newest value in the image as an object of the entry's type.
func (e *entry) value(s *fsm.State, tags *tagging) asdu.Object {
	p, ok := s.Point(e.key)
	if !ok {
		q := uint8(unknownQuality)
		if e.key.Kind == fsm.Counter {
			q = unknownCounterQuality
		}
		return asdu.Object{Address: e.address, Quality: q}
	}
	return e.point(&p, tags)
}

// point is a point's value as an object of the entry's type.
func (e *entry) point(p *fsm.Point, tags *tagging) asdu.Object {
	return e.object(&fsm.Event{Value: p.Value, Type: p.Type, Quality: p.Quality, Transient: p.Transient, Time: p.Time}, tags)
}

// object is a value as an object of the entry's type. The time tag is as the uplink has it, and the transient
// bit stays where the type has it; elsewhere the value is invalid while it is set.
func (e *entry) object(ev *fsm.Event, tags *tagging) asdu.Object {
	to := e.typeID.Untimed()
	o := asdu.Object{Address: e.address, Elapsed: ev.ElapsedMs, Time: tags.of(ev.Time)}
	o.Value, o.Quality = carry(ev.Value, ev.Quality, asdu.TypeID(ev.Type).Untimed(), to)
	switch {
	case !ev.Transient:
	case to == asdu.M_ST_NA_1:
		o.Qualifier = asdu.TransientBit
	default:
		o.Quality |= asdu.IV
	}
	return o
}

// carry gives a value of type from, and its quality, as type to says it. Between types with the same quality descriptor
// the quality stays bit for bit. What to can't hold is bounded and has OV, and what is no value of to at all has IV: it
// never looks good.
func carry(v float64, quality uint8, from, to asdu.TypeID) (float64, uint8) {
	v, mark := fit(v, from, to)
	switch {
	case descriptorOf(from) == descriptorOf(to):
	case to == asdu.M_IT_NA_1: // its other bits are a sequence number, CY and CA
		quality = asdu.IV
	default:
		quality &= asdu.BL | asdu.SB | asdu.NT | asdu.IV
	}
	return v, quality | mark
}

// descriptor is what the bits of a quality octet mean. BL, SB, NT and IV are the same in all but the counter's.
type descriptor uint8

const (
	unknownDescriptor descriptor = iota
	siq                          // 101, clause 7.2.6.1
	diq                          // 7.2.6.2
	qds                          // 7.2.6.3, with OV
	qdp                          // 7.2.6.4, with EI, which means nothing where there's no elapsed time
	bcr                          // 7.2.6.9
)

func descriptorOf(t asdu.TypeID) descriptor {
	switch t {
	case asdu.M_SP_NA_1:
		return siq
	case asdu.M_DP_NA_1:
		return diq
	case asdu.M_ST_NA_1, asdu.M_BO_NA_1, asdu.M_PS_NA_1, asdu.M_ME_NA_1, asdu.M_ME_NB_1, asdu.M_ME_NC_1:
		return qds
	case asdu.M_EP_TA_1, asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_EP_TD_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
		return qdp
	case asdu.M_IT_NA_1:
		return bcr
	}
	return unknownDescriptor
}

// fit returns the value as type to holds it, and the quality bits to set if it isn't quite the same.
func fit(v float64, from, to asdu.TypeID) (fitted float64, mark uint8) {
	switch to {
	case asdu.M_SP_NA_1:
		if v = doublePoint(v, from); v == 1 || v == 2 {
			return v - 1, 0
		}
		return 0, asdu.IV
	case asdu.M_DP_NA_1:
		if v = doublePoint(v, from); v < 0 {
			return 0, asdu.IV
		}
		return v, 0
	case asdu.M_EP_TD_1:
		switch v = doublePoint(v, from); {
		case v < 0:
			return 0, asdu.IV | asdu.EI
		case descriptorOf(from) != qdp: // nothing tells how long it took
			return v, asdu.EI
		}
		return v, 0
	case asdu.M_BO_NA_1, asdu.M_PS_NA_1:
		return pattern(v, 32, from == to, asdu.IV)
	case asdu.M_EP_TE_1: // SPE
		return pattern(v, 6, from == to || from == asdu.M_EP_TB_1, asdu.IV|asdu.EI)
	case asdu.M_EP_TF_1: // OCI
		return pattern(v, 4, from == to || from == asdu.M_EP_TC_1, asdu.IV|asdu.EI)
	case asdu.M_IT_NA_1:
		if from != asdu.M_IT_NA_1 {
			return 0, asdu.IV
		}
		return bound(v, math.MinInt32, math.MaxInt32, asdu.IV)
	}
	if !measured(from) {
		return 0, asdu.IV
	}
	switch to {
	case asdu.M_ST_NA_1:
		if v != math.Trunc(v) {
			return 0, asdu.IV
		}
		return bound(v, -64, 63, asdu.OV)
	case asdu.M_ME_NA_1:
		return bound(v, -1, 1-1.0/(1<<15), asdu.OV)
	case asdu.M_ME_NB_1:
		return bound(v, math.MinInt16, math.MaxInt16, asdu.OV)
	case asdu.M_ME_NC_1:
		if math.IsNaN(v) {
			return v, asdu.IV
		}
		if math.IsInf(v, 0) {
			return v, 0
		}
		return bound(v, -math.MaxFloat32, math.MaxFloat32, asdu.OV)
	}
	return 0, asdu.IV
}

// doublePoint is a state as a double point says it: 1 off, 2 on, 0 and 3 neither (101, clauses 7.2.6.1, 2 and 10);
// negative if it's no state of two.
func doublePoint(v float64, from asdu.TypeID) float64 {
	switch from {
	case asdu.M_SP_NA_1:
		if v == 0 || v == 1 {
			return v + 1
		}
	case asdu.M_DP_NA_1, asdu.M_EP_TA_1, asdu.M_EP_TD_1:
		if v == 0 || v == 1 || v == 2 || v == 3 {
			return v
		}
	}
	return -1
}

// measured tells the types whose values are numbers. A bitstring is none.
func measured(t asdu.TypeID) bool {
	switch t {
	case asdu.M_ST_NA_1, asdu.M_ME_NA_1, asdu.M_ME_NB_1, asdu.M_ME_NC_1, asdu.M_ME_ND_1:
		return true
	}
	return false
}

// pattern is a pattern of bits that says the same in both types, or none with the mark.
func pattern(v float64, bits int, same bool, mark uint8) (float64, uint8) {
	if !same || !(v >= 0 && v < float64(uint64(1)<<bits)) || v != math.Trunc(v) {
		return 0, mark
	}
	return v, 0
}

// bound limits v, with the mark if that changes it; a NaN becomes 0, invalid.
func bound(v, low, high float64, mark uint8) (float64, uint8) {
	switch {
	case math.IsNaN(v):
		return 0, asdu.IV
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
