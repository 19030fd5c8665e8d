package api

import (
	"encoding/json"
	"math"
)

// Value is a point's value. In JSON it is a number, or "NaN", "Infinity" or
// "-Infinity" as in the JSON of Protocol Buffers: devices do send them.
type Value float64

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	switch f := float64(v); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(f)
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*v = Value(math.NaN())
	case `"Infinity"`:
		*v = Value(math.Inf(1))
	case `"-Infinity"`:
		*v = Value(math.Inf(-1))
	default:
		return json.Unmarshal(b, (*float64)(v))
	}
	return nil
}
