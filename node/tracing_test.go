package node

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/iec104"
)

// A frame that the taps see is shown, with the link's name and in words, to who
// watches.
func TestTapsFeedTheTracer(t *testing.T) {
	s, err := configs.LoadFS(configs.Examples, "examples/station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tracer := new(trace.Tracer)
	fromRTU, fromUplink := rtuTap(newCurrent(s, slog.New(slog.DiscardHandler)), tracer), uplinkTap(newCurrent(s, slog.New(slog.DiscardHandler)), tracer)
	if fromRTU(acquisition.LinkID{RTU: 99, Channel: 1, Link: 1}) != nil {
		t.Error("a tap for an RTU that is not there")
	}
	rtu := fromRTU(acquisition.LinkID{RTU: 1, Channel: 2, Link: 1})
	uplink := fromUplink("occ", "occ", netip.MustParseAddrPort("127.0.0.1:50122"))
	startAct := []byte{0x68, 4, 7, 0, 0, 0}
	show := func() {
		rtu(iec104.Sent, time.Now(), startAct)
		uplink(iec104.Received, time.Now(), startAct)
	}
	for _, tc := range []struct {
		resource string
		want     api.TraceLine
	}{
		{"rtu/1", api.TraceLine{Link: "2:1 127.0.0.1:24042", Direction: "sent", Text: "U STARTDT act", Octets: "680407000000"}},
		{"uplink/occ/occ", api.TraceLine{Link: "127.0.0.1:50122", Direction: "received", Text: "U STARTDT act", Octets: "680407000000"}},
	} {
		c := &client.Client{Base: serveStation(t, s, "fep1", tracer)}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		show()
		var got api.TraceLine
		err := c.Trace(ctx, tc.resource, 1, func(l api.TraceLine) error {
			got = l
			return errors.New("enough")
		})
		if got.TimeMs = 0; got != tc.want {
			t.Errorf("%+v, want %+v: %v", got, tc.want, err)
		}
	}
}
