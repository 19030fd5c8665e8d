package iec104

import (
	"encoding/hex"
	"math"
	"strings"

	"pgregory.net/rapid"
)

// knownTypes is every TypeID that the codec knows, in order.
var knownTypes = func() (types []TypeID) {
	for i := range 256 {
		if TypeID(i).Known() {
			types = append(types, TypeID(i))
		}
	}
	return types
}()

// allProfiles is every combination of field sizes that the standard allows.
var allProfiles = func() (profiles []Profile) {
	for cot := 1; cot <= 2; cot++ {
		for ca := 1; ca <= 2; ca++ {
			for ioa := 1; ioa <= 3; ioa++ {
				profiles = append(profiles, Profile{CauseSize: cot, CommonAddressSize: ca, ObjectAddressSize: ioa})
			}
		}
	}
	return profiles
}()

// genHeader draws a header that fits the profile.
func genHeader(p Profile, typ TypeID, sequence bool) *rapid.Generator[Header] {
	return rapid.Custom(func(t *rapid.T) Header {
		h := Header{
			Type:          typ,
			Sequence:      sequence,
			Cause:         CauseOfTransmission(rapid.IntRange(0, 63).Draw(t, "cause")),
			Negative:      rapid.Bool().Draw(t, "negative"),
			Test:          rapid.Bool().Draw(t, "test"),
			CommonAddress: CommonAddress(rapid.Uint16().Draw(t, "common address")),
		}
		if p.CauseSize == 2 {
			h.Originator = rapid.Uint8().Draw(t, "originator")
		}
		if p.CommonAddressSize == 1 && h.CommonAddress != BroadcastAddress {
			h.CommonAddress %= 255
		}
		return h
	})
}

// genObject draws an object from the octets that a peer could send for it, whatever they are.
func genObject(typ TypeID, address InformationObjectAddress) *rapid.Generator[Object] {
	return rapid.Custom(func(t *rapid.T) Object {
		raw := append([]byte{0, 0, 0}, rapid.SliceOfN(rapid.Byte(), typ.ElementSize(), typ.ElementSize()).Draw(t, "element")...)
		a, err := DefaultProfile.NewRaw(Header{Type: typ}, 1, raw)
		if err != nil {
			t.Fatal(err)
		}
		o := a.Object(0)
		o.Address = address
		return o
	})
}

// genObjects draws as many objects as fit one ASDU, at least one.
func genObjects(p Profile, typ TypeID, sequence bool) *rapid.Generator[[]Object] {
	size, room := typ.ElementSize()+p.ObjectAddressSize, MaxASDU-2-p.CauseSize-p.CommonAddressSize
	if sequence {
		size, room = max(typ.ElementSize(), 1), room-p.ObjectAddressSize
	}
	most := min(room/size, MaxObjects)
	return rapid.Custom(func(t *rapid.T) []Object {
		n := rapid.IntRange(1, most).Draw(t, "objects")
		top := maxAddress(p)
		if sequence {
			top -= InformationObjectAddress(n - 1)
		}
		objs := make([]Object, n)
		for i := range objs {
			var address InformationObjectAddress
			if sequence && i > 0 {
				address = objs[i-1].Address + 1
			} else {
				address = InformationObjectAddress(rapid.Uint32Max(uint32(top)).Draw(t, "address"))
			}
			objs[i] = genObject(typ, address).Draw(t, "object")
		}
		return objs
	})
}

// sameObject is equality that takes a NaN for its bits.
func sameObject(a, b Object) bool {
	bits := math.Float64bits(a.Value) == math.Float64bits(b.Value)
	a.Value, b.Value = 0, 0
	return bits && a == b
}

// maxAddress is the highest object address of a profile.
func maxAddress(p Profile) InformationObjectAddress { return 1<<(8*p.ObjectAddressSize) - 1 }

// unhex is the octets of a text such as "68 04 07".
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}
