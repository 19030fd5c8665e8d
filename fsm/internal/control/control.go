// Package control is every control of a device and what became of it. Each is sent at most once, and has exactly one final
// answer.
package control

import (
	"fmt"

	"github.com/fepha/fepha/fsm/internal/points"
)

// Stage of a control. It only goes forward, and may leave stages out.
type Stage uint8

// The stages.
const (
	Submitted Stage = iota + 1
	Executing       // the owner may send it, once
	Confirmed       // the device confirmed it (ACTCON) and has not finished
	Done            // OK says how it ended; final

	stages
)

var stageNames = [stages]string{"none", "submitted", "executing", "confirmed", "done"}

// String gives submitted, executing, confirmed or done.
func (g Stage) String() string {
	if g < stages {
		return stageNames[g]
	}
	return fmt.Sprintf("stage(%d)", uint8(g))
}

// Phase says which step of a command a control is (IEC 60870-5-101, 6.8).
type Phase uint8

// The phases, with the numbers of [fsmpb.ControlSubmit_Phase].
const (
	Direct  Phase = iota
	Select        // its selection lasts until its deadline, another owner, or one Execute or Cancel
	Execute       // of a selection
	Cancel        // of a selection

	phases
)

var phaseNames = [phases]string{"direct", "select", "execute", "cancel"}

// String gives direct, select, execute or cancel.
func (p Phase) String() string {
	if p < phases {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Control is a command to a device and what became of it.
type Control struct {
	ID         string
	Number     uint64 // counts submissions
	Origin     string // who asked
	Requester  string // whose quota it counts to
	RTU        uint32
	Kind       points.Kind // DO or AO
	Point      uint32
	Type       uint8 // TypeID of the command
	Value      float64
	Qualifier  uint8 // QU of a DO, QL of an AO, without the S/E bit
	Phase      Phase
	SelectID   string // of Execute and Cancel
	DeadlineMs int64  // ms since 1970-01-01 UTC; not started at or after it
	Category   string // DO, AO, 20, 26, 27, 29

	Stage       Stage
	OK          bool   // in Confirmed: true; in Done: how it ended
	Reason      string // why not; of a Select that is done, why its selection ended
	Cause       uint8  // cause of transmission of the device's last answer; 0 if none
	Node        string // that started it
	Epoch       uint64 // of the RTU, in which it was started
	Used        bool   // of a Select: its selection has ended
	SubmittedMs int64  // ms since 1970-01-01 UTC, as are the next three; 0 if that never was
	StartedMs   int64
	ConfirmedMs int64 // the device's positive ACTCON, which is to be passed on before the end
	DoneMs      int64
	AnsweredSeq uint64 // where in the journal the device's first answer is, or the end; 0: neither has come
	Revision    uint64 // Revisions().Controls when it last changed
}

// IsSelection tells whether an Execute may follow, deadline aside.
func (c *Control) IsSelection() bool { return c.Phase == Select && c.Stage == Done && c.OK && !c.Used }

// Key is the key of the point.
func (c *Control) Key() points.Key { return points.Key{RTU: c.RTU, Kind: c.Kind, Point: c.Point} }
