// Package loglimit bounds the lines that strangers can cause in a log. Whoever may connect may do so ten thousand times a
// second; the log must not fill the disk by it, nor hide what else is in it.
package loglimit

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Of each kind, burst lines are written at once and then one each every, so 32 in a minute at most.
const (
	burst = 20
	every = 5 * time.Second
)

// maxKinds bounds the memory; all kinds beyond are one. There are a few for each group of an uplink.
const maxKinds = 1000

// leftOut counts the lines of all limits of this process that were not written.
var leftOut atomic.Uint64

// LeftOut is how many lines were not written since the process began.
func LeftOut() uint64 { return leftOut.Load() }

// New returns a logger that writes to another's handler, but no more lines of a kind than is good. Lines are of one kind
// that have the same level and message, and the same values of the attributes named in by, given to Logger.With; their
// values must be few, such as the names of groups, and never what a stranger chooses. How many lines of a kind were left
// out is told by the next one that is written, as left_out, or by a line of its own before one of another kind.
func New(log *slog.Logger, by ...string) *slog.Logger {
	h := log.Handler()
	return slog.New(&handler{next: h, ofKind: h, limit: &limit{kinds: map[string]*kind{}}, by: by})
}

type handler struct {
	next   slog.Handler
	ofKind slog.Handler // next as it was when the last value of by came
	limit  *limit
	by     []string
	of     string // the values of by, so far
}

// limit is shared by all loggers that were derived from one.
type limit struct {
	mu    sync.Mutex
	kinds map[string]*kind
}

// kind is what is known of the lines of one kind.
type kind struct {
	message string
	level   slog.Level
	to      slog.Handler
	tokens  float64
	filled  time.Time
	left    uint64 // left out since the last line that was written
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *h
	derived.next = h.next.WithAttrs(attrs)
	for _, a := range attrs {
		if slices.Contains(h.by, a.Key) {
			derived.of += "\x00" + a.Key + "\x00" + a.Value.String()
			derived.ofKind = derived.next
		}
	}
	return &derived
}

func (h *handler) WithGroup(name string) slog.Handler {
	derived := *h
	derived.next = h.next.WithGroup(name)
	return &derived
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	write, left, others := h.limit.admit(h, r)
	for _, o := range others {
		told := slog.NewRecord(r.Time, o.level, "lines were left out", 0)
		told.AddAttrs(slog.String("lines", o.message), slog.Uint64("left_out", o.left))
		if err := o.to.Handle(ctx, told); err != nil {
			return err
		}
	}
	if !write {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Uint64("left_out", left))
	}
	return h.next.Handle(ctx, r)
}

// admit decides on a line: whether it is written, how many of its kind were left out before it, and of which other kinds
// that could be told now lines were left out.
func (l *limit) admit(h *handler, r slog.Record) (write bool, left uint64, others []kind) {
	key := r.Level.String() + "\x00" + r.Message + h.of
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[key]
	if k == nil && len(l.kinds) >= maxKinds {
		key = ""
		k = l.kinds[key]
	}
	if k == nil {
		k = &kind{message: r.Message, level: r.Level, to: h.ofKind, tokens: burst, filled: r.Time}
		l.kinds[key] = k
	}
	for _, o := range l.kinds {
		if o != k && o.left > 0 && o.take(r.Time) {
			others = append(others, *o)
			o.left = 0
		}
	}
	if !k.take(r.Time) {
		k.left++
		leftOut.Add(1)
		return false, 0, others
	}
	left, k.left = k.left, 0
	return true, left, others
}

// take takes one of the lines that may be written by now.
func (k *kind) take(now time.Time) bool {
	if gone := now.Sub(k.filled); gone > 0 {
		k.tokens = min(burst, k.tokens+float64(gone)/float64(every))
		k.filled = now
	}
	if k.tokens < 1 {
		return false
	}
	k.tokens--
	return true
}
