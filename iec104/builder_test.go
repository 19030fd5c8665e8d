package iec104

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Row 35: objects for more than 249 octets, or more than 127 of them, go into several ASDUs;
// none is lost, doubled, or out of order, and each ASDU is as full as it gets.
func TestRow35_Split(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(allProfiles).Draw(t, "profile")
		typ := rapid.SampledFrom(knownTypes).Draw(t, "type")
		h := genHeader(p, typ, rapid.Bool().Draw(t, "sequence")).Draw(t, "header")
		objs := make([]Object, rapid.IntRange(0, 400).Draw(t, "objects"))
		for i := range objs {
			objs[i].Address = InformationObjectAddress(i) & maxAddress(p)
			if i >= 200 {
				objs[i].Address = (objs[i].Address + 7) & maxAddress(p) // a gap
			}
		}
		asdus, err := p.Pack(h, objs...)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for n, a := range asdus {
			if a.Header != h || a.Len() == 0 || a.Len() > MaxObjects || len(a.Append(nil)) > MaxASDU {
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
			room := MaxASDU - len(a.Append(nil))
			need := typ.ElementSize() + p.ObjectAddressSize
			if h.Sequence {
				need = typ.ElementSize()
			}
			full := a.Len() == MaxObjects || room < need
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
		typ      TypeID
		sequence bool
		want     int
	}{
		{M_SP_NA_1, false, 60}, // 243 octets, 4 each
		{M_SP_NA_1, true, 127}, // the count has seven bits
		{M_ME_NC_1, false, 30}, // 8 each
		{M_ME_NC_1, true, 48},  // 240 octets, 5 each
		{M_SP_TB_1, false, 22}, // 11 each
		{M_ME_TF_1, false, 16}, // 15 each
	} {
		var b Builder
		if err := b.Reset(DefaultProfile, Header{Type: c.typ, Sequence: c.sequence}); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			err = b.Add(Object{Address: InformationObjectAddress(b.Len())})
		}
		if !errors.Is(err, ErrFull) || b.Len() != c.want || b.ASDU().Len() != c.want {
			t.Errorf("%v: %d objects, want %d (%v)", c.typ, b.Len(), c.want, err)
		}
	}
}

// An object that is refused leaves the ASDU as it was.
func TestBuilder_AfterError(t *testing.T) {
	var b Builder
	if err := b.Add(Object{}); !errors.Is(err, ErrUnknownType) {
		t.Errorf("zero Builder: %v", err)
	}
	if err := b.Reset(DefaultProfile, Header{Type: M_ME_NB_1, Sequence: true, CommonAddress: 1}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Object
		want error
	}{
		{Object{Address: 10, Value: 1e6}, ErrValue},
		{Object{Address: 10, Value: 5}, nil},
		{Object{Address: 11, Value: 1e6}, ErrValue},
		{Object{Address: 12, Value: 6}, ErrNotConsecutive},
		{Object{Address: 1 << 24, Value: 6}, ErrAddress},
		{Object{Address: 11, Value: 7}, nil},
	} {
		if err := b.Add(c.o); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	a, err := DefaultProfile.Parse(b.ASDU().Append(nil))
	if err != nil || a.Len() != 2 || a.Object(0).Value != 5 || a.Object(1) != (Object{Address: 11, Value: 7}) {
		t.Errorf("%v, %v", a, err)
	}
}

// One Builder serves ASDU after ASDU; an ASDU taken from it stays as it is while objects are added.
func TestBuilder_Reuse(t *testing.T) {
	var b Builder
	for round := range 3 {
		if err := b.Reset(DefaultProfile, Header{Type: M_SP_NA_1}); err != nil || b.Len() != 0 {
			t.Fatalf("%d objects, %v", b.Len(), err)
		}
		if err := b.Add(Object{Address: 1, Value: float64(round % 2)}); err != nil {
			t.Fatal(err)
		}
		one := b.ASDU()
		if err := b.Add(Object{Address: 2}); err != nil {
			t.Fatal(err)
		}
		if two := b.ASDU(); one.Len() != 1 || two.Len() != 2 || one.Object(0) != two.Object(0) {
			t.Errorf("%v, then %v", one, two)
		}
	}
}
