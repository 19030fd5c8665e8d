// Package asdutest draws headers and objects of every type for tests of what bears them.
package asdutest

import (
	"encoding/hex"
	"math"
	"strings"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
)

// Types is every TypeID that the codec knows, in order.
var Types = func() (types []asdu.TypeID) {
	for i := range 256 {
		if asdu.TypeID(i).Known() {
			types = append(types, asdu.TypeID(i))
		}
	}
	return types
}()

// Profiles is every combination of field sizes that the standard allows.
var Profiles = func() (profiles []asdu.Profile) {
	for cot := 1; cot <= 2; cot++ {
		for ca := 1; ca <= 2; ca++ {
			for ioa := 1; ioa <= 3; ioa++ {
				profiles = append(profiles, asdu.Profile{CauseSize: cot, CommonAddressSize: ca, ObjectAddressSize: ioa})
			}
		}
	}
	return profiles
}()

// Header draws a header that fits the profile.
func Header(p asdu.Profile, typ asdu.TypeID, sequence bool) *rapid.Generator[asdu.Header] {
	return rapid.Custom(func(t *rapid.T) asdu.Header {
		h := asdu.Header{
			Type:          typ,
			Sequence:      sequence,
			Cause:         asdu.CauseOfTransmission(rapid.IntRange(0, 63).Draw(t, "cause")),
			Negative:      rapid.Bool().Draw(t, "negative"),
			Test:          rapid.Bool().Draw(t, "test"),
			CommonAddress: asdu.CommonAddress(rapid.Uint16().Draw(t, "common address")),
		}
		if p.CauseSize == 2 {
			h.Originator = rapid.Uint8().Draw(t, "originator")
		}
		if p.CommonAddressSize == 1 && h.CommonAddress != asdu.BroadcastAddress {
			h.CommonAddress %= 255
		}
		return h
	})
}

// Object draws an object from the octets that a peer could send for it, whatever they are.
func Object(typ asdu.TypeID, address asdu.InformationObjectAddress) *rapid.Generator[asdu.Object] {
	return rapid.Custom(func(t *rapid.T) asdu.Object {
		raw := append([]byte{0, 0, 0}, rapid.SliceOfN(rapid.Byte(), typ.ElementSize(), typ.ElementSize()).Draw(t, "element")...)
		a, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: typ}, 1, raw)
		if err != nil {
			t.Fatal(err)
		}
		o := a.Object(0)
		o.Address = address
		return o
	})
}

// Objects draws as many objects as fit one ASDU, at least one.
func Objects(p asdu.Profile, typ asdu.TypeID, sequence bool) *rapid.Generator[[]asdu.Object] {
	size, room := typ.ElementSize()+p.ObjectAddressSize, asdu.MaxASDU-2-p.CauseSize-p.CommonAddressSize
	if sequence {
		size, room = max(typ.ElementSize(), 1), room-p.ObjectAddressSize
	}
	most := min(room/size, asdu.MaxObjects)
	return rapid.Custom(func(t *rapid.T) []asdu.Object {
		n := rapid.IntRange(1, most).Draw(t, "objects")
		top := MaxAddress(p)
		if sequence {
			top -= asdu.InformationObjectAddress(n - 1)
		}
		objs := make([]asdu.Object, n)
		for i := range objs {
			var address asdu.InformationObjectAddress
			if sequence && i > 0 {
				address = objs[i-1].Address + 1
			} else {
				address = asdu.InformationObjectAddress(rapid.Uint32Max(uint32(top)).Draw(t, "address"))
			}
			objs[i] = Object(typ, address).Draw(t, "object")
		}
		return objs
	})
}

// Same is equality that takes a NaN for its bits.
func Same(a, b asdu.Object) bool {
	bits := math.Float64bits(a.Value) == math.Float64bits(b.Value)
	a.Value, b.Value = 0, 0
	return bits && a == b
}

// MaxAddress is the highest object address of a profile.
func MaxAddress(p asdu.Profile) asdu.InformationObjectAddress { return 1<<(8*p.ObjectAddressSize) - 1 }

// Octets is the octets of a text such as "68 04 07".
func Octets(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}
