package node

import (
	"cmp"
	"slices"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
)

// uplinkAddress is a point in the table of an uplink: 20 octets, since there may be a million of them.
type uplinkAddress struct {
	rtu, point, ioa uint32
	uplink          uint16 // its place among the uplinks
	kind            fsm.Kind
	typeID          uint8
}

func (a uplinkAddress) key() fsm.PointKey {
	return fsm.PointKey{RTU: a.rtu, Kind: a.kind, Point: a.point}
}

// addresses tells where control centres find a point.
func addresses(s *configs.Station) func(fsm.PointKey) []api.UplinkAddress {
	var all []uplinkAddress
	names := make([]string, len(s.Uplinks))
	for i, u := range s.Uplinks {
		names[i] = u.Name
		all = slices.Grow(all, len(u.Points))
		for _, p := range u.Points {
			all = append(all, uplinkAddress{rtu: p.RTU, point: p.Number, ioa: p.IOA, uplink: uint16(i), kind: p.Kind, typeID: uint8(p.Type)})
		}
	}
	slices.SortFunc(all, func(a, b uplinkAddress) int {
		return cmp.Or(compareKeys(a.key(), b.key()), cmp.Compare(a.uplink, b.uplink))
	})
	return func(k fsm.PointKey) (list []api.UplinkAddress) {
		i, _ := slices.BinarySearchFunc(all, k, func(a uplinkAddress, k fsm.PointKey) int { return compareKeys(a.key(), k) })
		for ; i < len(all) && all[i].key() == k; i++ {
			list = append(list, api.UplinkAddress{Uplink: names[all[i].uplink], IOA: all[i].ioa, Type: all[i].typeID})
		}
		return list
	}
}

func compareKeys(a, b fsm.PointKey) int {
	return cmp.Or(cmp.Compare(a.RTU, b.RTU), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Point, b.Point))
}
