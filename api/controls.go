package api

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// ControlRequest asks for a control. It is sent to the device once at most.
type ControlRequest struct {
	RTU   uint32 `json:"rtu"`
	Kind  string `json:"kind"` // do | ao
	Point uint32 `json:"point"`
	// Of State and Value, one. State is for a DO: on or off (of a regulating step, higher and lower). Value is of an AO in
	// engineering units, of a DO as the device has it: off is 0 in a single command, and 1 in the others.
	State  string   `json:"state,omitempty"`
	Value  *float64 `json:"value,omitempty"`
	Select bool     `json:"select"` // select before operate, in one go
	// Phase is one step alone, for whoever wants to look before the next: select, then execute or cancel with the id of the
	// selection, which ends with the select's timeout. Empty: all of it.
	Phase    string `json:"phase,omitempty"`
	SelectID string `json:"select_id,omitempty"`
	// Qualifier is QU of a DO, 0 to 31, short, long or persistent, or QL of an AO, 0 to 127 (IEC 60870-5-101, 7.2.6.26 and
	// 7.2.6.39); 0: that of the RTU's table, if it has one.
	Qualifier Qualifier `json:"qualifier,omitempty"`
	TimeoutMs int64     `json:"timeout_ms"` // for the device's answer; 0 is 10 s, at most 60 s
}

// Control is a control and what became of it.
type Control struct {
	ID        string `json:"id"`
	Origin    string `json:"origin"` // who asked
	RTU       uint32 `json:"rtu"`
	Kind      string `json:"kind"`
	Point     uint32 `json:"point"`
	Name      string `json:"name"`
	Type      uint8  `json:"type"` // TypeID
	Value     Value  `json:"value"`
	State     string `json:"state,omitempty"` // of a DO: what the value means, on or off
	Qualifier uint8  `json:"qualifier"`       // QU or QL as it was asked for
	Phase     string `json:"phase"`           // direct | select | execute | cancel
	SelectID  string `json:"select_id,omitempty"`
	Category  string `json:"category"`

	Stage  string `json:"stage"`  // submitted | executing | confirmed | done
	OK     bool   `json:"ok"`     // once done
	Reason string `json:"reason"` // why not
	Cause  uint8  `json:"cause"`  // cause of transmission of the device's last answer; 0: none
	Node   string `json:"node"`   // that sent it
	Epoch  uint64 `json:"epoch"`

	// ms since 1970-01-01 UTC; 0: it never was
	SubmittedMs int64 `json:"submitted_ms"`
	StartedMs   int64 `json:"started_ms"`
	ConfirmedMs int64 `json:"confirmed_ms"`
	DoneMs      int64 `json:"done_ms"`
	DeadlineMs  int64 `json:"deadline_ms"`
}

// Operable is a point that can be operated, as an RTU's table has it.
type Operable struct {
	RTU      uint32 `json:"rtu"`
	Kind     string `json:"kind"` // do | ao
	Point    uint32 `json:"point"`
	Name     string `json:"name"`
	Type     uint8  `json:"type"` // TypeID of the command
	Category string `json:"category"`
	Unit     string `json:"unit,omitempty"` // engineering, of an ao
}

// Qualifier is a number or a word. In JSON a number may stand as one, or as a string.
type Qualifier string

// UnmarshalJSON implements json.Unmarshaler.
func (q *Qualifier) UnmarshalJSON(b []byte) error {
	var n uint8
	if json.Unmarshal(b, &n) == nil {
		*q = Qualifier(strconv.Itoa(int(n)))
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("qualifier %.40s: expected a number or a word", b)
	}
	*q = Qualifier(s)
	return nil
}

// The phases that can be asked for.
const (
	PhaseSelect  = "select"
	PhaseExecute = "execute"
	PhaseCancel  = "cancel"
)

// The states of a DO.
const (
	StateOff = "off"
	StateOn  = "on"
)
