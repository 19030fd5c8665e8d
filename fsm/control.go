package fsm

import (
	"cmp"
	"container/list"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/internal/command"
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

// ControlPhase says which step of a command a control is (IEC 60870-5-101, 6.8).
type ControlPhase uint8

// The phases, with the numbers of [fsmpb.ControlSubmit_Phase].
const (
	Direct  ControlPhase = iota
	Select               // its selection lasts until its deadline, another owner, or one Execute or Cancel
	Execute              // of a selection
	Cancel               // of a selection

	controlPhases
)

var controlPhaseNames = [controlPhases]string{"direct", "select", "execute", "cancel"}

// String gives direct, select, execute or cancel.
func (p ControlPhase) String() string {
	if p < controlPhases {
		return controlPhaseNames[p]
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
	Kind       Kind // DO or AO
	Point      uint32
	Type       uint8 // TypeID of the command
	Value      float64
	Qualifier  uint8 // QU of a DO, QL of an AO, without the S/E bit
	Phase      ControlPhase
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

// selection tells whether an Execute may follow, deadline aside.
func (c *Control) selection() bool { return c.Phase == Select && c.Stage == Done && c.OK && !c.Used }

const (
	keepControls = 1000   // that are done
	maxControls  = 20_000 // whatever their stage
)

// controls remembers controls by id and by when they last changed.
//
// A control that is done is forgotten when a thousand newer ones are and its deadline has passed: so a late copy of a
// request is refused either as known or as late, and never executed again.
type controls struct {
	byID     map[string]*list.Element
	recent   *list.List             // of *Control, by Revision
	accounts map[account][]*Control // see quota.go
	done     int
	number   uint64
}

func newControls() controls {
	return controls{byID: map[string]*list.Element{}, recent: list.New(), accounts: map[account][]*Control{}}
}

func (cs *controls) get(id string) *Control {
	if e := cs.byID[id]; e != nil {
		return e.Value.(*Control)
	}
	return nil
}

func (cs *controls) add(c *Control) {
	cs.byID[c.ID] = cs.recent.PushBack(c)
	cs.charge(c)
}

// forgetControls drops what need not be remembered at this time.
func (s *State) forgetControls(nowMs int64) {
	cs := &s.controls
	for e := cs.recent.Front(); e != nil && cs.done > keepControls; {
		c, next := e.Value.(*Control), e.Next()
		if c.Stage == Done && c.DeadlineMs < nowMs {
			cs.recent.Remove(e)
			delete(cs.byID, c.ID)
			cs.discharge(c)
			cs.done--
			if c.selection() {
				u := s.rtus[c.RTU]
				u.selected = without(u.selected, c)
			}
		}
		e = next
	}
}

// Control returns a control by its id.
func (s *State) Control(id string) (Control, bool) {
	if c := s.controls.get(id); c != nil {
		return *c, true
	}
	return Control{}, false
}

// Controls returns all controls that are remembered, in order of submission.
func (s *State) Controls() []Control {
	all := s.ControlsAfter(0)
	slices.SortFunc(all, func(a, b Control) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// ControlsAfter returns the controls that changed after this revision (Revisions().Controls), in order of change.
func (s *State) ControlsAfter(revision uint64) []Control {
	var all []Control
	for e := s.controls.recent.Back(); e != nil; e = e.Prev() {
		c := e.Value.(*Control)
		if c.Revision <= revision {
			break
		}
		all = append(all, *c)
	}
	slices.Reverse(all)
	return all
}

// PendingControls returns the controls of an RTU that are not done, in order of submission.
func (s *State) PendingControls(rtu uint32) []Control {
	u := s.rtus[rtu]
	if u == nil {
		return nil
	}
	all := make([]Control, len(u.pending))
	for i, c := range u.pending {
		all[i] = *c
	}
	return all
}

// OverdueControls returns the controls that are not done, and the selections, whose deadline is at this time or before it,
// in order of deadline. The leader ends them: who submitted them may have died.
func (s *State) OverdueControls(nowMs int64) (all []Control) {
	for _, u := range s.rtus {
		for _, list := range [][]*Control{u.pending, u.selected} {
			for _, c := range list {
				if c.DeadlineMs <= nowMs {
					all = append(all, *c)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Control) int {
		return cmp.Or(cmp.Compare(a.DeadlineMs, b.DeadlineMs), cmp.Compare(a.Number, b.Number))
	})
	return all
}

// changed notes that a control has changed, and makes the entry of its stage in the audit.
func (s *State) changed(at command.Stamp, c *Control) {
	s.revise(c)
	s.appendAudit(at, AuditEntry{
		Point: PointKey{c.RTU, c.Kind, c.Point}, Type: c.Type, Value: c.Value,
		Note: Note{
			Kind: NoteControl, Resource: RTUResource(c.RTU), Epoch: c.Epoch, To: c.Node, Reason: c.Reason,
			Control: c.ID, Origin: c.Origin, Stage: c.Stage, OK: c.OK,
		},
	})
	if c.AnsweredSeq == 0 && c.Stage >= Confirmed {
		c.AnsweredSeq = s.journal.last
	}
}

// revise has readers of changes see a control.
func (s *State) revise(c *Control) {
	s.rev.Controls++
	c.Revision = s.rev.Controls
	s.controls.recent.MoveToBack(s.controls.byID[c.ID])
}

// reject ends a request that can't be granted: it is remembered as done, and told with others that were refused.
func (s *State) reject(at command.Stamp, c *Control, reason string) {
	c.Stage, c.Reason, c.DoneMs = Done, command.Clip(reason), at.Ms
	s.controls.done++
	s.revise(c)
	s.refused(at, refusedControl, c.Requester, PointKey{c.RTU, c.Kind, c.Point}.String(), reason, 1)
}

// finish ends a control.
func (s *State) finish(at command.Stamp, c *Control, ok bool, reason string) {
	c.Stage, c.OK, c.Reason, c.DoneMs = Done, ok, command.Clip(reason), at.Ms
	s.controls.done++
	if u := s.rtus[c.RTU]; u != nil {
		u.pending = without(u.pending, c)
		if c.selection() {
			u.selected = append(u.selected, c)
		}
	}
	s.changed(at, c)
}

// endSelection makes a selection useless.
func (s *State) endSelection(at command.Stamp, c *Control, reason string) {
	u := s.rtus[c.RTU]
	u.selected = without(u.selected, c)
	c.Used, c.Reason = true, command.Clip(reason)
	s.changed(at, c)
}

func without(list []*Control, c *Control) []*Control {
	return slices.DeleteFunc(list, func(x *Control) bool { return x == c })
}

// ownerChanged ends what can't go on under another owner: controls that may have been sent are never sent again, and
// selections that only the former owner's link knew are void. What was only submitted waits for the new owner.
func (s *State) ownerChanged(at command.Stamp, u *rtu) {
	s.endControls(at, u, "owner changed", func(c *Control) bool {
		return c.Stage != Submitted || c.Phase == Execute || c.Phase == Cancel
	})
}

// endControls ends the controls of an RTU that are not done and for which ends is true, and all its selections.
func (s *State) endControls(at command.Stamp, u *rtu, reason string, ends func(*Control) bool) {
	for _, c := range slices.Clone(u.pending) {
		if ends(c) {
			s.finish(at, c, false, reason)
		}
	}
	for _, c := range slices.Clone(u.selected) {
		s.endSelection(at, c, reason)
	}
}
