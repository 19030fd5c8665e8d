package asdu_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// The octets of each type's object after its address, written down from 101, clauses 7.2.6 and 7.3.
var objectOctets = []struct {
	typ    asdu.TypeID
	octets string
	want   asdu.Object
}{
	{asdu.M_SP_NA_1, "01", asdu.Object{Value: 1}},
	{asdu.M_SP_NA_1, "f0", asdu.Object{Quality: asdu.BL | asdu.SB | asdu.NT | asdu.IV}},
	{asdu.M_SP_TA_1, "81 e8 03 1e", asdu.Object{Value: 1, Quality: asdu.IV, Time: asdu.CP56Time2a{0xe8, 0x03, 30}}},
	{asdu.M_DP_NA_1, "02", asdu.Object{Value: 2}},
	{asdu.M_DP_NA_1, "43", asdu.Object{Value: 3, Quality: asdu.NT}},
	{asdu.M_DP_TA_1, "11 00 00 00", asdu.Object{Value: 1, Quality: asdu.BL}},
	{asdu.M_ST_NA_1, "3f 00", asdu.Object{Value: 63}},
	{asdu.M_ST_NA_1, "40 01", asdu.Object{Value: -64, Quality: asdu.OV}},
	{asdu.M_ST_NA_1, "ff 20", asdu.Object{Value: -1, Quality: asdu.SB, Qualifier: asdu.TransientBit}},
	{asdu.M_ST_TA_1, "85 00 01 02 03", asdu.Object{Value: 5, Qualifier: asdu.TransientBit, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_BO_NA_1, "01 00 00 80 80", asdu.Object{Value: 0x80000001, Quality: asdu.IV}},
	{asdu.M_BO_TA_1, "ff ff ff ff 00 01 02 03", asdu.Object{Value: 0xffffffff, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_ME_NA_1, "00 80 01", asdu.Object{Value: -1, Quality: asdu.OV}},
	{asdu.M_ME_NA_1, "ff 7f 00", asdu.Object{Value: 1 - 1.0/32768}},
	{asdu.M_ME_TA_1, "00 40 00 01 02 03", asdu.Object{Value: 0.5, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_ME_NB_1, "00 80 10", asdu.Object{Value: -32768, Quality: asdu.BL}},
	{asdu.M_ME_TB_1, "ff 7f 00 01 02 03", asdu.Object{Value: 32767, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_ME_NC_1, "00 00 20 c1 40", asdu.Object{Value: -10, Quality: asdu.NT}},
	{asdu.M_ME_NC_1, "00 00 80 7f 00", asdu.Object{Value: math.Inf(1)}},
	{asdu.M_ME_TC_1, "00 00 80 3f 00 01 02 03", asdu.Object{Value: 1, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_IT_NA_1, "ff ff ff ff 25", asdu.Object{Value: -1, Quality: asdu.CY | 5}},
	{asdu.M_IT_NA_1, "ff ff ff 7f df", asdu.Object{Value: math.MaxInt32, Quality: asdu.IV | asdu.CA | 31}},
	{asdu.M_IT_TA_1, "00 00 00 80 00 01 02 03", asdu.Object{Value: math.MinInt32, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_EP_TA_1, "8a 10 27 01 02 03", asdu.Object{Value: 2, Quality: asdu.IV | asdu.EI, Elapsed: 10000, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_EP_TB_1, "3f 08 01 00 01 02 03", asdu.Object{Value: 0x3f, Quality: asdu.EI, Elapsed: 1, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_EP_TC_1, "0f f0 ff ff 01 02 03", asdu.Object{Value: 0x0f, Quality: asdu.IV | asdu.NT | asdu.SB | asdu.BL, Elapsed: 65535, Time: asdu.CP56Time2a{1, 2, 3}}},
	{asdu.M_PS_NA_1, "05 00 04 00 01", asdu.Object{Value: 0x00040005, Quality: asdu.OV}},
	{asdu.M_ME_ND_1, "00 c0", asdu.Object{Value: -0.5}},
	{asdu.M_SP_TB_1, "11 60 ea 3b 17 7f 0c 63", asdu.Object{Value: 1, Quality: asdu.BL, Time: asdu.CP56Time2a{0x60, 0xea, 59, 23, 0x7f, 12, 99}}},
	{asdu.M_DP_TB_1, "01 01 02 03 04 05 06 07", asdu.Object{Value: 1, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_ST_TB_1, "02 00 01 02 03 04 05 06 07", asdu.Object{Value: 2, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_BO_TB_1, "00 01 00 00 00 01 02 03 04 05 06 07", asdu.Object{Value: 256, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_ME_TD_1, "00 20 00 01 02 03 04 05 06 07", asdu.Object{Value: 0.25, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_ME_TE_1, "02 01 00 01 02 03 04 05 06 07", asdu.Object{Value: 258, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_ME_TF_1, "00 00 00 3f 00 01 02 03 04 05 06 07", asdu.Object{Value: 0.5, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_IT_TB_1, "07 00 00 00 43 01 02 03 04 05 06 07", asdu.Object{Value: 7, Quality: asdu.CA | 3, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_EP_TD_1, "01 64 00 01 02 03 04 05 06 07", asdu.Object{Value: 1, Elapsed: 100, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_EP_TE_1, "01 00 64 00 01 02 03 04 05 06 07", asdu.Object{Value: 1, Elapsed: 100, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_EP_TF_1, "01 00 64 00 01 02 03 04 05 06 07", asdu.Object{Value: 1, Elapsed: 100, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_SC_NA_1, "81", asdu.Object{Value: 1, Qualifier: asdu.SelectBit}},
	{asdu.C_SC_NA_1, "04", asdu.Object{Qualifier: 1 << 2}},
	{asdu.C_DC_NA_1, "82", asdu.Object{Value: 2, Qualifier: asdu.SelectBit}},
	{asdu.C_RC_NA_1, "0d", asdu.Object{Value: 1, Qualifier: 3 << 2}},
	{asdu.C_SE_NA_1, "00 40 80", asdu.Object{Value: 0.5, Qualifier: asdu.SelectBit}},
	{asdu.C_SE_NB_1, "ff ff 01", asdu.Object{Value: -1, Qualifier: 1}},
	{asdu.C_SE_NC_1, "00 00 2e c2 00", asdu.Object{Value: -43.5}},
	{asdu.C_BO_NA_1, "78 56 34 12", asdu.Object{Value: 0x12345678}},
	{asdu.C_SC_TA_1, "01 01 02 03 04 05 06 07", asdu.Object{Value: 1, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_DC_TA_1, "01 01 02 03 04 05 06 07", asdu.Object{Value: 1, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_RC_TA_1, "02 01 02 03 04 05 06 07", asdu.Object{Value: 2, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_SE_TA_1, "00 80 00 01 02 03 04 05 06 07", asdu.Object{Value: -1, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_SE_TB_1, "2a 00 00 01 02 03 04 05 06 07", asdu.Object{Value: 42, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_SE_TC_1, "00 00 f6 42 80 01 02 03 04 05 06 07", asdu.Object{Value: 123, Qualifier: asdu.SelectBit, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_BO_TA_1, "01 00 00 00 01 02 03 04 05 06 07", asdu.Object{Value: 1, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.M_EI_NA_1, "82", asdu.Object{Qualifier: asdu.COIChanged | asdu.COIRemoteReset}},
	{asdu.C_IC_NA_1, "14", asdu.Object{Qualifier: asdu.QOIStation}},
	{asdu.C_CI_NA_1, "45", asdu.Object{Qualifier: asdu.RQTGeneral | asdu.Freeze}},
	{asdu.C_RD_NA_1, "", asdu.Object{}},
	{asdu.C_CS_NA_1, "01 02 03 04 05 06 07", asdu.Object{Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.C_TS_NA_1, "aa 55", asdu.Object{Value: asdu.TestPattern}},
	{asdu.C_RP_NA_1, "01", asdu.Object{Qualifier: asdu.QRPProcess}},
	{asdu.C_CD_NA_1, "10 27", asdu.Object{Elapsed: 10000}},
	{asdu.C_TS_TA_1, "ff ff 01 02 03 04 05 06 07", asdu.Object{Value: 65535, Time: asdu.CP56Time2a{1, 2, 3, 4, 5, 6, 7}}},
	{asdu.P_ME_NA_1, "00 40 01", asdu.Object{Value: 0.5, Qualifier: 1}},
	{asdu.P_ME_NB_1, "0a 00 42", asdu.Object{Value: 10, Qualifier: 0x42}},
	{asdu.P_ME_NC_1, "00 00 80 3f 83", asdu.Object{Value: 1, Qualifier: 0x83}},
	{asdu.P_AC_NA_1, "03", asdu.Object{Qualifier: 3}},
}

func TestObjectOctets(t *testing.T) {
	seen := map[asdu.TypeID]bool{}
	for _, c := range objectOctets {
		seen[c.typ] = true
		want := asdutest.Octets("01 02 03" + c.octets)
		c.want.Address = 0x030201
		a, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: c.typ}, 1, want)
		if err != nil {
			t.Errorf("%v %s: %v", c.typ, c.octets, err)
			continue
		}
		if got := a.Object(0); got != c.want {
			t.Errorf("%v %s is %+v, want %+v", c.typ, c.octets, got, c.want)
		}
		b, err := asdu.DefaultProfile.New(asdu.Header{Type: c.typ}, c.want)
		if err != nil || !bytes.Equal(b.Raw(), want) {
			t.Errorf("%v %+v is % x (%v), want % x", c.typ, c.want, b.Raw(), err, want)
		}
	}
	for _, typ := range asdutest.Types {
		if !seen[typ] {
			t.Errorf("%v is not in the table", typ)
		}
	}
}

// A value that its element cannot hold is refused, never cut or wrapped. Between the steps of
// an element it is rounded.
func TestValueBounds(t *testing.T) {
	for _, c := range []struct {
		typ       asdu.TypeID
		good, bad []float64
	}{
		{asdu.M_SP_NA_1, []float64{0, 1}, []float64{-1, 2, math.NaN()}},
		{asdu.M_DP_NA_1, []float64{0, 3}, []float64{-1, 4}},
		{asdu.M_ST_NA_1, []float64{-64, 63}, []float64{-65, 64}},
		{asdu.M_BO_NA_1, []float64{0, math.MaxUint32}, []float64{-1, math.MaxUint32 + 1}},
		{asdu.M_ME_NA_1, []float64{-1, 1 - 1.0/32768}, []float64{-1.0001, 1, math.Inf(1)}},
		{asdu.M_ME_NB_1, []float64{-32768, 32767, 32767.4}, []float64{-32769, 32767.5, math.NaN()}},
		{asdu.M_ME_NC_1, []float64{-math.MaxFloat32, math.MaxFloat32, math.Inf(-1), math.NaN()}, []float64{math.MaxFloat64, -1e39}},
		{asdu.M_IT_NA_1, []float64{math.MinInt32, math.MaxInt32}, []float64{math.MinInt32 - 1, math.MaxInt32 + 1}},
		{asdu.M_EP_TE_1, []float64{0, 255}, []float64{256}},
		{asdu.C_SC_NA_1, []float64{0, 1}, []float64{2}},
		{asdu.C_DC_NA_1, []float64{0, 3}, []float64{4}},
		{asdu.C_TS_TA_1, []float64{0, 65535}, []float64{65536}},
		{asdu.C_IC_NA_1, []float64{0, math.NaN(), 1e300}, nil}, // it has no value
	} {
		for _, v := range c.good {
			if _, err := asdu.DefaultProfile.New(asdu.Header{Type: c.typ}, asdu.Object{Value: v}); err != nil {
				t.Errorf("%v: %v", c.typ, err)
			}
		}
		for _, v := range c.bad {
			if a, err := asdu.DefaultProfile.New(asdu.Header{Type: c.typ}, asdu.Object{Value: v}); !errors.Is(err, asdu.ErrValue) {
				t.Errorf("%v of %v is %v, error %v", c.typ, v, a, err)
			}
		}
	}
	for value, want := range map[float64]float64{0.6: 1, 2.4: 2, -2.6: -3, 2.5: 2, -3.5: -4} {
		a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_ME_NB_1}, asdu.Object{Value: value})
		if err != nil || a.Object(0).Value != want {
			t.Errorf("scaled %v is %v, %v; want %v", value, a, err, want)
		}
	}
}

// Row 57: an event relayed in the type without time tag, as an interrogation answers, keeps its
// quality bit for bit; so does a NaN its bits.
func TestRow57_QualityRelayed(t *testing.T) {
	for _, typ := range asdutest.Types {
		if typ.TimeTag() != asdu.CP56 || typ.Untimed() == typ {
			continue
		}
		size := typ.Untimed().ElementSize()
		for b := range 256 {
			body := append([]byte{1, 0, 0}, bytes.Repeat([]byte{byte(b)}, typ.ElementSize())...)
			a, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: typ}, 1, body)
			if err != nil {
				t.Fatal(err)
			}
			u, err := asdu.DefaultProfile.New(asdu.Header{Type: typ.Untimed()}, a.Object(0))
			if err != nil || !bytes.Equal(u.Raw()[3:], body[3:3+size]) {
				t.Errorf("%v % x became %v % x, %v", typ, body, u.Type, u.Raw(), err)
			}
		}
	}
	signalling := math.Float64frombits(0x7ff0000020000000) // the smallest NaN that a short float holds
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_ME_NC_1}, asdu.Object{Value: signalling})
	if want := asdutest.Octets("00 00 00 01 00 80 7f 00"); err != nil || !bytes.Equal(a.Raw(), want) {
		t.Errorf("% x, %v, want % x", a.Raw(), err, want)
	}
	tiny := math.Float64frombits(0x7ff0000000000001) // one that it does not hold must stay a NaN
	a, err = asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_ME_NC_1}, asdu.Object{Value: tiny})
	if err != nil || !math.IsNaN(a.Object(0).Value) {
		t.Errorf("%v, %v", a, err)
	}
}
