// Package conditiontest is what tests of parts look at to see what a part reports.
package conditiontest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fepha/fepha/condition"
)

// Said is a [condition.Reporter] that keeps what holds, in English. The zero value is ready.
type Said struct {
	mu   sync.Mutex
	that map[string]said // by id
	sets int
}

type said struct {
	text     string
	severity condition.Severity
}

// Set implements [condition.Reporter].
func (s *Said) Set(r condition.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.that == nil {
		s.that = map[string]said{}
	}
	text, _ := condition.Say(r.Kind.Name, r.Values, r.Count)
	s.that[r.ID()] = said{text.EN, cmp.Or(r.Severity, r.Kind.Severity)}
	s.sets++
}

// Clear implements [condition.Reporter].
func (s *Said) Clear(k *condition.Kind, resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.that, k.ID(resource))
}

// IDs are the conditions that hold, with blanks between them.
func (s *Said) IDs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(s.that)), " ")
}

// Says is the sentence of a condition that holds, "" if it doesn't.
func (s *Said) Says(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.that[id].text
}

// Severity is that of a condition that holds; of others it is no severity.
func (s *Said) Severity(id string) condition.Severity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.that[id].severity
}

// Sets is how often Set was called.
func (s *Said) Sets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sets
}
