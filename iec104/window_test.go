package iec104

import (
	"testing"
	"time"
)

// The window is closed from the I-frame that fills it to the acknowledgement of any.
func TestWindowClosed(t *testing.T) {
	cfg := DefaultConfig()
	cfg.K, cfg.W = 2, 1
	l := newLink(cfg, false, 0)
	l.state = Started
	a := testASDU()
	for i, c := range []struct {
		do   func(now time.Duration)
		now  time.Duration
		want time.Duration
	}{
		{func(time.Duration) {}, 0, 0},
		{func(now time.Duration) { l.send(now, a) }, 1 * time.Second, 0},
		{func(now time.Duration) { l.send(now, a) }, 3 * time.Second, 0},
		{func(time.Duration) {}, 10 * time.Second, 7 * time.Second},
		{func(time.Duration) { l.acked++ }, 11 * time.Second, 0},
		{func(now time.Duration) { l.send(now, a) }, 12 * time.Second, 0},
		{func(time.Duration) {}, 13 * time.Second, time.Second},
		{func(time.Duration) { l.state = Stopped }, 14 * time.Second, 0},
	} {
		c.do(c.now)
		if got := l.windowClosed(c.now); got != c.want {
			t.Errorf("%d: closed for %v, want %v", i, got, c.want)
		}
	}
}
