package forwarder

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/fsm"
)

func TestWindowThatStaysClosed(t *testing.T) {
	said := new(conditiontest.Said)
	u := &uplink{conditions: said}
	u.config.K = 12
	g := &group{u: u, resource: fsm.UplinkResource("occ", "a")}
	client := netip.MustParseAddrPort("10.0.0.5:50122")
	g.judgeWindow(windowPatience-1, client)
	if ids := said.IDs(); ids != "" {
		t.Fatal(ids)
	}
	g.judgeWindow(10*time.Second+1, client)
	if text := said.Says("uplink.occ.a.client_window"); !strings.Contains(text, "window of 12 closed for 10 s by 10.0.0.5:50122: its w is larger than our k") {
		t.Errorf("%q", text)
	}
}
