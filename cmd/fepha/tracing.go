package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// rtuTap has a tracer see the frames of the RTUs' links.
func rtuTap(s *configs.Station, t *api.Tracer) func(acquisition.LinkID) iec104.Tap {
	return func(id acquisition.LinkID) iec104.Tap {
		r, ok := s.RTU(id.RTU)
		if !ok {
			return nil
		}
		resource, explain := fsm.RTUResource(id.RTU), explainer(r.IEC104)
		link := fmt.Sprintf("%d:%d %v", id.Channel, id.Link, r.Channels[id.Channel-1].Links[id.Link-1].Address)
		return func(dir iec104.Direction, at time.Time, frame []byte) {
			t.Show(resource, api.Frame{At: at, Link: link, Sent: dir == iec104.Sent, Octets: frame, Explain: explain})
		}
	}
}

// uplinkTap has a tracer see the frames of the uplinks' clients.
func uplinkTap(s *configs.Station, t *api.Tracer) func(uplink, group string, client netip.AddrPort, dir iec104.Direction, at time.Time, frame []byte) {
	explain := map[string]func([]byte) string{}
	for _, u := range s.Uplinks {
		explain[u.Name] = explainer(u.IEC104)
	}
	return func(uplink, group string, client netip.AddrPort, dir iec104.Direction, at time.Time, frame []byte) {
		if !t.Watched() {
			return // the names below would have to be made for nothing
		}
		t.Show(fsm.UplinkResource(uplink, group), api.Frame{
			At: at, Link: client.String(), Sent: dir == iec104.Sent, Octets: frame, Explain: explain[uplink],
		})
	}
}

// explainer puts frames in words that have the sizes of a configuration.
func explainer(c configs.IEC104) func([]byte) string {
	profile := protocol(c).Profile
	return func(frame []byte) string { return iec104.Explain(profile, frame) }
}
