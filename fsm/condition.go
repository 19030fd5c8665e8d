package fsm

import (
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/condition"
)

// Conditions: what the state around them gives to package internal/condition, and how they are read.

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
