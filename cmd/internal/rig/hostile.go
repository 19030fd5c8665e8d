package rig

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/hostile"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// What the station's configuration has for hostile neighbours: an RTU, whose points the good control centre gets as well, and an
// uplink of their own, through which they may operate the RTU.
const (
	hostileRTU     = 66
	hostileUplink  = "hostile"
	hostileCA      = 166 // of their uplink
	hostilePoints  = 64
	hostileOutputs = 8
)

func hostileDevice() RTU {
	r := RTU{Number: hostileRTU, Name: "hostile", CommonAddress: hostileRTU}
	for i := range hostilePoints + hostileOutputs {
		p := sim.DevicePoint{Address: asdu.InformationObjectAddress(1 + i), Type: asdu.M_SP_TB_1}
		if i >= hostilePoints {
			p.Type = asdu.C_SC_NA_1
		}
		r.Points = append(r.Points, p)
	}
	return r
}

// rtus are those of the configuration.
func (s *Station) rtus() []RTU {
	if s.opts.Hostile {
		return append(slices.Clone(s.opts.RTUs), hostileDevice())
	}
	return s.opts.RTUs
}

// channels are where the i-th of rtus listens.
func (s *Station) channels(i int) []string {
	if i < len(s.Devices) {
		return s.Devices[i].Addresses()
	}
	list, _ := s.place.channels(i, s.opts.Channels) // of a network there are always more
	return list
}

// hostileUplinks are the addresses of the hostile neighbours' own uplink.
func hostileUplinks() []string {
	return []string{hostAddress("fep1") + ":2405", hostAddress("fep2") + ":2405"}
}

// writeHostile writes the uplink of the hostile neighbours, which has the points of the hostile RTU alone.
func (s *Station) writeHostile(dir string, y io.Writer, all [][]string) error {
	own := slices.DeleteFunc(slices.Clone(all), func(row []string) bool { return row[1] != strconv.Itoa(hostileRTU) })
	addresses := hostileUplinks()
	fmt.Fprintf(y, "  - name: %s\n    common_address: %d\n    points: hostile.csv\n    mode: dual-active\n    listen: {fep1: %q, fep2: %q}\n    groups: [{name: bad, clients: [%s]}]\n    controls: true\n",
		hostileUplink, hostileCA, addresses[0], addresses[1], hostAddress("bad"))
	return writeCSV(filepath.Join(dir, "hostile.csv"), append([][]string{uplinkHeading}, own...))
}

// withoutHostile is a status as it is for the good neighbours.
func (s *Station) withoutHostile(st api.Status) api.Status {
	if !s.opts.Hostile {
		return st
	}
	st.RTUs = slices.DeleteFunc(slices.Clone(st.RTUs), func(r api.RTUStatus) bool { return r.Number == hostileRTU })
	st.Uplinks = slices.DeleteFunc(slices.Clone(st.Uplinks), func(u api.UplinkStatus) bool { return u.Name == hostileUplink })
	return st
}

// ignored tells of an object of the good control centre whether it is of the hostile RTU; nil: there is none.
func (s *Station) ignored() func(asdu.InformationObjectAddress) bool {
	if !s.opts.Hostile {
		return nil
	}
	return func(a asdu.InformationObjectAddress) bool {
		rtu, _ := UplinkPoint(a)
		return rtu == hostileRTU
	}
}

// Ground is where the hostile neighbours of a station of Options.Hostile stand.
func (s *Station) Ground() hostile.Ground {
	bad := s.place.network.spaces["bad"]
	g := hostile.Ground{
		Channels: s.channels(len(s.Devices)), CommonAddress: hostileRTU, Points: hostilePoints, Listen: s.place.open(),
		Host: hostAddress("bad"), Dial: bad.Dial, ListenPacket: bad.ListenPacket,
		Strange: s.Uplinks(), Own: hostileUplinks(), OwnAddress: hostileCA,
		FNP: append(slices.Clone(s.fnp.centre), s.fnp.endpoint...), FNPKeys: s.fnp.keyFile, FNPStranger: 999,
	}
	for _, n := range s.nodes {
		g.Strange = append(g.Strange, n.address)
		g.APIs = append(g.APIs, n.api)
	}
	for _, id := range []string{"fep1", "fep2"} {
		g.Redis = append(g.Redis, hostile.Redis{Address: besiegedRedis, Dial: s.place.network.spaces[id].Dial, Password: s.redisPassword(id)})
	}
	for i := range hostileOutputs {
		g.Outputs = append(g.Outputs, UplinkAddress(hostileRTU, hostilePoints+i))
	}
	return g
}
