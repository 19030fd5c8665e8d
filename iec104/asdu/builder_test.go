package asdu_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// Row 35: objects for more than 249 octets, or more than 127 of them, go into several ASDUs;
// none is lost, doubled, or out of order, and each ASDU is as full as it gets.
func TestRow35_Split(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(asdutest.Profiles).Draw(t, "profile")
		typ := rapid.SampledFrom(asdutest.Types).Draw(t, "type")
		h := asdutest.Header(p, typ, rapid.Bool().Draw(t, "sequence")).Draw(t, "header")
		objs := make([]asdu.Object, rapid.IntRange(0, 400).Draw(t, "objects"))
		for i := range objs {
			objs[i].Address = asdu.InformationObjectAddress(i) & asdutest.MaxAddress(p)
			if i >= 200 {
				objs[i].Address = (objs[i].Address + 7) & asdutest.MaxAddress(p) // a gap
			}
		}
		asdus, err := p.Pack(h, objs...)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for n, a := range asdus {
			if a.Header != h || a.Len() == 0 || a.Len() > asdu.MaxObjects || len(a.Append(nil)) > asdu.MaxASDU {
				t.Fatalf("ASDU %d: %v", n, a)
			}
			for o := range a.Objects() {
				if i == len(objs) || o != objs[i] {
					t.Fatalf("ASDU %d: object %d is %+v", n, i, o)
				}
				i++
			}
			if n == len(asdus)-1 {
				break
			}
			next := asdus[n+1].Object(0)
			room := asdu.MaxASDU - len(a.Append(nil))
			need := typ.ElementSize() + p.ObjectAddressSize
			if h.Sequence {
				need = typ.ElementSize()
			}
			full := a.Len() == asdu.MaxObjects || room < need
			gap := h.Sequence && next.Address != a.Object(a.Len()-1).Address+1
			if !full && !gap {
				t.Fatalf("ASDU %d has %d objects and room for %d octets", n, a.Len(), room)
			}
		}
		if i != len(objs) {
			t.Fatalf("%d objects of %d", i, len(objs))
		}
	})
}

// How many objects an ASDU of 104's sizes holds, by hand.
func TestRow35_Capacity(t *testing.T) {
	for _, c := range []struct {
		typ      asdu.TypeID
		sequence bool
		want     int
	}{
		{asdu.M_SP_NA_1, false, 60}, // 243 octets, 4 each
		{asdu.M_SP_NA_1, true, 127}, // the count has seven bits
		{asdu.M_ME_NC_1, false, 30}, // 8 each
		{asdu.M_ME_NC_1, true, 48},  // 240 octets, 5 each
		{asdu.M_SP_TB_1, false, 22}, // 11 each
		{asdu.M_ME_TF_1, false, 16}, // 15 each
	} {
		var b asdu.Builder
		if err := b.Reset(asdu.DefaultProfile, asdu.Header{Type: c.typ, Sequence: c.sequence}); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			err = b.Add(asdu.Object{Address: asdu.InformationObjectAddress(b.Len())})
		}
		if !errors.Is(err, asdu.ErrFull) || b.Len() != c.want || b.ASDU().Len() != c.want {
			t.Errorf("%v: %d objects, want %d (%v)", c.typ, b.Len(), c.want, err)
		}
	}
}

// An object that is refused leaves the ASDU as it was.
func TestBuilder_AfterError(t *testing.T) {
	var b asdu.Builder
	if err := b.Add(asdu.Object{}); !errors.Is(err, asdu.ErrUnknownType) {
		t.Errorf("zero Builder: %v", err)
	}
	if err := b.Reset(asdu.DefaultProfile, asdu.Header{Type: asdu.M_ME_NB_1, Sequence: true, CommonAddress: 1}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    asdu.Object
		want error
	}{
		{asdu.Object{Address: 10, Value: 1e6}, asdu.ErrValue},
		{asdu.Object{Address: 10, Value: 5}, nil},
		{asdu.Object{Address: 11, Value: 1e6}, asdu.ErrValue},
		{asdu.Object{Address: 12, Value: 6}, asdu.ErrNotConsecutive},
		{asdu.Object{Address: 1 << 24, Value: 6}, asdu.ErrAddress},
		{asdu.Object{Address: 11, Value: 7}, nil},
	} {
		if err := b.Add(c.o); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	a, err := asdu.DefaultProfile.Parse(b.ASDU().Append(nil))
	if err != nil || a.Len() != 2 || a.Object(0).Value != 5 || a.Object(1) != (asdu.Object{Address: 11, Value: 7}) {
		t.Errorf("%v, %v", a, err)
	}
}

// One Builder serves ASDU after ASDU; an ASDU taken from it stays as it is while objects are added.
func TestBuilder_Reuse(t *testing.T) {
	var b asdu.Builder
	for round := range 3 {
		if err := b.Reset(asdu.DefaultProfile, asdu.Header{Type: asdu.M_SP_NA_1}); err != nil || b.Len() != 0 {
			t.Fatalf("%d objects, %v", b.Len(), err)
		}
		if err := b.Add(asdu.Object{Address: 1, Value: float64(round % 2)}); err != nil {
			t.Fatal(err)
		}
		one := b.ASDU()
		if err := b.Add(asdu.Object{Address: 2}); err != nil {
			t.Fatal(err)
		}
		if two := b.ASDU(); one.Len() != 1 || two.Len() != 2 || one.Object(0) != two.Object(0) {
			t.Errorf("%v, then %v", one, two)
		}
	}
}
