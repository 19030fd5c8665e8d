package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/fepha/fepha/api"
)

func (s served) journal(t *testing.T, query string) (page api.EventPage) {
	t.Helper()
	resp, text := s.request(t, "GET", "/v1/events?"+query, "")
	if err := json.Unmarshal([]byte(text), &page); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %s, %v", query, resp.StatusCode, text, err)
	}
	return page
}

func numbers(events []api.Event) (all []uint64) {
	for _, e := range events {
		all = append(all, e.Seq)
	}
	return all
}

// A filter leaves what it names, and nothing else, whichever way the journal is read.
func TestEventFilters(t *testing.T) {
	s := serve(t)
	s.node.emit(2, 3)
	all := s.journal(t, "after=0").Events
	instant := all[len(all)-1].TimeMs
	for _, tc := range []struct {
		query string
		want  func(e api.Event) bool
	}{
		{"", func(api.Event) bool { return true }},
		{"rtu=1", func(e api.Event) bool { return e.RTU == 1 || e.Note != nil && e.Note.Resource == "rtu/1" }},
		{"rtu=2", func(e api.Event) bool { return e.Note != nil && e.Note.Resource == "rtu/2" }},
		{"kind=di", func(e api.Event) bool { return e.Kind == "di" }},
		{"kind=note", func(e api.Event) bool { return e.Note != nil }},
		{"kind=owner", func(e api.Event) bool { return e.Note != nil && e.Note.Kind == "owner" }},
		{"rtu=1&kind=di&point=18", func(e api.Event) bool { return e.Kind == "di" && e.Point == 18 }},
		{"text=Breaker", func(e api.Event) bool { return e.Kind == "di" && e.Point == 17 }},
		{fmt.Sprintf("from=%d", instant), func(e api.Event) bool { return e.TimeMs >= instant }},
		{fmt.Sprintf("to=%d", instant), func(e api.Event) bool { return e.TimeMs < instant }},
		{"to=2023-11-14T22:13:21Z", func(e api.Event) bool { return e.TimeMs < 1700000001000 }},
	} {
		var want []uint64
		for _, e := range all {
			if tc.want(e) {
				want = append(want, e.Seq)
			}
		}
		if len(want) == 0 {
			t.Errorf("%q: the journal has no such event, so the test tests nothing", tc.query)
		}
		if got := numbers(s.journal(t, "after=0&"+tc.query).Events); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", tc.query, got, want)
		}
		if got := numbers(s.journal(t, tc.query).Events); !slices.Equal(got, want) {
			t.Errorf("%q, the newest: %v, want %v", tc.query, got, want)
		}
		slices.Reverse(want)
		if got := numbers(s.journal(t, "before=1000000&"+tc.query).Events); !slices.Equal(got, want) {
			t.Errorf("%q backwards: %v, want %v", tc.query, got, want)
		}
	}
	for query, says := range map[string]string{
		"rtu=x": "number", "kind=dj": "di, ai, counter", "from=now": "2026-", "before=1&after=1": "one of them", "colour=red": "unknown", "severity=bad": "alarm or warning",
	} {
		s.refuses(t, 400, api.CodeInvalid, says, "GET", "/v1/events?"+query, "")
	}
}

// Pages of a filter go on where the one before has stopped to look, though it may have found nothing.
func TestEventFilterPages(t *testing.T) {
	s := serve(t)
	const scanned = 20_000 // by one request
	for batch := range uint64(1 + 2*scanned/1000) {
		s.node.emit(2+batch, 1000)
	}
	for _, way := range []string{"before", "after"} {
		at, pages := uint64(0), 0
		if way == "before" {
			at = 1 << 40
		}
		var found []uint64
		for more := true; more; pages++ {
			page := s.journal(t, fmt.Sprintf("%s=%d&kind=owner&limit=2", way, at))
			found, at, more = append(found, numbers(page.Events)...), page.Scanned, page.More
		}
		slices.Sort(found)
		want := numbers(s.journal(t, "after=0&limit=10000&to=9999999999999&kind=owner").Events)
		if !slices.Equal(found, want) || pages < 3 {
			t.Errorf("%s: %v in %d pages, want %v in several", way, found, pages, want)
		}
	}
}
