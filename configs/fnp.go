package configs

import (
	"fmt"
	"net/netip"
	"unicode"
)

// Bounds of FNP, as PROTOCOL.md of channeltab has them.
const (
	maxFNPID   = 1<<53 - 1
	maxFNPName = 32 // octets
)

func (l *loader) fnp(o *object, s *Station) *FNP {
	o.required("listen")
	f := &FNP{
		ID:        o.int("id", int(s.ID), 1, maxFNPID),
		Listen:    o.addresses("listen"),
		Multicast: o.multicast("multicast"),
		KeyFile:   l.named(o, "key_file", FileFNPKeys),
		Level:     o.int("level", 1, 1, 255),
		Others:    o.nodeAddresses("others"),
	}
	name := s.Name
	if fnpNameProblem(name) != "" {
		name = fmt.Sprintf("Station %d", s.ID)
	}
	f.Name = o.fnpName("name", name)
	if e, ok := o.object("endpoint"); ok {
		e.required("id", "listen")
		f.Endpoint = &FNPEndpoint{ID: e.int("id", 0, 1, maxFNPID), Listen: e.addresses("listen")}
		e.end()
	}
	o.end()
	return f
}

// multicast reads a group; nil where it isn't given or wrong.
func (o *object) multicast(name string) *netip.AddrPort {
	a := o.address(name)
	o.told(name, "address", "", "a multicast address and a port")
	switch {
	case !a.IsValid():
		return nil
	case !a.Addr().IsMulticast():
		o.fail(name, a.Addr().String()+" is not a multicast address", "one of 224.0.0.0/4 or ff00::/8")
		return nil
	}
	return &a
}

// nodeAddresses reads a list of addresses with their ports. A wrong one is the zero AddrPort, so that positions go by index.
func (o *object) nodeAddresses(name string) []netip.AddrPort {
	list := o.filled(name)
	o.told(name, typeList, "", "IP addresses with their ports")
	addresses := make([]netip.AddrPort, len(list))
	for i, text := range o.strings(list) {
		a, err := netip.ParseAddrPort(text)
		if err != nil || a.Port() == 0 {
			o.doc.fail(list[i].path, quote(text)+" is not an address with a port", "one such as 10.91.2.66:7400 or [fd00::66]:7400")
			continue
		}
		addresses[i] = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return addresses
}

// fnpName reads a name that the channel table can hold.
func (o *object) fnpName(name, def string) string {
	text := o.text(name, def)
	o.told(name, "text", def, fmt.Sprintf("at most %d octets of printable UTF-8", maxFNPName))
	if problem := fnpNameProblem(text); problem != "" {
		o.fail(name, quote(text)+" "+problem, fmt.Sprintf("at most %d octets of printable UTF-8", maxFNPName))
	}
	return text
}

func fnpNameProblem(text string) string {
	if len(text) > maxFNPName {
		return fmt.Sprintf("has %d octets", len(text))
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return "is not printable"
		}
	}
	return ""
}

func (l *loader) checkFNP(s *Station) {
	f := s.FNP
	if f == nil {
		return
	}
	for _, id := range sorted(f.Listen) {
		if _, ok := s.Node(id); !ok {
			l.doc.fail("fnp.listen."+id, "node "+quote(id)+" is unknown", "one of "+nodeIDs(s, RoleFEP, RoleWitness))
		}
		l.checkFNPAddress("fnp.listen."+id, f.Listen[id], f.Multicast)
	}
	if f.Listen != nil {
		for _, n := range s.Cluster.Nodes {
			if _, ok := f.Listen[n.ID]; !ok {
				l.doc.fail("fnp.listen", "has no address for "+n.ID, "one for each node, since each may lead: "+nodeIDs(s, RoleFEP, RoleWitness))
			}
		}
	}
	if f.KeyFile.IsZero() && !s.Security.Insecure {
		l.doc.fail("fnp.key_file", "is missing", "a file with the stations' key, or security: {insecure: true}")
	}
	l.checkFNPEndpoint(s, f)
}

func (l *loader) checkFNPEndpoint(s *Station, f *FNP) {
	e := f.Endpoint
	if e == nil {
		return
	}
	if e.ID == f.ID {
		l.doc.fail("fnp.endpoint.id", fmt.Sprintf("%d is the centre's, fnp.id", e.ID), "an id of its own")
	}
	for _, id := range sorted(e.Listen) {
		l.fep(s, "fnp.endpoint.listen."+id, id)
		l.checkFNPAddress("fnp.endpoint.listen."+id, e.Listen[id], f.Multicast)
	}
	if e.Listen == nil {
		return
	}
	for _, n := range s.Cluster.Nodes {
		if _, ok := e.Listen[n.ID]; !ok && n.Role == RoleFEP {
			l.doc.fail("fnp.endpoint.listen", "has no address for "+n.ID, "one for each fep: "+nodeIDs(s, RoleFEP))
		}
	}
}

// checkFNPAddress is for an address that others send to, beside a group's.
func (l *loader) checkFNPAddress(key string, a netip.AddrPort, group *netip.AddrPort) {
	switch {
	case !a.IsValid():
	case a.Addr().IsUnspecified():
		l.doc.fail(key, a.String()+" is a wildcard", "the address at which others reach this node")
	case group != nil && group.Port() == a.Port():
		l.doc.fail(key, fmt.Sprintf("port %d is the multicast group's too", a.Port()), "another port")
	case group != nil && group.Addr().Is4() != a.Addr().Is4():
		l.doc.fail(key, fmt.Sprintf("%s and the multicast group %s are of two kinds", a, group), "both IPv4 or both IPv6")
	}
}

// FNPStation is what an ordinary station of the FNP network is told, apart from fepha's own station.yaml.
type FNPStation struct {
	ID        int              // in the network, 1 to 2^53-1
	Name      string           // at most 32 octets
	Listen    netip.AddrPort   // UDP; with port 0 any that is free
	Advertise *netip.AddrPort  // what the table is to hold; nil: Listen
	Centres   []netip.AddrPort // nodes of the centre
	Multicast *netip.AddrPort
	Interface string // of the multicast, by name; empty: the one that has the listen address
	KeyFile   File   // none with Insecure alone
	Insecure  bool   // a key that everybody knows: accepted while every address is loopback
	CopyFile  File   // where the copy of the table is kept; none: nowhere
}

// LoadFNPStation reads a station's file. What's wrong with it comes as *Errors, all of it.
func LoadFNPStation(path string) (*FNPStation, error) {
	l := newLoader(path, readFile)
	root := l.root()
	if root == nil {
		return nil, l.errs
	}
	s := l.fnpStation(root)
	if l.errs.Total > 0 {
		l.errs.sort(l.paths)
		return nil, l.errs
	}
	return s, nil
}

func (l *loader) fnpStation(o *object) *FNPStation {
	o.required("id", "listen")
	s := &FNPStation{
		ID:        o.int("id", 0, 1, maxFNPID),
		Listen:    o.listen("listen"),
		Multicast: o.multicast("multicast"),
		Interface: o.text("interface", ""),
		KeyFile:   l.path(o, "key_file"),
		Insecure:  o.bool("insecure", false),
		CopyFile:  l.path(o, "copy_file"),
	}
	s.Name = o.fnpName("name", fmt.Sprintf("Station %d", s.ID))
	if a := o.address("advertise"); a.IsValid() {
		s.Advertise = &a
	}
	s.Centres = o.nodeAddresses("centres")
	if len(s.Centres) == 0 && s.Multicast == nil {
		o.fail("centres", "is missing, and so is multicast", "the addresses of the centre's nodes, or the group that it multicasts to")
	}
	switch {
	case s.KeyFile.IsZero() && !s.Insecure:
		o.fail("key_file", "is missing", "a file with the network's key, or insecure: true")
	case !s.KeyFile.IsZero() && s.Insecure:
		o.fail("insecure", "stands beside key_file", "one of the two")
	}
	if s.Multicast != nil && s.Multicast.Port() == s.Listen.Port() {
		o.fail("listen", fmt.Sprintf("port %d is the multicast group's too", s.Listen.Port()), "another port")
	}
	if s.Insecure {
		for i, a := range append([]netip.AddrPort{s.Listen}, s.Centres...) {
			if a.IsValid() && !a.Addr().IsLoopback() {
				key := "listen"
				if i > 0 {
					key = fmt.Sprintf("centres[%d]", i-1)
				}
				o.doc.fail(o.key(key), a.Addr().String()+" is not a loopback address", "127.0.0.0/8 or ::1 while insecure is true")
			}
		}
	}
	o.end()
	return s
}

// listen reads an address to listen at, whose port may be 0.
func (o *object) listen(name string) netip.AddrPort {
	text := o.text(name, "")
	if text == "" {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		o.fail(name, quote(text)+" is not an address with a port", "one such as 10.91.3.1:7401 or [fd00::1]:0")
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
