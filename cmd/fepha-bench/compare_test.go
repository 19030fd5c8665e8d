package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	before := []run{{{"per_asdu": 1, "events_per_s": 100, "lost": 0}, {"p50_ms": 4}}, {{"per_asdu": 1, "events_per_s": 300, "lost": 0}, {"p50_ms": 4}}}
	after := []run{{{"per_asdu": 1, "events_per_s": 150, "lost": 1, "more": 1}, {"p50_ms": 6}}, {{"per_asdu": 1, "events_per_s": 270, "lost": 0, "more": 1}, {"p50_ms": 4}}}
	got := compare(before, after)
	want := []figure{
		{Line: 1, Name: "events_per_s", Old: 200, New: 210, Ratio: 1.05, Least: 0.9, Most: 1.5},
		{Line: 2, Name: "p50_ms", Old: 4, New: 5, Ratio: 1.25, Least: 1, Most: 1.5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, test := range []struct {
		bound bound
		want  string
	}{
		{bound{"events_per_s", 1, false}, ""},
		{bound{"events_per_s", 1.1, false}, "events_per_s is 1.050 times the old one's, expected at least 1.1"},
		{bound{"p50_ms", 1.3, true}, ""},
		{bound{"p50_ms", 1.2, true}, "p50_ms is 1.250 times the old one's, expected at most 1.2"},
		{bound{"p99_ms", 1.2, true}, "no such figure"},
	} {
		if err := judge(got, []bound{test.bound}); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.bound, err, test.want)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	for _, test := range []struct {
		flags compareFlags
		want  string
	}{
		{compareFlags{rounds: 0}, "--rounds 0: expected 1 or more"},
		{compareFlags{rounds: 1, atLeast: []string{"events_per_s"}}, "--at-least \"events_per_s\": expected FIGURE=RATIO"},
		{compareFlags{rounds: 1, atMost: []string{"=1"}}, "--at-most \"=1\": expected FIGURE=RATIO"},
		{compareFlags{rounds: 1, atMost: []string{"a=-1"}}, "expected FIGURE=RATIO"},
	} {
		if _, err := test.flags.bounds(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.flags, err, test.want)
		}
	}
}
