package forwarder

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
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

// A link that t1 has closed is the client's fault if it was there when a good t2 would have been over, and then only.
func TestLinkClosedByT1(t *testing.T) {
	notAcknowledged := fmt.Errorf("%w: %w", iec104.ErrT1, iec104.ErrNotAcknowledged)
	for _, c := range []struct {
		err    error
		silent time.Duration
		told   bool
	}{
		{notAcknowledged, 0, true},
		{notAcknowledged, 4999 * time.Millisecond, true},
		{notAcknowledged, 5 * time.Second, false}, // it may have died before t2 was over
		{fmt.Errorf("%w: no TESTFR con", iec104.ErrT1), 0, false},
		{nil, 0, false},
	} {
		said := new(conditiontest.Said)
		u := &uplink{conditions: said}
		u.config.T1, u.config.T2 = 15*time.Second, 10*time.Second
		g := &group{u: u, resource: fsm.UplinkResource("occ", "a")}
		g.judgeEnd(c.err, c.silent, netip.MustParseAddrPort("10.0.0.5:50122"))
		const want = "a frame was not acknowledged for 15 s by 10.0.0.5:50122, though it was heard: its t2 is longer than our t1; 1 links ended by that"
		if text := said.Says("uplink.occ.a.client_timer"); (text == want) != c.told || !c.told && text != "" {
			t.Errorf("%v, silent for %v: %q", c.err, c.silent, text)
		}
	}
}

// The same with a real client that confirms each TESTFR and acknowledges no I-frame.
func TestClientWithALongT2(t *testing.T) {
	c := startStation(t, fsm.Exclusive.Proto(), "a")
	f := c.start(t, "fep1", Uplink{Mode: fsm.Exclusive, IEC104: iec104.Config{T1: 400 * time.Millisecond, T2: 200 * time.Millisecond, T3: 100 * time.Millisecond}})
	one := startTestee(t, f.address)
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "t1 ends", one.gone)
	eventually(t, "it's told", func() bool {
		return strings.Contains(c.said.Says("uplink.occ.a.client_timer"), "its t2 is longer than our t1")
	})
}
