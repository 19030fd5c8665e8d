package configs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Change is what differs between two configurations in one RTU, uplink or other part.
type Change struct {
	RTU    uint32 // of an RTU; else 0
	Uplink string // of an uplink; else ""
	Part   string // as people call it: RTU 1, uplink occ, virtual points, journal
	How    string // added, removed or changed
	Detail string // what of it, for people; may be empty

	// Settings tells that an RTU or uplink changes in more than its points.
	Settings bool
}

// Compare lists what has to happen to a station that runs one configuration so that it runs another. Order, encodings,
// comments and names of tables make no difference.
func Compare(from, to *Station) []Change {
	var list []Change
	for _, r := range from.RTUs {
		c := Change{RTU: r.Number, Part: fmt.Sprintf("RTU %d", r.Number)}
		if next, ok := to.RTU(r.Number); !ok {
			c.How, c.Detail = "removed", count(len(r.Points), "point")
		} else if next.Digest() != r.Digest() {
			keys := settings(r, *next)
			c.How, c.Settings, c.Detail = "changed", keys != "", join(keys, diff(r.Points, next.Points, comparePoints, func(a, b Point) bool {
				k := ControlKey{a.Kind, a.Number}
				return samePoint(a, b) && sameJSON(r.Controls[k], next.Controls[k]) && r.ChatterOf(&a) == next.ChatterOf(&b)
			}))
		} else {
			continue
		}
		list = append(list, c)
	}
	for _, r := range to.RTUs {
		if _, ok := from.RTU(r.Number); !ok {
			list = append(list, Change{RTU: r.Number, Part: fmt.Sprintf("RTU %d", r.Number), How: "added", Detail: count(len(r.Points), "point")})
		}
	}
	for _, u := range from.Uplinks {
		c := Change{Uplink: u.Name, Part: "uplink " + u.Name}
		if next, ok := to.Uplink(u.Name); !ok {
			c.How, c.Detail = "removed", count(len(u.Points), "point")
		} else if next.Digest() != u.Digest() {
			keys := settings(u, *next)
			c.How, c.Settings, c.Detail = "changed", keys != "", join(keys, diff(u.Points, next.Points, compareUplinkPoints, same))
		} else {
			continue
		}
		list = append(list, c)
	}
	for _, u := range to.Uplinks {
		if _, ok := from.Uplink(u.Name); !ok {
			list = append(list, Change{Uplink: u.Name, Part: "uplink " + u.Name, How: "added", Detail: count(len(u.Points), "point")})
		}
	}
	if d := diff(from.VirtualPoints, to.VirtualPoints, compareVirtual, same); d != "" {
		list = append(list, Change{Part: "virtual points", How: "changed", Detail: d})
	}
	if from.Journal != to.Journal {
		c := Change{Part: "journal", How: "changed"}
		if from.Journal.Retain != to.Journal.Retain {
			c.Detail = fmt.Sprintf("retain %d → %d", from.Journal.Retain, to.Journal.Retain)
		}
		if from.Journal.RetainFor != to.Journal.RetainFor {
			c.Detail = join(c.Detail, fmt.Sprintf("retain_for %v → %v", from.Journal.RetainFor, to.Journal.RetainFor))
		}
		list = append(list, c)
	}
	if !sameJSON(from.Backup, to.Backup) {
		list = append(list, Change{Part: "backup", How: "changed"})
	}
	if from.Trend != to.Trend {
		list = append(list, Change{Part: "trend", How: "changed", Detail: fmt.Sprintf("%s at one in %s → %s at one in %s",
			durationText(from.Trend.Length), durationText(from.Trend.Period), durationText(to.Trend.Length), durationText(to.Trend.Period))})
	}
	return list
}

// fixed are the keys that a running station can't change: the nodes have to be started anew with them, one after the other.
var fixed = []struct {
	key string
	of  func(*Station) any
}{
	{"station.id", func(s *Station) any { return s.ID }},
	{"station.name", func(s *Station) any { return s.Name }},
	{"station.time_zone", func(s *Station) any { return s.TimeZone }},
	{"cluster.nodes", func(s *Station) any { return s.Cluster.Nodes }},
	{"cluster.log_store", func(s *Station) any { return s.Cluster.LogStore }},
	{"cluster.lease", func(s *Station) any { return s.Cluster.Lease }},
	{"security", func(s *Station) any { return s.Security }},
	{"redis", func(s *Station) any { return s.Redis }},
	{"fnp", func(s *Station) any { return s.FNP }},
	{"exports", func(s *Station) any { return s.Exports }},
}

// Fixed lists the keys in which two configurations differ and which a running station can't change.
func Fixed(from, to *Station) (keys []string) {
	for _, f := range fixed {
		if !sameJSON(f.of(from), f.of(to)) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// settings names the keys that differ, but for those that are no part of the digest.
func settings[T any](from, to T) (keys string) {
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	for i := range a.NumField() {
		field := a.Type().Field(i)
		if field.Tag.Get("json") != "-" && !sameJSON(a.Field(i).Interface(), b.Field(i).Interface()) {
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			keys = join(keys, key)
		}
	}
	return keys
}

// diff says how many rows are added, changed and removed; "": none. Both lists are in the order.
func diff[P any](from, to []P, order func(a, b P) int, equal func(a, b P) bool) string {
	added, changed, removed := 0, 0, 0
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(to) == 0 || len(from) > 0 && order(from[0], to[0]) < 0:
			removed, from = removed+1, from[1:]
		case len(from) == 0 || order(from[0], to[0]) > 0:
			added, to = added+1, to[1:]
		default:
			if !equal(from[0], to[0]) {
				changed++
			}
			from, to = from[1:], to[1:]
		}
	}
	detail := ""
	for _, n := range []struct {
		n   int
		how string
	}{{added, "added"}, {changed, "changed"}, {removed, "removed"}} {
		if n.n > 0 {
			detail = join(detail, count(n.n, "point")+" "+n.how)
		}
	}
	return detail
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func comparePoints(a, b Point) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Number, b.Number))
}

func samePoint(a, b Point) bool {
	x, y := a.Scaling(), b.Scaling()
	a.Analog, b.Analog = nil, nil
	return a == b && x == y
}

func compareUplinkPoints(a, b UplinkPoint) int {
	return cmp.Or(cmp.Compare(a.Sector, b.Sector), cmp.Compare(a.IOA, b.IOA))
}

func compareVirtual(a, b VirtualPoint) int {
	return cmp.Or(cmp.Compare(a.RTU, b.RTU), cmp.Compare(a.Number, b.Number))
}

func same[T comparable](a, b T) bool { return a == b }

func sameJSON(a, b any) bool {
	var texts [2][]byte
	for i, v := range []any{a, b} {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // plain structs: can't be
		}
		texts[i] = text
	}
	return bytes.Equal(texts[0], texts[1])
}
