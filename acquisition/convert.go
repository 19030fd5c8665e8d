package acquisition

import (
	"math"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// value is a point's new value on its way into a batch.
type value struct {
	value   float64
	time    uint64 // octets of the CP56Time2a, first octet in the lowest byte
	timeMs  int64
	point   int32 // place in the table
	typ     asdu.TypeID
	quality uint8
	mode    fsmpb.Item_Mode
	tagged  bool // with a time of the device's

	repeated bool // the journal has it already: it's left out

	transient bool   // of a step position
	elapsed   uint16 // of protection equipment, ms
}

// modeOf says what becomes of a value, from what it is and why it was sent.
//
// What the device sent because it changed is an event of its own, each time it is sent. An answer is an event only if
// it differs from what is known. Analogs that nobody wants events of just replace the value before.
func modeOf(p *Point, t asdu.TypeID, cause asdu.CauseOfTransmission) fsmpb.Item_Mode {
	if p.Kind != fsmpb.Kind_DI && !p.Event {
		return fsmpb.Item_IMAGE
	}
	switch {
	case cause == asdu.Spontaneous, cause == asdu.RemoteReturn, cause == asdu.LocalReturn:
		return fsmpb.Item_EVENT
	case cause == asdu.Periodic, cause == asdu.Background, cause == asdu.Request,
		cause >= asdu.InterrogatedStation && cause <= asdu.CounterGroup4:
		return fsmpb.Item_COMPARE
	}
	// Not a cause of monitored information; what has a time tag is kept all the same.
	if t.TimeTag() != asdu.NoTime {
		return fsmpb.Item_EVENT
	}
	return fsmpb.Item_COMPARE
}

// convert gives value and quality in the station's terms. The quality is what the device sent, bit for bit, but for OV,
// which is added beyond the engineering range, and IV, which is added to what is no value of such a point.
func (p *Point) convert(t asdu.TypeID, o *asdu.Object) (v float64, quality uint8) {
	v, quality = o.Value, o.Quality
	if !tells(t, p.Kind) || math.IsNaN(v) {
		return v, quality | asdu.IV
	}
	if p.Kind == fsmpb.Kind_DI {
		if p.Invert {
			v = inverted(t, v)
		}
		return v, quality
	}
	a := p.Analog
	if a == nil || p.Kind == fsmpb.Kind_BITSTRING {
		return v, quality
	}
	if a.Scale != 1 || a.Offset != 0 {
		v = v*a.Scale + a.Offset
	}
	if p.Kind == fsmpb.Kind_AI && (v < a.Low || v > a.High) {
		quality |= asdu.OV
	}
	return v, quality
}

// bit gives one bit of an object as a single point, with what both descriptors have in common (101, clauses 7.2.6.1, 3 and 4).
func (p *Point) bit(t asdu.TypeID, o *asdu.Object) (typ asdu.TypeID, v float64, quality uint8) {
	v = float64(uint32(o.Value) >> (p.Bit - 1) & 1)
	if p.Invert {
		v = 1 - v
	}
	typ = asdu.M_SP_NA_1
	if t.TimeTag() != asdu.NoTime {
		typ = asdu.M_SP_TB_1
	}
	return typ, v, o.Quality & (asdu.BL | asdu.SB | asdu.NT | asdu.IV)
}

// modeOfBit: an object is sent because one of its bits has changed, so each is held against what is known. A change bit (CD of SCD,
// 101, clause 7.2.6.40) says that its state has changed since it was sent last, be it twice: that is an event.
func modeOfBit(p *Point, t asdu.TypeID, cause asdu.CauseOfTransmission, o *asdu.Object) fsmpb.Item_Mode {
	changed := t == asdu.M_PS_NA_1 && uint32(o.Value)>>(16+p.Bit-1)&1 != 0
	if changed && modeOf(p, t, cause) == fsmpb.Item_EVENT {
		return fsmpb.Item_EVENT
	}
	return fsmpb.Item_COMPARE
}

// transient tells whether a step position says that the equipment is on its way (101, clause 7.2.6.5).
func transient(t asdu.TypeID, o *asdu.Object) bool {
	return t.Untimed() == asdu.M_ST_NA_1 && o.Qualifier&asdu.TransientBit != 0
}

// inverted swaps off and on. The states 0 and 3 of a double point stay: they say that there is no state.
func inverted(t asdu.TypeID, v float64) float64 {
	switch t.Untimed() {
	case asdu.M_SP_NA_1, asdu.C_SC_NA_1:
		return 1 - v
	case asdu.M_DP_NA_1, asdu.M_EP_TA_1, asdu.M_EP_TD_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1:
		if v == 1 || v == 2 {
			return 3 - v
		}
	}
	return v
}

// within tells whether a change from last to v is so small that it isn't taken over.
func (a *Analog) within(last, v float64) bool {
	if math.Float64bits(last) == math.Float64bits(v) {
		return true
	}
	if a == nil || a.Deadband == 0 {
		return false
	}
	band := a.Deadband
	if a.Percent {
		base := a.High - a.Low
		if math.IsInf(base, 0) {
			base = math.Abs(last)
		}
		band *= base / 100
	}
	return math.Abs(v-last) <= band
}

// clock turns the time tags of one RTU into station time, and into the station's zone where the device has another. It remembers the last minute, since turning a reading into
// an instant costs more than all the rest of an object.
type clock struct {
	location *time.Location // the device's
	station  *time.Location
	minute   [5]byte // octets 3 to 7 of the last good tag
	base     int64   // its minute's beginning, ms since 1970-01-01 UTC; 0: none
}

// arrival is when an ASDU came, in both forms.
type arrival struct {
	at  time.Time
	tag uint64
	ms  int64
}

func (c *clock) arrival(at time.Time) arrival {
	return arrival{at: at, tag: asdu.NewCP56Time2a(at, c.station).WithSubstituted(true).Uint64(), ms: at.UnixMilli()}
}

// stamp gives the time of an object. The octets of a CP56 are kept whatever they say, but for the zone; if they name no instant, or the
// device doesn't vouch for it, the instant is that of the arrival. ok is false if they name none.
func (c *clock) stamp(kind asdu.TimeTag, tag asdu.CP56Time2a, came arrival) (octets uint64, ms int64, ok bool) {
	switch kind {
	case asdu.CP56:
		octets = tag.In(c.location, c.station).Uint64()
		ms, ok = c.instant(tag)
		if !ok || tag.Invalid() {
			ms = came.ms
		}
		return octets, ms, ok
	case asdu.CP24:
		t, err := tag.ExpandCP24(came.at, c.location)
		if err != nil {
			return asdu.UnpackCP56Time2a(came.tag).WithInvalid(true).Uint64(), came.ms, false
		}
		full := asdu.NewCP56Time2a(t, c.station)
		full[2] |= tag[2] & 0xc0 // IV and RES1
		if tag.Invalid() {
			return full.Uint64(), came.ms, true
		}
		return full.Uint64(), t.UnixMilli(), true
	}
	return came.tag, came.ms, true
}

// instant is the tag's instant in ms since 1970-01-01 UTC.
func (c *clock) instant(tag asdu.CP56Time2a) (ms int64, ok bool) {
	within := int64(tag[0]) | int64(tag[1])<<8
	if c.base != 0 && [5]byte(tag[2:]) == c.minute && within < 60000 {
		return c.base + within, true
	}
	t, err := tag.Time(c.location)
	if err != nil {
		return 0, false
	}
	ms = t.UnixMilli()
	c.minute, c.base = [5]byte(tag[2:]), ms-within
	return ms, true
}
