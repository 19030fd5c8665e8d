package fsm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Conditions: what is wrong with the station, as its nodes report it. The state keeps who says what since when, and who has
// taken note of it; it knows no kinds and no sentences.

// Severity of a condition.
type Severity uint8

// The severities, with the numbers of [fsmpb.ConditionReport_Severity].
const (
	SeverityWarning Severity = iota + 1 // it will become an alarm, or costs something already
	SeverityAlarm                       // data, controls or redundancy are lost or will be at the next fault
)

// String gives warning or alarm.
func (v Severity) String() string {
	switch v {
	case SeverityWarning:
		return "warning"
	case SeverityAlarm:
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
	ID             string // see [ConditionID]
	Kind           string
	Resource       string   // such as rtu/1, uplink/occ/main, node/fep1, station
	Severity       Severity // the highest that is reported
	SinceMs        int64    // ms since 1970-01-01 UTC, by the clock of who reported it first
	AcknowledgedBy string   // empty: nobody has taken note of it
	AcknowledgedMs int64
	Reports        []ConditionReport // by node; never empty
}

// ConditionReport is what one node says of a condition.
type ConditionReport struct {
	Node     string
	Severity Severity
	Scope    Scope
	Epoch    uint64   // in which the node owned the resource; ScopeOwner only
	Values   []string // of the sentence's parameters
	Count    uint64   // how often the node saw it; 0: it isn't counted
	TimeMs   int64    // of this report
}

// GoneCondition is a condition that was there until UntilMs, with its last report alone.
type GoneCondition struct {
	Condition
	UntilMs int64 // ms since 1970-01-01 UTC
}

// ConditionID is the id of a condition, such as rtu.1.common_address of kind common_address about rtu/1.
func ConditionID(kind, resource string) string {
	return strings.ReplaceAll(resource, "/", ".") + "." + kind
}

// Bounds of what is kept.
const (
	maxConditions     = 10_000
	maxGone           = 500 // the oldest goes first
	maxConditionKind  = 64
	maxConditionAbout = 160 // a group's resource id: two names of 64
	maxValues         = 16
)

type conditions struct {
	present map[string]*Condition
	gone    []GoneCondition // oldest first
}

func newConditions() conditions { return conditions{present: map[string]*Condition{}} }

// Conditions returns all that is wrong, by id.
func (s *State) Conditions() []Condition {
	all := make([]Condition, 0, len(s.conditions.present))
	for _, c := range s.conditions.sorted() {
		all = append(all, c.clone())
	}
	return all
}

// Condition returns a condition by its id.
func (s *State) Condition(id string) (Condition, bool) {
	if c := s.conditions.present[id]; c != nil {
		return c.clone(), true
	}
	return Condition{}, false
}

// GoneConditions returns the newest conditions that have gone, the newest first: at most limit, and at most 500.
func (s *State) GoneConditions(limit int) []GoneCondition {
	gone := s.conditions.gone
	gone = slices.Clone(gone[max(0, len(gone)-limit):])
	slices.Reverse(gone)
	return gone
}

// ConditionHolds tells whether what the report was made from is still known: its node is alive and, if the owner's word
// counts, still the owner in that epoch.
func (s *State) ConditionHolds(c *Condition, r *ConditionReport) bool {
	if n := s.node(r.Node); n == nil || !n.Alive {
		return false
	}
	return r.Scope != ScopeOwner || s.ownsNow(c.Resource, r.Node, r.Epoch)
}

func (s *State) ownsNow(resource, node string, epoch uint64) bool {
	r := s.resources[resource]
	return r != nil && r.Owner == node && r.Epoch == epoch
}

// Foremost is the report that speaks for the condition: of the highest severity, and of these the newest.
func (c *Condition) Foremost() *ConditionReport {
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

func (c *conditions) sorted() []*Condition {
	all := slices.Collect(maps.Values(c.present))
	slices.SortFunc(all, func(a, b *Condition) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// reportCondition takes a node's report of what is wrong.
func (s *State) reportCondition(at command.Stamp, op *fsmpb.ConditionReport) *fsmpb.Result {
	if s.node(at.Node) == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", at.Node)
	}
	if why := faultOfReport(op); why != "" {
		return command.Refuse(fsmpb.Result_INVALID, "condition %.64q of %.64q: %s", op.GetKind(), op.GetResource(), why)
	}
	r := s.resources[op.Resource]
	if r == nil && (Scope(op.Scope) == ScopeOwner || s.isGone(op.Resource)) {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no resource %q", op.Resource)
	}
	if Scope(op.Scope) == ScopeOwner {
		if bad := r.Fence(op.Epoch, at.Node); bad != nil {
			return bad
		}
	}
	report := ConditionReport{
		Node: at.Node, Severity: Severity(op.Severity), Scope: Scope(op.Scope), Epoch: op.Epoch,
		Values: slices.Clone(op.Values), Count: op.Count, TimeMs: at.Ms,
	}
	for i := range report.Values {
		report.Values[i] = command.Clip(report.Values[i])
	}
	id := ConditionID(op.Kind, op.Resource)
	c := s.conditions.present[id]
	switch {
	case c == nil && len(s.conditions.present) >= maxConditions:
		return command.Refuse(fsmpb.Result_CONFLICT, "condition %s: there are %d already, and no more are kept", id, maxConditions)
	case c == nil:
		c = &Condition{ID: id, Kind: op.Kind, Resource: op.Resource, SinceMs: at.Ms}
		s.conditions.present[id] = c
	case c.Kind != op.Kind || c.Resource != op.Resource:
		return command.Refuse(fsmpb.Result_CONFLICT, "condition %s: it is %s of %s already", id, c.Kind, c.Resource)
	}
	if slices.ContainsFunc(c.Reports, report.says) {
		return command.Already()
	}
	s.putReport(at, c, report)
	return command.Done()
}

// says tells whether another report says the same of the same node.
func (r *ConditionReport) says(o ConditionReport) bool {
	return r.Node == o.Node && r.Severity == o.Severity && r.Scope == o.Scope && r.Epoch == o.Epoch && r.Count == o.Count && slices.Equal(r.Values, o.Values)
}

func faultOfReport(op *fsmpb.ConditionReport) string {
	isWord := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' }
	switch {
	case op.GetKind() == "" || len(op.Kind) > maxConditionKind || strings.ContainsFunc(op.Kind, func(r rune) bool { return !isWord(r) }):
		return fmt.Sprintf("expected a kind of 1 to %d lower case letters, digits and _", maxConditionKind)
	case op.Resource == "" || len(op.Resource) > maxConditionAbout || strings.Contains(op.Resource, ":"):
		return fmt.Sprintf("expected a resource of 1 to %d octets without colon", maxConditionAbout)
	case Severity(op.Severity) != SeverityWarning && Severity(op.Severity) != SeverityAlarm:
		return fmt.Sprintf("there is no severity %d", op.Severity)
	case op.Scope < 0 || Scope(op.Scope) > ScopeLeader:
		return fmt.Sprintf("there is no scope %d", op.Scope)
	case len(op.Values) > maxValues:
		return fmt.Sprintf("%d values: expected at most %d", len(op.Values), maxValues)
	}
	return ""
}

// putReport takes a report into a condition, instead of those that it replaces.
func (s *State) putReport(at command.Stamp, c *Condition, report ConditionReport) {
	kept := slices.DeleteFunc(slices.Clone(c.Reports), func(r ConditionReport) bool {
		return r.Node == report.Node || report.Scope != ScopeNode && r.Scope == report.Scope
	})
	i, _ := slices.BinarySearchFunc(kept, report.Node, func(r ConditionReport, node string) int { return cmp.Compare(r.Node, node) })
	s.setReports(at, c, slices.Insert(kept, i, report))
}

// setReports gives a condition other reports; without any it has gone. A condition that becomes an alarm has to be
// acknowledged anew.
func (s *State) setReports(at command.Stamp, c *Condition, reports []ConditionReport) {
	s.rev.Conditions++
	if len(reports) == 0 {
		s.conditions.remove(c, at.Ms)
		s.touchCondition(c)
		s.noteCondition(at, c, ConditionGone, "")
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
	s.touchCondition(c)
	if before == 0 {
		s.noteCondition(at, c, ConditionCame, "")
		return
	}
	if c.Severity > before {
		c.AcknowledgedBy, c.AcknowledgedMs = "", 0
	}
	s.noteCondition(at, c, ConditionChanged, "")
}

// remove takes a condition into the history, as it was reported last.
func (b *conditions) remove(c *Condition, ms int64) {
	delete(b.present, c.ID)
	c.Reports = []ConditionReport{*c.Foremost()}
	b.gone = append(b.gone, GoneCondition{*c, ms})
	if n := len(b.gone) - maxGone; n > 0 {
		b.gone = slices.Clone(b.gone[n:])
	}
}

// endCondition takes a report back.
func (s *State) endCondition(at command.Stamp, op *fsmpb.ConditionGone) *fsmpb.Result {
	c := s.conditions.present[op.GetId()]
	if c == nil {
		return command.Already()
	}
	node := cmp.Or(op.Node, at.Node)
	i := slices.IndexFunc(c.Reports, func(r ConditionReport) bool { return r.Node == node })
	if i < 0 {
		return command.Already()
	}
	if r := &c.Reports[i]; node != at.Node {
		switch {
		case s.node(at.Node) == nil:
			return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", at.Node)
		case r.Scope == ScopeNode:
			return command.Refuse(fsmpb.Result_INVALID, "condition %s: %q reports it, and only it can take that back", c.ID, node)
		case r.Scope == ScopeOwner && (s.resources[c.Resource] == nil || s.resources[c.Resource].Owner != at.Node):
			return command.Refuse(fsmpb.Result_STALE_EPOCH, "condition %s: %q does not own %s", c.ID, at.Node, c.Resource)
		}
	}
	s.setReports(at, c, slices.Delete(slices.Clone(c.Reports), i, i+1))
	return command.Done()
}

// acknowledgeCondition notes who has taken note of a condition. The first one counts.
func (s *State) acknowledgeCondition(at command.Stamp, op *fsmpb.ConditionAck) *fsmpb.Result {
	c := s.conditions.present[op.GetId()]
	switch {
	case c == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no condition %q", op.GetId())
	case op.Origin == "":
		return command.Refuse(fsmpb.Result_INVALID, "condition %s: expected who acknowledges it", c.ID)
	case c.AcknowledgedBy != "":
		return command.Already()
	}
	c.AcknowledgedBy, c.AcknowledgedMs = command.Clip(op.Origin), at.Ms
	s.rev.Conditions++
	s.noteCondition(at, c, ConditionAcknowledged, c.AcknowledgedBy)
	return command.Done()
}

// settleConditions drops what was reported about resources, and by nodes, that the configuration no longer names.
func (s *State) settleConditions(at command.Stamp) {
	for _, c := range s.conditions.sorted() {
		reports := slices.DeleteFunc(slices.Clone(c.Reports), func(r ConditionReport) bool { return s.node(r.Node) == nil })
		if s.isGone(c.Resource) {
			reports = nil
		}
		if len(reports) < len(c.Reports) {
			s.setReports(at, c, reports)
		}
	}
}

// isGone tells whether something is named like what a configuration declares, and isn't declared.
func (s *State) isGone(resource string) bool {
	kind, id, _ := strings.Cut(resource, "/")
	switch kind {
	case "rtu", "uplink", "fnp":
		return s.resources[resource] == nil
	case "node":
		return s.node(id) == nil
	}
	return false
}

// ConditionChange says what happened to a condition.
type ConditionChange uint8

// What can happen to a condition.
const (
	ConditionCame         ConditionChange = iota + 1
	ConditionGone                         // all who reported it have taken it back
	ConditionChanged                      // it has another severity
	ConditionAcknowledged                 // somebody has taken note of it
)

// ConditionNote is the part of an audit event that tells of a condition.
type ConditionNote struct {
	ID       string
	Kind     string
	Change   ConditionChange
	Severity Severity
	Values   []string // of the foremost report
}

func (s *State) noteCondition(at command.Stamp, c *Condition, change ConditionChange, origin string) {
	r := c.Foremost()
	s.note(at, &Note{
		Kind: NoteCondition, Resource: c.Resource, From: r.Node, Origin: origin, Count: r.Count,
		Condition: &ConditionNote{ID: c.ID, Kind: c.Kind, Change: change, Severity: c.Severity, Values: r.Values},
	})
}

// ---- as virtual points

const conditionTopic = "condition/" // and alarm, warning, or a condition's id

func (s *State) touchCondition(c *Condition) {
	for _, of := range []string{SeverityAlarm.String(), SeverityWarning.String(), c.ID} {
		s.virtual.touch(conditionTopic + of)
	}
}

// viewOfConditions is whether there is a condition of this severity, or with this id.
func viewOfConditions(of string) view {
	return func(s *State) (a, b, val bool) {
		there := s.conditions.present[of] != nil
		for _, c := range s.conditions.present { // whether there is one does not depend on the order
			there = there || c.Severity.String() == of
		}
		return there, there, there
	}
}
