package channeltab

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/fepha/fepha/internal/panics"
)

// A datagram on which the core panics costs itself alone: it is counted, told once, and the next one is taken.
func TestPanicsCostOneDatagram(t *testing.T) {
	var log strings.Builder
	to := slog.New(slog.NewTextHandler(&log, nil))
	from := netip.MustParseAddrPort("192.0.2.1:7400")
	before := panics.Counts()["FNP datagram"]
	station, centre := &Station{log: to}, &Centre{log: to} // neither has a core, so any datagram is one too many
	for range 2 {
		station.receive(from, false, []byte{1})
		centre.receive(from, true, []byte{1})
	}
	if n := panics.Counts()["FNP datagram"] - before; n != 4 {
		t.Errorf("%d panics were counted, want 4", n)
	}
	if n := strings.Count(log.String(), "what has brought it is given up"); n != 2 {
		t.Errorf("told %d times, want once a place:\n%s", n, log.String())
	}
	if !station.mu.TryLock() || !centre.mu.TryLock() {
		t.Error("it is still locked")
	}
}
