package trace

import (
	"fmt"
	"testing"
	"time"
)

var startAct = []byte{0x68, 4, 7, 0, 0, 0}

// The newest frames of a link are kept, the newest links of a resource, and not more than that.
func TestFramesAreKept(t *testing.T) {
	tracer := new(Tracer)
	at := time.Unix(0, 0)
	show := tracer.Open("rtu/1", Link{Name: "1:1"})
	for i := range 5*KeptFrames + 7 {
		show(at.Add(time.Duration(i)), i%2 == 0, []byte{byte(i), byte(i >> 8)})
	}
	last := tracer.Last("rtu/1", KeptFrames)
	if len(last) != KeptFrames {
		t.Fatalf("%d frames, want %d", len(last), KeptFrames)
	}
	for i, f := range last {
		n := 4*KeptFrames + 7 + i
		if f.Octets[0] != byte(n) || f.Octets[1] != byte(n>>8) || f.Sent != (n%2 == 0) || !f.At.Equal(at.Add(time.Duration(n))) || f.Name != "1:1" {
			t.Fatalf("frame %d is %+v", n, f)
		}
	}
	large := make([]byte, 300)
	for range 2 * KeptFrames {
		show(at, true, large)
	}
	kept := tracer.resources["rtu/1"].links[0]
	if n := cap(kept.now.octets) + cap(kept.before.octets); n > 3*keptOctets {
		t.Errorf("a link of large frames keeps %d octets", n)
	}
	for i := range 3 * keptLinks {
		tracer.Open("rtu/1", Link{Name: fmt.Sprint("client ", i)})(at, true, startAct)
	}
	if n := len(tracer.resources["rtu/1"].links); n != keptLinks {
		t.Errorf("%d links are kept, want %d", n, keptLinks)
	}
	if last := tracer.Last("rtu/1", 1); len(last) != keptLinks {
		t.Errorf("the last frame of each link: %d", len(last))
	}
}

// Who watches too slowly misses frames, and is told how many and where.
func TestSlowWatcherMissesFrames(t *testing.T) {
	tracer := new(Tracer)
	w, cancel := tracer.Watch("rtu/1")
	other, cancelOther := tracer.Watch("rtu/1")
	defer cancelOther()
	link := tracer.Open("rtu/1", Link{})
	show := func(n int) {
		for range n {
			link(time.Now(), true, nil)
		}
	}
	show(traceQueue + 7)
	for range 3 {
		if f := <-w.Frames; f.Dropped != 0 {
			t.Fatalf("%d dropped before the first", f.Dropped)
		}
	}
	show(4)
	for range traceQueue - 3 {
		if f := <-w.Frames; f.Dropped != 0 {
			t.Fatalf("%d dropped among those that were kept", f.Dropped)
		}
	}
	if f := <-w.Frames; f.Dropped != 7 {
		t.Errorf("%d dropped, want 7", f.Dropped)
	}
	if n := w.TakeDropped(); n != 1 {
		t.Errorf("%d dropped at the end, want 1", n)
	}
	if len(other.Frames) != traceQueue {
		t.Errorf("the other watcher has %d frames, want %d", len(other.Frames), traceQueue)
	}
	cancel()
	show(1)
	if n := w.TakeDropped(); n != 0 || len(w.Frames) >= traceQueue {
		t.Errorf("who has gone still watches: %d frames, %d dropped", len(w.Frames), n)
	}
}

// Keeping a frame costs no allocation once a link has run for a while.
func TestKeepingDoesNotAllocate(t *testing.T) {
	tracer := new(Tracer)
	_, cancel := tracer.Watch("rtu/2")
	defer cancel()
	show, octets := tracer.Open("rtu/1", Link{Name: "1:1"}), make([]byte, 200)
	for range 3 * KeptFrames {
		show(time.Now(), true, octets)
	}
	if n := testing.AllocsPerRun(3*KeptFrames, func() { show(time.Now(), true, octets) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKeeping(b *testing.B) {
	show, octets := new(Tracer).Open("rtu/1", Link{Name: "1:1"}), make([]byte, 30)
	at := time.Now()
	for b.Loop() {
		show(at, true, octets)
	}
}
