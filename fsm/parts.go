package fsm

import (
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/fsm/internal/control"
)

// Controls and conditions have packages of their own: what the state around gives to them, and how they are read.

// aroundControls is what controls need of the state.
func (s *State) aroundControls() control.Station {
	return control.Station{
		Resource: func(rtu uint32) *Resource {
			if u := s.rtus[rtu]; u != nil {
				return u.resource
			}
			return nil
		},
		Audit: func(at command.Stamp, c *Control) (seq uint64) {
			s.operated(at, c)
			return s.audit.Append(at, AuditEntry{
				Point: c.Key(), Type: c.Type, Value: c.Value,
				Note: Note{
					Kind: NoteControl, Resource: RTUResource(c.RTU), Epoch: c.Epoch, To: c.Node, Reason: c.Reason,
					Control: c.ID, Origin: c.Origin, Stage: c.Stage, OK: c.OK,
				},
			})
		},
		Refused: func(at command.Stamp, c *Control, reason string) {
			s.audit.RefusedControl(at, c.Requester, c.Key().String(), reason)
		},
	}
}

// Control returns a control by its id.
func (s *State) Control(id string) (Control, bool) { return s.controls.Control(id) }

// Controls returns all controls that are remembered, in order of submission.
func (s *State) Controls() []Control { return s.controls.All() }

// ControlsAfter returns the controls that changed after this revision (Revisions().Controls), in order of change.
func (s *State) ControlsAfter(revision uint64) []Control { return s.controls.After(revision) }

// PendingControls returns the controls of an RTU that are not done, in order of submission.
func (s *State) PendingControls(rtu uint32) []Control { return s.controls.Pending(rtu) }

// OverdueControls returns the controls that are not done, and the selections, whose deadline is at this time or before it,
// in order of deadline. The leader ends them: who submitted them may have died.
func (s *State) OverdueControls(nowMs int64) []Control { return s.controls.Overdue(nowMs) }

// ControlQuota says why a requester may submit no more controls of this phase at this time, in ms since 1970-01-01 UTC;
// empty: it may. Whoever asks it first spares the log what would be refused.
func (s *State) ControlQuota(requester string, phase ControlPhase, nowMs int64) string {
	return s.controls.Quota(requester, phase, nowMs)
}

// IsControlQuota tells whether a refusal of a control is one of [State.ControlQuota].
func IsControlQuota(message string) bool { return control.IsQuota(message) }

// aroundConditions is what conditions need of the state.
func (s *State) aroundConditions() condition.Station {
	return condition.Station{
		Node:     func(id string) bool { return s.node(id) != nil },
		Resource: func(id string) *Resource { return s.resources[id] },
		Changed: func(c *Condition) {
			for _, of := range []string{SeverityAlarm.String(), SeverityWarning.String(), c.ID} {
				s.virtual.touch(conditionTopic + of)
			}
		},
		Audit: func(at command.Stamp, c *Condition, change ConditionChange, origin string) {
			r := c.Foremost()
			s.note(at, &Note{
				Kind: NoteCondition, Resource: c.Resource, From: r.Node, Origin: origin, Count: r.Count,
				Condition: &ConditionNote{ID: c.ID, Kind: c.Kind, Change: change, Severity: c.Severity, Values: r.Values},
			})
		},
	}
}

// Conditions returns all that is wrong, by id.
func (s *State) Conditions() []Condition { return s.conditions.All() }

// Condition returns a condition by its id.
func (s *State) Condition(id string) (Condition, bool) { return s.conditions.Condition(id) }

// GoneConditions returns the newest conditions that have gone, the newest first: at most limit, and at most 500.
func (s *State) GoneConditions(limit int) []GoneCondition { return s.conditions.Gone(limit) }

// ConditionHolds tells whether what the report was made from is still known: its node is alive and, if the owner's word
// counts, still the owner in that epoch.
func (s *State) ConditionHolds(c *Condition, r *ConditionReport) bool {
	if n := s.node(r.Node); n == nil || !n.Alive {
		return false
	}
	if r.Scope != ScopeOwner {
		return true
	}
	owned := s.resources[c.Resource]
	return owned != nil && owned.Owner == r.Node && owned.Epoch == r.Epoch
}

const conditionTopic = "condition/" // and alarm, warning, or a condition's id

// viewOfConditions is whether there is a condition of this severity, or with this id.
func viewOfConditions(of string) view {
	return func(s *State) (a, b, val bool) {
		there := s.conditions.Any(of)
		return there, there, there
	}
}
