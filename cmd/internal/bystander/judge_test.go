package bystander

import (
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/sim"
)

// Each thing that may never become of a control is told, and what may is not.
func TestJudgeOfControls(t *testing.T) {
	one := func(o outcome, said string) []order { return []order{{7, o, said}} }
	listed := func(list ...api.Control) map[string]api.Control {
		m := map[string]api.Control{}
		for i := range list {
			list[i].ID, list[i].Value = string(rune('a'+i)), 7
			m[list[i].ID] = list[i]
		}
		return m
	}
	ok, bad, open := api.Control{Stage: "done", OK: true}, api.Control{Stage: "done", Reason: "no owner"}, api.Control{Stage: "executing"}
	once := []sim.Operation{{Value: 7}}
	for _, tc := range []struct {
		name     string
		orders   []order
		controls map[string]api.Control
		did      []sim.Operation
		want     string // "": nothing is wrong
	}{
		{"executed", one(succeeded, ""), listed(ok), once, ""},
		{"failed, and not executed", one(failed, "no owner"), listed(bad), nil, ""},
		{"failed, and executed all the same", one(failed, "done: deadline"), listed(bad), once, ""},
		{"nobody answered, and it was executed", one(unknown, "cut"), listed(ok), once, ""},
		{"nobody answered, and it never came", one(unknown, "cut"), nil, nil, ""},
		{"refused", one(refused, "no main link"), nil, nil, ""},

		{"executed twice", one(succeeded, ""), listed(ok), append(once, once...), "was executed 2 times"},
		{"executed twice, and nobody answered", one(unknown, ""), listed(bad), append(once, once...), "was executed 2 times"},
		{"a success that never was", one(succeeded, ""), listed(ok), nil, "the device never got it"},
		{"listed success that never was", one(unknown, ""), listed(ok), nil, "the device never got it"},
		{"refused and executed", one(refused, "no"), nil, once, "and the device executed it"},
		{"two controls of one", one(unknown, ""), listed(bad, bad), nil, "is 2 controls"},
		{"executed behind the state's back", one(unknown, ""), nil, once, "no node knows of it"},
		{"no outcome", one(unknown, ""), listed(open), once, "has no outcome: executing"},
		{"answered as failed, listed as executed", one(failed, "negative"), listed(ok), once, "two outcomes"},
		{"answered as executed, listed as failed", one(succeeded, ""), listed(bad), once, "two outcomes"},
		{"a quota, as answered", one(unknown, "conflict: 250 controls of x are remembered until their deadlines have passed: expected fewer at a time"), nil, nil, "refused for a quota"},
		{"a quota, as listed", one(unknown, ""), listed(api.Control{Stage: "done", Reason: "32 points are selected by x: expected fewer at a time"}), nil, "refused for a quota"},
		{"executed, and nobody ordered it", nil, nil, once, "nobody had ordered it"},
	} {
		wrong := judge(tc.orders, tc.controls, tc.did)
		var told []string
		for _, w := range wrong {
			told = append(told, w.what)
		}
		if all := strings.Join(told, "; "); (tc.want == "") != (all == "") || !strings.Contains(all, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, all, tc.want)
		}
	}
}
