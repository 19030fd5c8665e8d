package forwarder

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
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

// A client that asks for another station is told so, and its operators are; until it asks for this one.
func TestClientOfAnotherStation(t *testing.T) {
	c, occ := served(t, Uplink{})
	const id = "uplink.occ.a.client_common_address"
	interrogation := asdu.Header{Type: asdu.C_IC_NA_1, Cause: act}
	occ.ask(t, 0, interrogation, asdu.Object{Qualifier: 20})
	if ids := c.said.IDs(); ids != "" {
		t.Fatal(ids)
	}
	interrogation.CommonAddress = 99
	occ.ask(t, 1, interrogation, asdu.Object{Qualifier: 20})
	occ.ask(t, 1, interrogation, asdu.Object{Qualifier: 20})
	if text := c.said.Says(id); !strings.Contains(text, "asks for common address 99, 100 is this uplink's: 2 requests refused") {
		t.Errorf("%q", text)
	}
	interrogation.CommonAddress = asdu.BroadcastAddress
	occ.ask(t, 0, interrogation, asdu.Object{Qualifier: 20})
	if c.said.IDs() != id {
		t.Error("who asks all has not said that it knows this one")
	}
	interrogation.CommonAddress = commonAddress
	occ.ask(t, 0, interrogation, asdu.Object{Qualifier: 20})
	if ids := c.said.IDs(); ids != "" {
		t.Error(ids)
	}
}
