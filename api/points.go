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
	Time      string `json:"time,omitempty"`       // the same as RFC 3339
	TimeFlags string `json:"time_flags,omitempty"` // of the time tag, in words: invalid, summer time, substituted
	// Value and quality in words, as the tool says them; a good quality is "".
	ValueText     string `json:"value_text"`
	ValueTextZH   string `json:"value_text_zh"`
	QualityText   string `json:"quality_text"`
	QualityTextZH string `json:"quality_text_zh"`
	TimeMs        int64  `json:"time_ms"` // ms since 1970-01-01 UTC
	Seq           uint64 `json:"seq"`     // its newest event; 0 if it never had one

	Override *Override       `json:"override,omitempty"` // nil: none is in force
	Uplinks  []UplinkAddress `json:"uplinks,omitempty"`  // where control centres find it
}

// Trend is the course of an analog over the last hour at most, as this node has seen it: sampled each second, where it changed.
type Trend struct {
	CompleteFromMs int64         `json:"complete_from_ms"` // ms since 1970-01-01 UTC; from then on nothing is missing
	NowMs          int64         `json:"now_ms"`
	Samples        []TrendSample `json:"samples"` // oldest first; the first one may be older than the hour
}

// TrendSample is what an analog said from an instant on.
type TrendSample struct {
	TimeMs  int64 `json:"time_ms"`
	Value   Value `json:"value"`
	Quality uint8 `json:"quality"`
}

// UplinkAddress is where a control centre finds a point.
type UplinkAddress struct {
	Uplink        string `json:"uplink"`
	CommonAddress uint16 `json:"common_address"`
	IOA           uint32 `json:"ioa"`
	Type          uint8  `json:"type"` // TypeID
}

// PointPage is a part of the points.
type PointPage struct {
	Points []Point `json:"points"`
	// Next is what ?after= is to be for the next page; "" if this is the last.
	Next string `json:"next"`
}

// TablePoint is a monitored point of an RTU's table, and whether the device answers it.
type TablePoint struct {
	Point
	State string `json:"state"` // answered | never answered | no longer answered
}

// The states of a point of a table.
const (
	StateAnswered = "answered"
	StateNever    = "never answered"
	StateNoLonger = "no longer answered"
	StateNotAsked = "not asked yet"
)

// TableReply is the answer of GET /v1/rtus/{n}/points: an RTU's monitored points as configured.
type TableReply struct {
	RTU uint32 `json:"rtu"`
	// Asked tells whether this node has had the device's answer to an interrogation, as its owner has. Otherwise it can't be
	// said of a point whether it is no longer answered.
	Asked  bool         `json:"asked"`
	Owner  string       `json:"owner"`
	Points []TablePoint `json:"points"`
}
