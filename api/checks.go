package api

// CheckStart asks for the check of an RTU's points, or for one to be brought up to date with its table.
type CheckStart struct {
	// Uplink and Group are whose acknowledgement counts. Both empty: the one that the station has, if it is one; with several
	// they have to be named.
	Uplink string `json:"uplink,omitempty"`
	Group  string `json:"group,omitempty"`
	Anew   bool   `json:"anew,omitempty"` // the progress so far is thrown away
}

// CheckTick is what a person says of a point that is checked.
type CheckTick struct {
	Kind   string `json:"kind"` // di | ai | counter | do | ao
	Point  uint32 `json:"point"`
	OK     bool   `json:"ok"`
	Remark string `json:"remark,omitempty"` // not empty, but with Clear
	Clear  bool   `json:"clear,omitempty"`  // what was said is taken back
}

// CheckEnd ends a check, or throws it away.
type CheckEnd struct {
	Discard bool `json:"discard,omitempty"`
}

// Check is the check of an RTU's points.
type Check struct {
	RTU       uint32 `json:"rtu"`
	Name      string `json:"name"`
	Uplink    string `json:"uplink"` // whose acknowledgement counts; "": nobody's
	Group     string `json:"group"`
	By        string `json:"by"`         // who began it
	StartedMs int64  `json:"started_ms"` // ms since 1970-01-01 UTC
	EndedMs   int64  `json:"ended_ms"`   // 0: it goes on
	Points    int    `json:"points"`
	Done      int    `json:"done"`   // acknowledged, or ticked off by hand
	Seen      int    `json:"seen"`   // seen, and not done
	Failed    int    `json:"failed"` // that somebody found wrong

	Items []CheckItem `json:"items,omitempty"` // not in a list of checks
}

// CheckItem is a point of a check.
type CheckItem struct {
	Kind    string        `json:"kind"`
	Point   uint32        `json:"point"`
	Name    string        `json:"name"`
	Unit    string        `json:"unit,omitempty"`
	IOA     uint32        `json:"ioa,omitempty"`     // where the control centre has it; 0: nowhere
	State   string        `json:"state"`             // open | seen | done | by hand | failed
	Samples []CheckSample `json:"samples"`           // at most two, of different values
	SaidBy  string        `json:"said_by,omitempty"` // who has said something of it
	SaidMs  int64         `json:"said_ms,omitempty"`
	Remark  string        `json:"remark,omitempty"`
}

// The states of a point of a check.
const (
	CheckOpen   = "open"
	CheckSeen   = "seen"    // it changed, or was operated, and no acknowledgement is known yet
	CheckDone   = "done"    // the control centre has acknowledged a change, or the device has returned a control
	CheckByHand = "by hand" // a person has ticked it off
	CheckFailed = "failed"  // a person has found it wrong
)

// CheckSample is a value that a point was seen with, or a control that the device has returned.
type CheckSample struct {
	TimeMs      int64  `json:"time_ms"` // of the device's time tag; of a control, when it was asked for
	Value       Value  `json:"value"`
	ValueText   string `json:"value_text"`
	ValueTextZH string `json:"value_text_zh"`
	QualityText string `json:"quality_text"` // "": good
	QualityZH   string `json:"quality_text_zh"`
	Seq         uint64 `json:"seq,omitempty"`      // of the event; 0: it is none
	AckedMs     int64  `json:"acked_ms,omitempty"` // when the acknowledgement, or the return, was committed; 0: not yet
	Origin      string `json:"origin,omitempty"`   // of a control: who asked
}

// Comparison is what a control centre's list of points has otherwise than an uplink's table.
type Comparison struct {
	Uplink      string           `json:"uplink"`
	Here        int              `json:"here"`  // points of the uplink's table
	There       int              `json:"there"` // points of the list
	Same        int              `json:"same"`
	Differences []ListDifference `json:"differences"` // by common address and ioa
}

// ListDifference is an address that the two have otherwise.
type ListDifference struct {
	CommonAddress uint16     `json:"common_address,omitempty"` // 0: this node doesn't know it
	IOA           uint32     `json:"ioa"`
	Here          *ListPoint `json:"here"`  // null: the uplink's table doesn't have it
	There         *ListPoint `json:"there"` // null: the list doesn't have it
	Name          bool       `json:"name"`  // the names differ
	Type          bool       `json:"type"`  // the types differ, and not by the time tag alone
}

// ListPoint is a point as one of the two has it.
type ListPoint struct {
	Point string `json:"point,omitempty"` // rtu/kind/point, here
	Line  int    `json:"line,omitempty"`  // of the list, there
	Name  string `json:"name"`
	Type  uint8  `json:"type"` // TypeID; 0: the list doesn't say
}
