package asdu_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// Row 31 and 32: a mirror changes the cause and P/N, and nothing else, in every type whether
// known or not.
func TestRow32_Mirror(t *testing.T) {
	for _, typ := range append([]asdu.TypeID{0, 22, 44, 120, 127, 128, 255}, asdutest.Types...) {
		for _, test := range []bool{false, true} {
			h := asdu.Header{Type: typ, Cause: asdu.Activation, Test: test, Originator: 7, CommonAddress: 0x1234}
			body := append([]byte{0xff, 0xee, 0xdd}, bytes.Repeat([]byte{0xff}, typ.ElementSize())...)
			a, err := asdu.DefaultProfile.NewRaw(h, 1, body)
			if err != nil {
				t.Fatal(err)
			}
			received, err := asdu.DefaultProfile.Parse(a.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			for _, cause := range []asdu.CauseOfTransmission{asdu.UnknownType, asdu.UnknownCause, asdu.UnknownCommonAddress, asdu.UnknownObjectAddress} {
				want := a.Append(nil)
				want[2] = byte(cause) | 0x40
				if test {
					want[2] |= 0x80
				}
				if got := received.Mirror(cause, true).Append(nil); !bytes.Equal(got, want) {
					t.Errorf("mirror of %v is % x, want % x", received, got, want)
				}
			}
			want := a.Append(nil)
			want[2] = want[2]&0x80 | byte(asdu.ActivationCon)
			if got := received.Mirror(asdu.ActivationCon, false).Append(nil); !bytes.Equal(got, want) {
				t.Errorf("confirmation of %v is % x, want % x", received, got, want)
			}
		}
	}
}

func TestRow33_CountAndLength(t *testing.T) {
	for _, typ := range asdutest.Types {
		size := typ.ElementSize()
		for _, sequence := range []bool{false, true} {
			for count := range 128 {
				want := count * (3 + size)
				vsq := byte(count)
				if sequence {
					want = 3 + count*size
					vsq |= 0x80
				}
				for _, length := range []int{0, 1, want - 1, want, want + 1, want + 3 + size} {
					if length < 0 || 6+length > asdu.MaxASDU {
						continue
					}
					b := append([]byte{byte(typ), vsq, 3, 0, 1, 0}, make([]byte, length)...)
					a, err := asdu.DefaultProfile.Parse(b)
					sound := length == want && count > 0
					if sound && (err != nil || a.Len() != count) {
						t.Errorf("%v, count %d, %d octets: %v", typ, count, length, err)
					}
					if !sound && !errors.Is(err, asdu.ErrCount) {
						t.Errorf("%v, count %d, %d octets instead of %d: %v, error %v", typ, count, length, want, a, err)
					}
				}
			}
		}
	}
	for n := range 6 {
		if _, err := asdu.DefaultProfile.Parse(make([]byte, n)); !errors.Is(err, asdu.ErrASDULength) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	if _, err := asdu.DefaultProfile.Parse(make([]byte, asdu.MaxASDU+1)); !errors.Is(err, asdu.ErrASDULength) {
		t.Errorf("%d octets: %v", asdu.MaxASDU+1, err)
	}
}

func TestRow34_Addresses(t *testing.T) {
	// SQ = 1: only the first address is there, the others follow it.
	a, err := asdu.DefaultProfile.Parse(asdutest.Octets("01 83 14 00 01 00 ff 01 00 00 01 80"))
	if err != nil {
		t.Fatal(err)
	}
	want := []asdu.Object{{Address: 511}, {Address: 512, Value: 1}, {Address: 513, Quality: asdu.IV}}
	for i, w := range want {
		if got := a.Object(i); got != w {
			t.Errorf("object %d is %+v, want %+v", i, got, w)
		}
	}
	for _, p := range asdutest.Profiles {
		top := asdutest.MaxAddress(p)
		sequence := asdu.Header{Type: asdu.M_SP_NA_1, Sequence: true, CommonAddress: 1}
		// The last address may be the highest of the field, but none may be past it.
		good, err := p.New(sequence, asdu.Object{Address: top - 1}, asdu.Object{Address: top})
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		wire := good.Append(nil)
		if b, err := p.Parse(wire); err != nil || b.Object(1).Address != top {
			t.Errorf("%+v: %v, %v", p, b, err)
		}
		wire[2+p.CauseSize+p.CommonAddressSize]++ // the address's lowest octet
		if b, err := p.Parse(wire); !errors.Is(err, asdu.ErrAddress) {
			t.Errorf("%+v: %v, %v", p, b, err)
		}
		if _, err := p.New(sequence, asdu.Object{Address: top}, asdu.Object{Address: top + 1}); !errors.Is(err, asdu.ErrAddress) {
			t.Errorf("%+v: %v", p, err)
		}
		if _, err := p.New(asdu.Header{Type: asdu.M_SP_NA_1}, asdu.Object{Address: top + 1}); !errors.Is(err, asdu.ErrAddress) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_SP_NA_1, Sequence: true}, asdu.Object{Address: 1}, asdu.Object{Address: 3}); !errors.Is(err, asdu.ErrNotConsecutive) {
		t.Error(err)
	}
}

// Row 36, the codec's part: the address of all stations is one constant, whatever the size of its field.
func TestRow36_BroadcastAddress(t *testing.T) {
	for _, p := range asdutest.Profiles {
		a, err := p.New(asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: asdu.QOIStation})
		if err != nil {
			t.Fatal(err)
		}
		wire := a.Append(nil)
		address := wire[1+1+p.CauseSize:][:p.CommonAddressSize]
		if !bytes.Equal(address, bytes.Repeat([]byte{0xff}, p.CommonAddressSize)) {
			t.Errorf("%+v: % x", p, address)
		}
		if b, err := p.Parse(wire); err != nil || b.CommonAddress != asdu.BroadcastAddress {
			t.Errorf("%+v: %v, %v", p, b.CommonAddress, err)
		}
	}
}

// Row 58: the same object in all sizes, octet for octet.
func TestRow58_Sizes(t *testing.T) {
	for _, c := range []struct {
		p    asdu.Profile
		want string
	}{
		{asdu.Profile{2, 2, 3}, "2d 01 86 05 09 00 04 00 00 81"},
		{asdu.Profile{1, 1, 1}, "2d 01 86 09 04 81"},
		{asdu.Profile{1, 1, 2}, "2d 01 86 09 04 00 81"},
		{asdu.Profile{1, 2, 2}, "2d 01 86 09 00 04 00 81"},
		{asdu.Profile{2, 1, 3}, "2d 01 86 05 09 04 00 00 81"},
	} {
		h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Activation, Test: true, CommonAddress: 9}
		if c.p.CauseSize == 2 {
			h.Originator = 5
		}
		a, err := c.p.New(h, asdu.Object{Address: 4, Value: 1, Qualifier: asdu.SelectBit})
		if got := a.Append(nil); err != nil || !bytes.Equal(got, asdutest.Octets(c.want)) {
			t.Errorf("%+v: % x, %v; want %s", c.p, got, err, c.want)
		}
		b, err := c.p.Parse(asdutest.Octets(c.want))
		if err != nil || b.Header != h || !b.Object(0).Select() || b.Profile() != c.p {
			t.Errorf("%+v: %v, %v", c.p, b, err)
		}
	}
}

func TestProfile_Refused(t *testing.T) {
	for _, p := range []asdu.Profile{{}, {0, 2, 3}, {3, 2, 3}, {2, 0, 3}, {2, 3, 3}, {2, 2, 0}, {2, 2, 4}, {258, 2, 3}, {-1, 2, 3}} {
		_, parse := p.Parse(make([]byte, 20))
		_, build := p.New(asdu.Header{Type: asdu.M_SP_NA_1}, asdu.Object{})
		_, raw := p.NewRaw(asdu.Header{Type: 200}, 0, nil)
		_, pack := p.Pack(asdu.Header{Type: asdu.M_SP_NA_1}, asdu.Object{})
		for what, err := range map[string]error{"Validate": p.Validate(), "Parse": parse, "New": build, "NewRaw": raw, "Pack": pack} {
			if !errors.Is(err, asdu.ErrProfile) {
				t.Errorf("%+v: %s: %v", p, what, err)
			}
		}
	}
}

func TestHeader_Refused(t *testing.T) {
	small := asdu.Profile{1, 1, 1}
	for _, c := range []struct {
		p    asdu.Profile
		h    asdu.Header
		want error
	}{
		{asdu.DefaultProfile, asdu.Header{Type: asdu.M_SP_NA_1, Cause: 64}, asdu.ErrHeader},
		{small, asdu.Header{Type: asdu.M_SP_NA_1, Originator: 1}, asdu.ErrHeader},
		{small, asdu.Header{Type: asdu.M_SP_NA_1, CommonAddress: 255}, asdu.ErrHeader},
		{small, asdu.Header{Type: asdu.M_SP_NA_1, CommonAddress: 65534}, asdu.ErrHeader},
		{asdu.DefaultProfile, asdu.Header{Type: 0}, asdu.ErrUnknownType},
		{asdu.DefaultProfile, asdu.Header{Type: 128}, asdu.ErrUnknownType},
	} {
		if _, err := c.p.New(c.h, asdu.Object{}); !errors.Is(err, c.want) {
			t.Errorf("%+v in %+v: %v", c.h, c.p, err)
		}
	}
	if _, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_SP_NA_1}); !errors.Is(err, asdu.ErrCount) {
		t.Error(err)
	}
}

// What the codec does not know goes through unchanged, even with no object; what is built of it
// is checked only for its length.
func TestUnknownType_Raw(t *testing.T) {
	for _, s := range []string{
		"c8 02 03 00 01 00 01 02 03 04 05",
		"c8 00 03 00 01 00",
		"ff ff ff ff ff ff ff",
	} {
		a, err := asdu.DefaultProfile.Parse(asdutest.Octets(s))
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if a.Known() || a.Len() != 0 || a.Count() != int(asdutest.Octets(s)[1]&0x7f) || !bytes.Equal(a.Raw(), asdutest.Octets(s)[6:]) {
			t.Errorf("%s: known %v, %d of %d objects, raw % x", s, a.Known(), a.Len(), a.Count(), a.Raw())
		}
		for o := range a.Objects() {
			t.Errorf("%s: an object %+v", s, o)
		}
		if got := a.Append(nil); !bytes.Equal(got, asdutest.Octets(s)) {
			t.Errorf("%s became % x", s, got)
		}
	}
	if _, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: 200}, 1, make([]byte, asdu.MaxASDU-6)); err != nil {
		t.Error(err)
	}
	if _, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: 200}, 1, make([]byte, asdu.MaxASDU-5)); !errors.Is(err, asdu.ErrASDULength) {
		t.Error(err)
	}
	for _, count := range []int{-1, 128} {
		if _, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: 200}, count, nil); !errors.Is(err, asdu.ErrCount) {
			t.Error(err)
		}
	}
	if _, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: asdu.M_SP_NA_1}, 2, make([]byte, 4)); !errors.Is(err, asdu.ErrCount) {
		t.Error(err)
	}
}

func TestASDU_Clone(t *testing.T) {
	b := asdutest.Octets("01 01 03 00 01 00 05 00 00 01")
	a, err := asdu.DefaultProfile.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	c := a.Clone()
	clear(b)
	if a.Object(0).Value != 0 || c.Object(0).Value != 1 || c.Object(0).Address != 5 {
		t.Errorf("aliased %+v, cloned %+v", a.Object(0), c.Object(0))
	}
}

func TestASDU_ObjectBeyond(t *testing.T) {
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_SP_NA_1}, asdu.Object{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{-1, 1, 1 << 40} {
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("object %d of 1: no panic", i)
				} else if want := fmt.Sprintf("iec104: object %d of 1 of M_SP_NA_1", i); r != want {
					t.Errorf("%v, want %s", r, want)
				}
			}()
			a.Object(i)
		}()
	}
}
