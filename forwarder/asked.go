package forwarder

import (
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/iec104"
)

// handle answers what a client asks, and reports one that asks for another station: its operators see a link that is up, and
// nothing on it.
func (g *group) handle(s *iec104.Session, a iec104.ASDU, index uint64) {
	switch want := g.u.cfg.CommonAddress; a.CommonAddress {
	case want:
		g.u.conditions.Clear(condition.ClientCommonAddress, g.resource)
	case iec104.BroadcastAddress:
	default:
		g.u.conditions.Set(condition.Report{
			Kind: condition.ClientCommonAddress, Resource: g.resource, Count: g.strangers.Add(1),
			Values: condition.Values(s.RemoteAddr(), a.CommonAddress, want),
		})
	}
	g.u.station.Handle(s, a, index)
}
