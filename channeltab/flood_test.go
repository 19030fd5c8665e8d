package channeltab

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/channeltab/internal/core"
)

// Another centre that comes and goes with every datagram writes no more of the log than is good; nor does one that has a station
// registered and loses it.
func TestComingAndGoingDoesNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	c, err := NewCentre(CentreConfig{
		ID: 900, Name: "centre", Level: 1, Node: "fep1", Nodes: map[string]netip.AddrPort{"fep1": netip.MustParseAddrPort("127.0.0.1:7400")},
		Keys: testKeys(), Registry: channeltabtest.NewMemory().Node("fep1"), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := OpenStation(StationConfig{
		ID: 1, Name: "station", Listen: netip.MustParseAddrPort("127.0.0.1:0"), Keys: testKeys(), Log: log,
		Centres: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	const times = 500
	s.mu.Lock()
	for i := range times {
		c.core.Higher.Deferring = i%2 == 0
		c.work()
		s.core.Reg.State = core.Registering
		if i%2 == 0 {
			s.core.Reg.State = core.Registered
		}
		s.work(time.Now())
	}
	s.mu.Unlock()
	s.Close()
	for _, what := range []string{`msg="FNP centre" defers`, `msg="FNP station" state`} {
		if n := strings.Count(out.String(), what); n == 0 || n > times/4 {
			t.Errorf("%s: %d lines of %d, want some", what, n, times)
		}
	}
}
