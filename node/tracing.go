package node

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// rtuTap makes a tracer see the frames of the RTUs' links.
func rtuTap(c *current, t *trace.Tracer) func(acquisition.LinkID) iec104.Tap {
	return func(id acquisition.LinkID) iec104.Tap {
		r, ok := c.station().RTU(id.RTU)
		if !ok || id.Channel > len(r.Channels) || id.Link > len(r.Channels[id.Channel-1].Links) {
			return nil
		}
		resource, explain := fsm.RTUResource(id.RTU), explainer(r.IEC104)
		address := r.Channels[id.Channel-1].Links[id.Link-1].Address
		name := fmt.Sprintf("%d:%d %v", id.Channel, id.Link, address)
		remote, _ := netip.ParseAddrPort(fmt.Sprint(address)) // not known of a host's name
		return tap(t.Open(resource, trace.Link{Name: name, Remote: remote, Explain: explain}))
	}
}

// uplinkTap makes a tracer see the frames of the uplinks' clients.
func uplinkTap(c *current, t *trace.Tracer) func(uplink, group string, client netip.AddrPort) iec104.Tap {
	return func(uplink, group string, client netip.AddrPort) iec104.Tap {
		u, ok := c.station().Uplink(uplink)
		if !ok {
			return nil
		}
		return tap(t.Open(fsm.UplinkResource(uplink, group), trace.Link{Name: client.String(), Remote: client, Explain: explainer(u.IEC104)}))
	}
}

func tap(show func(at time.Time, sent bool, octets []byte)) iec104.Tap {
	return func(dir iec104.Direction, at time.Time, frame []byte) { show(at, dir == iec104.Sent, frame) }
}

// explainer puts frames in words that have the sizes of a configuration.
func explainer(c configs.IEC104) func([]byte) string {
	profile := protocol(c, nil).Profile
	return func(frame []byte) string { return iec104.Explain(profile, frame) }
}
