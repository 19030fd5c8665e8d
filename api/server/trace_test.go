package server

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
)

var errEnough = errors.New("enough")

func TestTrace(t *testing.T) {
	s := serve(t)
	at := time.UnixMilli(1700000000123)
	explain := func(b []byte) string { return fmt.Sprintf("%d octets", len(b)) }
	go func() {
		within(t, "somebody who watches", s.cfg.Tracer.Watched)
		s.cfg.Tracer.Show("rtu/2", Frame{At: at, Link: "other"})
		octets := []byte{0x68, 4, 7, 0, 0, 0}
		s.cfg.Tracer.Show("rtu/1", Frame{At: at, Link: "1/1", Sent: true, Octets: octets, Explain: explain})
		clear(octets) // they may be used during the call only
		s.cfg.Tracer.Show("rtu/1", Frame{At: at, Link: "1/2", Octets: []byte{1}})
	}()
	var lines []api.TraceLine
	err := s.TraceRTU(t.Context(), 1, func(l api.TraceLine) error {
		if lines = append(lines, l); len(lines) == 2 {
			return errEnough
		}
		return nil
	})
	want := []api.TraceLine{
		{TimeMs: 1700000000123, Link: "1/1", Direction: "sent", Text: "6 octets", Octets: "680407000000"},
		{TimeMs: 1700000000123, Link: "1/2", Direction: "received", Octets: "01"},
	}
	if !errors.Is(err, errEnough) || len(lines) != 2 || lines[0] != want[0] || lines[1] != want[1] {
		t.Errorf("%v: %+v, want %+v", err, lines, want)
	}
	within(t, "the end of watching", func() bool { return !s.cfg.Tracer.Watched() })
	s.refuses(t, 404, api.CodeNotFound, "rtu/99", "GET", "/v1/trace/rtu/99", "")
	s.refuses(t, 404, api.CodeNotFound, "uplink/occ/none", "GET", "/v1/trace/uplink/occ/none", "")
}

func TestTraceOnANodeWithoutLinks(t *testing.T) {
	s := serve(t, func(c *Config) { c.Tracer = nil })
	s.refuses(t, 404, api.CodeNotFound, "no links", "GET", "/v1/trace/rtu/1", "")
}

// Who watches too slowly misses frames, and is told how many and where.
func TestSlowWatcherMissesFrames(t *testing.T) {
	tracer := new(Tracer)
	w, cancel := tracer.watch("rtu/1")
	defer cancel()
	other, cancelOther := tracer.watch("rtu/1")
	defer cancelOther()
	show := func(n int) {
		for range n {
			tracer.Show("rtu/1", Frame{})
		}
	}
	show(traceQueue + 7)
	for range 3 {
		if f := <-w.frames; f.Dropped != 0 {
			t.Fatalf("%d dropped before the first", f.Dropped)
		}
	}
	show(4)
	for range traceQueue - 3 {
		if f := <-w.frames; f.Dropped != 0 {
			t.Fatalf("%d dropped among those that were kept", f.Dropped)
		}
	}
	if f := <-w.frames; f.Dropped != 7 {
		t.Errorf("%d dropped, want 7", f.Dropped)
	}
	if n := w.takeDropped(); n != 1 {
		t.Errorf("%d dropped at the end, want 1", n)
	}
	if len(other.frames) != traceQueue {
		t.Errorf("the other watcher has %d frames, want %d", len(other.frames), traceQueue)
	}
}

// While nobody watches, a frame costs nothing that would be noticed.
func TestShowingToNobodyDoesNotAllocate(t *testing.T) {
	tracer := new(Tracer)
	octets := make([]byte, 200)
	for _, watched := range []string{"", "rtu/2"} {
		if watched != "" {
			_, cancel := tracer.watch(watched)
			defer cancel()
		}
		if n := testing.AllocsPerRun(100, func() { tracer.Show("rtu/1", Frame{Octets: octets}) }); n != 0 {
			t.Errorf("watched %q: %v allocations", watched, n)
		}
	}
	var none *Tracer
	none.Show("rtu/1", Frame{Octets: octets})
}
