// Package condition is what is wrong with the station, as its nodes report it: who says what since when, and who has taken note
// of it. It knows no kinds and no sentences.
package condition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity of a condition.
type Severity uint8

// The severities, with the numbers of [fsmpb.ConditionReport_Severity].
const (
	Warning Severity = iota + 1 // it will become an alarm, or costs something already
	Alarm                       // data, controls or redundancy are lost or will be at the next fault
)

// String gives warning or alarm.
func (v Severity) String() string {
	switch v {
	case Warning:
		return "warning"
	case Alarm:
		return "alarm"
	}
	return fmt.Sprintf("severity(%d)", uint8(v))
}

// Scope says whose word counts about a condition.
type Scope uint8

// The scopes, with the numbers of [fsmpb.ConditionReport_Scope].
const (
	ScopeNode   Scope = iota // each node's own: it stays until all who reported it have taken it back
	ScopeOwner               // the resource's owner's: a new owner's report replaces a former one's
	ScopeLeader              // the leader's: the newest report replaces the others
)

// Condition is something that is wrong. What it refers to is shared: readers must not change it.
type Condition struct {
	ID             string // see [ID]
	Kind           string
	Resource       string   // such as rtu/1, uplink/occ/main, node/fep1, station
	Severity       Severity // the highest that is reported
	SinceMs        int64    // ms since 1970-01-01 UTC, by the clock of who reported it first
	AcknowledgedBy string   // empty: nobody has taken note of it
	AcknowledgedMs int64
	Reports        []Report // by node; never empty
}

// Report is what one node says of a condition.
type Report struct {
	Node     string
	Severity Severity
	Scope    Scope
	Epoch    uint64   // in which the node owned the resource; ScopeOwner only
	Values   []string // of the sentence's parameters
	Count    uint64   // how often the node saw it; 0: it isn't counted
	TimeMs   int64    // of this report
}

// Gone is a condition that was there until UntilMs, with its last report alone.
type Gone struct {
	Condition
	UntilMs int64 // ms since 1970-01-01 UTC
}

// ID is the id of a condition, such as rtu.1.common_address of kind common_address about rtu/1.
func ID(kind, resource string) string {
	return strings.ReplaceAll(resource, "/", ".") + "." + kind
}

// Change says what happened to a condition.
type Change uint8

// What can happen to a condition.
const (
	Came         Change = iota + 1
	HasGone             // all who reported it have taken it back
	Changed             // it has another severity
	Acknowledged        // somebody has taken note of it
)

// Note is the part of an audit event that tells of a condition.
type Note struct {
	ID       string
	Kind     string
	Change   Change
	Severity Severity
	Values   []string // of the foremost report
}

// Foremost is the report that speaks for the condition: of the highest severity, and of these the newest.
func (c *Condition) Foremost() *Report {
	best := &c.Reports[0]
	for i := range c.Reports {
		if r := &c.Reports[i]; cmp.Or(cmp.Compare(r.Severity, best.Severity), cmp.Compare(r.TimeMs, best.TimeMs)) > 0 {
			best = r
		}
	}
	return best
}

func (c *Condition) clone() Condition {
	out := *c
	out.Reports = slices.Clone(c.Reports)
	return out
}

// says tells whether another report says the same of the same node.
func (r *Report) says(o Report) bool {
	return r.Node == o.Node && r.Severity == o.Severity && r.Scope == o.Scope && r.Epoch == o.Epoch && r.Count == o.Count && slices.Equal(r.Values, o.Values)
}
