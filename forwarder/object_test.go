package forwarder

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

func TestFit(t *testing.T) {
	sp, dp, st := iec104.M_SP_NA_1, iec104.M_DP_NA_1, iec104.M_ST_NA_1
	na, nb, nc, nd, it := iec104.M_ME_NA_1, iec104.M_ME_NB_1, iec104.M_ME_NC_1, iec104.M_ME_ND_1, iec104.M_IT_NA_1
	const ov, iv = iec104.OV, iec104.IV
	for _, tt := range []struct {
		from, to iec104.TypeID
		v, want  float64
		mark     uint8
	}{
		{sp, sp, 1, 1, 0}, {sp, sp, 0, 0, 0},
		{dp, sp, 1, 0, 0}, {dp, sp, 2, 1, 0}, {dp, sp, 0, 0, iv}, {dp, sp, 3, 0, iv},
		{sp, dp, 0, 1, 0}, {sp, dp, 1, 2, 0},
		{dp, dp, 0, 0, 0}, {dp, dp, 3, 3, 0}, {dp, dp, 4, 3, iv},
		{st, st, -64, -64, 0}, {st, st, 64, 63, ov},
		{na, na, 0.5, 0.5, 0}, {nc, na, 1, 1 - 1.0/(1<<15), ov}, {nc, na, -1.5, -1, ov},
		{nc, nd, 2, 1 - 1.0/(1<<15), 0},
		{nb, nb, -32768, -32768, 0}, {nc, nb, 40000, 32767, ov}, {nc, nb, math.NaN(), 0, iv},
		{nc, nc, 1e300, math.MaxFloat32, ov}, {nc, nc, math.Inf(1), math.Inf(1), 0},
		{it, it, -1, -1, 0}, {it, it, 1 << 40, math.MaxInt32, iv},
	} {
		if got, mark := fit(tt.v, tt.from, tt.to); got != tt.want || mark != tt.mark {
			t.Errorf("%v %v as %v: %v, mark %02x, want %v, mark %02x", tt.from, tt.v, tt.to, got, mark, tt.want, tt.mark)
		}
	}
	if got, mark := fit(math.NaN(), nc, nc); !math.IsNaN(got) || mark != 0 {
		t.Errorf("a NaN as short float: %v, mark %02x, want it as it is", got, mark)
	}
}

// Whatever value comes, of whatever type, it can be sent as every type that a table may name.
func TestEveryValueCanBeEncoded(t *testing.T) {
	var types []iec104.TypeID
	for _, k := range []fsm.Kind{fsm.DI, fsm.AI, fsm.Counter} {
		for _, typeID := range kindTypes[k] {
			types = append(types, typeID, typeID.WithCP56())
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		e := entry{address: 1, typeID: rapid.SampledFrom(types).Draw(rt, "type")}
		v := rapid.OneOf(rapid.Float64(), rapid.Just(math.NaN()), rapid.Just(math.Inf(-1)), rapid.Float64Range(-4, 4)).Draw(rt, "value")
		from := iec104.TypeID(rapid.Uint8().Draw(rt, "from"))
		quality, octets := rapid.Uint8().Draw(rt, "quality"), rapid.Uint64Range(0, 1<<56-1).Draw(rt, "time")
		o := e.object(v, from, quality, octets)
		a, err := iec104.DefaultProfile.New(iec104.Header{Type: e.typeID, Cause: iec104.Spontaneous, CommonAddress: 1}, o)
		if err != nil {
			rt.Fatal(err)
		}
		if o.Quality&quality != quality {
			rt.Fatalf("quality %02x became %02x", quality, o.Quality)
		}
		if got := a.Object(0).Time; e.typeID.TimeTag() == iec104.CP56 && got != o.Time {
			rt.Fatalf("time %x became %x", o.Time, got)
		}
	})
}
