package api

// Event is an event of the journal, or an entry of the audit in its place among the events. A point's event has RTU to
// Time; an entry of the audit has Audit and Note instead, and if it is about a control RTU, Point, Type and Value of that.
type Event struct {
	Seq     uint64 `json:"seq"`             // the place of both in one order
	Audit   uint64 `json:"audit,omitempty"` // number of the entry in the audit
	TimeMs  int64  `json:"time_ms"`         // ms since 1970-01-01 UTC
	Text    string `json:"text"`            // all of it, for people
	TextZH  string `json:"text_zh"`
	RTU     uint32 `json:"rtu,omitempty"`
	Kind    string `json:"kind"` // di | ai | counter | note
	Point   uint32 `json:"point,omitempty"`
	Type    uint8  `json:"type,omitempty"` // TypeID
	Value   Value  `json:"value"`
	Quality uint8  `json:"quality"`
	// Transient tells of a step position that the equipment is on its way.
	Transient bool   `json:"transient,omitempty"`
	ElapsedMs uint16 `json:"elapsed_ms,omitempty"` // of protection equipment
	Time      string `json:"time,omitempty"`       // the same as RFC 3339
	TimeFlags string `json:"time_flags,omitempty"` // of the time tag, in words: invalid, summer time, substituted
	Note      *Note  `json:"note,omitempty"`
}

// Note tells of something that the station did.
type Note struct {
	Kind     string `json:"kind"` // owner | moving | activated | pin | node | online | control | overflow | config | condition | access | refused | action
	Resource string `json:"resource,omitempty"`
	Epoch    uint64 `json:"epoch,omitempty"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Control  string `json:"control,omitempty"`
	Origin   string `json:"origin,omitempty"`
	Stage    string `json:"stage,omitempty"`
	OK       bool   `json:"ok,omitempty"`
	Count    uint64 `json:"count,omitempty"`
	// Of a condition.
	Condition string `json:"condition,omitempty"` // id
	Severity  string `json:"severity,omitempty"`  // alarm | warning
	// Of a takeover, ms since its cause.
	DetectedMs  int64 `json:"detected_ms,omitempty"`
	ElectedMs   int64 `json:"elected_ms,omitempty"`
	LeasedMs    int64 `json:"leased_ms,omitempty"`
	ConnectedMs int64 `json:"connected_ms,omitempty"`
	FirstDataMs int64 `json:"first_data_ms,omitempty"`
}

// EventPage is a part of the journal.
type EventPage struct {
	First  uint64  `json:"first"` // oldest event kept
	Last   uint64  `json:"last"`  // newest event
	Events []Event `json:"events"`
	// Scanned is the number up to which was looked: what after, or before, is to be for the next page. A filter's page may
	// be empty and there be more all the same.
	Scanned uint64 `json:"scanned"`
	More    bool   `json:"more"`
}
