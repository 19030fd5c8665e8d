// Package panics keeps a panic to what has brought it: one request, one link, one datagram, one entry of the log. There it is caught,
// counted, and logged with its stack, once for each place in the program, since whoever has found it may send the same again.
package panics

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"runtime/debug"
	"sync"
)

var caught = struct {
	sync.Mutex
	counts map[string]uint64 // by where
	told   map[string]bool   // places in the program
}{counts: map[string]uint64{}, told: map[string]bool{}}

// maxTold bounds the places that are told of. There are not that many lines that can panic.
const maxTold = 256

// Counts tells how many were caught so far, by where.
func Counts() map[string]uint64 {
	caught.Lock()
	defer caught.Unlock()
	return maps.Clone(caught.counts)
}

// Keep is to be deferred: a panic of the function that defers it ends there. where is one of a few words, such as "datagram".
func Keep(log *slog.Logger, where string) {
	if v := recover(); v != nil {
		Note(log, where, v, debug.Stack())
	}
}

// Err is Keep for a function that returns an error: it becomes one.
func Err(log *slog.Logger, where string, err *error) {
	if v := recover(); v != nil {
		Note(log, where, v, debug.Stack())
		*err = fmt.Errorf("%s: panic: %v", where, v)
	}
}

// Note counts a panic that was caught elsewhere, and logs it if it's the first one at its place.
func Note(log *slog.Logger, where string, value any, stack []byte) {
	place := where + place(stack)
	caught.Lock()
	caught.counts[where]++
	first := !caught.told[place] && len(caught.told) < maxTold
	if first {
		caught.told[place] = true
	}
	caught.Unlock()
	if first {
		log.Error("panic: what has brought it is given up, further ones at this place are only counted",
			"where", where, "value", fmt.Sprint(value), "stack", string(stack))
	}
}

var line = regexp.MustCompile(`(?m)^\t(\S+:\d+)`)

// place is the file and line that panicked: what comes after the call of panic in a stack.
func place(stack []byte) string {
	if i := bytes.Index(stack, []byte("\npanic(")); i >= 0 {
		stack = stack[i:]
	}
	for _, m := range line.FindAllSubmatch(stack, -1) {
		if !bytes.Contains(append([]byte("/"), m[1]...), []byte("/runtime/")) { // without the folder where it's built with -trimpath
			return " " + string(m[1])
		}
	}
	return ""
}
