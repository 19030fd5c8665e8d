package forwarder

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// relay is what a centre gets of an object that a device sends: octets in, octets out, each without address and time.
func relay(t *testing.T, from, to asdu.TypeID, octets ...byte) []byte {
	t.Helper()
	body := append([]byte{1, 0, 0}, octets...)
	body = append(body, make([]byte, tail(from))...)
	header := asdu.Header{Type: from, Cause: asdu.Spontaneous, CommonAddress: 1}
	in, err := asdu.DefaultProfile.NewRaw(header, 1, body)
	if err != nil {
		t.Fatalf("%v % x: %v", from, octets, err)
	}
	o := in.Object(0)
	e := entry{address: 1, typeID: to}
	header.Type = to
	out, err := asdu.DefaultProfile.New(header, e.object(&fsm.Event{
		Value: o.Value, Type: uint8(from), Quality: o.Quality, ElapsedMs: o.Elapsed, Transient: from.Untimed() == asdu.M_ST_NA_1 && o.Qualifier != 0,
	}, asTheyAre))
	if err != nil {
		t.Fatalf("%v % x as %v: %v", from, octets, to, err)
	}
	raw := out.Raw()
	return raw[3 : len(raw)-tail(to)]
}

// tail is how many octets of elapsed time and time tag end an object.
func tail(t asdu.TypeID) int {
	n := map[asdu.TimeTag]int{asdu.CP24: 3, asdu.CP56: 7}[t.TimeTag()]
	if t.Untimed() == t && n > 0 { // events of protection equipment
		n += 2
	}
	return n
}

// state is what a person would say that two-state equipment is, whichever octet tells it.
type state string

const (
	off     state = "off"
	on      state = "on"
	neither state = "neither" // on its way, faulty, or not told: nobody may take it for off or on
)

// digitalOctet is an octet of IEC 60870-5-101, from its clauses:
//
//	7.2.6.1   SIQ := {SPI<1>, RES<2..4>, BL<5>, SB<6>, NT<7>, IV<8>}, SPI 0 off, 1 on
//	7.2.6.2   DIQ := {DPI<1..2>, RES<3..4>, BL, SB, NT, IV}, DPI 0 indeterminate or intermediate, 1 off, 2 on, 3 indeterminate
//	7.2.6.10  SEP := {ES<1..2>, RES<3>, EI<4>, BL, SB, NT, IV}, ES 0 indeterminate, 1 off, 2 on, 3 indeterminate
type digitalOctet struct {
	states []state
	mask   byte
}

const (
	bl, sb, nt, iv = 0x10, 0x20, 0x40, 0x80
	ov             = 0x01 // of QDS, 7.2.6.3
)

var digitalTypes = map[asdu.TypeID]digitalOctet{
	1: {[]state{off, on}, 1}, 2: {[]state{off, on}, 1}, 30: {[]state{off, on}, 1},
	3: {[]state{neither, off, on, neither}, 3}, 4: {[]state{neither, off, on, neither}, 3}, 31: {[]state{neither, off, on, neither}, 3},
	17: {[]state{neither, off, on, neither}, 3}, 38: {[]state{neither, off, on, neither}, 3},
}

// Every octet of every digital type that a device may send, as every type that a centre may be told: the state is the
// same or the object is invalid; BL, SB and NT are the same, and IV is never lost; where the descriptor is another, no
// reserved bit is set. Within one type every bit is the same.
func TestEveryStateOfEveryType(t *testing.T) {
	for from, in := range digitalTypes {
		for _, to := range []asdu.TypeID{1, 3, 30, 31} {
			out := digitalTypes[to]
			for octet := range 256 {
				sent := byte(octet)
				told := relay(t, from, to, sent)[0]
				was, is := in.states[sent&in.mask], out.states[told&out.mask]
				wrong := ""
				switch {
				case from.Untimed() == to.Untimed():
					if told != sent {
						wrong = "expected the octet as it is"
					}
				case told&^out.mask&0x0f != 0:
					wrong = "a reserved bit is set"
				case told&iv == 0 && (sent&iv != 0 || was != is):
					wrong = fmt.Sprintf("%s is told as %s, valid", was, is)
				case (told^sent)&(bl|sb|nt) != 0:
					wrong = "BL, SB or NT is another"
				case was == is && told&iv != sent&iv:
					wrong = "it is invalid without a reason"
				}
				if wrong != "" {
					t.Errorf("%v %02x became %v %02x: %s", from, sent, to, told, wrong)
				}
			}
		}
	}
}

// Types that say nothing of one switch are never told as a state that is valid.
func TestOtherTypesAreNoState(t *testing.T) {
	for _, from := range []struct {
		typeID asdu.TypeID
		octets int
	}{{5, 2}, {7, 5}, {18, 2}, {19, 2}, {20, 5}, {33, 5}, {39, 2}, {40, 2}, {13, 5}, {15, 5}} {
		for _, to := range []asdu.TypeID{1, 3, 30, 31} {
			for _, first := range []byte{0, 1, 2, 3, 0x55, 0xff} {
				octets := make([]byte, from.octets)
				octets[0] = first
				if told := relay(t, from.typeID, to, octets...)[0]; told&iv == 0 {
					t.Errorf("%v % x became %v %02x, valid", from.typeID, octets, to, told)
				}
			}
		}
	}
}

// 7.2.6.10 SEP: an event of protection equipment goes as it is, and as type 38 what says nothing of an elapsed time has EI.
func TestProtectionEvents(t *testing.T) {
	for from, in := range digitalTypes {
		for octet := range 256 {
			sent := byte(octet)
			told := relay(t, from, 38, sent)[0]
			switch was, is := in.states[sent&in.mask], digitalTypes[38].states[told&3]; {
			case from == 17 || from == 38:
				if told != sent {
					t.Errorf("%v %02x became %02x", from, sent, told)
				}
			case was != is || told&0x08 == 0 || (told^sent)&(bl|sb|nt|iv) != 0:
				t.Errorf("%v %02x became 38 %02x: %s is told as %s, expected that with EI", from, sent, told, was, is)
			}
		}
	}
	e := entry{address: 1, typeID: 38}
	if o := e.object(&fsm.Event{Type: 38, Value: 2, ElapsedMs: 1234}, asTheyAre); o.Elapsed != 1234 {
		t.Errorf("the elapsed time became %d ms", o.Elapsed)
	}
}

// 7.2.6.13 BSI, 7.2.6.40 SCD, 7.2.6.11 SPE, 7.2.6.12 OCI: patterns of bits go as they are, change bits, reserved ones and quality
// included, and as no other pattern.
func TestEveryBitstring(t *testing.T) {
	kinds := map[asdu.TypeID][]asdu.TypeID{7: {7, 8, 33}, 20: {20}, 39: {39, 18}, 40: {40, 19}}
	for to, same := range kinds {
		for _, from := range []asdu.TypeID{7, 8, 33, 20, 18, 39, 19, 40, 1, 3, 5, 9, 11, 13, 15, 38} {
			octets := make([]byte, from.ElementSize()-tail(from))
			rapid.Check(t, func(rt *rapid.T) {
				for i := range octets {
					octets[i] = rapid.Byte().Draw(rt, "octet")
				}
				if to == 39 || to == 40 { // RES<7..8> of SPE and RES<5..8> of OCI are 0
					octets[0] &= map[asdu.TypeID]byte{39: 0x3f, 40: 0x0f}[to]
				}
				told := relay(t, from, to, octets...)
				quality := told[len(told)-1]
				switch {
				case slices.Contains(same, from):
					if string(told) != string(octets) {
						rt.Fatalf("%v % x became %v % x", from, octets, to, told)
					}
				case quality&iv == 0:
					rt.Fatalf("%v % x became %v % x, valid", from, octets, to, told)
				}
			})
		}
	}
}

// The measured values: what a type can't hold is told with OV at its end, or IV, and the rest of QDS is kept.
func TestEveryMeasuredValue(t *testing.T) {
	word := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	short := func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }
	for _, tt := range []struct {
		from asdu.TypeID
		sent []byte // without QDS
		to   asdu.TypeID
		told []byte
		mark byte // IV: what is told beside it doesn't matter
	}{
		// 7.2.6.5 VTI: -64 to 63 in seven bits.
		{5, []byte{0x40}, 32, []byte{0x40}, 0}, {32, []byte{0x3f}, 5, []byte{0x3f}, 0},
		{5, []byte{0x40}, 11, word(0xffc0), 0}, {5, []byte{0x3f}, 13, short(63), 0}, {5, []byte{2}, 9, word(0x7fff), ov},
		{5, []byte{0x85}, 32, []byte{0x85}, 0}, {32, []byte{0xc0}, 5, []byte{0xc0}, 0}, {32, []byte{0xff}, 32, []byte{0xff}, 0}, // on its way
		{5, []byte{0x85}, 13, short(5), iv}, {32, []byte{0x85}, 35, word(5), iv},
		{11, word(64), 5, []byte{0x3f}, ov}, {11, word(0xffbf), 5, []byte{0x40}, ov}, {11, word(17), 5, []byte{17}, 0},
		{13, short(5.5), 5, nil, iv}, {9, word(0x4000), 32, nil, iv}, // no position
		// 7.2.6.6 NVA: -1 to 1-2^-15; 7.2.6.7 SVA: -32768 to 32767; 7.2.6.8 IEEE STD 754.
		{9, word(0x8000), 34, word(0x8000), 0}, {34, word(0x7fff), 9, word(0x7fff), 0}, {21, word(0x7fff), 9, word(0x7fff), 0},
		{9, word(0x7fff), 13, short(1 - 1.0/(1<<15)), 0}, {9, word(0x8000), 36, short(-1), 0},
		{11, word(0x8000), 35, word(0x8000), 0}, {11, word(0x7fff), 13, short(32767), 0}, {11, word(2), 9, word(0x7fff), ov},
		{13, short(1), 9, word(0x7fff), ov}, {13, short(-1.5), 34, word(0x8000), ov},
		{13, short(32768), 11, word(0x7fff), ov}, {13, short(-40000), 35, word(0x8000), ov},
		{13, short(math.MaxFloat32), 36, short(math.MaxFloat32), 0}, {13, short(float32(math.Inf(-1))), 36, short(float32(math.Inf(-1))), 0},
		{13, short(float32(math.Inf(1))), 11, word(0x7fff), ov}, {13, short(float32(math.NaN())), 36, nil, iv}, {13, short(float32(math.NaN())), 11, nil, iv},
		// 7.2.6.13 BSI is no number.
		{7, []byte{0xef, 0xbe, 0xad, 0xde}, 13, nil, iv}, {33, []byte{5, 0, 0, 0}, 11, nil, iv}, {20, []byte{1, 0, 1, 0}, 36, nil, iv},
		{1, nil, 13, nil, iv}, // a single point
	} {
		for quality := range 256 {
			q := byte(quality)
			sent := append(append([]byte(nil), tt.sent...), q)
			switch tt.from {
			case 21: // has none
				sent, q = tt.sent, 0
			case 1:
				q &= 0xf0
				sent = []byte{q}
			}
			told := relay(t, tt.from, tt.to, sent...)
			value, got := told[:len(told)-1], told[len(told)-1]
			if tt.mark == iv && got&iv == 0 || tt.mark != iv && string(value) != string(tt.told) {
				t.Errorf("%v % x became %v % x, expected % x with %02x", tt.from, sent, tt.to, told, tt.told, tt.mark)
			} else if got != q|tt.mark {
				t.Errorf("%v % x became %v % x, expected quality %02x", tt.from, sent, tt.to, told, q|tt.mark)
			}
		}
	}
}

// 7.2.6.9 BCR: a counter keeps value, sequence number, CY, CA and IV, bit for bit; no other type is one.
func TestEveryCounter(t *testing.T) {
	for _, octets := range []string{"\x00\x00\x00\x80\xff", "\xff\xff\xff\x7f\x1f", "\x01\x00\x00\x00\x60", "\x00\x00\x00\x00\x80"} {
		for _, from := range []asdu.TypeID{15, 16, 37} {
			for _, to := range []asdu.TypeID{15, 37} {
				if told := relay(t, from, to, []byte(octets)...); string(told) != octets {
					t.Errorf("%v % x became %v % x", from, octets, to, told)
				}
			}
		}
	}
	for _, to := range []asdu.TypeID{15, 37} {
		if told := relay(t, 13, to, 0, 0, 0x80, 0x3f, 0x70); told[4] != iv {
			t.Errorf("a short float with BL, SB and NT became %v % x, expected IV and no sequence number, CY or CA", to, told)
		}
	}
}

// Whatever value comes, of whatever type, it can be sent as every type that a table may name.
func TestEveryValueCanBeEncoded(t *testing.T) {
	var types []asdu.TypeID
	for _, k := range []fsm.Kind{fsm.DI, fsm.AI, fsm.Counter, fsm.Bitstring} {
		for _, typeID := range kindTypes[k] {
			types = append(types, typeID, typeID.WithCP56())
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		e := entry{address: 1, typeID: rapid.SampledFrom(types).Draw(rt, "type")}
		v := rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN()), rapid.Just(math.Inf(-1)), rapid.Float64Range(-4, 4)).Draw(rt, "value")
		from := asdu.TypeID(rapid.Uint8().Draw(rt, "from"))
		quality, octets := rapid.Uint8().Draw(rt, "quality"), rapid.Uint64Range(0, 1<<56-1).Draw(rt, "time")
		o := e.object(&fsm.Event{Value: v, Type: uint8(from), Quality: quality, Time: octets, Transient: rapid.Bool().Draw(rt, "transient")}, asTheyAre)
		a, err := asdu.DefaultProfile.New(asdu.Header{Type: e.typeID, Cause: asdu.Spontaneous, CommonAddress: 1}, o)
		if err != nil {
			rt.Fatal(err)
		}
		if quality&iv != 0 && o.Quality&iv == 0 {
			rt.Fatalf("quality %02x became %02x", quality, o.Quality)
		}
		if got := a.Object(0).Time; e.typeID.TimeTag() == asdu.CP56 && got != o.Time {
			rt.Fatalf("time %x became %x", o.Time, got)
		}
	})
}

// A time that the FEP has made up is told as such, but to a centre that can't take it.
func TestSubstitutedTime(t *testing.T) {
	madeUp := asdu.NewCP56Time2a(time.Unix(1_000_000, 0), time.UTC).WithSubstituted(true)
	for _, plain := range []bool{false, true} {
		table, err := newTable(Uplink{Name: "occ", PlainTime: plain, Points: points[:1]}, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		o := table.entries[0].object(&fsm.Event{Type: 30, Value: 1, Time: madeUp.Uint64()}, &table.tags)
		if want := madeUp.WithSubstituted(!plain); o.Time != want {
			t.Errorf("plain %v: %v, want %v", plain, o.Time, want)
		}
	}
}

// asTheyAre is the tagging of an uplink in the station's zone.
var asTheyAre = &tagging{station: time.UTC, to: time.UTC}

// An uplink of another zone has the same instants, and what names none as it came.
func TestUplinkInAnotherZone(t *testing.T) {
	shanghai := time.FixedZone("UTC+8", 8*3600)
	at := time.Date(2024, 2, 28, 20, 30, 1, 5e6, time.UTC)
	table, err := newTable(Uplink{Name: "occ", Location: shanghai, Points: points[:1]}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	none := asdu.CP56Time2a{1, 2, 61}
	for _, c := range []struct{ tag, want asdu.CP56Time2a }{
		{asdu.NewCP56Time2a(at, time.UTC), asdu.NewCP56Time2a(at, shanghai)},
		{asdu.NewCP56Time2a(at, time.UTC).WithInvalid(true), asdu.NewCP56Time2a(at, shanghai).WithInvalid(true)},
		{none, none},
	} {
		if o := table.entries[0].object(&fsm.Event{Type: 30, Value: 1, Time: c.tag.Uint64()}, &table.tags); o.Time != c.want {
			t.Errorf("%x became %x, want %x", c.tag, o.Time, c.want)
		}
	}
}
