package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/internal/control"
)

// isControl checks where a control stands.
func isControl(id string, stage Stage, good bool, reason string) func(*testing.T, *State) {
	return func(t *testing.T, s *State) {
		t.Helper()
		c, found := s.Control(id)
		mustEqual(t, id+" is there", found, true)
		mustEqual(t, "stage", c.Stage, stage)
		mustEqual(t, "ok", c.OK, good)
		if !strings.Contains(c.Reason, reason) || (reason == "") != (c.Reason == "") {
			t.Fatalf("reason: got %q, want %q", c.Reason, reason)
		}
		pending := 0
		for _, p := range s.PendingControls(c.RTU) {
			if p.ID == id {
				pending++
			}
		}
		mustEqual(t, "pending", pending == 1, stage != Done)
	}
}

func TestControls(t *testing.T) {
	submit := "occ submit a rtu=1 do/3=1"
	start := "fep1 start a epoch=1"
	confirm := "fep1 result a epoch=1 yes cause=7"
	finish := "fep1 result a epoch=1 yes terminated cause=10"
	selected := []string{"occ submit s rtu=1 do/3=1 phase=select", "fep1 start s epoch=1", "fep1 result s epoch=1 yes cause=7"}
	execute := "occ submit x rtu=1 do/3=1 phase=execute select=s"
	late := []string{submit, "at 10000"}
	runCases(t, []string{testStation, "lead assign rtu/1 epoch=0 owner=fep1"}, []commandCase{
		{name: "submit", do: submit, check: isControl("a", Submitted, false, "")},
		{name: "submit again", after: []string{submit}, do: submit, code: duplicate},
		{name: "submit again when it is done", after: []string{submit, start, finish}, do: submit, code: duplicate},
		{name: "submit another with this id", after: []string{submit}, do: "occ submit a rtu=1 do/4=1", code: conflict, say: "another request"},
		{name: "submit for nobody's RTU", do: "occ submit a rtu=2 do/3=1", check: isControl("a", Submitted, false, "")},
		{name: "submit for no RTU", do: "occ submit a rtu=7 do/3=1", code: notFound, check: isControl("a", Done, false, "no such RTU")},
		{name: "submit too late", after: []string{"at 10000"}, do: submit, code: conflict, check: isControl("a", Done, false, "deadline")},
		{name: "submit far ahead", do: "occ submit a rtu=1 do/3=1 deadline=3601", code: invalid, say: "within an hour"},
		{name: "submit an input", do: "occ submit a rtu=1 di/3=1", code: invalid, say: "do or ao"},
		{name: "submit no point", do: "occ submit a rtu=1", code: invalid},
		{name: "submit NaN", do: "occ submit a rtu=1 ao/3=NaN", code: invalid},
		{name: "submit type 300", do: "occ submit a rtu=1 do/3=1 type=300", code: invalid},
		{name: "submit qualifier 256", do: "occ submit a rtu=1 do/3=1 qu=256", code: invalid},
		{name: "submit a long id", do: "occ submit " + strings.Repeat("a", 257) + " rtu=1 do/3=1", code: invalid},
		{name: "submit direct with a selection", do: "occ submit a rtu=1 do/3=1 select=s", code: invalid},
		{name: "submit execute without", do: "occ submit a rtu=1 do/3=1 phase=execute", code: invalid},

		{name: "start", after: []string{submit}, do: start, check: isControl("a", Executing, false, "")},
		{name: "start again", after: []string{submit, start}, do: start, code: duplicate},
		{name: "start what is done", after: []string{submit, start, finish}, do: start, code: conflict, say: "is done"},
		{name: "start as another", after: []string{submit}, do: "fep2 start a epoch=1", code: staleEpoch},
		{name: "start in a former epoch", after: []string{submit, "lead assign rtu/1 epoch=1 owner=fep1"}, do: start, code: staleEpoch},
		{name: "start on the move", after: []string{submit, "lead move rtu/1 epoch=1 to=fep2"}, do: start, code: conflict, say: "releasing"},
		{name: "start too late", after: late, do: start, code: conflict, check: isControl("a", Done, false, "deadline")},
		{name: "start what is not there", do: start, code: notFound},

		{name: "confirmed", after: []string{submit, start}, do: confirm, check: isControl("a", Confirmed, true, "")},
		{name: "confirmed again", after: []string{submit, start, confirm}, do: confirm, code: duplicate},
		{name: "terminated", after: []string{submit, start, confirm}, do: finish, check: isControl("a", Done, true, "")},
		{name: "terminated again", after: []string{submit, start, confirm, finish}, do: finish, code: duplicate},
		{name: "confirmed and terminated at once", after: []string{submit, start}, do: finish, check: isControl("a", Done, true, "")},
		{name: "refused", after: []string{submit, start}, do: "fep1 result a epoch=1 no cause=7 reason=interlock", check: isControl("a", Done, false, "interlock")},
		{name: "ended badly", after: []string{submit, start, confirm}, do: "fep1 result a epoch=1 no terminated reason=jammed", check: isControl("a", Done, false, "jammed")},
		{name: "another end", after: []string{submit, start, finish}, do: "fep1 result a epoch=1 no", code: conflict},
		{name: "result before the start", after: []string{submit}, do: finish, code: conflict, say: "not started"},
		{name: "result of another node", after: []string{submit, start}, do: "fep2 result a epoch=1 yes terminated", code: staleEpoch},
		{name: "result of a former epoch", after: []string{submit, start}, do: "fep1 result a epoch=0 yes terminated", code: staleEpoch},
		{name: "result of nothing", do: finish, code: notFound},
		{name: "result with a wide cause", after: []string{submit, start}, do: "fep1 result a epoch=1 yes cause=256", code: invalid},
		{name: "positive answer to a select is final", after: selected[:2], do: selected[2], check: isControl("s", Done, true, "")},

		{name: "expired before the start", after: []string{submit}, do: "lead expire a", check: isControl("a", Done, false, "deadline")},
		{name: "expired after the start", after: []string{submit, start}, do: "lead expire a reason=link_lost", check: isControl("a", Done, false, "unknown outcome: link lost")},
		{name: "expired after the confirmation", after: []string{submit, start, confirm}, do: "lead expire a", check: isControl("a", Done, false, "unknown outcome")},
		{name: "expired after the end", after: []string{submit, start, finish}, do: "lead expire a", code: duplicate},
		{name: "expired selection", after: selected, do: "lead expire s reason=link_lost", check: isControl("s", Done, true, "link lost")},
		{name: "expired nothing", do: "lead expire a", code: notFound},

		{name: "execute", after: selected, do: execute, check: isControl("x", Submitted, false, "")},
		{name: "cancel", after: selected, do: "occ submit x rtu=1 do/3=1 phase=cancel select=s", check: isControl("x", Submitted, false, "")},
		{name: "execute before the answer", after: selected[:2], do: execute, code: conflict, check: isControl("x", Done, false, "not confirmed yet")},
		{
			name:  "execute a refused one",
			after: []string{selected[0], selected[1], "fep1 result s epoch=1 no reason=interlock"}, do: execute,
			code: conflict, check: isControl("x", Done, false, "interlock"),
		},
		{name: "execute what was not selected", after: []string{submit, start, finish}, do: "occ submit x rtu=1 do/3=1 phase=execute select=a", code: conflict, check: isControl("x", Done, false, "no selection")},
		{name: "execute twice", after: append(selected, execute), do: "occ submit y rtu=1 do/3=1 phase=execute select=s", code: conflict, check: isControl("y", Done, false, "has ended")},
		{name: "execute another type", after: selected, do: "occ submit x rtu=1 do/3=1 type=58 phase=execute select=s", code: conflict, check: isControl("x", Done, false, "another origin")},
		{name: "execute another qualifier", after: selected, do: "occ submit x rtu=1 do/3=1 qu=1 phase=execute select=s", code: conflict, check: isControl("x", Done, false, "another origin")},
		{name: "execute of another client", after: selected, do: "occ submit x origin=x rtu=1 do/3=1 phase=execute select=s", code: conflict, check: isControl("x", Done, false, "another origin")},
		{name: "execute on another RTU", after: selected, do: "occ submit x rtu=2 do/3=1 phase=execute select=s", code: conflict, check: isControl("x", Done, false, "epoch")},
		{name: "execute too late", after: append(selected, "at 10000"), do: "occ submit x rtu=1 do/3=1 phase=execute select=s deadline=20", code: conflict, check: isControl("x", Done, false, "deadline")},

		{name: "alone", do: submit + " alone", check: isControl("a", Submitted, false, "")},
		{name: "alone, infinite", do: "occ submit a rtu=1 ao/3=Inf alone", code: invalid},
		{name: "alone, beside one of another point", after: []string{submit}, do: "occ submit b rtu=1 do/4=1 alone", check: isControl("b", Submitted, false, "")},
		{name: "alone, beside one of another kind", after: []string{submit}, do: "occ submit b rtu=1 ao/3=1 alone", check: isControl("b", Submitted, false, "")},
		{name: "alone, beside one of another RTU", after: []string{submit}, do: "occ submit b rtu=2 do/3=1 alone", check: isControl("b", Submitted, false, "")},
		{name: "not alone", after: []string{submit}, do: "occ submit b rtu=1 do/3=0 alone", code: conflict, check: isControl("b", Done, false, "under way")},
		{name: "not alone, after the start", after: []string{submit, start, confirm}, do: "web submit b rtu=1 do/3=0 alone", code: conflict, check: isControl("b", Done, false, "under way, by occ")},
		{name: "alone again", after: []string{submit, start, finish}, do: "occ submit b rtu=1 do/3=0 alone", check: isControl("b", Submitted, false, "")},
		{name: "alone, the execute", after: selected, do: execute + " alone", check: isControl("x", Submitted, false, "")},
		{name: "selected by another", after: selected, do: "occ submit b origin=web rtu=1 do/3=0 alone", code: conflict, check: isControl("b", Done, false, "selected by occ")},
		{name: "selected by another, select", after: selected, do: "occ submit b origin=web rtu=1 do/3=0 phase=select alone", code: conflict, check: isControl("b", Done, false, "selected")},
		{name: "selected, a direct one", after: selected, do: "occ submit b rtu=1 do/3=1 alone", code: conflict, check: isControl("b", Done, false, "selected")},
		{name: "selected again", after: selected, do: "occ submit b rtu=1 do/3=0 phase=select alone", check: func(t *testing.T, s *State) {
			isControl("b", Submitted, false, "")(t, s)
			isControl("s", Done, true, "selected again")(t, s)
		}},
		{name: "selected until now", after: append(selected, "at 10000"), do: "occ submit b origin=web rtu=1 do/3=0 deadline=20 alone", check: isControl("b", Submitted, false, "")},

		{name: "owner changed before the start", after: []string{submit}, do: "lead assign rtu/1 epoch=1 owner=fep2", check: isControl("a", Submitted, false, "")},
		{name: "owner changed after the start", after: []string{submit, start}, do: "lead assign rtu/1 epoch=1 owner=fep2", check: isControl("a", Done, false, "owner changed")},
		{name: "owner changed after the confirmation", after: []string{submit, start, confirm}, do: "lead assign rtu/1 epoch=1 owner=fep2", check: isControl("a", Done, false, "owner changed")},
		{name: "owner changed with a selection", after: selected, do: "lead assign rtu/1 epoch=1 owner=fep2", check: isControl("s", Done, true, "owner changed")},
		{name: "owner changed with an execute waiting", after: append(selected, execute), do: "lead assign rtu/1 epoch=1 owner=fep2", check: isControl("x", Done, false, "owner changed")},
		{name: "owner of another RTU changed", after: []string{submit, start}, do: "lead assign rtu/2 epoch=0 owner=fep2", check: isControl("a", Executing, false, "")},
	})
}

// Every stage is in the audit, with who asked, who executed and how it ended.
func TestControlsAreAudited(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1", "occ submit a origin=web/anna rtu=1 do/3=1",
		"fep1 start a epoch=1", "fep1 result a epoch=1 yes cause=7", "fep1 result a epoch=1 no terminated reason=jammed")
	var stages []string
	for _, e := range x.s.ReadAudit(2, 10) {
		mustEqual(t, "point", e.Point, PointKey{RTU: 1, Kind: DO, Point: 3})
		mustEqual(t, "value", e.Value, 1)
		mustEqual(t, "origin", e.Note.Origin, "web/anna")
		stages = append(stages, fmt.Sprintf("%s %s %t %s", e.Note.Stage, e.Note.To, e.Note.OK, e.Note.Reason))
	}
	mustEqual(t, "stages", strings.Join(stages, ", "), "submitted  false , executing fep1 false , confirmed fep1 true , done fep1 false jammed")
}

// A thousand controls are remembered when they are done, and longer until their deadline has passed: an id that is
// forgotten can't be executed again, since the request is too late.
func TestControlsAreForgotten(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1")
	finished := func(id, deadline int) {
		x.ok(fmt.Sprintf("occ submit c%d origin=o%d rtu=1 do/1=1 deadline=%d", id, id/100, deadline), fmt.Sprintf("lead expire c%d", id))
	}
	for i := range 2 * control.KeepDone {
		finished(i, 100)
	}
	mustEqual(t, "remembered before their deadline", len(x.s.Controls()), 2*control.KeepDone)
	mustEqual(t, "first copy", x.do("occ submit c0 origin=o0 rtu=1 do/1=1 deadline=100").Code, duplicate)

	x.ok("at 100001")
	finished(2*control.KeepDone, 200)
	mustEqual(t, "remembered afterwards", len(x.s.Controls()), control.KeepDone+1)
	_, known := x.s.Control("c0")
	mustEqual(t, "the first is known", known, false)
	mustEqual(t, "late copy", x.do("occ submit c0 origin=o0 rtu=1 do/1=1 deadline=100").Code, conflict)
	c, _ := x.s.Control("c0")
	mustEqual(t, "late copy is started", c.StartedMs, 0)
	mustEqual(t, "late copy is done", c.Stage, Done)
}

func TestControlsAreBounded(t *testing.T) {
	x := newScripted(t).ok(testStation)
	for i := range control.MaxControls {
		x.ok(fmt.Sprintf("occ submit c%d origin=o%d rtu=1 do/1=1", i, i/control.MaxOfRequester))
	}
	mustEqual(t, "one more", x.do("occ submit more rtu=1 do/1=1").Code, conflict)
	mustEqual(t, "remembered", len(x.s.Controls()), control.MaxControls)
}

func TestControlsAfter(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1", "occ submit a rtu=1 do/1=1", "occ submit b rtu=1 do/2=1")
	seen := x.s.Revisions().Controls
	mustEqual(t, "nothing new", len(x.s.ControlsAfter(seen)), 0)
	x.ok("occ submit c rtu=1 do/3=1", "fep1 start a epoch=1")
	var ids []string
	for _, c := range x.s.ControlsAfter(seen) {
		ids = append(ids, c.ID)
	}
	mustEqual(t, "in order of change", strings.Join(ids, ""), "ca")
	mustEqual(t, "all", len(x.s.ControlsAfter(0)), 3)
}

// The leader ends what is not done in time, and selections: nothing else, and each once.
func TestOverdueControls(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign rtu/1 epoch=0 owner=fep1",
		"occ submit late rtu=1 do/1=1 deadline=9", "occ submit early rtu=2 do/2=1 deadline=5",
		"occ submit done rtu=1 do/3=1 deadline=5", "fep1 start done epoch=1", "fep1 result done epoch=1 yes terminated",
		"occ submit s rtu=1 do/4=1 phase=select deadline=7", "fep1 start s epoch=1", "fep1 result s epoch=1 yes",
		"occ submit going rtu=1 do/5=1 deadline=8", "fep1 start going epoch=1")
	overdue := func(second int64) string {
		var ids []string
		for _, c := range x.s.OverdueControls(scriptStart + second*1000) {
			ids = append(ids, c.ID)
		}
		return strings.Join(ids, " ")
	}
	mustEqual(t, "before", overdue(4), "")
	mustEqual(t, "at the first deadline", overdue(5), "early")
	mustEqual(t, "after all", overdue(10), "early s going late")
	x.ok("lead expire early", "lead expire s", "lead expire going", "lead expire late")
	mustEqual(t, "ended", overdue(10), "")
	isControl("s", Done, true, "deadline")(t, x.s)
	isControl("going", Done, false, "unknown outcome: deadline")(t, x.s)
	isControl("late", Done, false, "deadline")(t, x.s)
}
