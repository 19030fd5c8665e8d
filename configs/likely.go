package configs

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm"
)

// What is allowed, and likely not meant, of the station as a whole.

// Unforwarded are points of an RTU that no control centre gets.
type Unforwarded struct {
	RTU     uint32
	Points  int    // how many
	Example string // the first, such as di/7 breaker
}

// Unforwarded finds the points that are in no uplink's table, by RTU; none if there is no uplink at all. Controls are not among
// them: some are for the station's own people.
func (s *Station) Unforwarded() (found []Unforwarded) {
	if len(s.Uplinks) == 0 {
		return nil
	}
	forwarded := map[fsm.PointKey]bool{}
	for _, u := range s.Uplinks {
		for _, p := range u.Points {
			forwarded[fsm.PointKey{RTU: p.RTU, Kind: p.Kind, Point: p.Number}] = true
		}
	}
	for _, r := range s.RTUs {
		of := Unforwarded{RTU: r.Number}
		for _, p := range r.Points {
			if p.Kind.IsControl() || forwarded[fsm.PointKey{RTU: r.Number, Kind: p.Kind, Point: p.Number}] {
				continue
			}
			if of.Points++; of.Points == 1 {
				of.Example = strings.TrimSpace(fmt.Sprintf("%v/%d %s", p.Kind, p.Number, p.Name))
			}
		}
		if of.Points > 0 {
			found = append(found, of)
		}
	}
	return found
}

// warnUnforwarded tells of each RTU at its key: s.RTUs are still in the order of the file.
func (l *loader) warnUnforwarded(s *Station) {
	for _, of := range s.Unforwarded() {
		points := "1 point is"
		if of.Points > 1 {
			points = fmt.Sprintf("%d points are", of.Points)
		}
		i := slices.IndexFunc(s.RTUs, func(r RTU) bool { return r.Number == of.RTU })
		l.doc.warn(fmt.Sprintf("rtus[%d].points", i), fmt.Sprintf("%s in no uplink's table, such as %s: no control centre gets it", points, of.Example),
			"rows in an uplink's table")
	}
}

// warnOneDevice finds RTUs at one host with one common address, which are likely one device that is collected twice. Those that
// share their links, a concentrator, have different ones; loopback is for simulators, which are many on one host.
func (l *loader) warnOneDevice(s *Station) {
	type device struct {
		host          netip.Addr
		commonAddress uint16
	}
	first := map[device]uint32{}
	for i := range s.RTUs {
		r := &s.RTUs[i]
		for c, channel := range r.Channels {
			for _, link := range channel.Links {
				d := device{link.Address.Addr(), r.CommonAddress}
				if d.host.IsLoopback() {
					continue
				}
				other, taken := first[d]
				if !taken {
					first[d] = r.Number
				} else if other != r.Number {
					l.doc.warn(fmt.Sprintf("rtus[%d].channels[%d].address", i, c),
						fmt.Sprintf("RTU %d is at %s too, with the same common address %d: likely one device, each of whose events comes twice", other, d.host, d.commonAddress),
						"one RTU for each device")
				}
			}
		}
	}
}

// warnUnused finds tables beside station.yaml that nothing names: one that was meant to be used, or was left behind.
func (s *Station) warnUnused(path string) {
	tables, _ := filepath.Glob(filepath.Join(globQuoted(filepath.Dir(path)), "*.csv")) // an unreadable folder has none
	used := map[string]bool{}
	for _, f := range s.files() {
		used[filepath.Clean(f.Path)] = true
	}
	for _, table := range tables {
		if !used[filepath.Clean(table)] {
			s.Warnings.add(Error{File: table, Problem: "is a table that station.yaml doesn't name", Expected: "a key that names it, or another folder"})
		}
	}
}

// globQuoted is a path for a pattern, taken literally.
func globQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
