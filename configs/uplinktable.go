package configs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm"
)

// Columns of an uplink's table.
const (
	uplinkIOA = iota
	uplinkRTU
	uplinkKind
	uplinkPoint
	uplinkType
	uplinkName
)

var uplinkColumns = []column{
	uplinkIOA: {name: "ioa"}, uplinkRTU: {name: "rtu"}, uplinkKind: {name: "kind"}, uplinkPoint: {name: "point"},
	uplinkType: {name: "type"}, uplinkName: {name: "name"},
}

// stationKey is a point within the station.
type stationKey struct {
	rtu uint32
	pointKey
}

// String names the point in messages.
func (k stationKey) String() string { return fmt.Sprintf("%s of RTU %d", k.pointKey, k.rtu) }

// checkSectors refuses a point that has an address in two sectors: a control centre would get each of its events twice.
func (l *loader) checkSectors(u *Uplink, key string) {
	in := map[stationKey]uint16{}
	for _, p := range u.Points {
		k := stationKey{p.RTU, pointKey{p.Kind, p.Number}}
		if other, twice := in[k]; twice && other != p.Sector {
			l.doc.fail(key+".sectors", fmt.Sprintf("%v has an address in the sectors %d and %d", k, cmp.Or(other, u.CommonAddress), cmp.Or(p.Sector, u.CommonAddress)), "one of them")
			return
		}
		in[k] = p.Sector
	}
}

// uplinkTable reads the points of an uplink's sector. Those of RTUs, and the virtual ones, are known by now.
func (l *loader) uplinkTable(file string, data []byte, u *Uplink, sector Sector) []UplinkPoint {
	var points []UplinkPoint
	ioas, seen := directions{}, map[stationKey]int32{}
	t := table{file: file, columns: uplinkColumns, errs: l.errs, warnings: l.warnings}
	t.read(data, func(r *row) {
		p := UplinkPoint{Sector: sector.CommonAddress}
		var ok bool
		if p.Kind, ok = r.kind(uplinkKind); !ok {
			return // what else is right depends on it
		}
		if p.IOA, ok = r.address(uplinkIOA, u.IEC104.maxIOA(), sector.IOAFormat); ok {
			ioas.unique(r, uplinkIOA, p.Kind, p.IOA)
			if p.Sector == 0 && p.IOA == u.RoleIOA && !p.Kind.IsControl() {
				r.fail(uplinkIOA, fmt.Sprintf("%d is already used by role_ioa", p.IOA), "a different one")
			}
		}
		p.Type = r.pointType(uplinkType, p.Kind, false)
		if p.Type == withoutQuality {
			r.fail(uplinkType, p.Type.String()+" has no quality, so an invalid value would look good", "M_ME_NA_1 (9)")
		}
		var known bool
		p.RTU, ok = r.uint(uplinkRTU, 1, 65535)
		p.Number, known = r.uint(uplinkPoint, 0, math.MaxUint32)
		if key := (stationKey{p.RTU, pointKey{p.Kind, p.Number}}); ok && known {
			name, point, exists := l.point(r, key)
			if exists {
				uniqueIn(r, uplinkPoint, seen, key)
			}
			p.Name = name
			if exists && p.Type != 0 {
				l.checkCarried(r, key, point, p.Type)
			}
		}
		if name := r.text(uplinkName); name != "" && name != p.Name {
			p.Name = strings.Clone(name) // a part of the row's text would keep the whole row
		}
		points = append(points, p)
	})
	slices.SortFunc(points, func(a, b UplinkPoint) int { return cmp.Compare(a.IOA, b.IOA) })
	return slices.Clone(points) // of the right size: there may be a million
}

// point looks a point up, and reports where there's none. It gives the row of the RTU's table, nil for a virtual point.
func (l *loader) point(r *row, key stationKey) (name string, point *Point, exists bool) {
	points, real := l.points[key.rtu]
	if v, virtual := l.virtual[virtualKey{key.rtu, key.number}]; virtual && key.kind == fsm.DI {
		return v, nil, true
	}
	switch {
	case real && points == nil:
		return "", nil, false // its table can't be read
	case real:
		if p, ok := find(points, key.pointKey); ok {
			return p.Name, p, true
		}
		r.fail(uplinkPoint, key.String()+" is unknown", "a point of its table")
	case l.virtualRTUs[key.rtu]:
		r.fail(uplinkPoint, key.String()+" is unknown", "a di point of the virtual points")
	default:
		r.fail(uplinkRTU, fmt.Sprintf("RTU %d is unknown", key.rtu), "the number of an RTU in station.yaml, or of a virtual one")
	}
	return "", nil, false
}
