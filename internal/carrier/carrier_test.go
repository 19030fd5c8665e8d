package carrier

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func watcher(t *testing.T) *Watcher { return New(slog.New(slog.NewTextHandler(t.Output(), nil))) }

// A carrier is lost once: by an interface that was up and is so no longer, or isn't there any more.
func TestTake(t *testing.T) {
	w := watcher(t)
	var lost []string
	watch := func(index int) {
		w.watches[index] = append(w.watches[index], &watch{func(err error) {
			if !errors.Is(err, ErrLost) {
				t.Errorf("%v is no %v", err, ErrLost)
			}
			_, name, _ := strings.Cut(err.Error(), "interface ")
			lost = append(lost, name)
		}})
	}
	watch(1)
	watch(2)
	watch(2)
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"down from the beginning", func() { w.take(iface{1, "a", false}) }, nil},
		{"all up", func() { w.replace([]iface{{1, "a", true}, {2, "b", true}, {3, "c", true}}) }, nil},
		{"up again", func() { w.take(iface{2, "b", true}) }, nil},
		{"one is lost", func() { w.take(iface{2, "b", false}) }, []string{"b", "b"}},
		{"and is so still", func() { w.take(iface{2, "b", false}) }, nil},
		{"one that nobody watches", func() { w.take(iface{3, "c", false}) }, nil},
		{"back, and gone meanwhile", func() { w.take(iface{2, "b", true}); w.replace([]iface{{1, "a", true}}) }, []string{"b", "b"}},
		{"unknown", func() { w.take(iface{9, "z", false}) }, nil},
	} {
		lost = nil
		step.do()
		if !slices.Equal(lost, step.want) {
			t.Errorf("%s: lost %v, want %v", step.what, lost, step.want)
		}
	}
}
