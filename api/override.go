package api

import (
	"fmt"
	"math"

	"github.com/fepha/fepha/iec104/asdu"
)

// OverrideRequest asks for a point to be blocked, or to be given a value by hand.
type OverrideRequest struct {
	Reason string `json:"reason"` // not empty; at most 200 octets are kept
	// Of State and Value, one, and only for a value by hand. State is for a DI: on or off, of a double point "in between" or
	// "indeterminate" as well. Value is of an AI in engineering units, of a DI as its type has it.
	State string   `json:"state,omitempty"`
	Value *float64 `json:"value,omitempty"`
}

// Override is what an operator has done to a point. What the device says is in force again when it is released.
type Override struct {
	Mode     string `json:"mode"` // blocked | substituted
	Reason   string `json:"reason"`
	By       string `json:"by"`
	SinceMs  int64  `json:"since_ms"` // ms since 1970-01-01 UTC
	Answered bool   `json:"answered"` // whether the device ever told of the point; if not, the rest is empty
	// What the device said last.
	DeviceValue     Value  `json:"device_value"`
	DeviceQuality   uint8  `json:"device_quality"`
	DeviceTimeMs    int64  `json:"device_time_ms"`
	DeviceText      string `json:"device_text"` // value and quality in words
	DeviceTextZH    string `json:"device_text_zh"`
	DeviceToldTimes uint64 `json:"device_told_times"` // how often it told of the point meanwhile
}

// The modes of an override.
const (
	Blocked     = "blocked"
	Substituted = "substituted"
)

// ParseState is the inverse of [ValueWords] for the states of single and double points.
func ParseState(typeID uint8, state string) (Value, error) {
	names := stateNames(typeID)
	for i, name := range names {
		if name == state {
			return Value(i), nil
		}
	}
	if names == nil {
		return 0, fmt.Errorf("state %q: expected a value, since this is no state", state)
	}
	return 0, fmt.Errorf("state %q: expected one of %q", state, names)
}

// CheckValue says why a value is none of a type (IEC 60870-5-101, 7.2.6); nil if it is one.
func CheckValue(typeID uint8, v float64) error {
	low, high, whole := -math.MaxFloat32, math.MaxFloat32, false
	switch asdu.TypeID(typeID).Untimed() {
	case asdu.M_SP_NA_1:
		low, high, whole = 0, 1, true
	case asdu.M_DP_NA_1, asdu.M_EP_TA_1, asdu.M_EP_TD_1:
		low, high, whole = 0, 3, true
	case asdu.M_ST_NA_1:
		low, high, whole = -64, 63, true
	case asdu.M_BO_NA_1, asdu.M_PS_NA_1:
		low, high, whole = 0, math.MaxUint32, true
	case asdu.M_EP_TB_1, asdu.M_EP_TC_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1:
		low, high, whole = 0, math.MaxUint8, true
	}
	if !(v >= low && v <= high) || whole && v != math.Trunc(v) {
		kind := "number"
		if whole {
			kind = "whole number"
		}
		return fmt.Errorf("value %g: expected a %s from %g to %g", v, kind, low, high)
	}
	return nil
}
