package node

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// rtuTap has a tracer see the frames of the RTUs' links.
func rtuTap(c *current, t *server.Tracer) func(acquisition.LinkID) iec104.Tap {
	return func(id acquisition.LinkID) iec104.Tap {
		r, ok := c.station().RTU(id.RTU)
		if !ok || id.Channel > len(r.Channels) || id.Link > len(r.Channels[id.Channel-1].Links) {
			return nil
		}
		resource, explain := fsm.RTUResource(id.RTU), explainer(r.IEC104)
		link := fmt.Sprintf("%d:%d %v", id.Channel, id.Link, r.Channels[id.Channel-1].Links[id.Link-1].Address)
		return func(dir iec104.Direction, at time.Time, frame []byte) {
			t.Show(resource, server.Frame{At: at, Link: link, Sent: dir == iec104.Sent, Octets: frame, Explain: explain})
		}
	}
}

// uplinkTap has a tracer see the frames of the uplinks' clients.
func uplinkTap(c *current, t *server.Tracer) func(uplink, group string, client netip.AddrPort, dir iec104.Direction, at time.Time, frame []byte) {
	return func(uplink, group string, client netip.AddrPort, dir iec104.Direction, at time.Time, frame []byte) {
		if !t.Watched() {
			return // the names below would have to be made for nothing
		}
		u, ok := c.station().Uplink(uplink)
		if !ok {
			return
		}
		t.Show(fsm.UplinkResource(uplink, group), server.Frame{
			At: at, Link: client.String(), Sent: dir == iec104.Sent, Octets: frame, Explain: explainer(u.IEC104),
		})
	}
}

// explainer puts frames in words that have the sizes of a configuration.
func explainer(c configs.IEC104) func([]byte) string {
	profile := protocol(c).Profile
	return func(frame []byte) string { return iec104.Explain(profile, frame) }
}
