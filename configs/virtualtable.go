package configs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/condition"
)

// Columns of the table of virtual points.
const (
	virtualRTU = iota
	virtualPoint
	virtualName
	virtualSource
)

var virtualColumns = []column{
	virtualRTU: {name: "rtu"}, virtualPoint: {name: "point"}, virtualName: {name: "name"}, virtualSource: {name: "source"},
}

// virtualKey is a virtual point within the station.
type virtualKey struct{ rtu, point uint32 }

func (k virtualKey) String() string { return fmt.Sprintf("point %d of virtual RTU %d", k.point, k.rtu) }

// virtualTable reads the virtual points.
func (l *loader) virtualTable(file string, data []byte, s *Station) []VirtualPoint {
	var points []VirtualPoint
	seen := map[virtualKey]int32{}
	t := table{file: file, columns: virtualColumns, errs: l.errs, warnings: l.warnings}
	t.read(data, func(r *row) {
		v := VirtualPoint{Name: strings.Clone(r.text(virtualName))}
		var ok, known bool
		if v.RTU, ok = r.uint(virtualRTU, 1, 65535); ok {
			if _, real := s.RTU(v.RTU); real {
				r.fail(virtualRTU, fmt.Sprintf("RTU %d is a real one", v.RTU), "a number that no RTU in station.yaml has")
			}
		}
		if v.Number, known = r.uint(virtualPoint, 0, math.MaxUint32); ok && known {
			uniqueIn(r, virtualPoint, seen, virtualKey{v.RTU, v.Number})
		}
		text := r.text(virtualSource)
		if v.Source, ok = parseSource(text); !ok {
			r.fail(virtualSource, quote(text)+" is not a source", "channel:<rtu>:<n>, link:<rtu>:<n>:<m>, rtu:<rtu>, "+
				"node:<id>, uplink:<name>:<group>, overflow:<name>:<group>, condition:alarm, condition:warning or condition:<id>")
		} else if problem, expected := v.Source.missing(s); problem != "" {
			r.fail(virtualSource, text+": "+problem, expected)
		}
		points = append(points, v)
	})
	slices.SortFunc(points, func(a, b VirtualPoint) int {
		return cmp.Or(cmp.Compare(a.RTU, b.RTU), cmp.Compare(a.Number, b.Number))
	})
	return slices.Clip(points)
}

// parseSource reads what Source.String writes.
func parseSource(text string) (Source, bool) {
	parts := strings.Split(text, ":")
	s := Source{Kind: SourceKind(strings.ToLower(parts[0]))}
	switch {
	case s.Kind == SourceNode && len(parts) == 2:
		s.Node = parts[1]
		return s, s.Node != ""
	case s.Kind == SourceCondition && len(parts) == 2:
		s.Condition = parts[1]
		return s, s.Condition != ""
	case (s.Kind == SourceUplink || s.Kind == SourceOverflow) && len(parts) == 3:
		s.Uplink, s.Group = parts[1], parts[2]
		return s, s.Uplink != "" && s.Group != ""
	}
	want := map[SourceKind]int{SourceRTU: 1, SourceChannel: 2, SourceLink: 3}[s.Kind]
	if want == 0 || len(parts) != want+1 {
		return Source{}, false
	}
	var numbers [3]uint64
	for i, part := range parts[1:] {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return Source{}, false
		}
		numbers[i] = n
	}
	s.RTU, s.Channel, s.Link = uint32(numbers[0]), int(numbers[1]), int(numbers[2])
	return s, true
}

// missing tells what a source leads to that the station doesn't have.
func (source Source) missing(s *Station) (problem, expected string) {
	switch source.Kind {
	case SourceNode:
		if _, ok := s.Node(source.Node); !ok {
			return "node " + quote(source.Node) + " is unknown", "one of " + nodeIDs(s, RoleFEP, RoleWitness)
		}
		return "", ""
	case SourceCondition:
		_, known := condition.OfID(source.Condition)
		if known || source.Condition == condition.Alarm.String() || source.Condition == condition.Warning.String() {
			return "", ""
		}
		return "there is no condition " + quote(source.Condition), "alarm, warning, or an id whose last part is in the table of docs/OPERATIONS.md, such as rtu.1.common_address"
	case SourceUplink, SourceOverflow:
		u, ok := s.Uplink(source.Uplink)
		if !ok {
			return "uplink " + quote(source.Uplink) + " is unknown", "the name of an uplink in station.yaml"
		}
		if !slices.ContainsFunc(u.Groups, func(g Group) bool { return g.Name == source.Group }) {
			return "group " + quote(source.Group) + " is unknown", "a group of uplink " + u.Name
		}
		return "", ""
	}
	rtu, ok := s.RTU(source.RTU)
	if !ok {
		return fmt.Sprintf("RTU %d is unknown", source.RTU), "the number of an RTU in station.yaml"
	}
	if source.Kind == SourceRTU {
		return "", ""
	}
	if source.Channel < 1 || source.Channel > len(rtu.Channels) {
		return fmt.Sprintf("RTU %d has no channel %d", source.RTU, source.Channel), fmt.Sprintf("1 to %d", len(rtu.Channels))
	}
	links := rtu.Channels[source.Channel-1].Links
	if source.Kind == SourceLink && (source.Link < 1 || source.Link > len(links)) && links != nil {
		return fmt.Sprintf("channel %d has no link %d", source.Channel, source.Link), fmt.Sprintf("1 to %d", len(links))
	}
	return "", ""
}
