package iec104

import "testing"

// fullFrame is an I-frame with as many objects as fit.
func fullFrame(t testing.TB, typ TypeID, sequence bool) []byte {
	var b Builder
	if err := b.Reset(DefaultProfile, Header{Type: typ, Sequence: sequence, Cause: Spontaneous, CommonAddress: 1}); err != nil {
		t.Fatal(err)
	}
	for b.Add(Object{Address: InformationObjectAddress(b.Len() + 1)}) == nil {
	}
	return AppendI(nil, 1, 2, b.ASDU())
}

// Decoding an I-frame allocates nothing, whatever it bears.
func TestDecode_AllocatesNothing(t *testing.T) {
	for _, typ := range knownTypes {
		for _, sequence := range []bool{false, true} {
			frame := fullFrame(t, typ, sequence)
			var sum float64
			if n := testing.AllocsPerRun(100, func() {
				f, _, err := ParseFrame(frame)
				if err != nil {
					t.Fatal(err)
				}
				a, err := DefaultProfile.Parse(f.ASDU)
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
	var b Builder
	frame := make([]byte, 0, MaxFrame)
	for _, typ := range knownTypes {
		if n := testing.AllocsPerRun(100, func() {
			if err := b.Reset(DefaultProfile, Header{Type: typ, Cause: Spontaneous, CommonAddress: 1}); err != nil {
				t.Fatal(err)
			}
			for b.Add(Object{Address: InformationObjectAddress(b.Len() + 1), Value: 1 - 1.0/32768}) == nil {
			}
			frame = AppendI(frame[:0], 1, 2, b.ASDU())
		}); n != 0 {
			t.Errorf("%v: %v allocations", typ, n)
		}
	}
}
