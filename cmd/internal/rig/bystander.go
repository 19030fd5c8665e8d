package rig

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cmd/internal/bystander"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/certid"
	"github.com/fepha/fepha/sim"
)

const (
	setpoints     = 8 // that bystanders operate, half of them on each way
	firstSetpoint = 5000
	besiegedRedis = "127.0.0.1:6390"
	operatorName  = "night shift"
)

// withSetpoints gives the first RTU the AOs that bystanders operate, after all that it has.
func withSetpoints(rtus []RTU) []RTU {
	rtus = slices.Clone(rtus)
	rtus[0].Points = slices.Clone(rtus[0].Points)
	for i := range setpoints {
		rtus[0].Points = append(rtus[0].Points, sim.DevicePoint{Address: asdu.InformationObjectAddress(firstSetpoint + i), Type: asdu.C_SE_NC_1})
	}
	return rtus
}

// redisPassword reads the password that a FEP has given its embedded Redis.
func (s *Station) redisPassword(id string) func() (string, error) {
	return func() (string, error) {
		b, err := os.ReadFile(filepath.Join(s.dataDir(id), "redis.password"))
		return strings.TrimSpace(string(b)), err
	}
}

// BystanderGround is where the bystanders of a station of Options.Hostile stand.
func (s *Station) BystanderGround() (bystander.Ground, error) {
	good, r := s.place.network.spaces["good"], s.opts.RTUs[0]
	g := bystander.Ground{
		Inside: good.inside, Host: hostAddress("good"), Pair: [2]chantable.ID{1001, 1002}, Home: FNPEndpoint,
		Operator: operatorName, RTU: r.Number, Operations: s.Devices[0].Operations,
		Command: s.Centre.Command, Uplink: uplinkCA, Resource: fsm.UplinkResource("occ", "occ"),
	}
	for i := range setpoints / 2 {
		g.Points = append(g.Points, uint32(firstSetpoint+i))
		g.Objects = append(g.Objects, UplinkAddress(r.Number, len(r.Points)-1-i))
	}
	keys, err := channeltab.ReadKeys(s.fnp.keyFile)
	if err != nil {
		return g, err
	}
	g.FNP = channeltab.StationConfig{Keys: keys}
	for _, c := range s.fnp.centre {
		g.FNP.Centres = append(g.FNP.Centres, netip.MustParseAddrPort(c))
	}
	shown, err := s.place.keys.client(operatorName, certid.Role("operator"), certid.Issued(time.Now()))
	if err != nil {
		return g, err
	}
	for _, n := range s.nodes {
		g.APIs = append(g.APIs, &client.Client{Base: n.API, HTTP: &http.Client{Transport: &http.Transport{DialContext: good.Dial, TLSClientConfig: shown}}})
	}
	for _, id := range []string{"fep1", "fep2"} {
		v := bystander.View{
			Node: id, Host: s.Node(id).host, Address: besiegedRedis, Dial: s.place.network.spaces[id].Dial, Password: s.redisPassword(id),
			Points: []string{fmt.Sprintf("useflag:rtu:%d", r.Number)},
		}
		g.Views = append(g.Views, v)
	}
	return g, nil
}
