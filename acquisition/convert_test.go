package acquisition

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

var shanghai = mustLoad("Asia/Shanghai")

func mustLoad(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

var everywhere = Analog{Scale: 1, Low: math.Inf(-1), High: math.Inf(1)}

func analog(change func(*Analog)) *Analog {
	a := everywhere
	change(&a)
	return &a
}

func TestConvert(t *testing.T) {
	const (
		di, ai, counter, bits = fsmpb.Kind_DI, fsmpb.Kind_AI, fsmpb.Kind_COUNTER, fsmpb.Kind_BITSTRING
	)
	for _, c := range []struct {
		what    string
		point   Point
		typ     asdu.TypeID
		in      float64
		quality uint8
		out     float64
		want    uint8
	}{
		{"single", Point{Kind: di}, asdu.M_SP_NA_1, 1, 0, 1, 0},
		{"single, inverted", Point{Kind: di, Invert: true}, asdu.M_SP_TB_1, 1, 0, 0, 0},
		{"double stays 0 to 3", Point{Kind: di}, asdu.M_DP_TB_1, 3, 0, 3, 0},
		{"double, inverted", Point{Kind: di, Invert: true}, asdu.M_DP_NA_1, 1, 0, 2, 0},
		{"double on, inverted", Point{Kind: di, Invert: true}, asdu.M_DP_TA_1, 2, 0, 1, 0},
		{"intermediate has no opposite", Point{Kind: di, Invert: true}, asdu.M_DP_NA_1, 0, 0, 0, 0},
		{"indeterminate has no opposite", Point{Kind: di, Invert: true}, asdu.M_DP_NA_1, 3, 0, 3, 0},
		{"quality bit for bit", Point{Kind: di, Invert: true}, asdu.M_SP_NA_1, 0, 0xfe, 1, 0xfe},
		{"as sent", Point{Kind: ai}, asdu.M_ME_NC_1, 1.5, 0x91, 1.5, 0x91},
		{"scaled", Point{Kind: ai, Analog: analog(func(a *Analog) { a.Scale, a.Offset = 0.5, -3 })}, asdu.M_ME_NB_1, 10, 0, 2, 0},
		{"beyond the range", Point{Kind: ai, Analog: analog(func(a *Analog) { a.Low, a.High = 0, 100 })}, asdu.M_ME_NB_1, 101, 0x10, 101, 0x11},
		{"at its end", Point{Kind: ai, Analog: analog(func(a *Analog) { a.Low, a.High = 0, 100 })}, asdu.M_ME_NB_1, 100, 0, 100, 0},
		{"a counter's octet is no quality", Point{Kind: counter, Analog: analog(func(a *Analog) { a.Scale, a.High = 2, 5 })}, asdu.M_IT_NA_1, 9, 0x1f, 18, 0x1f},
		{"protection, on", Point{Kind: di}, asdu.M_EP_TD_1, 2, 0x08, 2, 0x08},
		{"protection off, inverted", Point{Kind: di, Invert: true}, asdu.M_EP_TA_1, 1, 0, 2, 0},
		{"protection on, inverted", Point{Kind: di, Invert: true}, asdu.M_EP_TD_1, 2, 0, 1, 0},
		{"protection indeterminate, inverted", Point{Kind: di, Invert: true}, asdu.M_EP_TD_1, 3, 0, 3, 0},
		{"start events are no state", Point{Kind: di}, asdu.M_EP_TE_1, 1, 0, 1, 0x80},
		{"output circuits are no state", Point{Kind: di, Invert: true}, asdu.M_EP_TF_1, 2, 0x08, 2, 0x88},
		{"a step position is no state", Point{Kind: di}, asdu.M_ST_TB_1, 1, 0, 1, 0x80},
		{"a bitstring is no state", Point{Kind: di}, asdu.M_BO_NA_1, 1, 0, 1, 0x80},
		{"packed single points are no state", Point{Kind: di}, asdu.M_PS_NA_1, 1, 0, 1, 0x80},
		{"a bitstring is no number", Point{Kind: ai, Analog: analog(func(a *Analog) { a.Scale = 2 })}, asdu.M_BO_TB_1, 0xdeadbeef, 0, 0xdeadbeef, 0x80},
		{"a bitstring", Point{Kind: bits}, asdu.M_BO_TB_1, 0xdeadbeef, 0x11, 0xdeadbeef, 0x11},
		{"packed single points with their change bits", Point{Kind: bits}, asdu.M_PS_NA_1, 0x80010001, 0x40, 0x80010001, 0x40},
		{"start events", Point{Kind: bits}, asdu.M_EP_TE_1, 0x21, 0x08, 0x21, 0x08},
		{"output circuits", Point{Kind: bits}, asdu.M_EP_TF_1, 0x0f, 0, 0x0f, 0},
		{"not a number", Point{Kind: ai, Analog: analog(func(a *Analog) { a.Low, a.High = 0, 1 })}, asdu.M_ME_NC_1, math.NaN(), 0x80, math.NaN(), 0x80},
		{"not a number, sent as good", Point{Kind: ai}, asdu.M_ME_NC_1, math.NaN(), 0, math.NaN(), 0x80},
	} {
		o := asdu.Object{Value: c.in, Quality: c.quality}
		v, q := c.point.convert(c.typ, &o)
		if math.Float64bits(v) != math.Float64bits(c.out) || q != c.want {
			t.Errorf("%s: %v %#x, expected %v %#x", c.what, v, q, c.out, c.want)
		}
	}
}

func TestDeadband(t *testing.T) {
	for _, c := range []struct {
		what    string
		a       *Analog
		last, v float64
		within  bool
	}{
		{"none, same", nil, 1, 1, true},
		{"none, changed", nil, 1, 1.0001, false},
		{"0 is none", analog(func(*Analog) {}), 1, 1.0001, false},
		{"absolute", analog(func(a *Analog) { a.Deadband = 0.5 }), 1, 1.5, true},
		{"absolute, beyond", analog(func(a *Analog) { a.Deadband = 0.5 }), 1, 1.51, false},
		{"downwards", analog(func(a *Analog) { a.Deadband = 0.5 }), 1, 0.4, false},
		{"of the range", analog(func(a *Analog) { a.Deadband, a.Percent, a.Low, a.High = 1, true, 0, 200 }), 10, 12, true},
		{"of the range, beyond", analog(func(a *Analog) { a.Deadband, a.Percent, a.Low, a.High = 1, true, 0, 200 }), 10, 12.1, false},
		{"of the value", analog(func(a *Analog) { a.Deadband, a.Percent = 10, true }), -50, -55, true},
		{"of the value, beyond", analog(func(a *Analog) { a.Deadband, a.Percent = 10, true }), -50, -56, false},
		{"from not a number", analog(func(a *Analog) { a.Deadband = 5 }), math.NaN(), 1, false},
		{"to not a number", analog(func(a *Analog) { a.Deadband = 5 }), 1, math.NaN(), false},
		{"not a number again", analog(func(a *Analog) { a.Deadband = 5 }), math.NaN(), math.NaN(), true},
	} {
		if got := c.a.within(c.last, c.v); got != c.within {
			t.Errorf("%s: from %v to %v within %v, expected %v", c.what, c.last, c.v, got, c.within)
		}
	}
}

func TestMode(t *testing.T) {
	di, image, event := Point{Kind: fsmpb.Kind_DI}, Point{Kind: fsmpb.Kind_AI}, Point{Kind: fsmpb.Kind_AI, Event: true}
	for _, c := range []struct {
		point Point
		typ   asdu.TypeID
		cause asdu.CauseOfTransmission
		want  fsmpb.Item_Mode
	}{
		{di, asdu.M_SP_NA_1, asdu.Spontaneous, fsmpb.Item_EVENT},
		{di, asdu.M_SP_TB_1, asdu.Spontaneous, fsmpb.Item_EVENT},
		{di, asdu.M_SP_NA_1, asdu.RemoteReturn, fsmpb.Item_EVENT},
		{di, asdu.M_SP_NA_1, asdu.LocalReturn, fsmpb.Item_EVENT},
		{di, asdu.M_SP_NA_1, asdu.InterrogatedStation, fsmpb.Item_COMPARE},
		{di, asdu.M_SP_TB_1, asdu.InterrogatedGroup16, fsmpb.Item_COMPARE},
		{di, asdu.M_SP_NA_1, asdu.Periodic, fsmpb.Item_COMPARE},
		{di, asdu.M_SP_NA_1, asdu.Background, fsmpb.Item_COMPARE},
		{di, asdu.M_SP_NA_1, asdu.Request, fsmpb.Item_COMPARE},
		{di, asdu.M_SP_NA_1, asdu.Initialized, fsmpb.Item_COMPARE},
		{di, asdu.M_SP_TB_1, asdu.Initialized, fsmpb.Item_EVENT},
		{image, asdu.M_ME_TF_1, asdu.Spontaneous, fsmpb.Item_IMAGE},
		{image, asdu.M_ME_NC_1, asdu.InterrogatedStation, fsmpb.Item_IMAGE},
		{event, asdu.M_ME_TF_1, asdu.Spontaneous, fsmpb.Item_EVENT},
		{event, asdu.M_ME_NC_1, asdu.InterrogatedStation, fsmpb.Item_COMPARE},
		{Point{Kind: fsmpb.Kind_COUNTER}, asdu.M_IT_TB_1, asdu.Spontaneous, fsmpb.Item_IMAGE},
		{Point{Kind: fsmpb.Kind_COUNTER, Event: true}, asdu.M_IT_TB_1, asdu.Spontaneous, fsmpb.Item_EVENT},
		{Point{Kind: fsmpb.Kind_COUNTER, Event: true}, asdu.M_IT_TB_1, asdu.CounterGeneral, fsmpb.Item_COMPARE},
	} {
		if got := modeOf(&c.point, c.typ, c.cause); got != c.want {
			t.Errorf("%v, %v of %v (event %v): %v, expected %v", c.typ, c.cause, c.point.Kind, c.point.Event, got, c.want)
		}
	}
}

func TestStamp(t *testing.T) {
	came := time.Date(2024, 2, 29, 13, 5, 30, 0, shanghai)
	device := came.Add(-90 * time.Second)
	good := asdu.NewCP56Time2a(device, shanghai)
	year0 := asdu.CP56Time2a{0, 0, 0, 0, 0, 0, 0}
	for _, c := range []struct {
		what string
		kind asdu.TimeTag
		tag  asdu.CP56Time2a
		// expected
		octets uint64
		at     time.Time
		ok     bool
	}{
		{"no time: that of arrival", asdu.NoTime, asdu.CP56Time2a{}, asdu.NewCP56Time2a(came, shanghai).WithSubstituted(true).Uint64(), came, true},
		{"the device's", asdu.CP56, good, good.Uint64(), device, true},
		{"in the past", asdu.CP56, asdu.NewCP56Time2a(came.AddDate(-3, 0, 0), shanghai), asdu.NewCP56Time2a(came.AddDate(-3, 0, 0), shanghai).Uint64(), came.AddDate(-3, 0, 0), true},
		{"not vouched for: kept, but not believed", asdu.CP56, good.WithInvalid(true), good.WithInvalid(true).Uint64(), came, true},
		{"no instant: kept", asdu.CP56, year0, 0, came, false},
		{"CP24 over the hour", asdu.CP24, asdu.CP56Time2a{0x10, 0x27, 58}, asdu.NewCP56Time2a(time.Date(2024, 2, 29, 12, 58, 10, 0, shanghai), shanghai).Uint64(),
			time.Date(2024, 2, 29, 12, 58, 10, 0, shanghai), true},
		{"CP24 that is none", asdu.CP24, asdu.CP56Time2a{0, 0, 61}, asdu.NewCP56Time2a(came, shanghai).WithInvalid(true).WithSubstituted(true).Uint64(), came, false},
	} {
		clock := clock{location: shanghai, station: shanghai}
		for range 2 { // the second time from memory
			octets, ms, ok := clock.stamp(c.kind, c.tag, clock.arrival(came))
			if octets != c.octets || ms != c.at.UnixMilli() || ok != c.ok {
				t.Errorf("%s: %x %v %v, expected %x %v %v", c.what, octets, time.UnixMilli(ms).In(shanghai), ok, c.octets, c.at, c.ok)
			}
		}
	}
}

// A device in another zone than the station's: its tags go into the state in the station's.
func TestStampFromAnotherZone(t *testing.T) {
	shanghai, berlin := mustLoad("Asia/Shanghai"), mustLoad("Europe/Berlin")
	for _, at := range []time.Time{
		time.Date(2024, 2, 28, 20, 30, 1, 5e6, time.UTC),
		time.Date(2024, 10, 27, 0, 30, 0, 0, time.UTC), // 2:30 in Berlin, the first one: SU
		time.Date(2024, 10, 27, 1, 30, 0, 0, time.UTC), // the second one
	} {
		c := clock{location: shanghai, station: berlin}
		came := c.arrival(at.Add(time.Second))
		for _, tag := range []asdu.CP56Time2a{asdu.NewCP56Time2a(at, shanghai), asdu.NewCP56Time2a(at, shanghai).WithSubstituted(true)} {
			octets, ms, ok := c.stamp(asdu.CP56, tag, came)
			if want := asdu.NewCP56Time2a(at, berlin).WithSubstituted(tag.Substituted()); !ok || ms != at.UnixMilli() || octets != want.Uint64() {
				t.Errorf("%v: %x at %d, expected %x", at, octets, ms, want.Uint64())
			}
		}
		if octets, ms, _ := c.stamp(asdu.NoTime, asdu.CP56Time2a{}, came); octets != came.tag || ms != came.ms || came.tag != asdu.NewCP56Time2a(at.Add(time.Second), berlin).WithSubstituted(true).Uint64() {
			t.Errorf("%v: arrival %x", at, octets)
		}
	}
}

// The clock's memory of a minute changes nothing.
func TestClockRemembers(t *testing.T) {
	berlin := mustLoad("Europe/Berlin") // has summer time
	rapid.Check(t, func(t *rapid.T) {
		c := clock{location: berlin, station: berlin}
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "ms"))
		for range 10 {
			at = at.Add(time.Duration(rapid.Int64Range(-4e6, 4e6).Draw(t, "step")) * time.Millisecond)
			tag := asdu.NewCP56Time2a(at, berlin)
			tag[3] ^= rapid.SampledFrom([]byte{0, 0x80}).Draw(t, "SU")
			want, err := tag.Time(berlin)
			ms, ok := c.instant(tag)
			if ok != (err == nil) || ok && ms != want.UnixMilli() {
				t.Fatalf("%x: %d %v, expected %d %v", tag, ms, ok, want.UnixMilli(), err)
			}
		}
	})
}
