package node

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/node/backup"
	"github.com/fepha/fepha/node/rollout"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/rtdb"
)

// This file turns the configuration, which knows none of the packages, into
// what each of them wants to know.

func clusterConfig(s *configs.Station, c Config) cluster.Config {
	cfg := cluster.Config{
		ID:       c.ID,
		DataDir:  c.DataDir,
		Lease:    s.Cluster.Lease,
		LogStore: string(s.Cluster.LogStore),
		TimeTag:  func(at time.Time) uint64 { return asdu.NewCP56Time2a(at, s.Location).Uint64() },
		Build:    c.Build.String(),
	}
	for _, n := range s.Cluster.Nodes {
		cfg.Members = append(cfg.Members, cluster.Member{
			ID: n.ID, Host: n.Host, Role: replica.Role(n.Role), Address: n.Address.String(),
		})
	}
	if !s.Security.Insecure {
		cfg.Security = &cluster.Security{CA: s.Security.CA.Path, Cert: s.Security.Cert.Path, Key: s.Security.Key.Path}
	}
	cfg.Station = rollout.Declaration(s)
	return cfg
}

func protocol(p configs.IEC104, tolerant []string) iec104.Config {
	c := iec104.Config{
		Profile: asdu.Profile{CauseSize: p.COTSize, CommonAddressSize: p.CASize, ObjectAddressSize: p.IOASize},
		K:       p.K, W: p.W, T0: p.T0, T1: p.T1, T2: p.T2, T3: p.T3,
	}
	for _, name := range tolerant {
		t, _ := iec104.ParseTolerance(name) // configs knows no other
		c.Tolerate |= t
	}
	return c
}

var probes = map[configs.StandbyProbe]acquisition.Probe{
	configs.ProbeConnect: acquisition.ProbeConnect,
	configs.ProbeHold:    acquisition.ProbeHold,
	configs.ProbeOff:     acquisition.ProbeOff,
}

var steps = map[configs.Step]acquisition.Step{
	configs.StepTest: acquisition.StepTest, configs.StepClock: acquisition.StepClock,
	configs.StepInterrogation: acquisition.StepInterrogation, configs.StepCounters: acquisition.StepCounters,
}

var freezes = map[configs.CounterFreeze]uint8{
	configs.FreezeNone: asdu.FreezeRead, configs.FreezeCounters: asdu.Freeze, configs.FreezeReset: asdu.FreezeWithReset,
}

var linkModes = map[configs.LinkMode]acquisition.LinkMode{
	configs.LinksOneActive: acquisition.OneActive,
	configs.LinksAllActive: acquisition.AllActive,
}

func acquisitionConfig(c *current, node *member, conditions condition.Reporter, tracer *trace.Tracer, log *slog.Logger) (acquisition.Config, error) {
	rtus, err := acquisitionRTUs(c, c.station())
	return acquisition.Config{
		Replica: node, RTUs: rtus, Location: c.station().Location, Conditions: conditions, Tap: rtuTap(c, tracer), Log: log,
	}, err
}

// acquisitionRTUs are the RTUs of a station, which may be another than the current one.
func acquisitionRTUs(c *current, s *configs.Station) (rtus []acquisition.RTU, err error) {
	for i := range s.RTUs {
		r := &s.RTUs[i]
		rtu := acquisitionRTU(r)
		if r.TLS != nil {
			if rtu.TLS, err = c.deviceTLS(r.TLS); err != nil {
				return nil, fmt.Errorf("RTU %d: %w", r.Number, err)
			}
		}
		rtus = append(rtus, rtu)
	}
	return rtus, nil
}

// acquisitionRTU is an RTU but for its TLS.
func acquisitionRTU(r *configs.RTU) acquisition.RTU {
	rtu := acquisition.RTU{
		Number: r.Number, Sharing: r.Sharing, CommonAddress: asdu.CommonAddress(r.CommonAddress), Location: r.Location,
		Retry: r.Retry, StandbyProbe: probes[r.StandbyProbe], LinkCheck: r.LinkCheck, NoTermination: r.Termination == configs.TerminationNone,
		ConfirmByState: r.Confirm == configs.ConfirmState, Controls: operations(r.Controls),
		Interrogation: r.Interrogation, CounterInterrogation: r.CounterInterrogation, ClockSync: r.ClockSync,
		CounterFreeze: freezes[r.CounterFreeze], Files: r.Files,
		Protocol: protocol(r.IEC104, r.Tolerant),
	}
	for _, s := range r.Order {
		rtu.Order = append(rtu.Order, steps[s])
	}
	for _, g := range r.CounterGroups {
		rtu.CounterGroups = append(rtu.CounterGroups, uint8(g))
	}
	for _, c := range r.Channels {
		channel := acquisition.Channel{Mode: linkModes[c.Mode]}
		for _, l := range c.Links {
			channel.Links = append(channel.Links, l.Address.String())
		}
		rtu.Channels = append(rtu.Channels, channel)
	}
	chatters := map[configs.Chatter]*acquisition.Chatter{{}: nil} // shared: there may be a million points
	for _, p := range r.Points {
		chatter := r.ChatterOf(&p)
		if _, known := chatters[chatter]; !known {
			chatters[chatter] = &acquisition.Chatter{Events: chatter.Events, Within: chatter.Within}
		}
		point := acquisition.Point{
			Kind: fsmpb.Kind(p.Kind), Number: p.Number, Address: asdu.InformationObjectAddress(p.IOA),
			Type: p.Type, Bit: p.Bit, Invert: p.Invert, Event: p.Event, Chatter: chatters[chatter], Transient: p.Transient,
		}
		if a := p.Analog; a != nil {
			point.Analog = &acquisition.Analog{
				Scale: a.Scale, Offset: a.Offset, Deadband: a.Deadband, Percent: a.Percent, Low: a.Low, High: a.High,
			}
		}
		rtu.Points = append(rtu.Points, point)
	}
	return rtu
}

func operations(controls map[configs.ControlKey]configs.Control) map[acquisition.ControlKey]acquisition.Operation {
	all := make(map[acquisition.ControlKey]acquisition.Operation, len(controls))
	for k, c := range controls {
		o := acquisition.Operation{Select: selectModes[c.Select], Qualifier: c.Qualifier}
		if c.State != nil {
			o.State, o.Shown = *c.State, true
		}
		all[acquisition.ControlKey{Kind: k.Kind.Proto(), Number: k.Number}] = o
	}
	return all
}

var selectModes = map[configs.SelectMode]acquisition.SelectMode{
	configs.SelectAsked:    acquisition.SelectAsked,
	configs.SelectDevice:   acquisition.SelectDevice,
	configs.SelectRequired: acquisition.SelectRequired,
}

func forwarderConfig(c *current, s *configs.Station, node *member, conditions condition.Reporter, tracer *trace.Tracer, log *slog.Logger) (cfg forwarder.Config, err error) {
	cfg = forwarder.Config{Replica: node, Location: s.Location, Conditions: conditions, Tap: uplinkTap(c, tracer), Log: log}
	cfg.Uplinks, err = forwarderUplinks(c, s, node.ID())
	return cfg, err
}

// forwarderUplinks are the uplinks of a station, which may be another than the
// current one, as a node serves them.
func forwarderUplinks(c *current, s *configs.Station, node string) (uplinks []forwarder.Uplink, err error) {
	describe := describer(s)
	for _, u := range s.Uplinks {
		uplink := forwarder.Uplink{
			Name: u.Name, CommonAddress: asdu.CommonAddress(u.CommonAddress), Location: u.Location, Mode: u.Mode,
			RoleIOA: u.RoleIOA, LinkCheck: u.LinkCheck, PlainTime: !u.SubstitutedTime, Controls: u.Controls, IEC104: protocol(u.IEC104, u.Tolerant),
		}
		if listen, ok := u.Listen[node]; ok {
			uplink.Listen = listen.String()
		}
		if u.SetClock {
			uplink.SetClock = setHostClock
		}
		if u.TLS != nil {
			if uplink.TLS, err = c.serverTLS(u.TLS); err != nil {
				return nil, fmt.Errorf("uplink %s: %w", u.Name, err)
			}
		}
		for _, g := range u.Groups {
			uplink.Groups = append(uplink.Groups, forwarder.Group{Name: g.Name, Clients: g.Clients, CommonNames: g.Certificates})
		}
		for _, s := range u.Sectors {
			uplink.Sectors = append(uplink.Sectors, asdu.CommonAddress(s.CommonAddress))
		}
		for _, f := range u.Files {
			if uplink.Files == nil {
				uplink.Files = map[asdu.CommonAddress]uint32{}
			}
			uplink.Files[asdu.CommonAddress(f.CommonAddress)] = f.RTU
		}
		for _, p := range u.Points {
			uplink.Points = append(uplink.Points, forwarder.Point{
				Sector: asdu.CommonAddress(p.Sector), IOA: p.IOA, RTU: p.RTU, Kind: p.Kind, Point: p.Number, Type: p.Type,
				Name: p.Name, Category: controlCategory(describe, p),
			})
		}
		uplinks = append(uplinks, uplink)
	}
	return uplinks, nil
}

// controlCategory is the category that the RTU's table gives a control.
func controlCategory(describe func(fsm.PointKey) (server.PointInfo, bool), p configs.UplinkPoint) string {
	if !p.Kind.IsControl() {
		return ""
	}
	info, _ := describe(fsm.PointKey{RTU: p.RTU, Kind: p.Kind, Point: p.Number})
	return info.Category
}

func apiConfig(c *current, node *member, log *slog.Logger) server.Config {
	s := c.station()
	cfg := server.Config{
		Node: node, Station: s.ID, Name: s.Name, APIs: make(map[string]string), Links: c.links, CommonAddress: c.commonAddress, CommonAddresses: c.commonAddresses,
		Zone: s.Location, Describe: c.describe, Addresses: c.addresses, UplinkTable: c.uplinkTable, Table: c.table, Controls: c.controls, Log: log,
	}
	for _, n := range s.Cluster.Nodes {
		cfg.APIs[n.ID] = n.APIAddress()
	}
	cfg.Exports = make(map[string]server.ExportInfo)
	for i := range s.Exports {
		e := &s.Exports[i]
		cfg.Exports[e.Name] = server.ExportInfo{Kind: string(e.Kind), Target: e.Target()}
	}
	if !s.Security.Insecure {
		cfg.Security = &access.Security{
			CA: s.Security.CA.Path, Cert: s.Security.Cert.Path, Key: s.Security.Key.Path, Tokens: s.Security.Tokens.Path,
		}
	}
	return cfg
}

// rtdbConfig is that of the node's view in Redis.
func rtdbConfig(c *current, node *member, dataDir string, log *slog.Logger) (rtdb.Config, error) {
	r := c.station().Redis
	cfg := rtdb.Config{
		Replica: node, Mode: r.Mode, Address: r.Address,
		Username: r.Username, PasswordFile: r.PasswordFile.Path, Log: log,
		Describe: func(k fsm.PointKey) (rtdb.Control, bool) {
			info, ok := c.describe(k)
			return rtdb.Control{Type: info.Type, Category: info.Category}, ok
		},
	}
	guarded := cfg.PasswordFile != "" || strings.HasPrefix(cfg.Address, "unix:") // whose rights say who may
	if cfg.Mode == redismode.Embedded && !guarded && !c.station().Security.Insecure {
		var err error
		if cfg.PasswordFile, err = ownRedisPassword(dataDir); err != nil {
			return cfg, fmt.Errorf("redis: %w", err)
		}
		log.Info("the embedded Redis has a password of its own, since station.yaml names none", "file", cfg.PasswordFile)
	}
	if r.Sentinel != nil {
		cfg.Sentinel = &rtdb.Sentinel{Master: r.Sentinel.Master, Addresses: r.Sentinel.Addresses}
	}
	if r.TLS != nil {
		source, err := certs.Watch(certFiles(r.TLS), log)
		if err != nil {
			return cfg, fmt.Errorf("redis: %w", err)
		}
		cfg.TLS = func() *tls.Config {
			return source.Client(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.TLS.ServerName})
		}
	}
	return cfg, nil
}

func certFiles(t *configs.TLS) certs.Files {
	return certs.Files{CA: t.CA.Path, Cert: t.Cert.Path, Key: t.Key.Path}
}

// backupSource is what a backup is made of now: the files are those in force, or this node's own where the group has none.
func (a *assembly) backupSource() (backup.Source, error) {
	in := a.runner.current.in.Load()
	s := backup.Source{Station: in.station, Node: a.config.ID, Build: a.config.Build.String(), Digest: in.digest, State: a.member.WriteSnapshot}
	var packed []byte
	a.member.View(func(state *fsm.State) {
		if v, ok := state.FilesInForce(); ok {
			packed = v.Files
		}
	})
	var err error
	if packed != nil {
		s.Files, err = configs.DecodeBundle(packed)
	} else {
		s.Files, _, err = configs.ReadBundle(a.config.File)
	}
	return s, err
}
