package iec104

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whatever comes from the peer ends its silence.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := fakeStation(t, ClientConfig{})
		for range 3 {
			time.Sleep(4 * time.Second)
			if got := c.Silent(); got != 4*time.Second {
				t.Errorf("silent for %v, want 4 s", got)
			}
			s.send("TESTFR act")
			s.expect("TESTFR con")
			if got := c.Silent(); got != 0 {
				t.Errorf("silent for %v after a frame", got)
			}
		}
	})
}
