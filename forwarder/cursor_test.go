package forwarder

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCursorIsProposedSoonOrWhenFarBehind(t *testing.T) {
	at := time.Unix(1, 0)
	for _, tt := range []struct {
		name string
		do   func(c *cursor)
		due  time.Duration // after at; -1: never
	}{
		{"nothing acknowledged", func(c *cursor) {}, -1},
		{"one event", func(c *cursor) { c.acknowledge(at, 11, 1) }, eventDelay},
		{"an acknowledgement that says nothing new", func(c *cursor) { c.acknowledge(at, 10, 0) }, -1},
		{"events of others", func(c *cursor) { c.acknowledge(at, 11, 0) }, skipDelay},
		{"events of others, then one", func(c *cursor) { c.acknowledge(at, 11, 0); c.acknowledge(at, 12, 1) }, eventDelay},
		{"one, then events of others", func(c *cursor) { c.acknowledge(at, 11, 1); c.acknowledge(at, 12, 0) }, eventDelay},
		{"many events", func(c *cursor) { c.acknowledge(at, 10+eagerBehind, eagerBehind) }, 0},
		{"a proposal failed", func(c *cursor) {
			c.acknowledge(at, 11, 1)
			p, _, _ := c.next(at.Add(eventDelay))
			c.failed(at.Add(eventDelay), p)
		}, 2 * eventDelay},
		{"a proposal of an earlier link failed", func(c *cursor) {
			c.acknowledge(at, 11, 1)
			p, _, _ := c.next(at.Add(eventDelay))
			c.resume(at, 11, 20)
			c.failed(at.Add(eventDelay), p)
		}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &cursor{window: 12}
			c.resume(at, 10, 100)
			tt.do(c)
			_, due, ok := c.next(at.Add(-1))
			switch {
			case ok:
				t.Fatal("proposed before anything was due")
			case tt.due < 0 && !due.IsZero():
				t.Fatalf("due at %v, want never", due.Sub(at))
			case tt.due >= 0 && due.Sub(at) != tt.due:
				t.Fatalf("due at %v, want %v", due.Sub(at), tt.due)
			}
		})
	}
}

func TestCursorResumesAtTheFurthest(t *testing.T) {
	for _, tt := range []struct {
		name               string
		memory, replicated uint64
		last, want         uint64
		held               bool
	}{
		{"new process", 0, 40, 100, 40, false},
		{"same node, all replicated", 40, 40, 100, 40, false},
		{"same node, ahead of the replicated", 50, 40, 100, 50, true},
		{"another node went on meanwhile", 50, 70, 100, 70, false},
		{"the state was restored from long ago", 50, 5, 10, 5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &cursor{window: 12}
			now := time.Unix(1, 0)
			c.resume(now, 0, 1000)
			c.acknowledge(now, tt.memory, 1)
			if got := c.resume(now, tt.replicated, tt.last); got != tt.want {
				t.Errorf("goes on after %d, want %d", got, tt.want)
			}
			if c.held() != tt.held {
				t.Errorf("held is %v, want %v: how much would be repeated isn't known", c.held(), tt.held)
			}
			if p, _, ok := c.next(now); ok != tt.held {
				t.Errorf("proposed %v at once: %v, want %v", p, ok, tt.held)
			} else if c.committed(p); c.held() {
				t.Error("held after the proposal was committed")
			}
		})
	}
}

// However sending, acknowledgements, proposals, commits and failures are interleaved: as long as held is respected,
// what would be sent again by another node is at most the last window of ASDUs and maxBehind events.
func TestCursorBound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.IntRange(1, 12).Draw(rt, "k")
		c := &cursor{window: k}
		now := time.Unix(1, 0)
		c.resume(now, 0, 1<<40)
		var flights []proposal
		var sizes []int // of the ASDUs sent
		var sent, acked, replicated uint64
		unacked := 0
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "ack", "tick", "commit", "fail"}).Draw(rt, "step") {
			case "send":
				if !c.held() && unacked < k {
					n := rapid.IntRange(1, 60).Draw(rt, "events")
					c.ship(n)
					sizes, sent, unacked = append(sizes, n), sent+uint64(n), unacked+1
				}
			case "ack":
				if unacked > 0 {
					n := rapid.IntRange(1, unacked).Draw(rt, "ASDUs")
					unacked -= n
					left := uint64(0)
					for _, size := range sizes[len(sizes)-unacked:] {
						left += uint64(size)
					}
					c.acknowledge(now, sent-left, int(sent-left-acked))
					acked = sent - left
				}
			case "tick":
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, eventDelay}).Draw(rt, "time"))
				if p, _, ok := c.next(now); ok {
					flights = append(flights, p)
				}
			case "commit":
				if len(flights) > 0 {
					c.committed(flights[0])
					replicated = max(replicated, flights[0].seq)
					flights = flights[1:]
				}
			case "fail":
				if len(flights) > 0 {
					c.failed(now, flights[0])
					flights = flights[1:]
				}
			}
			window := uint64(0)
			for _, size := range sizes[max(0, len(sizes)-k):] {
				window += uint64(size)
			}
			if repeats := sent - replicated; repeats >= maxBehind+window && repeats > 0 {
				rt.Fatalf("%d events would be repeated, held %v; the bound is %d and a window of %d", repeats, c.held(), maxBehind, window)
			}
		}
		// Given time, everything gets acknowledged and replicated.
		c.acknowledge(now, sent, int(sent-acked))
		for range 10 {
			now = now.Add(skipDelay)
			if p, _, ok := c.next(now); ok {
				flights = append(flights, p)
			}
			for _, p := range flights {
				c.committed(p)
				replicated = max(replicated, p.seq)
			}
			flights = nil
		}
		if replicated != sent || c.held() {
			rt.Fatalf("replicated %d of %d, held %v", replicated, sent, c.held())
		}
	})
}
