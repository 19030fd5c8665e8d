package rollout

import (
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Declaration is what the replicated state has to know of the configuration.
func Declaration(s *configs.Station) *fsmpb.Configure {
	d := &fsmpb.Configure{
		Digest: s.Digest(),
		Retain: uint64(s.Journal.Retain), RetainForMs: s.Journal.RetainFor.Milliseconds(),
		Fnp: s.FNP != nil,
	}
	for _, n := range s.Cluster.Nodes {
		d.Nodes = append(d.Nodes, &fsmpb.Configure_Node{Id: n.ID, Host: uint32(n.Host), Role: string(n.Role)})
	}
	for _, r := range s.RTUs {
		rtu := &fsmpb.Configure_RTU{Number: r.Number, Name: r.Name, Prefer: r.Prefer}
		if len(r.Sharing) > 0 && r.Sharing[0] != r.Number {
			rtu.Shares = r.Sharing[0]
		}
		for _, c := range r.Channels {
			rtu.Links = append(rtu.Links, uint32(len(c.Links)))
		}
		d.Rtus = append(d.Rtus, rtu)
	}
	for _, u := range s.Uplinks {
		for _, g := range u.Groups {
			d.Groups = append(d.Groups, &fsmpb.Configure_Group{Uplink: u.Name, Group: g.Name, Mode: u.Mode.Proto()})
		}
	}
	for _, v := range s.VirtualPoints {
		d.Virtual = append(d.Virtual, &fsmpb.Configure_Virtual{Rtu: v.RTU, Point: v.Number, Source: v.Source.String(), Name: v.Name})
	}
	for _, e := range s.Exports {
		d.Exports = append(d.Exports, &fsmpb.Configure_Export{Name: e.Name, Events: e.Events(), Audit: e.Audit()})
	}
	return d
}
