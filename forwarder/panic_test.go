package forwarder

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/internal/panics"
)

// A panic on the link of one client costs that link alone, and it is counted.
func TestPanicsCostOneLink(t *testing.T) {
	c := startStation(t, fsmpb.Configure_DUAL_ACTIVE, "a")
	f := c.startWith(t, "fep1", Uplink{Mode: "dual-active"}, func(cfg *Config) {
		cfg.Tap = func(_, _ string, client netip.AddrPort) iec104.Tap {
			if client.Addr() != netip.MustParseAddr("127.0.0.2") {
				return nil
			}
			return func(iec104.Direction, time.Time, []byte) { panic("tap") }
		}
	})
	start := func(host string) (*iec104.Client, error) {
		cl := connectFrom(t, host, f.address)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return cl, cl.StartDT(ctx)
	}
	good, err := start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	before := panics.Counts()["link of an uplink"]
	if bad, err := start("127.0.0.2"); err == nil {
		t.Errorf("it goes on: %v", bad.State())
	}
	eventually(t, "the panic is counted", func() bool { return panics.Counts()["link of an uplink"] > before })
	if err := good.Err(); err != nil || good.State() != iec104.Started {
		t.Errorf("the other link: %v, %v", good.State(), err)
	}
}
