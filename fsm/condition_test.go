package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/condition"
)

func TestConditionsAreBounded(t *testing.T) {
	x := newScripted(t).ok(testStation)
	for i := range condition.MaxConditions {
		x.ok(fmt.Sprintf("fep1 report x/%d disk warning value=%s", i, strings.Repeat("x", 300)))
	}
	r := x.do("fep1 report x/more disk warning")
	mustEqual(t, "one more", r.Code, conflict)
	if !strings.Contains(r.Message, "no more are kept") {
		t.Fatal(r.Message)
	}
	c, _ := x.s.Condition("x.0.disk")
	mustEqual(t, "octets of a value", len(c.Reports[0].Values[0]), command.MaxText)

	for i := range condition.MaxGone + 10 {
		x.ok(fmt.Sprintf("fep1 gone x.%d.disk", i))
	}
	gone := x.s.GoneConditions(condition.MaxConditions)
	mustEqual(t, "history", len(gone), condition.MaxGone)
	mustEqual(t, "newest of it", gone[0].ID, fmt.Sprintf("x.%d.disk", condition.MaxGone+9))
	mustEqual(t, "oldest of it", gone[condition.MaxGone-1].ID, "x.10.disk")
	mustEqual(t, "limited", len(x.s.GoneConditions(3)), 3)
}

func TestConditionCommands(t *testing.T) {
	base := []string{testStation, "lead assign rtu/1 epoch=0 owner=fep1", "fep1 report rtu/1 clock alarm owner epoch=1 value=3_s", "fep2 report station noise warning"}
	severity := func(id string, want Severity) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			c, _ := s.Condition(id)
			mustEqual(t, "severity of "+id, c.Severity, want)
		}
	}
	runCases(t, base, []commandCase{
		{name: "again", do: "fep1 report rtu/1 clock alarm owner epoch=1 value=3_s", code: duplicate},
		{name: "lower", do: "fep1 report rtu/1 clock warning owner epoch=1 value=3_s", check: severity("rtu.1.clock", SeverityWarning)},
		{name: "one that another resource's condition would share an id with", do: "fep1 report rtu.1 clock alarm", code: conflict, say: "clock of rtu/1 already"},
		{name: "of an RTU that isn't there", do: "fep1 report rtu/7 clock alarm leader", code: notFound, say: `"rtu/7"`},
		{name: "of a node that isn't there", do: "fep1 report node/fep9 dead alarm leader", code: notFound, say: `"node/fep9"`},
		{name: "by a node that isn't there", do: "fep9 report station noise alarm", code: notFound, say: `"fep9"`},
		{name: "too many values", do: "fep1 report station noise alarm" + strings.Repeat(" value=1", condition.MaxValues+1), code: invalid, say: "expected at most 16"},
		{name: "another's, of its own", do: "fep1 gone station.noise node=fep2", code: invalid, say: "only it can take that back"},
		{name: "a condition that isn't there", do: "fep1 gone station.peace", code: duplicate},
		{name: "a report that isn't there", do: "fep2 gone rtu.1.clock", code: duplicate},
		{name: "back", do: "fep2 gone station.noise", check: severity("station.noise", 0)},
		{name: "acknowledged by nobody", do: "api ack station.noise", code: invalid, say: "who acknowledges it"},
		{name: "acknowledged", do: "api ack station.noise origin=anna", check: func(t *testing.T, s *State) {
			c, _ := s.Condition("station.noise")
			mustEqual(t, "by", c.AcknowledgedBy, "anna")
		}},
	})
}
