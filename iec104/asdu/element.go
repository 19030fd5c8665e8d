package asdu

import (
	"encoding/binary"
	"math"
)

// element is an information element, or the two that always come together: how it lies in the
// octets, without address, elapsed time and time tag.
//
// The functions take and return plain values rather than an *Object: called through a pointer,
// they would otherwise force every Object onto the heap.
type element struct {
	size   int
	decode func(b []byte) (value float64, quality, qualifier uint8)
	// encode gets the value as wire returns it.
	encode func(b []byte, value float64, quality, qualifier uint8)
	kind   valueKind
	// min and max bound value*scale, which is rounded to a whole number.
	scale, min, max float64
	words           words
}

type valueKind uint8

const (
	whole   valueKind = iota // value*scale is a whole number
	float                    // a short float (R32-IEEE STD 754)
	noValue                  // the element has none
)

// wire converts a value to the units of the wire; ok is false if it does not fit.
func (e *element) wire(value float64) (v float64, ok bool) {
	switch e.kind {
	case noValue:
		return 0, true
	case float:
		return value, math.IsInf(float64(float32(value)), 0) == math.IsInf(value, 0)
	}
	v = math.RoundToEven(value * e.scale) // an instruction, unlike Round
	return v, v >= e.min && v <= e.max
}

// Elements in monitor direction (101, clauses 7.2.6.1 to 7.2.6.12 and 7.2.6.40).
var (
	siq = element{
		size: 1, scale: 1, max: 1, words: words{states: []string{"off", "on"}, quality: diqBits},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(b[0] & 1), b[0] &^ 1, 0 },
		encode: func(b []byte, v float64, q, _ uint8) { b[0] = uint8(v) | q&^1 },
	}
	diq = element{
		size: 1, scale: 1, max: 3, words: words{states: []string{"intermediate", "off", "on", "indeterminate"}, quality: diqBits},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(b[0] & 3), b[0] &^ 3, 0 },
		encode: func(b []byte, v float64, q, _ uint8) { b[0] = uint8(v) | q&^3 },
	}
	vtiQDS = element{
		size: 2, scale: 1, min: -64, max: 63, words: words{quality: qdsBits, qualifier: transient},
		decode: func(b []byte) (float64, uint8, uint8) {
			return float64(int8(b[0]<<1) >> 1), b[1], b[0] & TransientBit
		},
		encode: func(b []byte, v float64, q, t uint8) { b[0], b[1] = uint8(int8(v))&0x7f|t&TransientBit, q },
	}
	bsiQDS = element{
		size: 5, scale: 1, max: math.MaxUint32, words: words{bits: true, quality: qdsBits},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(binary.LittleEndian.Uint32(b)), b[4], 0 },
		encode: func(b []byte, v float64, q, _ uint8) { binary.LittleEndian.PutUint32(b, uint32(v)); b[4] = q },
	}
	nvaQDS = element{
		size: 3, scale: 1 << 15, min: math.MinInt16, max: math.MaxInt16, words: words{quality: qdsBits},
		decode: func(b []byte) (float64, uint8, uint8) { return int16At(b) / (1 << 15), b[2], 0 },
		encode: func(b []byte, v float64, q, _ uint8) { putInt16(b, v); b[2] = q },
	}
	nva = element{
		size: 2, scale: 1 << 15, min: math.MinInt16, max: math.MaxInt16,
		decode: func(b []byte) (float64, uint8, uint8) { return int16At(b) / (1 << 15), 0, 0 },
		encode: func(b []byte, v float64, _, _ uint8) { putInt16(b, v) },
	}
	svaQDS = element{
		size: 3, scale: 1, min: math.MinInt16, max: math.MaxInt16, words: words{quality: qdsBits},
		decode: func(b []byte) (float64, uint8, uint8) { return int16At(b), b[2], 0 },
		encode: func(b []byte, v float64, q, _ uint8) { putInt16(b, v); b[2] = q },
	}
	r32QDS = element{
		size: 5, kind: float, words: words{quality: qdsBits},
		decode: func(b []byte) (float64, uint8, uint8) { return float32At(b), b[4], 0 },
		encode: func(b []byte, v float64, q, _ uint8) { putFloat32(b, v); b[4] = q },
	}
	bcr = element{
		size: 5, scale: 1, min: math.MinInt32, max: math.MaxInt32, words: words{quality: bcrBits},
		decode: func(b []byte) (float64, uint8, uint8) {
			return float64(int32(binary.LittleEndian.Uint32(b))), b[4], 0
		},
		encode: func(b []byte, v float64, q, _ uint8) {
			binary.LittleEndian.PutUint32(b, uint32(int32(v)))
			b[4] = q
		},
	}
	sep = element{
		size: 1, scale: 1, max: 3, words: words{states: diq.words.states, quality: qdpBits},
		decode: diq.decode,
		encode: diq.encode,
	}
	// packedQDP is an octet of start events SPE or of output circuits OCI, then QDP.
	packedQDP = element{
		size: 2, scale: 1, max: math.MaxUint8, words: words{bits: true, quality: qdpBits},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(b[0]), b[1], 0 },
		encode: func(b []byte, v float64, q, _ uint8) { b[0], b[1] = uint8(v), q },
	}
)

// Elements in control direction (101, clauses 7.2.6.13 to 7.2.6.17).
var (
	sco = element{
		size: 1, scale: 1, max: 1, words: words{states: siq.words.states, qualifier: commandQualifier},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(b[0] & 1), 0, b[0] &^ 1 },
		encode: func(b []byte, v float64, _, q uint8) { b[0] = uint8(v) | q&^1 },
	}
	dco = element{
		size: 1, scale: 1, max: 3, words: words{states: []string{"0", "off", "on", "3"}, qualifier: commandQualifier},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(b[0] & 3), 0, b[0] &^ 3 },
		encode: func(b []byte, v float64, _, q uint8) { b[0] = uint8(v) | q&^3 },
	}
	rco = element{
		size: 1, scale: 1, max: 3, words: words{states: []string{"0", "lower", "higher", "3"}, qualifier: commandQualifier},
		decode: dco.decode,
		encode: dco.encode,
	}
	bsi = element{
		size: 4, scale: 1, max: math.MaxUint32, words: words{bits: true},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(binary.LittleEndian.Uint32(b)), 0, 0 },
		encode: func(b []byte, v float64, _, _ uint8) { binary.LittleEndian.PutUint32(b, uint32(v)) },
	}
)

// normalizedWith, scaledWith and floatWith are a value and a qualifier octet: QOS of a set-point
// command, QPM of a parameter.
func normalizedWith(qualifier func(uint8) string) *element {
	return &element{
		size: 3, scale: 1 << 15, min: math.MinInt16, max: math.MaxInt16, words: words{qualifier: qualifier},
		decode: func(b []byte) (float64, uint8, uint8) { return int16At(b) / (1 << 15), 0, b[2] },
		encode: func(b []byte, v float64, _, q uint8) { putInt16(b, v); b[2] = q },
	}
}

func scaledWith(qualifier func(uint8) string) *element {
	return &element{
		size: 3, scale: 1, min: math.MinInt16, max: math.MaxInt16, words: words{qualifier: qualifier},
		decode: func(b []byte) (float64, uint8, uint8) { return int16At(b), 0, b[2] },
		encode: func(b []byte, v float64, _, q uint8) { putInt16(b, v); b[2] = q },
	}
}

func floatWith(qualifier func(uint8) string) *element {
	return &element{
		size: 5, kind: float, words: words{qualifier: qualifier},
		decode: func(b []byte) (float64, uint8, uint8) { return float32At(b), 0, b[4] },
		encode: func(b []byte, v float64, _, q uint8) { putFloat32(b, v); b[4] = q },
	}
}

// only is a lone qualifier octet without a value: QOI, QCC, QRP, COI, QPA.
func only(qualifier func(uint8) string) *element {
	return &element{
		size: 1, kind: noValue, words: words{qualifier: qualifier},
		decode: func(b []byte) (float64, uint8, uint8) { return 0, 0, b[0] },
		encode: func(b []byte, _ float64, _, q uint8) { b[0] = q },
	}
}

// Elements with a qualifier octet, and the rest (101, clauses 7.2.6.21 to 7.2.6.27 and 7.2.6.39).
var (
	nvaQOS, svaQOS, r32QOS = normalizedWith(setPointQualifier), scaledWith(setPointQualifier), floatWith(setPointQualifier)
	nvaQPM, svaQPM, r32QPM = normalizedWith(parameterQualifier), scaledWith(parameterQualifier), floatWith(parameterQualifier)

	coi = only(initializationCause)
	qoi = only(numbered("QOI"))
	qcc = only(counterQualifier)
	qrp = only(numbered("QRP"))
	qpa = only(numbered("QPA"))

	// word is the two octets of FBP or TSC.
	word = element{
		size: 2, scale: 1, max: math.MaxUint16, words: words{bits: true},
		decode: func(b []byte) (float64, uint8, uint8) { return float64(binary.LittleEndian.Uint16(b)), 0, 0 },
		encode: func(b []byte, v float64, _, _ uint8) { binary.LittleEndian.PutUint16(b, uint16(v)) },
	}
	// empty is no element at all: the object is its address, perhaps with a time.
	empty = element{
		kind:   noValue,
		decode: func([]byte) (float64, uint8, uint8) { return 0, 0, 0 },
		encode: func([]byte, float64, uint8, uint8) {},
	}
)

func int16At(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) }

func putInt16(b []byte, v float64) { binary.LittleEndian.PutUint16(b, uint16(int16(v))) }

// A conversion between float32 and float64 sets the quiet bit of a NaN. These move its bits
// instead, so that what a device sent is what a relay sends.
const (
	exponent32, exponent64 = 0x7f800000, 0x7ff << 52
	mantissaShift          = 52 - 23
)

func float32At(b []byte) float64 {
	u := binary.LittleEndian.Uint32(b)
	f := math.Float32frombits(u)
	if f != f {
		return math.Float64frombits(uint64(u>>31)<<63 | exponent64 | uint64(u&(1<<23-1))<<mantissaShift)
	}
	return float64(f)
}

func putFloat32(b []byte, v float64) {
	u := math.Float32bits(float32(v))
	if v != v {
		w := math.Float64bits(v)
		u = uint32(w>>63)<<31 | exponent32 | uint32(w>>mantissaShift)&(1<<23-1)
		if u&(1<<23-1) == 0 {
			u |= 1 << 22 // the bits that made it a NaN do not fit: any NaN but an infinity
		}
	}
	binary.LittleEndian.PutUint32(b, u)
}
