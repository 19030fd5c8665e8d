package api

// Point is the newest value of a point.
type Point struct {
	RTU     uint32 `json:"rtu"`
	Kind    string `json:"kind"` // di | ai | counter
	Point   uint32 `json:"point"`
	Name    string `json:"name"`
	Unit    string `json:"unit,omitempty"`
	Value   Value  `json:"value"`
	Quality uint8  `json:"quality"` // the quality octet, bit for bit
	Type    uint8  `json:"type"`    // TypeID that it came with
	// Transient tells of a step position that the equipment is on its way.
	Transient bool   `json:"transient,omitempty"`
	Time      string `json:"time"`    // octets of the CP56Time2a in hex, as on the wire
	TimeMs    int64  `json:"time_ms"` // ms since 1970-01-01 UTC
	Seq       uint64 `json:"seq"`     // its newest event; 0 if it never had one
}

// PointPage is a part of the points.
type PointPage struct {
	Points []Point `json:"points"`
	// Next is what ?after= is to be for the next page; "" if this is the last.
	Next string `json:"next"`
}
