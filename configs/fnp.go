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
