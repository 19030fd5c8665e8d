package iec104

import (
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// fullFrame is an I-frame with as many objects as fit.
func fullFrame(t testing.TB, typ asdu.TypeID, sequence bool) []byte {
	var b asdu.Builder
	if err := b.Reset(asdu.DefaultProfile, asdu.Header{Type: typ, Sequence: sequence, Cause: asdu.Spontaneous, CommonAddress: 1}); err != nil {
		t.Fatal(err)
	}
	for b.Add(asdu.Object{Address: asdu.InformationObjectAddress(b.Len() + 1)}) == nil {
	}
	return AppendI(nil, 1, 2, b.ASDU())
}

// Decoding an I-frame allocates nothing, whatever it bears.
func TestDecode_AllocatesNothing(t *testing.T) {
	for _, typ := range asdutest.Types {
		for _, sequence := range []bool{false, true} {
			frame := fullFrame(t, typ, sequence)
			var sum float64
			if n := testing.AllocsPerRun(100, func() {
				f, _, err := ParseFrame(frame)
				if err != nil {
					t.Fatal(err)
				}
				a, err := asdu.DefaultProfile.Parse(f.ASDU)
				if err != nil {
					t.Fatal(err)
				}
				for o := range a.Objects() {
					sum += o.Value
				}
				for i := range a.Len() {
					sum += a.Object(i).Value
				}
			}); n != 0 {
				t.Errorf("%v, SQ %v: %v allocations", typ, sequence, n)
			}
		}
	}
}

// Neither does building one with a Builder that is used again.
func TestEncode_AllocatesNothing(t *testing.T) {
	var b asdu.Builder
	frame := make([]byte, 0, MaxFrame)
	for _, typ := range asdutest.Types {
		if n := testing.AllocsPerRun(100, func() {
			if err := b.Reset(asdu.DefaultProfile, asdu.Header{Type: typ, Cause: asdu.Spontaneous, CommonAddress: 1}); err != nil {
				t.Fatal(err)
			}
			for b.Add(asdu.Object{Address: asdu.InformationObjectAddress(b.Len() + 1), Value: 1 - 1.0/32768}) == nil {
			}
			frame = AppendI(frame[:0], 1, 2, b.ASDU())
		}); n != 0 {
			t.Errorf("%v: %v allocations", typ, n)
		}
	}
}
