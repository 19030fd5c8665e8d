package iec104

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// Row 31 and 32: a mirror changes the cause and P/N, and nothing else, in every type whether
// known or not.
func TestRow32_Mirror(t *testing.T) {
	for _, typ := range append([]TypeID{0, 22, 44, 120, 127, 128, 255}, knownTypes...) {
		for _, test := range []bool{false, true} {
			h := Header{Type: typ, Cause: Activation, Test: test, Originator: 7, CommonAddress: 0x1234}
			body := append([]byte{0xff, 0xee, 0xdd}, bytes.Repeat([]byte{0xff}, typ.ElementSize())...)
			a, err := DefaultProfile.NewRaw(h, 1, body)
			if err != nil {
				t.Fatal(err)
			}
			received, err := DefaultProfile.Parse(a.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			for _, cause := range []CauseOfTransmission{UnknownType, UnknownCause, UnknownCommonAddress, UnknownObjectAddress} {
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
			want[2] = want[2]&0x80 | byte(ActivationCon)
			if got := received.Mirror(ActivationCon, false).Append(nil); !bytes.Equal(got, want) {
				t.Errorf("confirmation of %v is % x, want % x", received, got, want)
			}
		}
	}
}

func TestRow33_CountAndLength(t *testing.T) {
	for _, typ := range knownTypes {
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
					if length < 0 || 6+length > MaxASDU {
						continue
					}
					b := append([]byte{byte(typ), vsq, 3, 0, 1, 0}, make([]byte, length)...)
					a, err := DefaultProfile.Parse(b)
					sound := length == want && count > 0
					if sound && (err != nil || a.Len() != count) {
						t.Errorf("%v, count %d, %d octets: %v", typ, count, length, err)
					}
					if !sound && !errors.Is(err, ErrCount) {
						t.Errorf("%v, count %d, %d octets instead of %d: %v, error %v", typ, count, length, want, a, err)
					}
				}
			}
		}
	}
	for n := range 6 {
		if _, err := DefaultProfile.Parse(make([]byte, n)); !errors.Is(err, ErrASDULength) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	if _, err := DefaultProfile.Parse(make([]byte, MaxASDU+1)); !errors.Is(err, ErrASDULength) {
		t.Errorf("%d octets: %v", MaxASDU+1, err)
	}
}

func TestRow34_Addresses(t *testing.T) {
	// SQ = 1: only the first address is there, the others follow it.
	a, err := DefaultProfile.Parse(unhex("01 83 14 00 01 00 ff 01 00 00 01 80"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Object{{Address: 511}, {Address: 512, Value: 1}, {Address: 513, Quality: IV}}
	for i, w := range want {
		if got := a.Object(i); got != w {
			t.Errorf("object %d is %+v, want %+v", i, got, w)
		}
	}
	for _, p := range allProfiles {
		top := maxAddress(p)
		sequence := Header{Type: M_SP_NA_1, Sequence: true, CommonAddress: 1}
		// The last address may be the highest of the field, but none may be past it.
		good, err := p.New(sequence, Object{Address: top - 1}, Object{Address: top})
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		wire := good.Append(nil)
		if b, err := p.Parse(wire); err != nil || b.Object(1).Address != top {
			t.Errorf("%+v: %v, %v", p, b, err)
		}
		wire[2+p.CauseSize+p.CommonAddressSize]++ // the address's lowest octet
		if b, err := p.Parse(wire); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v, %v", p, b, err)
		}
		if _, err := p.New(sequence, Object{Address: top}, Object{Address: top + 1}); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v", p, err)
		}
		if _, err := p.New(Header{Type: M_SP_NA_1}, Object{Address: top + 1}); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := DefaultProfile.New(Header{Type: M_SP_NA_1, Sequence: true}, Object{Address: 1}, Object{Address: 3}); !errors.Is(err, ErrNotConsecutive) {
		t.Error(err)
	}
}

// Row 36, the codec's part: the address of all stations is one constant, whatever the size of its field.
func TestRow36_BroadcastAddress(t *testing.T) {
	for _, p := range allProfiles {
		a, err := p.New(Header{Type: C_IC_NA_1, Cause: Activation, CommonAddress: BroadcastAddress}, Object{Qualifier: QOIStation})
		if err != nil {
			t.Fatal(err)
		}
		wire := a.Append(nil)
		address := wire[1+1+p.CauseSize:][:p.CommonAddressSize]
		if !bytes.Equal(address, bytes.Repeat([]byte{0xff}, p.CommonAddressSize)) {
			t.Errorf("%+v: % x", p, address)
		}
		if b, err := p.Parse(wire); err != nil || b.CommonAddress != BroadcastAddress {
			t.Errorf("%+v: %v, %v", p, b.CommonAddress, err)
		}
	}
}

// Row 58: the same object in all sizes, octet for octet.
func TestRow58_Sizes(t *testing.T) {
	for _, c := range []struct {
		p    Profile
		want string
	}{
		{Profile{2, 2, 3}, "2d 01 86 05 09 00 04 00 00 81"},
		{Profile{1, 1, 1}, "2d 01 86 09 04 81"},
		{Profile{1, 1, 2}, "2d 01 86 09 04 00 81"},
		{Profile{1, 2, 2}, "2d 01 86 09 00 04 00 81"},
		{Profile{2, 1, 3}, "2d 01 86 05 09 04 00 00 81"},
	} {
		h := Header{Type: C_SC_NA_1, Cause: Activation, Test: true, CommonAddress: 9}
		if c.p.CauseSize == 2 {
			h.Originator = 5
		}
		a, err := c.p.New(h, Object{Address: 4, Value: 1, Qualifier: SelectBit})
		if got := a.Append(nil); err != nil || !bytes.Equal(got, unhex(c.want)) {
			t.Errorf("%+v: % x, %v; want %s", c.p, got, err, c.want)
		}
		b, err := c.p.Parse(unhex(c.want))
		if err != nil || b.Header != h || !b.Object(0).Select() || b.Profile() != c.p {
			t.Errorf("%+v: %v, %v", c.p, b, err)
		}
	}
}

func TestProfile_Refused(t *testing.T) {
	for _, p := range []Profile{{}, {0, 2, 3}, {3, 2, 3}, {2, 0, 3}, {2, 3, 3}, {2, 2, 0}, {2, 2, 4}, {258, 2, 3}, {-1, 2, 3}} {
		_, parse := p.Parse(make([]byte, 20))
		_, build := p.New(Header{Type: M_SP_NA_1}, Object{})
		_, raw := p.NewRaw(Header{Type: 200}, 0, nil)
		_, pack := p.Pack(Header{Type: M_SP_NA_1}, Object{})
		for what, err := range map[string]error{"Validate": p.Validate(), "Parse": parse, "New": build, "NewRaw": raw, "Pack": pack} {
			if !errors.Is(err, ErrProfile) {
				t.Errorf("%+v: %s: %v", p, what, err)
			}
		}
	}
}

func TestHeader_Refused(t *testing.T) {
	small := Profile{1, 1, 1}
	for _, c := range []struct {
		p    Profile
		h    Header
		want error
	}{
		{DefaultProfile, Header{Type: M_SP_NA_1, Cause: 64}, ErrHeader},
		{small, Header{Type: M_SP_NA_1, Originator: 1}, ErrHeader},
		{small, Header{Type: M_SP_NA_1, CommonAddress: 255}, ErrHeader},
		{small, Header{Type: M_SP_NA_1, CommonAddress: 65534}, ErrHeader},
		{DefaultProfile, Header{Type: 0}, ErrUnknownType},
		{DefaultProfile, Header{Type: 128}, ErrUnknownType},
	} {
		if _, err := c.p.New(c.h, Object{}); !errors.Is(err, c.want) {
			t.Errorf("%+v in %+v: %v", c.h, c.p, err)
		}
	}
	if _, err := DefaultProfile.New(Header{Type: M_SP_NA_1}); !errors.Is(err, ErrCount) {
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
		a, err := DefaultProfile.Parse(unhex(s))
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if a.Known() || a.Len() != 0 || a.Count() != int(unhex(s)[1]&0x7f) || !bytes.Equal(a.Raw(), unhex(s)[6:]) {
			t.Errorf("%s: known %v, %d of %d objects, raw % x", s, a.Known(), a.Len(), a.Count(), a.Raw())
		}
		for o := range a.Objects() {
			t.Errorf("%s: an object %+v", s, o)
		}
		if got := a.Append(nil); !bytes.Equal(got, unhex(s)) {
			t.Errorf("%s became % x", s, got)
		}
	}
	if _, err := DefaultProfile.NewRaw(Header{Type: 200}, 1, make([]byte, MaxASDU-6)); err != nil {
		t.Error(err)
	}
	if _, err := DefaultProfile.NewRaw(Header{Type: 200}, 1, make([]byte, MaxASDU-5)); !errors.Is(err, ErrASDULength) {
		t.Error(err)
	}
	for _, count := range []int{-1, 128} {
		if _, err := DefaultProfile.NewRaw(Header{Type: 200}, count, nil); !errors.Is(err, ErrCount) {
			t.Error(err)
		}
	}
	if _, err := DefaultProfile.NewRaw(Header{Type: M_SP_NA_1}, 2, make([]byte, 4)); !errors.Is(err, ErrCount) {
		t.Error(err)
	}
}

func TestASDU_Clone(t *testing.T) {
	b := unhex("01 01 03 00 01 00 05 00 00 01")
	a, err := DefaultProfile.Parse(b)
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
	a, err := DefaultProfile.New(Header{Type: M_SP_NA_1}, Object{})
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
