package configs

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a name must mean the same on every node, also on one without a zone database

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/trend"
)

// names are what nodes, uplinks and groups may be called: they are parts of keys, addresses and file names.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$`)

const namesExpected = "1 to 32 of A-Z, a-z, 0-9, _ . -"

// station reads station.yaml key by key, section by section; check.go looks at what concerns more than one key.
func (l *loader) station(root *object) *Station {
	s := &Station{}
	root.required("station", "cluster", "security")
	if o, ok := root.object("station"); ok {
		o.required("id")
		s.ID = uint16(o.int("id", 0, 1, 65535))
		s.Name = o.text("name", fmt.Sprintf("Station %d", s.ID))
		s.TimeZone = o.text("time_zone", "UTC")
		s.Location = o.zone("time_zone", s.TimeZone)
		o.end()
	}
	if o, ok := root.object("cluster"); ok {
		s.Cluster = l.cluster(o)
	}
	if o, ok := root.object("security"); ok {
		s.Security = l.security(o)
	}
	o, _ := root.object("redis")
	s.Redis = l.redis(o)
	o, _ = root.object("journal")
	s.Journal = Journal{Retain: o.int("retain", 200_000, 1, 10_000_000), RetainFor: o.periodOf("retain_for", 0, time.Minute, 10*365*24*time.Hour)}
	o.end()
	o, _ = root.object("trend")
	s.Trend = o.trend()
	for _, e := range root.list("rtus") {
		s.RTUs = append(s.RTUs, l.rtu(root.doc.object(e.path, e.node)))
	}
	for _, e := range root.list("uplinks") {
		s.Uplinks = append(s.Uplinks, l.uplink(root.doc.object(e.path, e.node)))
	}
	s.VirtualTable = l.path(root, "virtual_points")
	if o, ok := root.object("fnp"); ok {
		s.FNP = l.fnp(o, s)
	}
	for _, e := range root.list("exports") {
		s.Exports = append(s.Exports, l.export(root.doc.object(e.path, e.node)))
	}
	if o, ok := root.object("backup"); ok {
		s.Backup = l.backup(o)
	}
	s.inZones()
	root.end()
	s.Named = l.namedFiles
	return s
}

// maxTrendMemory bounds what the course of analogs takes on a FEP, octets: some hours at one a second, days at one in ten.
const maxTrendMemory = 256 << 20

func (o *object) trend() Trend {
	t := Trend{
		Length: o.duration("length", trend.Usual.Length, 10*time.Minute, 7*24*time.Hour),
		Period: o.duration("period", trend.Usual.Period, time.Second, 10*time.Minute),
	}
	if need := trend.Shape(t).Memory(); need > maxTrendMemory {
		longest := trend.Usual.Length * time.Duration(maxTrendMemory*int64(t.Period)/int64(trend.Usual.Period)/trend.Usual.Memory())
		o.fail("length", fmt.Sprintf("%s at one sample in %s takes %d MiB on each FEP", durationText(t.Length), durationText(t.Period), need>>20),
			fmt.Sprintf("at most %d MiB: %s at most, or a longer period", maxTrendMemory>>20, durationText(longest)))
	}
	o.end()
	return t
}

// zones has each zone once, by name: what is compared deeply must not differ by what a [time.Location] remembers.
var zones sync.Map

// zone is the zone of a name, nil for "". An unknown one is reported.
func (o *object) zone(key, name string) *time.Location {
	o.told(key, "text", name, "an IANA time zone such as Asia/Shanghai")
	if name == "" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		o.fail(key, quote(name)+" is unknown", "an IANA time zone such as Asia/Shanghai")
		zone, name = time.UTC, "UTC"
	}
	known, _ := zones.LoadOrStore(name, zone)
	return known.(*time.Location)
}

// inZones gives RTUs and uplinks without a zone that of the station.
func (s *Station) inZones() {
	for i := range s.RTUs {
		s.RTUs[i].Location = cmp.Or(s.RTUs[i].Location, s.Location)
	}
	for i := range s.Uplinks {
		s.Uplinks[i].Location = cmp.Or(s.Uplinks[i].Location, s.Location)
	}
}

func (l *loader) cluster(o *object) Cluster {
	o.required("nodes")
	c := Cluster{
		LogStore: enum(o, "log_store", LogStoreBolt, LogStoreBolt, LogStoreWAL),
		Lease:    o.duration("lease", 500*time.Millisecond, 150*time.Millisecond, 10*time.Second),
	}
	for _, e := range o.filled("nodes") {
		n := o.doc.object(e.path, e.node)
		n.required("id", "host", "role", "address", "api")
		c.Nodes = append(c.Nodes, Node{
			ID:      n.name("id"),
			Host:    n.int("host", 0, 1, 3),
			Role:    enum(n, "role", "", RoleFEP, RoleWitness),
			Address: n.address("address"),
			API:     n.address("api"),
		})
		n.end()
	}
	o.end()
	return c
}

func (l *loader) security(o *object) Security {
	s := Security{
		Insecure: o.bool("insecure", false),
		CA:       l.named(o, "ca", FileCA),
		Cert:     l.named(o, "cert", FileCert),
		Key:      l.named(o, "key", FileKey),
		Tokens:   l.named(o, "tokens", FileTokens),
	}
	if !s.Insecure {
		o.required("ca", "cert", "key")
	} else if len(o.order) > 1 {
		o.fail("insecure", "stands beside keys", "either ca, cert, key and tokens, or insecure: true")
	}
	o.end()
	return s
}

// tls reads the keys of a connection. A server must have all three.
func (l *loader) tls(o *object, name string, server bool) *TLS {
	n, ok := o.object(name)
	if !ok {
		return nil
	}
	t := &TLS{CA: l.named(n, "ca", FileCA), Cert: l.named(n, "cert", FileCert), Key: l.named(n, "key", FileKey)}
	if server {
		n.required("ca", "cert", "key")
	} else {
		t.ServerName = n.text("server_name", "")
	}
	if !server && t.Cert.IsZero() != t.Key.IsZero() {
		o.fail(name, "has only one of cert and key", "both or none")
	}
	n.end()
	return t
}

func (l *loader) redis(o *object) Redis {
	r := Redis{
		Mode:         enum(o, "mode", redismode.Off, redismode.Off, redismode.Embedded, redismode.PerNode, redismode.Shared),
		Username:     o.text("username", ""),
		PasswordFile: l.named(o, "password_file", FilePassword),
		TLS:          l.tls(o, "tls", false),
	}
	def := ""
	if r.Mode == redismode.PerNode {
		def = "127.0.0.1:6379"
	}
	r.Address = o.text("address", def)
	path, socket := strings.CutPrefix(r.Address, "unix:")
	switch {
	case r.Address == "":
	case socket && (!filepath.IsAbs(path) || len(path) > maxSocketPath):
		o.fail("address", quote(r.Address)+" is no socket's path", fmt.Sprintf("one such as unix:/run/fepha/redis.sock, of at most %d octets", maxSocketPath))
	case socket && (r.Mode == redismode.Shared || r.TLS != nil):
		o.fail("address", "is a socket on one host", "a host with a port with mode shared or TLS")
	case socket:
	default:
		o.doc.hostPort(o.key("address"), r.Address)
		if r.Mode == redismode.Embedded && r.PasswordFile.IsZero() && !isLoopback(r.Address) {
			o.fail("address", quote(r.Address)+" can be reached by others, and no password is set", "password_file beside it, a loopback address, or a socket such as unix:/run/fepha/redis.sock")
		}
	}
	if n, ok := o.object("sentinel"); ok {
		n.required("master", "addresses")
		r.Sentinel = &Sentinel{Master: n.text("master", ""), Addresses: n.strings(n.filled("addresses"))}
		for i, a := range r.Sentinel.Addresses {
			o.doc.hostPort(fmt.Sprintf("%s[%d]", n.key("addresses"), i), a)
		}
		n.end()
	}
	switch {
	case r.Mode == redismode.Shared && (r.Address == "") == (r.Sentinel == nil):
		o.fail("mode", "shared needs to know the server", "either address or sentinel beside it")
	case r.Mode != redismode.Shared && r.Sentinel != nil:
		o.fail("sentinel", "has no use with mode "+string(r.Mode), "mode: shared")
	}
	if r.Mode == redismode.Embedded && r.TLS != nil {
		o.fail("tls", "has no use with mode embedded, whose server has no TLS", "mode: per-node or shared")
	}
	if r.Username != "" && r.PasswordFile.IsZero() {
		o.fail("username", "has no password", "password_file beside it")
	}
	o.end()
	return r
}

// maxSocketPath is what a path of a Unix socket may have: sun_path of unix(7), without its end.
const maxSocketPath = 107

// isLoopback tells whether only this host can reach a host:port.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// hostPort checks the address of a server that others run: it may be a host's name.
func (d *document) hostPort(key, text string) {
	host, port, err := net.SplitHostPort(text)
	number, _ := strconv.Atoi(port)
	if err != nil || host == "" || number < 1 || number > 65535 {
		d.fail(key, quote(text)+" is not a host with a port", "one such as 127.0.0.1:6379 or redis.station:6379")
	}
}

func (l *loader) rtu(o *object) RTU {
	o.required("number", "common_address", "points", "channels")
	r := RTU{
		Number:               uint32(o.int("number", 0, 1, 65535)),
		Table:                l.path(o, "points"),
		IOAFormat:            o.ioaFormat("ioa_format"),
		Prefer:               o.text("prefer", ""),
		Retry:                o.duration("retry", 5*time.Second, 100*time.Millisecond, 10*time.Minute),
		LinkCheck:            o.period("link_check", 2*time.Second),
		StandbyProbe:         enum(o, "standby_probe", ProbeConnect, ProbeConnect, ProbeHold, ProbeOff),
		Termination:          enum(o, "termination", TerminationDevice, TerminationDevice, TerminationNone),
		Confirm:              enum(o, "confirm", ConfirmDevice, ConfirmDevice, ConfirmState),
		Interrogation:        o.period("interrogation", 15*time.Minute),
		CounterInterrogation: o.period("counter_interrogation", time.Hour),
		ClockSync:            o.period("clock_sync", time.Hour),
		Order:                o.steps("order"),
		CounterFreeze:        enum(o, "counter_freeze", FreezeNone, FreezeNone, FreezeCounters, FreezeReset),
		CounterGroups:        o.counterGroups("counter_groups"),
		Tolerant:             o.tolerant("tolerant"),
		TLS:                  l.tls(o, "tls", false),
		Files:                o.bool("files", false),
		IEC104:               o.iec104("iec104"),
		Chatter:              o.chatter("chatter"),
	}
	r.TimeZone = o.text("time_zone", "")
	r.Location = o.zone("time_zone", r.TimeZone)
	r.Name = o.text("name", fmt.Sprintf("RTU %d", r.Number))
	r.CommonAddress = o.commonAddress("common_address", r.IEC104.CASize)
	for _, e := range o.filled("channels") {
		c := o.doc.object(e.path, e.node)
		c.required("address")
		channel := Channel{
			Address: c.text("address", ""),
			Mode:    enum(c, "links", LinksOneActive, LinksOneActive, LinksAllActive),
		}
		if channel.Address != "" {
			links, err := expandLinks(channel.Address)
			if err != nil {
				c.fail("address", err.Error(), "address:port, or address:port:Mn for n+1 consecutive addresses, such as 192.168.2.1:2404:M3")
			}
			channel.Links = links
		}
		c.end()
		r.Channels = append(r.Channels, channel)
	}
	o.end()
	return r
}

func (o *object) ioaFormat(name string) AddressFormat {
	if o.value(name) == nil {
		defer o.told(name, "word", "", strings.Join([]string{string(Format816), string(Format888), string(Format168)}, ", "))
		return ""
	}
	return enum(o, name, "", Format816, Format888, Format168)
}

func (o *object) commonAddress(name string, size int) uint16 {
	most := 65534 // 65535 and, with one octet, 255 are the broadcast address
	if size == 1 {
		most = 254
	}
	return uint16(o.int(name, 0, 1, most))
}

// iec104 reads the protocol's parameters: IEC 60870-5-104, 9.6 has their ranges.
func (o *object) iec104(name string) IEC104 {
	n, _ := o.object(name)
	const least, longest = 100 * time.Millisecond, 255 * time.Second
	p := IEC104{
		K:       n.int("k", 12, 1, 32767),
		T0:      n.duration("t0", 10*time.Second, least, longest),
		T1:      n.duration("t1", 15*time.Second, least, longest),
		T2:      n.duration("t2", 10*time.Second, least, longest),
		T3:      n.duration("t3", 20*time.Second, least, 48*time.Hour),
		COTSize: n.int("cot_size", 2, 1, 2),
		CASize:  n.int("ca_size", 2, 1, 2),
		IOASize: n.int("ioa_size", 3, 1, 3),
	}
	most := iec104.MaxW(p.K)
	if p.W = n.int("w", min(8, most), 1, 32767); p.W > most {
		n.fail("w", fmt.Sprintf("%d is out of range", p.W), fmt.Sprintf("at most two thirds of k: 1 to %d", most))
	}
	if p.T2 >= p.T1 {
		n.fail("t2", durationText(p.T2)+" is out of range", "less than t1, which is "+durationText(p.T1))
	}
	n.end()
	return p
}

// maxIOA is the largest information object address of this many octets.
func (p IEC104) maxIOA() uint32 { return 1<<(8*p.IOASize) - 1 }

func (l *loader) uplink(o *object) Uplink {
	o.required("name", "common_address", "points", "listen", "groups")
	u := Uplink{
		Name:      o.name("name"),
		Table:     l.path(o, "points"),
		IOAFormat: o.ioaFormat("ioa_format"),
		Mode:      enum(o, "mode", fsm.MainStandby, fsm.Exclusive, fsm.MainStandby, fsm.DualActive),
		Listen:    o.addresses("listen"),
		LinkCheck: o.period("link_check", 2*time.Second),
		Controls:  o.bool("controls", false),
		SetClock:  o.bool("set_clock", false),
		TLS:       l.tls(o, "tls", true),
		IEC104:    o.iec104("iec104"),
		Tolerant:  o.tolerant("tolerant"),

		SubstitutedTime: o.bool("substituted_time", true),
	}
	u.CommonAddress = o.commonAddress("common_address", u.IEC104.CASize)
	u.TimeZone = o.text("time_zone", "")
	u.Location = o.zone("time_zone", u.TimeZone)
	u.RoleIOA = uint32(o.int("role_ioa", 0, 1, int(u.IEC104.maxIOA())))
	taken := unique[uint16]{}
	taken.check(o.doc, o.key("common_address"), u.CommonAddress)
	for _, e := range o.list("sectors") {
		s := o.doc.object(e.path, e.node)
		s.required("common_address", "points")
		sector := Sector{CommonAddress: s.commonAddress("common_address", u.IEC104.CASize), Table: l.path(s, "points"), IOAFormat: s.ioaFormat("ioa_format")}
		taken.check(o.doc, s.key("common_address"), sector.CommonAddress)
		s.end()
		u.Sectors = append(u.Sectors, sector)
	}
	for _, e := range o.list("files") {
		f := o.doc.object(e.path, e.node)
		f.required("rtu")
		files := UplinkFiles{RTU: uint32(f.int("rtu", 0, 1, 65535)), CommonAddress: cmp.Or(f.commonAddress("common_address", u.IEC104.CASize), u.CommonAddress)}
		f.end()
		u.Files = append(u.Files, files)
	}
	for _, e := range o.filled("groups") {
		g := o.doc.object(e.path, e.node)
		g.required("name", "clients")
		group := Group{Name: g.name("name"), Clients: g.prefixes("clients"), Certificates: g.strings(g.filled("certificates"))}
		if len(group.Certificates) > 0 && u.TLS == nil {
			g.fail("certificates", "are of no use on plain TCP", "tls beside listen")
		}
		g.end()
		u.Groups = append(u.Groups, group)
	}
	o.end()
	return u
}

// prefixes reads networks in CIDR notation; a plain address is a network of one. A wrong one is zero.
func (o *object) prefixes(name string) []netip.Prefix {
	texts := o.strings(o.filled(name))
	o.told(name, typeList, "", "addresses and networks such as 10.10.0.0/16")
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		if text == "" {
			continue
		}
		key := fmt.Sprintf("%s[%d]", o.key(name), i)
		if a, err := netip.ParseAddr(text); err == nil {
			prefixes[i] = netip.PrefixFrom(a, a.BitLen())
			continue
		}
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			o.doc.fail(key, quote(text)+" is not a network", "an address or CIDR such as 10.10.0.0/16")
		case p != p.Masked():
			o.doc.fail(key, text+" has bits set outside its mask", p.Masked().String())
		default:
			prefixes[i] = p
		}
	}
	return prefixes
}

// name reads an identifier.
func (o *object) name(key string) string {
	text := o.text(key, "")
	o.told(key, "text", "", namesExpected)
	if text != "" && !names.MatchString(text) {
		o.fail(key, quote(text)+" is not a name", namesExpected)
	}
	return text
}

// path reads a file's name and resolves it.
func (l *loader) path(o *object, name string) File {
	text := o.text(name, "")
	o.told(name, "file", "", "a file's name, from the folder of station.yaml")
	if text == "" {
		return File{}
	}
	if filepath.IsAbs(text) {
		return File{text, text}
	}
	return File{text, filepath.Join(l.dir, text)}
}

// named reads the name of a file that the node itself will read.
func (l *loader) named(o *object, name string, kind NamedKind) File {
	f := l.path(o, name)
	if !f.IsZero() {
		l.namedFiles = append(l.namedFiles, NamedFile{f, kind, o.key(name), o.doc.about(o.key(name), "", "")})
	}
	return f
}

// sorted gives a map's node ids in order, so that messages are.
func sorted(m map[string]netip.AddrPort) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
