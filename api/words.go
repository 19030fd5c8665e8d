package api

import (
	"fmt"
	"strings"
)

// bitWord names a bit.
type bitWord struct {
	bit  uint8
	word string
}

func words(octet uint8, bits ...bitWord) (words []string) {
	for _, b := range bits {
		if octet&b.bit != 0 {
			words = append(words, b.word)
		}
	}
	return words
}

// QualityWords names what is wrong with a value by the quality octet of its type (IEC 60870-5-101, 7.2.6.1 to 7.2.6.4
// and 7.2.6.9); "" for a good one.
func QualityWords(typeID, quality uint8) string {
	var list []string
	switch typeID {
	case 15, 16, 37: // the lower bits are the counter's sequence number
		list = words(quality, bitWord{0x80, "invalid"}, bitWord{0x40, "adjusted"}, bitWord{0x20, "overflowed"})
	default:
		list = words(quality, bitWord{0x80, "invalid"}, bitWord{0x40, "not topical"}, bitWord{0x20, "substituted"}, bitWord{0x10, "blocked"})
		switch typeID {
		case 17, 18, 19, 38, 39, 40:
			list = append(list, words(quality, bitWord{0x08, "elapsed time invalid"})...)
		case 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 32, 33, 34, 35, 36:
			list = append(list, words(quality, bitWord{0x01, "overflow"})...)
		}
	}
	return strings.Join(list, ", ")
}

// ValueWords is a value as a person says it: a state by its name (7.2.6.1, 7.2.6.2 and 7.2.6.10 to 7.2.6.12), a bitstring
// in hex, any other as a number. transient is that of a step position (7.2.6.5).
func ValueWords(typeID uint8, v Value, transient bool) string {
	if transient {
		return ValueWords(typeID, v, false) + ", on its way"
	}
	var names []string
	switch typeID {
	case 1, 2, 30:
		names = []string{StateOff, StateOn}
	case 3, 4, 31:
		names = []string{"in between", StateOff, StateOn, "indeterminate"}
	case 17, 38:
		names = []string{"indeterminate", StateOff, StateOn, "indeterminate"}
	case 18, 39:
		return someOf(words(uint8(v), bitWord{0x01, "general start"}, bitWord{0x02, "start L1"}, bitWord{0x04, "start L2"},
			bitWord{0x08, "start L3"}, bitWord{0x10, "start of earth current"}, bitWord{0x20, "start in reverse direction"}))
	case 19, 40:
		return someOf(words(uint8(v), bitWord{0x01, "general command"}, bitWord{0x02, "command L1"}, bitWord{0x04, "command L2"},
			bitWord{0x08, "command L3"}))
	case 7, 8, 20, 33:
		return fmt.Sprintf("0x%08x", uint32(v))
	}
	for i, name := range names {
		if float64(v) == float64(i) {
			return name
		}
	}
	return fmt.Sprintf("%g", float64(v))
}

func someOf(words []string) string {
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}
