package node

import (
	"cmp"
	"slices"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// describer tells what the configuration says of points, for the API. The
// tables are sorted, so it looks into them as they are.
func describer(s *configs.Station) func(fsm.PointKey) (server.PointInfo, bool) {
	rtus := make(map[uint32]*configs.RTU, len(s.RTUs))
	for i := range s.RTUs {
		rtus[s.RTUs[i].Number] = &s.RTUs[i]
	}
	return func(k fsm.PointKey) (info server.PointInfo, ok bool) {
		if r := rtus[k.RTU]; r != nil {
			return describePoint(r.Points, k)
		}
		i, ok := slices.BinarySearchFunc(s.VirtualPoints, k, func(v configs.VirtualPoint, k fsm.PointKey) int {
			return cmp.Or(cmp.Compare(v.RTU, k.RTU), cmp.Compare(v.Number, k.Point))
		})
		if !ok || k.Kind != fsm.DI {
			return info, false
		}
		return server.PointInfo{Name: s.VirtualPoints[i].Name}, true
	}
}

func describePoint(points []configs.Point, k fsm.PointKey) (info server.PointInfo, ok bool) {
	i, ok := slices.BinarySearchFunc(points, k, func(p configs.Point, k fsm.PointKey) int {
		return cmp.Or(cmp.Compare(p.Kind, k.Kind), cmp.Compare(p.Number, k.Point))
	})
	if !ok {
		return info, false
	}
	p := &points[i]
	info = server.PointInfo{Name: p.Name, Type: uint8(p.Type), Category: p.Category.String()}
	if p.Bit != 0 {
		info.Type = uint8(asdu.M_SP_NA_1)
	}
	if p.Kind == fsm.DO && p.Type.Untimed() != asdu.C_SC_NA_1 {
		info.Off = 1 // of double commands and regulating steps: 1 is off or lower, 2 on or higher
	}
	if p.Analog != nil {
		info.Unit = p.Analog.Unit
	}
	return info, true
}
