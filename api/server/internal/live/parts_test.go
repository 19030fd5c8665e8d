package live

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
)

// A reader is told everything once, and then what changes, by whatever many steps it changed.
func TestParts(t *testing.T) {
	now := time.Unix(0, 0)
	station := map[string]any{"a": 1, "b": "x"}
	reads := 0
	l := New(func() map[string]any { reads++; return maps.Clone(station) })
	read := func(after uint64) (m *api.LiveMessage, version uint64) {
		t.Helper()
		m, version, err := l.Changes(after, now)
		if err != nil {
			t.Fatal(err)
		}
		return m, version
	}
	names := func(m *api.LiveMessage) string { return strings.Join(slices.Sorted(maps.Keys(m.Set)), " ") }

	now = now.Add(Pace)
	m, first := read(0)
	if !m.Whole || names(m) != "a b" || string(m.Set["b"]) != `"x"` {
		t.Errorf("at first: %+v", m)
	}
	station["a"] = 2
	if m, _ := read(first); m != nil || reads != 1 {
		t.Errorf("within the pace: %+v after %d readings", m, reads)
	}
	now = now.Add(Pace)
	m, second := read(first)
	if m.Whole || names(m) != "a" || len(m.Gone) != 0 {
		t.Errorf("a changed: %+v", m)
	}
	delete(station, "b")
	now = now.Add(Pace)
	if m, _ = read(second); m.Whole || names(m) != "" || !slices.Equal(m.Gone, []string{"b"}) {
		t.Errorf("b vanished: %+v", m)
	}
	if m, _ = read(first); m.Whole || names(m) != "a" || !slices.Equal(m.Gone, []string{"b"}) {
		t.Errorf("both at once: %+v", m)
	}
	station["b"] = "y"
	now = now.Add(Pace)
	if m, _ = read(first); names(m) != "a b" || len(m.Gone) != 0 {
		t.Errorf("b is back: %+v", m)
	}
	// More have vanished than are remembered: who hasn't heard of them is told everything.
	for i := range maxGone + 1 {
		station[strings.Repeat("c", i+1)] = i
	}
	now = now.Add(Pace)
	_, many := read(second)
	maps.DeleteFunc(station, func(k string, _ any) bool { return strings.HasPrefix(k, "c") })
	now = now.Add(Pace)
	if m, _ = read(many); !m.Whole || names(m) != "a b" {
		t.Errorf("too many have vanished: whole %v, %s", m.Whole, names(m))
	}
}
