package acquisition

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

func testIntake(points ...Point) *intake {
	return newIntake(newTable(points), clock{location: time.UTC, station: time.UTC}, 1, &deviceFaults{log: slog.New(slog.DiscardHandler)},
		findings.New(condition.Nobody, "rtu/1", func() {}))
}

func asduOf(t testing.TB, typ asdu.TypeID, cause asdu.CauseOfTransmission, objects ...asdu.Object) asdu.ASDU {
	t.Helper()
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: typ, Cause: cause, CommonAddress: 1}, objects...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A time tag that names no instant is told as what it says.
func TestTimeTagThatNamesNoInstant(t *testing.T) {
	var log bytes.Buffer
	in := testIntake(Point{Kind: fsmpb.Kind_DI, Number: 7, Address: 100})
	in.faults.log = slog.New(slog.NewTextHandler(&log, nil))
	for _, tc := range []struct {
		typ  asdu.TypeID
		time asdu.CP56Time2a
		want string
	}{
		{asdu.M_SP_TB_1, asdu.CP56Time2a{0xf4, 0x01, 5, 25, 31, 2, 26}, "time tag names no instant: no such time 2026-02-31 25:05:00.500 of DI 7"},
		{asdu.M_SP_TA_1, asdu.CP56Time2a{0xff, 0xff, 5}, "time tag names no instant: no such time :05:65.535 of DI 7"},
	} {
		log.Reset()
		in.faults.told = time.Time{}
		in.add(asduOf(t, tc.typ, asdu.Spontaneous, asdu.Object{Address: 100, Time: tc.time}), in.clock.arrival(time.Now()))
		if !strings.Contains(log.String(), tc.want) {
			t.Errorf("%q, want %q", log.String(), tc.want)
		}
	}
}

// A tap changer that is on its way and one that has arrived are two values, whatever the deadband.
func TestStepPositionOnItsWay(t *testing.T) {
	in := testIntake(Point{Kind: fsmpb.Kind_AI, Number: 1, Address: 200, Analog: analog(func(a *Analog) { a.Deadband = 2 })},
		Point{Kind: fsmpb.Kind_DI, Number: 1, Address: 100})
	for _, qualifier := range []uint8{asdu.TransientBit, 0} {
		in.add(asduOf(t, asdu.M_ST_TB_1, asdu.Spontaneous, asdu.Object{Address: 200, Value: 5, Qualifier: qualifier}), arrival{})
		items := in.take()
		if len(items) != 1 || items[0].Value != 5 || items[0].Transient != (qualifier != 0) {
			t.Errorf("transient bit %#x: %v", qualifier, items)
		}
	}
	in.add(asduOf(t, asdu.M_EP_TD_1, asdu.Spontaneous, asdu.Object{Address: 100, Value: 2, Elapsed: 1234}), arrival{})
	if items := in.take(); len(items) != 1 || items[0].ElapsedMs != 1234 {
		t.Errorf("elapsed time: %v", items)
	}
}

// What a pattern of bits says is an event each time that it's sent, with the elapsed time of protection equipment.
func TestBitstrings(t *testing.T) {
	in := testIntake(Point{Kind: fsmpb.Kind_BITSTRING, Number: 1, Address: 300, Type: asdu.M_BO_NA_1, Event: true},
		Point{Kind: fsmpb.Kind_BITSTRING, Number: 2, Address: 301, Type: asdu.M_EP_TE_1, Event: true})
	for range 2 {
		in.add(asduOf(t, asdu.M_BO_TB_1, asdu.Spontaneous, asdu.Object{Address: 300, Value: 0xdeadbeef, Quality: asdu.OV}), arrival{})
	}
	in.add(asduOf(t, asdu.M_EP_TE_1, asdu.Spontaneous, asdu.Object{Address: 301, Value: 0x3f, Quality: asdu.EI, Elapsed: 65535}), arrival{})
	in.add(asduOf(t, asdu.M_BO_NA_1, asdu.InterrogatedStation, asdu.Object{Address: 300, Value: 1}), arrival{})
	items := in.take()
	got := strings.Join(words(items), "; ")
	const want = "event bitstring 1 = 3.735928559e+09 0x1; event bitstring 1 = 3.735928559e+09 0x1; event bitstring 2 = 63 0x8; compare bitstring 1 = 1 0x0"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if items[2].ElapsedMs != 65535 {
		t.Errorf("elapsed %d ms", items[2].ElapsedMs)
	}
}

// Packed single points go onto the points of their bits. A change bit is an event even where the state is as it was.
func TestPackedSinglePoints(t *testing.T) {
	in := testIntake(Point{Kind: fsmpb.Kind_DI, Number: 1, Address: 300, Type: asdu.M_PS_NA_1, Bit: 1},
		Point{Kind: fsmpb.Kind_DI, Number: 16, Address: 300, Type: asdu.M_PS_NA_1, Bit: 16, Invert: true},
		Point{Kind: fsmpb.Kind_DI, Number: 3, Address: 301, Type: asdu.M_EP_TF_1, Bit: 3},
		Point{Kind: fsmpb.Kind_DI, Number: 4, Address: 302})
	in.add(asduOf(t, asdu.M_PS_NA_1, asdu.Spontaneous, asdu.Object{Address: 300, Value: 0x0001_8001, Quality: asdu.OV | asdu.NT}), arrival{})
	in.add(asduOf(t, asdu.M_PS_NA_1, asdu.InterrogatedStation, asdu.Object{Address: 300, Value: 0xffff_0000}), arrival{})
	in.add(asduOf(t, asdu.M_EP_TF_1, asdu.Spontaneous, asdu.Object{Address: 301, Value: 4, Quality: asdu.EI | asdu.BL, Elapsed: 9}), arrival{})
	in.add(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, asdu.Object{Address: 300, Value: 1}, asdu.Object{Address: 302, Value: 1}), arrival{})
	items := in.take()
	want := []string{"event di 1 = 1 0x40", "compare di 16 = 0 0x40", "compare di 1 = 0 0x0", "compare di 16 = 1 0x0", "compare di 3 = 1 0x10", "event di 4 = 1 0x0"}
	if got := words(items); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if items[0].Type != uint32(asdu.M_SP_NA_1) || items[4].Type != uint32(asdu.M_SP_TB_1) || items[4].ElapsedMs != 0 {
		t.Errorf("types %d and %d, elapsed %d ms", items[0].Type, items[4].Type, items[4].ElapsedMs)
	}
	if n := in.faults.counts[mismatched].Load(); n != 2 { // a single point is none of the two bits
		t.Errorf("%d mismatches", n)
	}
}

// A double point is told to be neither off nor on only when that has lasted.
func TestIntermediateState(t *testing.T) {
	in := testIntake(Point{Kind: fsmpb.Kind_DI, Number: 1, Address: 100, Transient: 10 * time.Second}, Point{Kind: fsmpb.Kind_DI, Number: 2, Address: 101})
	begin := time.Unix(1_000_000, 0)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	send := func(s, value float64, quality uint8) {
		tag := asdu.NewCP56Time2a(at(s), time.UTC)
		in.add(asduOf(t, asdu.M_DP_TB_1, asdu.Spontaneous, asdu.Object{Address: 100, Value: value, Quality: quality, Time: tag},
			asdu.Object{Address: 101, Value: value, Time: tag}), in.clock.arrival(at(s)))
	}
	told := func(s float64, want ...string) {
		t.Helper()
		in.lasting(at(s))
		var got []string
		for _, it := range in.take() {
			if it.Point == 1 {
				got = append(got, fmt.Sprintf("%v of %v", it.Value, time.UnixMilli(it.TimeMs).Sub(begin)))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("at %vs: told %q, want %q", s, got, want)
		}
	}
	send(0, 1, 0)
	told(0, "1 of 0s")
	send(1, 0, 0)
	told(1)
	send(9, 2, 0) // it has arrived in time
	told(30, "2 of 9s")
	send(40, 0, 0)
	send(45, 3, 0)
	if again := in.lasting(at(49.9)); !again.Equal(at(50)) {
		t.Errorf("to be looked at %v", again)
	}
	told(49.9)
	told(50, "3 of 45s")
	send(60, 0, asdu.IV) // that it is invalid doesn't wait
	told(60, "0 of 1m0s")
	send(70, 0, 0)
	in.forget() // another link: the device is interrogated
	told(100)
}

// words are the items of a batch, without their times.
func words(items []*fsmpb.Item) []string {
	var words []string
	for _, it := range items {
		words = append(words, strings.ToLower(fmt.Sprintf("%v %v %d = %v %#x", it.Mode, it.Kind, it.Point, it.Value, it.Quality)))
	}
	return words
}

func TestIntake(t *testing.T) {
	in := testIntake(
		Point{Kind: fsmpb.Kind_DI, Number: 1, Address: 100},
		Point{Kind: fsmpb.Kind_DI, Number: 2, Address: 101},
		Point{Kind: fsmpb.Kind_AI, Number: 1, Address: 200},
		Point{Kind: fsmpb.Kind_AI, Number: 2, Address: 201, Analog: analog(func(a *Analog) { a.Deadband = 2 })},
		Point{Kind: fsmpb.Kind_AI, Number: 3, Address: 202, Event: true},
		Point{Kind: fsmpb.Kind_AI, Number: 4, Address: 203, Event: true, Analog: analog(func(a *Analog) { a.Deadband = 2 })},
	)
	const (
		sp, me, tf       = asdu.M_SP_NA_1, asdu.M_ME_NC_1, asdu.M_ME_TF_1
		spont, answer    = asdu.Spontaneous, asdu.InterrogatedStation
		di1, di2         = 100, 101
		ai1, ai2, e3, e4 = 200, 201, 202, 203
	)
	o := func(address asdu.InformationObjectAddress, v float64) asdu.Object {
		return asdu.Object{Address: address, Value: v, Time: asdu.CP56Time2a{0, 0, 0, 0, 1, 1, 24}}
	}
	for _, c := range []struct {
		what   string
		asdus  []asdu.ASDU
		want   []string
		events bool
	}{
		{"events keep their order, and none is left out",
			[]asdu.ASDU{asduOf(t, sp, spont, o(di1, 1), o(di1, 0)), asduOf(t, sp, spont, o(di1, 0), o(di2, 1))},
			[]string{"event di 1 = 1 0x0", "event di 1 = 0 0x0", "event di 1 = 0 0x0", "event di 2 = 1 0x0"}, true},
		{"the newest image value, at the place of the first",
			[]asdu.ASDU{asduOf(t, me, spont, o(ai1, 1)), asduOf(t, me, spont, o(ai2, 5)), asduOf(t, me, spont, o(ai1, 2))},
			[]string{"image ai 1 = 2 0x0", "image ai 2 = 5 0x0"}, false},
		{"the same, and one within the deadband",
			[]asdu.ASDU{asduOf(t, me, spont, o(ai1, 2), o(ai2, 7))}, nil, false},
		{"another quality is a change",
			[]asdu.ASDU{asduOf(t, me, spont, asdu.Object{Address: ai1, Value: 2, Quality: asdu.IV})},
			[]string{"image ai 1 = 2 0x80"}, false},
		{"events of analogs, equal ones too", []asdu.ASDU{asduOf(t, tf, spont, o(e3, 1), o(e3, 1))},
			[]string{"event ai 3 = 1 0x0", "event ai 3 = 1 0x0"}, true},
		{"unless a deadband says otherwise", []asdu.ASDU{asduOf(t, tf, spont, o(e4, 1), o(e4, 2), o(e4, 4))},
			[]string{"event ai 4 = 1 0x0", "event ai 4 = 4 0x0"}, true},
		{"answers are compared", []asdu.ASDU{asduOf(t, sp, answer, o(di1, 0)), asduOf(t, me, answer, o(e3, 3))},
			[]string{"compare di 1 = 0 0x0", "compare ai 3 = 3 0x0"}, true},
		{"unknown address between known ones", []asdu.ASDU{asduOf(t, sp, spont, o(99, 1), o(di1, 1), o(150, 1), o(di2, 1))},
			[]string{"event di 1 = 1 0x0", "event di 2 = 1 0x0"}, true},
		{"a type that no such point has", []asdu.ASDU{asduOf(t, me, spont, o(di1, 1))}, nil, false},
		{"of another station", []asdu.ASDU{other(asduOf(t, sp, spont, o(di1, 1)))}, nil, false},
		{"only a test", []asdu.ASDU{test(asduOf(t, sp, spont, o(di1, 1)))}, nil, false},
		{"of an unknown type", []asdu.ASDU{unknown(t)}, nil, false},
	} {
		for _, a := range c.asdus {
			in.add(a, in.clock.arrival(time.Now()))
		}
		if in.events != c.events {
			t.Errorf("%s: events %v", c.what, in.events)
		}
		if got := words(in.take()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, expected %q", c.what, got, c.want)
		}
	}
	for what, want := range map[deviceFault]uint64{unknownAddress: 2, mismatched: 1, unknownCommonAddress: 1, testData: 1, unknownType: 1} {
		if got := in.faults.counts[what].Load(); got != want {
			t.Errorf("%s: %d counted, expected %d", deviceFaultNames[what], got, want)
		}
	}

	in.forget()
	in.add(asduOf(t, me, answer, o(ai1, 2)), in.clock.arrival(time.Now()))
	if got, want := words(in.take()), []string{"image ai 1 = 2 0x0"}; !slices.Equal(got, want) {
		t.Errorf("after a start: %q, expected %q", got, want)
	}
}

func other(a asdu.ASDU) asdu.ASDU { a.CommonAddress = 7; return a }
func test(a asdu.ASDU) asdu.ASDU  { a.Test = true; return a }
func unknown(t testing.TB) asdu.ASDU {
	a, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: 42, Cause: 3, CommonAddress: 1}, 1, []byte{1, 0, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Whatever is sent, in whatever batches: no event is missing or out of order, and the last image value of each point is
// what the device sent last.
func TestIntakeLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := testIntake(
			Point{Kind: fsmpb.Kind_DI, Number: 1, Address: 1}, Point{Kind: fsmpb.Kind_DI, Number: 2, Address: 2},
			Point{Kind: fsmpb.Kind_AI, Number: 3, Address: 3}, Point{Kind: fsmpb.Kind_AI, Number: 4, Address: 4})
		var sent, got []string
		last, image := map[uint32]float64{}, map[uint32]float64{}
		take := func() {
			for _, it := range in.take() {
				if it.Mode == fsmpb.Item_EVENT {
					got = append(got, fmt.Sprint(it.Point, it.Value))
				} else {
					image[it.Point] = it.Value
				}
			}
		}
		for range rapid.IntRange(1, 50).Draw(rt, "ASDUs") {
			n, v := rapid.Uint32Range(1, 4).Draw(rt, "point"), float64(rapid.IntRange(0, 1).Draw(rt, "value"))
			o := asdu.Object{Address: asdu.InformationObjectAddress(n), Value: v}
			if n <= 2 {
				in.add(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, o), arrival{})
				sent = append(sent, fmt.Sprint(n, v))
			} else {
				in.add(asduOf(t, asdu.M_ME_NC_1, asdu.Spontaneous, o), arrival{})
				last[n] = v
			}
			if rapid.Bool().Draw(rt, "take") {
				take()
			}
		}
		take()
		if !slices.Equal(sent, got) {
			rt.Fatalf("events sent %q, got %q", sent, got)
		}
		for n, v := range last {
			if image[n] != v {
				rt.Fatalf("AI %d was %v last, the image has %v", n, v, image[n])
			}
		}
	})
}

func BenchmarkIntake(b *testing.B) {
	var points []Point
	var objects []asdu.Object
	tag := asdu.NewCP56Time2a(time.Now(), time.UTC)
	for i := range 1000 {
		points = append(points, Point{Kind: fsmpb.Kind_DI, Number: uint32(i), Address: asdu.InformationObjectAddress(i)})
	}
	for i := range 20 {
		objects = append(objects, asdu.Object{Address: asdu.InformationObjectAddress(i * 7), Value: 1, Time: tag})
	}
	in := testIntake(points...)
	a := asduOf(b, asdu.M_SP_TB_1, asdu.Spontaneous, objects...)
	b.ReportAllocs()
	for b.Loop() {
		in.add(a, in.clock.arrival(time.Now()))
		in.take()
	}
	b.ReportMetric(float64(b.N)*20/b.Elapsed().Seconds(), "events/s")
}
