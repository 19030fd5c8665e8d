package fsm

import (
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Conditions as they stand in a snapshot, and in the notes of the journal.

func (b *conditions) proto() *fsmpb.ConditionsState {
	p := &fsmpb.ConditionsState{}
	for _, c := range b.sorted() {
		p.Present = append(p.Present, c.proto())
	}
	for i := range b.gone {
		p.Gone = append(p.Gone, &fsmpb.ConditionsState_Gone{Condition: b.gone[i].proto(), UntilMs: b.gone[i].UntilMs})
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

func (in *restorer) takeConditions(p *fsmpb.ConditionsState) error {
	b := &in.s.conditions
	if len(p.Present) > maxConditions || len(p.Gone) > maxGone {
		return fmt.Errorf("%d conditions and %d that have gone", len(p.Present), len(p.Gone))
	}
	for _, q := range p.Present {
		c, err := conditionFromProto(q)
		if err != nil {
			return err
		}
		if b.present[c.ID] != nil {
			return fmt.Errorf("condition %q is there twice", c.ID)
		}
		if i := slices.IndexFunc(c.Reports, func(r ConditionReport) bool { return in.s.node(r.Node) == nil }); i >= 0 {
			return fmt.Errorf("condition %q: node %q is not in the configuration", c.ID, c.Reports[i].Node)
		}
		b.present[c.ID] = c
	}
	for _, q := range p.Gone {
		c, err := conditionFromProto(q.GetCondition())
		if err != nil {
			return err
		}
		b.gone = append(b.gone, GoneCondition{*c, q.UntilMs})
	}
	return nil
}

func conditionFromProto(p *fsmpb.ConditionState) (*Condition, error) {
	c := &Condition{
		ID: ConditionID(p.GetKind(), p.GetResource()), Kind: p.GetKind(), Resource: p.GetResource(), SinceMs: p.GetSinceMs(),
		AcknowledgedBy: p.GetAcknowledgedBy(), AcknowledgedMs: p.GetAcknowledgedMs(),
	}
	for i, r := range p.GetReports() {
		q := r.GetReport()
		if why := faultOfReport(q); why != "" || q.GetKind() != c.Kind || q.GetResource() != c.Resource || i > 0 && r.Node <= c.Reports[i-1].Node {
			return nil, fmt.Errorf("condition %q: report of %q: %s", c.ID, r.GetNode(), why)
		}
		c.Reports = append(c.Reports, ConditionReport{
			Node: r.Node, Severity: Severity(q.Severity), Scope: Scope(q.Scope), Epoch: q.Epoch, Values: q.Values, Count: q.Count, TimeMs: r.TimeMs,
		})
		c.Severity = max(c.Severity, Severity(q.Severity))
	}
	if len(c.Reports) == 0 {
		return nil, fmt.Errorf("condition %q: nobody reports it", c.ID)
	}
	return c, nil
}

func (n *ConditionNote) proto() *fsmpb.ConditionNote {
	if n == nil {
		return nil
	}
	return &fsmpb.ConditionNote{Id: n.ID, Kind: n.Kind, Change: uint32(n.Change), Severity: uint32(n.Severity), Values: n.Values}
}

func conditionNoteFromProto(p *fsmpb.ConditionNote) *ConditionNote {
	if p == nil {
		return nil
	}
	return &ConditionNote{ID: p.Id, Kind: p.Kind, Change: ConditionChange(p.Change), Severity: Severity(p.Severity), Values: p.Values}
}
