package api

import (
	"fmt"
	"strings"

	"github.com/fepha/fepha/iec104/asdu"
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
	t := asdu.TypeID(typeID)
	switch t.Untimed() {
	case asdu.M_IT_NA_1: // the lower bits are the counter's sequence number
		list = words(quality, bitWord{asdu.IV, "invalid"}, bitWord{asdu.CA, "adjusted"}, bitWord{asdu.CY, "overflowed"})
	default:
		list = words(quality, bitWord{asdu.IV, "invalid"}, bitWord{asdu.NT, "not topical"},
			bitWord{asdu.SB, "substituted"}, bitWord{asdu.BL, "blocked"})
		switch t.Untimed() {
		case asdu.M_EP_TA_1, asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_EP_TD_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
			list = append(list, words(quality, bitWord{asdu.EI, "elapsed time invalid"})...)
		case asdu.M_ST_NA_1, asdu.M_BO_NA_1, asdu.M_ME_NA_1, asdu.M_ME_NB_1, asdu.M_ME_NC_1, asdu.M_PS_NA_1:
			list = append(list, words(quality, bitWord{asdu.OV, "overflow"})...)
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
	switch asdu.TypeID(typeID).Untimed() {
	case asdu.M_EP_TB_1, asdu.M_EP_TE_1:
		return someOf(words(uint8(v), bitWord{0x01, "general start"}, bitWord{0x02, "start L1"}, bitWord{0x04, "start L2"},
			bitWord{0x08, "start L3"}, bitWord{0x10, "start of earth current"}, bitWord{0x20, "start in reverse direction"}))
	case asdu.M_EP_TC_1, asdu.M_EP_TF_1:
		return someOf(words(uint8(v), bitWord{0x01, "general command"}, bitWord{0x02, "command L1"}, bitWord{0x04, "command L2"},
			bitWord{0x08, "command L3"}))
	case asdu.M_BO_NA_1, asdu.M_PS_NA_1:
		return fmt.Sprintf("0x%08x", uint32(v))
	}
	for i, name := range stateNames(typeID) {
		if float64(v) == float64(i) {
			return name
		}
	}
	return fmt.Sprintf("%g", float64(v))
}

// stateNames are those of the values of a single or double point, from 0 on; nil of other types.
func stateNames(typeID uint8) []string {
	switch asdu.TypeID(typeID).Untimed() {
	case asdu.M_SP_NA_1:
		return []string{StateOff, StateOn}
	case asdu.M_DP_NA_1:
		return []string{"in between", StateOff, StateOn, "indeterminate"}
	case asdu.M_EP_TA_1, asdu.M_EP_TD_1:
		return []string{"indeterminate", StateOff, StateOn, "indeterminate"}
	}
	return nil
}

func someOf(words []string) string {
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}
