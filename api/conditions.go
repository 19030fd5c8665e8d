package api

// Conditions is the answer of GET /v1/conditions, alarms first, of each severity those first that nobody has acknowledged;
// and of GET /v1/conditions/history, those that have gone, the newest first.
type Conditions struct {
	Node   string `json:"node"`   // that answers
	Quorum bool   `json:"quorum"` // false: it isn't known whether the list is still true
	// False: that there is no condition doesn't mean that nothing is wrong. There is no quorum, or the leader is so new that it
	// has not looked at everything yet.
	Known      bool        `json:"known"`
	Conditions []Condition `json:"conditions"`
}

// Condition is something that is wrong with the station.
type Condition struct {
	ID       string `json:"id"`                 // stays: resource and kind, such as rtu.1.common_address
	Kind     string `json:"kind"`               // as in docs/OPERATIONS.md
	Severity string `json:"severity"`           // alarm | warning
	Resource string `json:"resource"`           // rtu/N | uplink/NAME/GROUP | node/ID | export/NAME | fnp | station
	Node     string `json:"node"`               // that reports it; of several the one that says the worst
	SinceMs  int64  `json:"since_ms"`           // ms since 1970-01-01 UTC
	UntilMs  int64  `json:"until_ms,omitempty"` // when it went; history only
	Text     string `json:"text"`               // what is wrong
	Advice   string `json:"advice"`             // what to do
	TextZH   string `json:"text_zh"`
	AdviceZH string `json:"advice_zh"`
	Docs     string `json:"docs"`  // where the documentation tells of the kind
	Count    uint64 `json:"count"` // how often it was seen; 0: it isn't counted
	// What the report was made from isn't known any more: the node is dead, or there is no quorum. Text says so too.
	Stale          bool   `json:"stale,omitempty"`
	AcknowledgedBy string `json:"acknowledged_by"` // "": nobody
	AcknowledgedMs int64  `json:"acknowledged_ms,omitempty"`
}

// The severities of conditions.
const (
	SeverityAlarm   = "alarm"
	SeverityWarning = "warning"
)
