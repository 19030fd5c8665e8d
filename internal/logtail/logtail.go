// Package logtail keeps the newest lines of a log in memory, for whoever comes after the fact and has no journal.
package logtail

import (
	"bytes"
	"sync"
)

// Size is how many octets a Tail keeps about.
const Size = 1 << 20

// Tail is a writer that keeps the newest lines that were written to it. Each Write is taken for whole lines. The zero value keeps
// [Size] octets; it may be used from any goroutine.
type Tail struct {
	Limit int // octets; 0: Size

	mu          sync.Mutex
	before, now []byte // halves: the older one is given up as a whole
}

// Write keeps lines, and never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	half := t.Limit / 2
	if half == 0 {
		half = Size / 2
	}
	line := p[:min(len(p), half)]
	if len(t.now)+len(line) > half {
		t.before, t.now = t.now, t.before[:0]
	}
	t.now = append(t.now, line...)
	if len(line) < len(p) {
		t.now[len(t.now)-1] = '\n' // cut short, and still a line
	}
	return len(p), nil
}

// Lines are what is kept, the oldest first.
func (t *Tail) Lines() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Join([][]byte{t.before, t.now}, nil)
}
