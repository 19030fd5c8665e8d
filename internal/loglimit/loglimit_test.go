package loglimit

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newLog(out *bytes.Buffer) *slog.Logger {
	return New(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), "group")
}

// A flood of one kind is a few lines, which tell how many it was, and lines of other kinds are there as ever.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newLog(&out)
		a, b := log.With("group", "a"), log.With("group", "b")
		before := LeftOut()
		for i := range 10_000 { // in 10 s
			a.With("client", i).Warn("refused", "reason", i)
			if i%5000 == 0 {
				b.Warn("refused", "reason", "another group's")
				a.Info("something else")
			}
			time.Sleep(time.Millisecond)
		}
		if n := strings.Count(out.String(), "msg=refused group=a"); n != burst+1 { // at 0 s and 5 s
			t.Errorf("%d lines of 10,000, want %d:\n%s", n, burst+1, out.String())
		}
		if n := strings.Count(out.String(), "group=b"); n != 2 {
			t.Errorf("%d lines of the other group, want 2:\n%s", n, out.String())
		}
		if n := strings.Count(out.String(), "something else"); n != 2 {
			t.Errorf("%d lines of another kind, want 2:\n%s", n, out.String())
		}
		if n := LeftOut() - before; n != 10_000-burst-1 {
			t.Errorf("%d counted as left out, want %d", n, 10_000-burst-1)
		}

		// It has ended: the next line of any kind tells how many more there were.
		out.Reset()
		time.Sleep(time.Minute)
		b.Info("much later")
		if want := `level=WARN msg="lines were left out" group=a lines=refused left_out=`; !strings.HasPrefix(out.String(), want) {
			t.Errorf("%q, want %q", out.String(), want)
		}
		out.Reset()
		a.Warn("refused")
		if strings.Contains(out.String(), "left_out") {
			t.Errorf("told twice: %q", out.String())
		}
	})
}

// The next line of a kind says how many were left out before it.
func TestLeftOutIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newLog(&out)
		for range burst + 7 {
			log.Error("failed")
		}
		out.Reset()
		time.Sleep(every)
		log.Error("failed", "again", true)
		if want := "level=ERROR msg=failed again=true left_out=7\n"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}

// Attributes and groups of loggers arrive as they were given.
func TestAttributes(t *testing.T) {
	var out bytes.Buffer
	newLog(&out).With("group", "a").WithGroup("g").Warn("refused", "x", 1)
	if want := "level=WARN msg=refused group=a g.x=1\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	log := slog.New(slog.NewTextHandler(&out, nil))
	New(log).Debug("not enabled")
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}

// Even a message that a stranger has chosen takes no memory without end.
func TestKindsAreBounded(t *testing.T) {
	h := New(slog.New(slog.NewTextHandler(new(bytes.Buffer), nil))).Handler().(*handler)
	log := slog.New(h)
	for i := range 5 * maxKinds {
		log.Warn(fmt.Sprint("chosen ", i))
	}
	if n := len(h.limit.kinds); n > maxKinds+1 {
		t.Errorf("%d kinds are remembered", n)
	}
}

func BenchmarkLeftOut(b *testing.B) {
	log := New(slog.New(slog.DiscardHandler), "group")
	for i := range b.N {
		log.Warn("refused", "reason", fmt.Sprint(i))
	}
}
