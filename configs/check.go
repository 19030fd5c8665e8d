package configs

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// check looks at what concerns more than one key: unique numbers, references, listeners, what insecure allows. Values
// that are missing or wrong by themselves are zero here, and were reported already.
func (l *loader) check(s *Station) {
	l.checkNodes(s)
	l.checkRTUs(s)
	l.checkUplinks(s)
	l.checkFNP(s)
	l.checkExports(s)
	l.checkListeners(s)
	if s.Security.Insecure {
		l.checkLoopback(s)
	}
}

// unique reports the second use of a value that is to be unique, and where the first is.
type unique[T comparable] map[T]string

func (u unique[T]) check(d *document, key string, value T) {
	var zero T
	if value == zero {
		return
	}
	if first, taken := u[value]; taken {
		d.fail(key, fmt.Sprintf("%v is already used by %s", value, first), "a different one")
		return
	}
	u[value] = key
}

// checkNodes holds the station to its one shape: two FEPs, hosts 1 and 2, and a witness, host 3. An even group gains
// nothing, and the view in Redis knows two FEPs.
func (l *loader) checkNodes(s *Station) {
	ids, hosts := unique[string]{}, unique[int]{}
	feps, witnesses, others := 0, 0, 0
	for i, n := range s.Cluster.Nodes {
		key := fmt.Sprintf("cluster.nodes[%d]", i)
		ids.check(l.doc, key+".id", n.ID)
		hosts.check(l.doc, key+".host", n.Host)
		switch n.Role {
		case RoleFEP:
			feps++
			if n.Host == 3 {
				l.doc.fail(key+".host", "3 is out of range for a fep", "1 or 2")
			}
		case RoleWitness:
			witnesses++
			if n.Host == 1 || n.Host == 2 {
				l.doc.fail(key+".host", fmt.Sprintf("%d is out of range for a witness", n.Host), "3")
			}
		default:
			others++ // reported as unknown
		}
		if n.Address.IsValid() && n.Address.Addr().IsUnspecified() {
			l.doc.fail(key+".address", n.Address.String()+" is a wildcard", "the address at which the other nodes reach this one")
		}
	}
	if s.Cluster.Nodes != nil && others == 0 && (feps != 2 || witnesses != 1) {
		l.doc.fail("cluster.nodes", fmt.Sprintf("has %d with role fep and %d with role witness", feps, witnesses), "two and one")
	}
}

// fep reports a node that isn't there, or isn't a FEP, and so can't own anything.
func (l *loader) fep(s *Station, key, id string) {
	n, ok := s.Node(id)
	switch {
	case !ok:
		l.doc.fail(key, "node "+quote(id)+" is unknown", "one of "+nodeIDs(s, RoleFEP))
	case n.Role == RoleWitness:
		l.doc.fail(key, "node "+quote(id)+" is the witness, which never owns anything", "one of "+nodeIDs(s, RoleFEP))
	}
}

func nodeIDs(s *Station, roles ...Role) string {
	var ids []string
	for _, n := range s.Cluster.Nodes {
		for _, role := range roles {
			if n.Role == role {
				ids = append(ids, n.ID)
			}
		}
	}
	return strings.Join(ids, ", ")
}

func (l *loader) checkRTUs(s *Station) {
	numbers := unique[uint32]{}
	for i := range s.RTUs {
		r := &s.RTUs[i]
		key := fmt.Sprintf("rtus[%d]", i)
		numbers.check(l.doc, key+".number", r.Number)
		if r.Prefer != "" {
			l.fep(s, key+".prefer", r.Prefer)
		}
	}
	l.checkLinks(s)
	for i := range s.RTUs {
		for j, c := range s.RTUs[i].Channels {
			if s.RTUs[i].Files && c.Mode == LinksAllActive {
				l.doc.fail(fmt.Sprintf("rtus[%d].files", i), fmt.Sprintf("is not possible with channels[%d], whose links lead to distinct devices", j), "links: one-active")
			}
		}
	}
}

// checkFiles holds the files that an uplink names to the RTUs, and to its common addresses.
func (l *loader) checkFiles(s *Station, u *Uplink, key string) {
	addresses := unique[uint16]{}
	for i, f := range u.Files {
		key := fmt.Sprintf("%s.files[%d]", key, i)
		addresses.check(l.doc, key+".common_address", f.CommonAddress)
		sector := func(s Sector) bool { return s.CommonAddress == f.CommonAddress }
		if f.CommonAddress != 0 && f.CommonAddress != u.CommonAddress && !slices.ContainsFunc(u.Sectors, sector) {
			l.doc.fail(key+".common_address", fmt.Sprintf("%d is none of the uplink's", f.CommonAddress), "its common_address or that of one of its sectors")
		}
		at := slices.IndexFunc(s.RTUs, func(r RTU) bool { return r.Number == f.RTU })
		switch {
		case f.RTU == 0:
		case at < 0:
			l.doc.fail(key+".rtu", fmt.Sprintf("there is no RTU %d", f.RTU), "the number of one in rtus")
		case !s.RTUs[at].Files:
			l.doc.fail(key+".rtu", fmt.Sprintf("the files of RTU %d are not fetched", f.RTU), fmt.Sprintf("files: true in rtus[%d]", at))
		}
	}
}

func (l *loader) checkUplinks(s *Station) {
	uplinkNames := unique[string]{}
	for i := range s.Uplinks {
		u := &s.Uplinks[i]
		key := fmt.Sprintf("uplinks[%d]", i)
		uplinkNames.check(l.doc, key+".name", u.Name)
		l.checkFiles(s, u, key)
		for _, id := range sorted(u.Listen) {
			l.fep(s, key+".listen."+id, id)
		}
		if u.Listen != nil {
			for _, n := range s.Cluster.Nodes {
				if _, ok := u.Listen[n.ID]; !ok && n.Role == RoleFEP {
					l.doc.fail(key+".listen", "has no address for "+n.ID, "one for each fep: "+nodeIDs(s, RoleFEP))
				}
			}
		}
		l.checkGroups(u, key)
	}
}

// checkGroups makes sure that a client's address tells its group.
func (l *loader) checkGroups(u *Uplink, key string) {
	groupNames := unique[string]{}
	type network struct {
		netip.Prefix
		group int
		key   string
	}
	var networks []network
	for i, g := range u.Groups {
		groupNames.check(l.doc, fmt.Sprintf("%s.groups[%d].name", key, i), g.Name)
		for j, p := range g.Clients {
			n := network{p, i, fmt.Sprintf("%s.groups[%d].clients[%d]", key, i, j)}
			if p.Bits() == 0 && u.Controls && u.TLS == nil {
				l.doc.warn(n.key, p.String()+" lets any address operate switches", "the control centre's networks, or tls for the uplink")
			}
			for _, other := range networks {
				if other.group != i && other.Overlaps(p) {
					l.doc.fail(n.key, fmt.Sprintf("%s overlaps %s of %s", p, other.Prefix, other.key), "each client in one group")
				}
			}
			networks = append(networks, n)
		}
	}
}

// listener is an address on which a node listens.
type listener struct {
	node    Node
	address netip.AddrPort
	key     string
}

// listeners gathers every address on which any node listens.
func listeners(s *Station) []listener {
	var list []listener
	for i, n := range s.Cluster.Nodes {
		key := fmt.Sprintf("cluster.nodes[%d]", i)
		list = append(list, listener{n, n.Address, key + ".address"}, listener{n, n.API, key + ".api"})
	}
	byNode := func(addresses map[string]netip.AddrPort, key string) {
		for _, id := range sorted(addresses) {
			if n, ok := s.Node(id); ok {
				list = append(list, listener{n, addresses[id], key + "." + id})
			}
		}
	}
	for i := range s.Uplinks {
		byNode(s.Uplinks[i].Listen, fmt.Sprintf("uplinks[%d].listen", i))
	}
	if s.FNP != nil {
		byNode(s.FNP.Listen, "fnp.listen")
		if s.FNP.Endpoint != nil {
			byNode(s.FNP.Endpoint.Listen, "fnp.endpoint.listen")
		}
	}
	return list
}

// checkListeners refuses an address that two listeners would share: on one node, or on nodes that run on one machine.
// TCP and UDP count alike: who reads a port number in a firewall's rules doesn't see which it is.
func (l *loader) checkListeners(s *Station) {
	list := listeners(s)
	for i, a := range list {
		for _, b := range list[:i] {
			if !a.address.IsValid() || !b.address.IsValid() || a.address.Port() != b.address.Port() {
				continue
			}
			machine := a.node.ID == b.node.ID || a.node.Address.Addr() == b.node.Address.Addr()
			wildcard := machine && (a.address.Addr().IsUnspecified() || b.address.Addr().IsUnspecified())
			switch {
			case a.address == b.address && (machine || !a.address.Addr().IsUnspecified()):
				l.doc.fail(a.key, fmt.Sprintf("%s is already used by %s", a.address, b.key), "an address and port of its own")
			case wildcard:
				l.doc.fail(a.key, fmt.Sprintf("%s overlaps %s of %s", a.address, b.address, b.key), "an address and port of its own")
			default:
				continue
			}
			break
		}
	}
}

// checkLoopback holds a station without keys to one machine: whoever reaches it may operate switches.
func (l *loader) checkLoopback(s *Station) {
	check := func(key string, a netip.Addr) {
		if a.IsValid() && !a.IsLoopback() {
			l.doc.fail(key, a.String()+" is not a loopback address", "127.0.0.0/8 or ::1 while security.insecure is true")
		}
	}
	for _, listener := range listeners(s) {
		check(listener.key, listener.address.Addr())
	}
	for i := range s.RTUs {
		for c, channel := range s.RTUs[i].Channels {
			for _, link := range channel.Links[:min(1, len(channel.Links))] { // the others are its neighbours
				check(fmt.Sprintf("rtus[%d].channels[%d].address", i, c), link.Address.Addr())
			}
		}
	}
	host := func(key, text string) {
		if end := strings.LastIndexByte(text, ':'); end >= 0 {
			text = strings.Trim(text[:end], "[]")
		}
		if a, err := netip.ParseAddr(text); err == nil {
			check(key, a)
		} else if text != "" && text != "localhost" {
			l.doc.fail(key, quote(text)+" may not be a loopback address", "localhost, 127.0.0.0/8 or ::1 while security.insecure is true")
		}
	}
	if !strings.HasPrefix(s.Redis.Address, "unix:") {
		host("redis.address", s.Redis.Address)
	}
	if s.Redis.Sentinel != nil {
		for i, a := range s.Redis.Sentinel.Addresses {
			host(fmt.Sprintf("redis.sentinel.addresses[%d]", i), a)
		}
	}
}

// checkLinks holds the links to the rule that there is one connection to each. RTUs that name the same addresses share it:
// several common addresses behind one connection.
func (l *loader) checkLinks(s *Station) {
	first := map[netip.AddrPort]int{}    // the first of those who share a link: its place in the file
	behind := make([][]int, len(s.RTUs)) // by the first one: all that share with it
	for i := range s.RTUs {
		links, with := unique[netip.AddrPort]{}, i
		for c, channel := range s.RTUs[i].Channels {
			for _, link := range channel.Links {
				links.check(l.doc, fmt.Sprintf("rtus[%d].channels[%d].address", i, c), link.Address)
				if j, taken := first[link.Address]; taken {
					with = min(with, j)
				}
			}
		}
		for _, channel := range s.RTUs[i].Channels {
			for _, link := range channel.Links {
				if _, taken := first[link.Address]; !taken {
					first[link.Address] = with
				}
			}
		}
		behind[with] = append(behind[with], i)
	}
	for _, all := range behind {
		if len(all) > 1 {
			l.share(s, all)
		}
	}
}

// share makes RTUs share their links, of which all has the places in the file, and reports what may not differ between them.
func (l *loader) share(s *Station, all []int) {
	var numbers []uint32
	for _, i := range all {
		numbers = append(numbers, s.RTUs[i].Number)
	}
	slices.Sort(numbers)
	a := &s.RTUs[all[0]]
	addresses := map[uint16]uint32{}
	for _, i := range all {
		b, key := &s.RTUs[i], fmt.Sprintf("rtus[%d]", i)
		b.Sharing = numbers
		if other, taken := addresses[b.CommonAddress]; taken {
			l.doc.fail(key+".common_address", fmt.Sprintf("%d is already that of RTU %d, with which RTU %d shares its connection", b.CommonAddress, other, b.Number),
				"a different one, or other channels")
		} else {
			addresses[b.CommonAddress] = b.Number
		}
		if !reflect.DeepEqual(a.Channels, b.Channels) {
			l.doc.fail(key+".channels", fmt.Sprintf("%s is a link of RTU %d too, whose channels are others", common(a, b), a.Number),
				"the same channels, if both are behind one connection, or a different address")
			continue
		}
		for _, of := range []struct {
			key  string
			a, b any
		}{
			{"prefer", a.Prefer, b.Prefer},
			{"retry", a.Retry, b.Retry},
			{"link_check", a.LinkCheck, b.LinkCheck},
			{"standby_probe", a.StandbyProbe, b.StandbyProbe},
			{"tls", a.TLS, b.TLS},
			{"iec104", a.IEC104, b.IEC104},
		} {
			if !reflect.DeepEqual(of.a, of.b) {
				l.doc.fail(key+"."+of.key, fmt.Sprintf("is not that of RTU %d, with which RTU %d shares its connection", a.Number, b.Number),
					"the same for all RTUs that name "+common(a, b).String())
			}
		}
	}
}

// common is an address that both RTUs name.
func common(a, b *RTU) netip.AddrPort {
	for _, c := range a.Channels {
		for _, link := range c.Links {
			for _, d := range b.Channels {
				if slices.Contains(d.Links, link) {
					return link.Address
				}
			}
		}
	}
	return netip.AddrPort{}
}
