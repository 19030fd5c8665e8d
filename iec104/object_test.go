package iec104

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// The octets of each type's object after its address, written down from 101, clauses 7.2.6 and 7.3.
var objectOctets = []struct {
	typ    TypeID
	octets string
	want   Object
}{
	{M_SP_NA_1, "01", Object{Value: 1}},
	{M_SP_NA_1, "f0", Object{Quality: BL | SB | NT | IV}},
	{M_SP_TA_1, "81 e8 03 1e", Object{Value: 1, Quality: IV, Time: CP56Time2a{0xe8, 0x03, 30}}},
	{M_DP_NA_1, "02", Object{Value: 2}},
	{M_DP_NA_1, "43", Object{Value: 3, Quality: NT}},
	{M_DP_TA_1, "11 00 00 00", Object{Value: 1, Quality: BL}},
	{M_ST_NA_1, "3f 00", Object{Value: 63}},
	{M_ST_NA_1, "40 01", Object{Value: -64, Quality: OV}},
	{M_ST_NA_1, "ff 20", Object{Value: -1, Quality: SB, Qualifier: TransientBit}},
	{M_ST_TA_1, "85 00 01 02 03", Object{Value: 5, Qualifier: TransientBit, Time: CP56Time2a{1, 2, 3}}},
	{M_BO_NA_1, "01 00 00 80 80", Object{Value: 0x80000001, Quality: IV}},
	{M_BO_TA_1, "ff ff ff ff 00 01 02 03", Object{Value: 0xffffffff, Time: CP56Time2a{1, 2, 3}}},
	{M_ME_NA_1, "00 80 01", Object{Value: -1, Quality: OV}},
	{M_ME_NA_1, "ff 7f 00", Object{Value: 1 - 1.0/32768}},
	{M_ME_TA_1, "00 40 00 01 02 03", Object{Value: 0.5, Time: CP56Time2a{1, 2, 3}}},
	{M_ME_NB_1, "00 80 10", Object{Value: -32768, Quality: BL}},
	{M_ME_TB_1, "ff 7f 00 01 02 03", Object{Value: 32767, Time: CP56Time2a{1, 2, 3}}},
	{M_ME_NC_1, "00 00 20 c1 40", Object{Value: -10, Quality: NT}},
	{M_ME_NC_1, "00 00 80 7f 00", Object{Value: math.Inf(1)}},
	{M_ME_TC_1, "00 00 80 3f 00 01 02 03", Object{Value: 1, Time: CP56Time2a{1, 2, 3}}},
	{M_IT_NA_1, "ff ff ff ff 25", Object{Value: -1, Quality: CY | 5}},
	{M_IT_NA_1, "ff ff ff 7f df", Object{Value: math.MaxInt32, Quality: IV | CA | 31}},
	{M_IT_TA_1, "00 00 00 80 00 01 02 03", Object{Value: math.MinInt32, Time: CP56Time2a{1, 2, 3}}},
	{M_EP_TA_1, "8a 10 27 01 02 03", Object{Value: 2, Quality: IV | EI, Elapsed: 10000, Time: CP56Time2a{1, 2, 3}}},
	{M_EP_TB_1, "3f 08 01 00 01 02 03", Object{Value: 0x3f, Quality: EI, Elapsed: 1, Time: CP56Time2a{1, 2, 3}}},
	{M_EP_TC_1, "0f f0 ff ff 01 02 03", Object{Value: 0x0f, Quality: IV | NT | SB | BL, Elapsed: 65535, Time: CP56Time2a{1, 2, 3}}},
	{M_PS_NA_1, "05 00 04 00 01", Object{Value: 0x00040005, Quality: OV}},
	{M_ME_ND_1, "00 c0", Object{Value: -0.5}},
	{M_SP_TB_1, "11 60 ea 3b 17 7f 0c 63", Object{Value: 1, Quality: BL, Time: CP56Time2a{0x60, 0xea, 59, 23, 0x7f, 12, 99}}},
	{M_DP_TB_1, "01 01 02 03 04 05 06 07", Object{Value: 1, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_ST_TB_1, "02 00 01 02 03 04 05 06 07", Object{Value: 2, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_BO_TB_1, "00 01 00 00 00 01 02 03 04 05 06 07", Object{Value: 256, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_ME_TD_1, "00 20 00 01 02 03 04 05 06 07", Object{Value: 0.25, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_ME_TE_1, "02 01 00 01 02 03 04 05 06 07", Object{Value: 258, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_ME_TF_1, "00 00 00 3f 00 01 02 03 04 05 06 07", Object{Value: 0.5, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_IT_TB_1, "07 00 00 00 43 01 02 03 04 05 06 07", Object{Value: 7, Quality: CA | 3, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_EP_TD_1, "01 64 00 01 02 03 04 05 06 07", Object{Value: 1, Elapsed: 100, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_EP_TE_1, "01 00 64 00 01 02 03 04 05 06 07", Object{Value: 1, Elapsed: 100, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_EP_TF_1, "01 00 64 00 01 02 03 04 05 06 07", Object{Value: 1, Elapsed: 100, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_SC_NA_1, "81", Object{Value: 1, Qualifier: SelectBit}},
	{C_SC_NA_1, "04", Object{Qualifier: 1 << 2}},
	{C_DC_NA_1, "82", Object{Value: 2, Qualifier: SelectBit}},
	{C_RC_NA_1, "0d", Object{Value: 1, Qualifier: 3 << 2}},
	{C_SE_NA_1, "00 40 80", Object{Value: 0.5, Qualifier: SelectBit}},
	{C_SE_NB_1, "ff ff 01", Object{Value: -1, Qualifier: 1}},
	{C_SE_NC_1, "00 00 2e c2 00", Object{Value: -43.5}},
	{C_BO_NA_1, "78 56 34 12", Object{Value: 0x12345678}},
	{C_SC_TA_1, "01 01 02 03 04 05 06 07", Object{Value: 1, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_DC_TA_1, "01 01 02 03 04 05 06 07", Object{Value: 1, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_RC_TA_1, "02 01 02 03 04 05 06 07", Object{Value: 2, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_SE_TA_1, "00 80 00 01 02 03 04 05 06 07", Object{Value: -1, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_SE_TB_1, "2a 00 00 01 02 03 04 05 06 07", Object{Value: 42, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_SE_TC_1, "00 00 f6 42 80 01 02 03 04 05 06 07", Object{Value: 123, Qualifier: SelectBit, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_BO_TA_1, "01 00 00 00 01 02 03 04 05 06 07", Object{Value: 1, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{M_EI_NA_1, "82", Object{Qualifier: COIChanged | COIRemoteReset}},
	{C_IC_NA_1, "14", Object{Qualifier: QOIStation}},
	{C_CI_NA_1, "45", Object{Qualifier: RQTGeneral | Freeze}},
	{C_RD_NA_1, "", Object{}},
	{C_CS_NA_1, "01 02 03 04 05 06 07", Object{Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{C_TS_NA_1, "aa 55", Object{Value: TestPattern}},
	{C_RP_NA_1, "01", Object{Qualifier: QRPProcess}},
	{C_CD_NA_1, "10 27", Object{Elapsed: 10000}},
	{C_TS_TA_1, "ff ff 01 02 03 04 05 06 07", Object{Value: 65535, Time: CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{P_ME_NA_1, "00 40 01", Object{Value: 0.5, Qualifier: 1}},
	{P_ME_NB_1, "0a 00 42", Object{Value: 10, Qualifier: 0x42}},
	{P_ME_NC_1, "00 00 80 3f 83", Object{Value: 1, Qualifier: 0x83}},
	{P_AC_NA_1, "03", Object{Qualifier: 3}},
}

func TestObjectOctets(t *testing.T) {
	seen := map[TypeID]bool{}
	for _, c := range objectOctets {
		seen[c.typ] = true
		want := unhex("01 02 03" + c.octets)
		c.want.Address = 0x030201
		a, err := DefaultProfile.NewRaw(Header{Type: c.typ}, 1, want)
		if err != nil {
			t.Errorf("%v %s: %v", c.typ, c.octets, err)
			continue
		}
		if got := a.Object(0); got != c.want {
			t.Errorf("%v %s is %+v, want %+v", c.typ, c.octets, got, c.want)
		}
		b, err := DefaultProfile.New(Header{Type: c.typ}, c.want)
		if err != nil || !bytes.Equal(b.Raw(), want) {
			t.Errorf("%v %+v is % x (%v), want % x", c.typ, c.want, b.Raw(), err, want)
		}
	}
	for _, typ := range knownTypes {
		if !seen[typ] {
			t.Errorf("%v is not in the table", typ)
		}
	}
}

// A value that its element cannot hold is refused, never cut or wrapped. Between the steps of
// an element it is rounded.
func TestValueBounds(t *testing.T) {
	for _, c := range []struct {
		typ       TypeID
		good, bad []float64
	}{
		{M_SP_NA_1, []float64{0, 1}, []float64{-1, 2, math.NaN()}},
		{M_DP_NA_1, []float64{0, 3}, []float64{-1, 4}},
		{M_ST_NA_1, []float64{-64, 63}, []float64{-65, 64}},
		{M_BO_NA_1, []float64{0, math.MaxUint32}, []float64{-1, math.MaxUint32 + 1}},
		{M_ME_NA_1, []float64{-1, 1 - 1.0/32768}, []float64{-1.0001, 1, math.Inf(1)}},
		{M_ME_NB_1, []float64{-32768, 32767, 32767.4}, []float64{-32769, 32767.5, math.NaN()}},
		{M_ME_NC_1, []float64{-math.MaxFloat32, math.MaxFloat32, math.Inf(-1), math.NaN()}, []float64{math.MaxFloat64, -1e39}},
		{M_IT_NA_1, []float64{math.MinInt32, math.MaxInt32}, []float64{math.MinInt32 - 1, math.MaxInt32 + 1}},
		{M_EP_TE_1, []float64{0, 255}, []float64{256}},
		{C_SC_NA_1, []float64{0, 1}, []float64{2}},
		{C_DC_NA_1, []float64{0, 3}, []float64{4}},
		{C_TS_TA_1, []float64{0, 65535}, []float64{65536}},
		{C_IC_NA_1, []float64{0, math.NaN(), 1e300}, nil}, // it has no value
	} {
		for _, v := range c.good {
			if _, err := DefaultProfile.New(Header{Type: c.typ}, Object{Value: v}); err != nil {
				t.Errorf("%v: %v", c.typ, err)
			}
		}
		for _, v := range c.bad {
			if a, err := DefaultProfile.New(Header{Type: c.typ}, Object{Value: v}); !errors.Is(err, ErrValue) {
				t.Errorf("%v of %v is %v, error %v", c.typ, v, a, err)
			}
		}
	}
	for value, want := range map[float64]float64{0.6: 1, 2.4: 2, -2.6: -3, 2.5: 2, -3.5: -4} {
		a, err := DefaultProfile.New(Header{Type: M_ME_NB_1}, Object{Value: value})
		if err != nil || a.Object(0).Value != want {
			t.Errorf("scaled %v is %v, %v; want %v", value, a, err, want)
		}
	}
}

// Row 57: an event relayed in the type without time tag, as an interrogation answers, keeps its
// quality bit for bit; so does a NaN its bits.
func TestRow57_QualityRelayed(t *testing.T) {
	for _, typ := range knownTypes {
		if typ.TimeTag() != CP56 || typ.Untimed() == typ {
			continue
		}
		size := typ.Untimed().ElementSize()
		for b := range 256 {
			body := append([]byte{1, 0, 0}, bytes.Repeat([]byte{byte(b)}, typ.ElementSize())...)
			a, err := DefaultProfile.NewRaw(Header{Type: typ}, 1, body)
			if err != nil {
				t.Fatal(err)
			}
			u, err := DefaultProfile.New(Header{Type: typ.Untimed()}, a.Object(0))
			if err != nil || !bytes.Equal(u.Raw()[3:], body[3:3+size]) {
				t.Errorf("%v % x became %v % x, %v", typ, body, u.Type, u.Raw(), err)
			}
		}
	}
	signalling := math.Float64frombits(0x7ff0000020000000) // the smallest NaN that a short float holds
	a, err := DefaultProfile.New(Header{Type: M_ME_NC_1}, Object{Value: signalling})
	if want := unhex("00 00 00 01 00 80 7f 00"); err != nil || !bytes.Equal(a.Raw(), want) {
		t.Errorf("% x, %v, want % x", a.Raw(), err, want)
	}
	tiny := math.Float64frombits(0x7ff0000000000001) // one that it does not hold must stay a NaN
	a, err = DefaultProfile.New(Header{Type: M_ME_NC_1}, Object{Value: tiny})
	if err != nil || !math.IsNaN(a.Object(0).Value) {
		t.Errorf("%v, %v", a, err)
	}
}
