package node

import (
	"cmp"
	"slices"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
)

// uplinkAddress is a point in the table of an uplink: 20 octets, since there may be a million of them.
type uplinkAddress struct {
	rtu, point, ioa uint32
	uplink          uint16 // its place among the uplinks
	common          uint16 // address
	kind            fsm.Kind
	typeID          uint8
}

func (a uplinkAddress) key() fsm.PointKey {
	return fsm.PointKey{RTU: a.rtu, Kind: a.kind, Point: a.point}
}

type uplinkIOA struct {
	uplink int
	common uint16 // address
	ioa    uint32
}

// addresses are the tables of the uplinks, the other way round: by point.
type addresses struct {
	names []string // of the uplinks
	all   []uplinkAddress
	own   map[uplinkIOA]string // names that a table has otherwise than the point's RTU
}

func newAddresses(s *configs.Station) *addresses {
	describe, own := describer(s), map[uplinkIOA]string{}
	var all []uplinkAddress
	names := make([]string, len(s.Uplinks))
	for i, u := range s.Uplinks {
		names[i] = u.Name
		all = slices.Grow(all, len(u.Points))
		for _, p := range u.Points {
			common := cmp.Or(p.Sector, u.CommonAddress)
			all = append(all, uplinkAddress{rtu: p.RTU, point: p.Number, ioa: p.IOA, uplink: uint16(i), kind: p.Kind, typeID: uint8(p.Type), common: common})
			if info, _ := describe(all[len(all)-1].key()); info.Name != p.Name {
				own[uplinkIOA{i, common, p.IOA}] = p.Name
			}
		}
	}
	slices.SortFunc(all, func(a, b uplinkAddress) int {
		return cmp.Or(compareKeys(a.key(), b.key()), cmp.Compare(a.uplink, b.uplink))
	})
	return &addresses{names, all, own}
}

// of tells where control centres find a point.
func (a *addresses) of(k fsm.PointKey) (list []api.UplinkAddress) {
	i, _ := slices.BinarySearchFunc(a.all, k, func(a uplinkAddress, k fsm.PointKey) int { return compareKeys(a.key(), k) })
	for ; i < len(a.all) && a.all[i].key() == k; i++ {
		list = append(list, api.UplinkAddress{Uplink: a.names[a.all[i].uplink], CommonAddress: a.all[i].common, IOA: a.all[i].ioa, Type: a.all[i].typeID})
	}
	return list
}

// table is that of an uplink, by common address and object address.
func (a *addresses) table(uplink string) (rows []server.UplinkRow, ok bool) {
	i := slices.Index(a.names, uplink)
	if i < 0 {
		return nil, false
	}
	for _, x := range a.all {
		if int(x.uplink) == i {
			rows = append(rows, server.UplinkRow{Key: x.key(), CommonAddress: x.common, IOA: x.ioa, Name: a.own[uplinkIOA{i, x.common, x.ioa}], Type: x.typeID})
		}
	}
	slices.SortFunc(rows, func(a, b server.UplinkRow) int {
		return cmp.Or(cmp.Compare(a.CommonAddress, b.CommonAddress), cmp.Compare(a.IOA, b.IOA))
	})
	return rows, true
}

func compareKeys(a, b fsm.PointKey) int {
	return cmp.Or(cmp.Compare(a.RTU, b.RTU), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Point, b.Point))
}
