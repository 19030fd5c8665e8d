package condition

import (
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Empty tells whether there is nothing to be put into a snapshot.
func (cs *Conditions) Empty() bool { return len(cs.present)+len(cs.gone) == 0 }

// Proto is what goes into a snapshot.
func (cs *Conditions) Proto() *fsmpb.ConditionsState {
	p := &fsmpb.ConditionsState{}
	for _, c := range cs.sorted() {
		p.Present = append(p.Present, c.proto())
	}
	for i := range cs.gone {
		p.Gone = append(p.Gone, &fsmpb.ConditionsState_Gone{Condition: cs.gone[i].proto(), UntilMs: cs.gone[i].UntilMs})
	}
	return p
}

func (c *Condition) proto() *fsmpb.ConditionState {
	p := &fsmpb.ConditionState{
		Kind: c.Kind, Resource: c.Resource, SinceMs: c.SinceMs, AcknowledgedBy: c.AcknowledgedBy, AcknowledgedMs: c.AcknowledgedMs,
	}
	for _, r := range c.Reports {
		p.Reports = append(p.Reports, &fsmpb.ConditionState_Report{
			Node: r.Node, TimeMs: r.TimeMs,
			Report: &fsmpb.ConditionReport{
				Kind: c.Kind, Resource: c.Resource, Severity: fsmpb.ConditionReport_Severity(r.Severity),
				Scope: fsmpb.ConditionReport_Scope(r.Scope), Epoch: r.Epoch, Values: r.Values, Count: r.Count,
			},
		})
	}
	return p
}

// Restore takes what Proto gave.
func (cs *Conditions) Restore(p *fsmpb.ConditionsState) error {
	if len(p.Present) > MaxConditions || len(p.Gone) > MaxGone {
		return fmt.Errorf("%d conditions and %d that have gone", len(p.Present), len(p.Gone))
	}
	for _, q := range p.Present {
		c, err := conditionFromProto(q)
		if err != nil {
			return err
		}
		if cs.present[c.ID] != nil {
			return fmt.Errorf("condition %q is there twice", c.ID)
		}
		if i := slices.IndexFunc(c.Reports, func(r Report) bool { return !cs.station.Node(r.Node) }); i >= 0 {
			return fmt.Errorf("condition %q: node %q is not in the configuration", c.ID, c.Reports[i].Node)
		}
		cs.present[c.ID] = c
	}
	for _, q := range p.Gone {
		c, err := conditionFromProto(q.GetCondition())
		if err != nil {
			return err
		}
		cs.gone = append(cs.gone, Gone{*c, q.UntilMs})
	}
	return nil
}

func conditionFromProto(p *fsmpb.ConditionState) (*Condition, error) {
	c := &Condition{
		ID: ID(p.GetKind(), p.GetResource()), Kind: p.GetKind(), Resource: p.GetResource(), SinceMs: p.GetSinceMs(),
		AcknowledgedBy: p.GetAcknowledgedBy(), AcknowledgedMs: p.GetAcknowledgedMs(),
	}
	for i, r := range p.GetReports() {
		q := r.GetReport()
		if why := faultOfReport(q); why != "" || q.GetKind() != c.Kind || q.GetResource() != c.Resource || i > 0 && r.Node <= c.Reports[i-1].Node {
			return nil, fmt.Errorf("condition %q: report of %q: %s", c.ID, r.GetNode(), why)
		}
		c.Reports = append(c.Reports, Report{
			Node: r.Node, Severity: Severity(q.Severity), Scope: Scope(q.Scope), Epoch: q.Epoch, Values: q.Values, Count: q.Count, TimeMs: r.TimeMs,
		})
		c.Severity = max(c.Severity, Severity(q.Severity))
	}
	if len(c.Reports) == 0 {
		return nil, fmt.Errorf("condition %q: nobody reports it", c.ID)
	}
	return c, nil
}

// Proto is the note as it stands in the audit.
func (n *Note) Proto() *fsmpb.ConditionNote {
	if n == nil {
		return nil
	}
	return &fsmpb.ConditionNote{Id: n.ID, Kind: n.Kind, Change: uint32(n.Change), Severity: uint32(n.Severity), Values: n.Values}
}

// NoteOf reads what Proto gave.
func NoteOf(p *fsmpb.ConditionNote) *Note {
	if p == nil {
		return nil
	}
	return &Note{ID: p.Id, Kind: p.Kind, Change: Change(p.Change), Severity: Severity(p.Severity), Values: p.Values}
}
