package condition

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/resource"
)

// Bounds of what is kept.
const (
	MaxConditions     = 10_000
	MaxGone           = 500 // the oldest goes first
	maxConditionKind  = 64
	maxConditionAbout = 160 // a group's resource id: two names of 64
	MaxValues         = 16
)

// Conditions is a part of the replicated state; see package fsm for who may call what when.
type Conditions struct {
	station  Station
	present  map[string]*Condition
	gone     []Gone // oldest first
	revision uint64
}

// Station is what conditions need of the state around them.
type Station struct {
	// Node tells whether there is such a node.
	Node func(id string) bool
	// Resource finds a resource; nil: there is none.
	Resource func(id string) *resource.Resource
	// Changed is told of what has come, has gone, or has another severity.
	Changed func(c *Condition)
	// Audit makes an entry of what happened to a condition, and by whom if a person did it.
	Audit func(at command.Stamp, c *Condition, change Change, origin string)
}

// New returns a station with which nothing is wrong, whose changes are counted from revision on.
func New(revision uint64, station Station) *Conditions {
	return &Conditions{station: station, present: map[string]*Condition{}, revision: revision}
}

// Revision counts the changes.
func (cs *Conditions) Revision() uint64 { return cs.revision }

// Apply applies a command that is about conditions; nil: it isn't.
func (cs *Conditions) Apply(at command.Stamp, c *fsmpb.Command) *fsmpb.Result {
	switch op := c.GetOp().(type) {
	case *fsmpb.Command_ConditionReport:
		return cs.report(at, op.ConditionReport)
	case *fsmpb.Command_ConditionGone:
		return cs.end(at, op.ConditionGone)
	case *fsmpb.Command_ConditionAck:
		return cs.acknowledge(at, op.ConditionAck)
	}
	return nil
}

// All returns all that is wrong, by id.
func (cs *Conditions) All() []Condition {
	all := make([]Condition, 0, len(cs.present))
	for _, c := range cs.sorted() {
		all = append(all, c.clone())
	}
	return all
}

// Condition returns a condition by its id.
func (cs *Conditions) Condition(id string) (Condition, bool) {
	if c := cs.present[id]; c != nil {
		return c.clone(), true
	}
	return Condition{}, false
}

// Gone returns the newest conditions that have gone, the newest first: at most limit, and at most 500.
func (cs *Conditions) Gone(limit int) []Gone {
	gone := cs.gone
	gone = slices.Clone(gone[max(0, len(gone)-limit):])
	slices.Reverse(gone)
	return gone
}

// Any tells whether there is a condition with this id, or of this severity.
func (cs *Conditions) Any(idOrSeverity string) bool {
	if cs.present[idOrSeverity] != nil {
		return true
	}
	for _, c := range cs.present { // whether there is one does not depend on the order
		if c.Severity.String() == idOrSeverity {
			return true
		}
	}
	return false
}

// report takes a node's report of what is wrong.
func (cs *Conditions) report(at command.Stamp, op *fsmpb.ConditionReport) *fsmpb.Result {
	if !cs.station.Node(at.Node) {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", at.Node)
	}
	if why := faultOfReport(op); why != "" {
		return command.Refuse(fsmpb.Result_INVALID, "condition %.64q of %.64q: %s", op.GetKind(), op.GetResource(), why)
	}
	r := cs.station.Resource(op.Resource)
	if r == nil && (Scope(op.Scope) == ScopeOwner || cs.Undeclared(op.Resource)) {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", op.Resource)
	}
	if Scope(op.Scope) == ScopeOwner {
		if bad := r.Fence(op.Epoch, at.Node); bad != nil {
			return bad
		}
	}
	report := Report{
		Node: at.Node, Severity: Severity(op.Severity), Scope: Scope(op.Scope), Epoch: op.Epoch,
		Values: slices.Clone(op.Values), Count: op.Count, TimeMs: at.Ms,
	}
	for i := range report.Values {
		report.Values[i] = command.Clip(report.Values[i])
	}
	id := ID(op.Kind, op.Resource)
	c := cs.present[id]
	switch {
	case c == nil && len(cs.present) >= MaxConditions:
		return command.Refuse(fsmpb.Result_CONFLICT, "condition %s: there are %d already, and no more are kept", id, MaxConditions)
	case c == nil:
		c = &Condition{ID: id, Kind: op.Kind, Resource: op.Resource, SinceMs: at.Ms}
		cs.present[id] = c
	case c.Kind != op.Kind || c.Resource != op.Resource:
		return command.Refuse(fsmpb.Result_CONFLICT, "condition %s: it is %s of %s already", id, c.Kind, c.Resource)
	}
	if slices.ContainsFunc(c.Reports, report.says) {
		return command.Already()
	}
	cs.putReport(at, c, report)
	return command.Done()
}

func faultOfReport(op *fsmpb.ConditionReport) string {
	isWord := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' }
	switch {
	case op.GetKind() == "" || len(op.Kind) > maxConditionKind || strings.ContainsFunc(op.Kind, func(r rune) bool { return !isWord(r) }):
		return fmt.Sprintf("expected a kind of 1 to %d lower case letters, digits and _", maxConditionKind)
	case op.Resource == "" || len(op.Resource) > maxConditionAbout || strings.Contains(op.Resource, ":"):
		return fmt.Sprintf("expected a resource of 1 to %d octets without colon", maxConditionAbout)
	case Severity(op.Severity) != Warning && Severity(op.Severity) != Alarm:
		return fmt.Sprintf("there is no severity %d", op.Severity)
	case op.Scope < 0 || Scope(op.Scope) > ScopeLeader:
		return fmt.Sprintf("there is no scope %d", op.Scope)
	case len(op.Values) > MaxValues:
		return fmt.Sprintf("%d values: expected at most %d", len(op.Values), MaxValues)
	}
	return ""
}

// putReport takes a report into a condition, instead of those that it replaces.
func (cs *Conditions) putReport(at command.Stamp, c *Condition, report Report) {
	kept := slices.DeleteFunc(slices.Clone(c.Reports), func(r Report) bool {
		return r.Node == report.Node || report.Scope != ScopeNode && r.Scope == report.Scope
	})
	i, _ := slices.BinarySearchFunc(kept, report.Node, func(r Report, node string) int { return cmp.Compare(r.Node, node) })
	cs.setReports(at, c, slices.Insert(kept, i, report))
}

// setReports gives a condition other reports; without any it has gone. A condition that becomes an alarm has to be
// acknowledged anew.
func (cs *Conditions) setReports(at command.Stamp, c *Condition, reports []Report) {
	cs.revision++
	if len(reports) == 0 {
		cs.remove(c, at.Ms)
		cs.station.Changed(c)
		cs.station.Audit(at, c, HasGone, "")
		return
	}
	before := c.Severity
	c.Reports, c.Severity = reports, 0
	for i := range reports {
		c.Severity = max(c.Severity, reports[i].Severity)
	}
	if c.Severity == before {
		return
	}
	cs.station.Changed(c)
	if before == 0 {
		cs.station.Audit(at, c, Came, "")
		return
	}
	if c.Severity > before {
		c.AcknowledgedBy, c.AcknowledgedMs = "", 0
	}
	cs.station.Audit(at, c, Changed, "")
}

// remove takes a condition into the history, as it was reported last.
func (cs *Conditions) remove(c *Condition, ms int64) {
	delete(cs.present, c.ID)
	c.Reports = []Report{*c.Foremost()}
	cs.gone = append(cs.gone, Gone{*c, ms})
	if n := len(cs.gone) - MaxGone; n > 0 {
		cs.gone = slices.Clone(cs.gone[n:])
	}
}

// end takes a report back.
func (cs *Conditions) end(at command.Stamp, op *fsmpb.ConditionGone) *fsmpb.Result {
	c := cs.present[op.GetId()]
	if c == nil {
		return command.Already()
	}
	node := cmp.Or(op.Node, at.Node)
	i := slices.IndexFunc(c.Reports, func(r Report) bool { return r.Node == node })
	if i < 0 {
		return command.Already()
	}
	if r := &c.Reports[i]; node != at.Node {
		switch {
		case !cs.station.Node(at.Node):
			return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", at.Node)
		case r.Scope == ScopeNode:
			return command.Refuse(fsmpb.Result_INVALID, "condition %s: %q reports it, and only it can take that back", c.ID, node)
		case r.Scope == ScopeOwner && (cs.station.Resource(c.Resource) == nil || cs.station.Resource(c.Resource).Owner != at.Node):
			return command.Refuse(fsmpb.Result_STALE_EPOCH, "condition %s: %q does not own %s", c.ID, at.Node, c.Resource)
		}
	}
	cs.setReports(at, c, slices.Delete(slices.Clone(c.Reports), i, i+1))
	return command.Done()
}

// acknowledge notes who has taken note of a condition. The first one counts.
func (cs *Conditions) acknowledge(at command.Stamp, op *fsmpb.ConditionAck) *fsmpb.Result {
	c := cs.present[op.GetId()]
	switch {
	case c == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no condition %q", op.GetId())
	case op.Origin == "":
		return command.Refuse(fsmpb.Result_INVALID, "condition %s: expected who acknowledges it", c.ID)
	case c.AcknowledgedBy != "":
		return command.Already()
	}
	c.AcknowledgedBy, c.AcknowledgedMs = command.Clip(op.Origin), at.Ms
	cs.revision++
	cs.station.Audit(at, c, Acknowledged, c.AcknowledgedBy)
	return command.Done()
}

// Settle drops what was reported about resources, and by nodes, that the configuration no longer names.
func (cs *Conditions) Settle(at command.Stamp) {
	for _, c := range cs.sorted() {
		reports := slices.DeleteFunc(slices.Clone(c.Reports), func(r Report) bool { return !cs.station.Node(r.Node) })
		if cs.Undeclared(c.Resource) {
			reports = nil
		}
		if len(reports) < len(c.Reports) {
			cs.setReports(at, c, reports)
		}
	}
}

// Undeclared tells whether something is named like what a configuration declares, and isn't declared.
func (cs *Conditions) Undeclared(resource string) bool {
	kind, id, _ := strings.Cut(resource, "/")
	switch kind {
	case "rtu", "uplink", "fnp":
		return cs.station.Resource(resource) == nil
	case "node":
		return !cs.station.Node(id)
	}
	return false
}

func (cs *Conditions) sorted() []*Condition {
	all := slices.Collect(maps.Values(cs.present))
	slices.SortFunc(all, func(a, b *Condition) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
