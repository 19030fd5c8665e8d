package forwarder

import (
	"strings"
	"testing"

	"github.com/fepha/fepha/iec104"
)

// A client that asks for another station is told so, and its operators are; until it asks for this one.
func TestClientOfAnotherStation(t *testing.T) {
	c, occ := served(t, Uplink{})
	const id = "uplink.occ.a.client_common_address"
	interrogation := iec104.Header{Type: iec104.C_IC_NA_1, Cause: act}
	occ.ask(t, 0, interrogation, iec104.Object{Qualifier: 20})
	if ids := c.said.IDs(); ids != "" {
		t.Fatal(ids)
	}
	interrogation.CommonAddress = 99
	occ.ask(t, 1, interrogation, iec104.Object{Qualifier: 20})
	occ.ask(t, 1, interrogation, iec104.Object{Qualifier: 20})
	if text := c.said.Says(id); !strings.Contains(text, "asks for common address 99, 100 is this uplink's: 2 requests refused") {
		t.Errorf("%q", text)
	}
	interrogation.CommonAddress = iec104.BroadcastAddress
	occ.ask(t, 0, interrogation, iec104.Object{Qualifier: 20})
	if c.said.IDs() != id {
		t.Error("who asks all has not said that it knows this one")
	}
	interrogation.CommonAddress = commonAddress
	occ.ask(t, 0, interrogation, iec104.Object{Qualifier: 20})
	if ids := c.said.IDs(); ids != "" {
		t.Error(ids)
	}
}
