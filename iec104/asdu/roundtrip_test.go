package asdu_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// Row 58 and the list of types: whatever is built is read back the same, in every type, every
// combination of field sizes, and both forms of addressing.
func TestRow58_RoundTrip(t *testing.T) {
	for _, typ := range asdutest.Types {
		t.Run(typ.String(), rapid.MakeCheck(func(t *rapid.T) {
			p := rapid.SampledFrom(asdutest.Profiles).Draw(t, "profile")
			sequence := rapid.Bool().Draw(t, "sequence")
			h := asdutest.Header(p, typ, sequence).Draw(t, "header")
			objs := asdutest.Objects(p, typ, sequence).Draw(t, "objects")
			a, err := p.New(h, objs...)
			if err != nil {
				t.Fatalf("New: %v", err)
			}
			wire := a.Append(nil)
			if len(wire) > asdu.MaxASDU {
				t.Fatalf("%d octets", len(wire))
			}
			b, err := p.Parse(wire)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if b.Header != h {
				t.Fatalf("header %+v, want %+v", b.Header, h)
			}
			if b.Len() != len(objs) || b.Count() != len(objs) {
				t.Fatalf("%d objects, want %d", b.Len(), len(objs))
			}
			i := 0
			for o := range b.Objects() {
				if !asdutest.Same(o, objs[i]) {
					t.Fatalf("object %d is %+v, want %+v", i, o, objs[i])
				}
				i++
			}
			if again := b.Append(nil); !bytes.Equal(again, wire) {
				t.Fatalf("encoded again % x, want % x", again, wire)
			}
		}))
	}
}

// Row 57 for every octet of every type, reserved bits and the bits of a NaN included: what a
// relay decodes and builds again is what it received.
func TestRow57_ElementsBitForBit(t *testing.T) {
	for _, typ := range asdutest.Types {
		t.Run(typ.String(), rapid.MakeCheck(func(t *rapid.T) {
			wire := append([]byte{1, 0, 0}, rapid.SliceOfN(rapid.Byte(), typ.ElementSize(), typ.ElementSize()).Draw(t, "element")...)
			a, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: typ}, 1, wire)
			if err != nil {
				t.Fatal(err)
			}
			again, err := asdu.DefaultProfile.New(a.Header, a.Object(0))
			if err != nil || !bytes.Equal(again.Raw(), wire) {
				t.Fatalf("% x became %+v, then % x (%v)", wire, a.Object(0), again.Raw(), err)
			}
		}))
	}
}
