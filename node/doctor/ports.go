package doctor

import (
	"net"
	"net/netip"
	"slices"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/redismode"
)

// port is where the node listens.
type port struct {
	protocol string // tcp | udp
	address  netip.AddrPort
	what     string
	always   bool // whenever the node runs; else only while it owns what the port is for
}

func (p port) String() string { return p.address.String() + "/" + p.protocol + " (" + p.what + ")" }

// listened are the ports of a node.
func listened(s *configs.Station, self configs.Node) (all []port) {
	all = append(all, port{"tcp", self.Address, "between the nodes", true}, port{"tcp", self.API, "API and page", true})
	if self.Role == configs.RoleFEP {
		for i := range s.Uplinks {
			if a, ok := s.Uplinks[i].Listen[self.ID]; ok {
				all = append(all, port{"tcp", a, "uplink " + s.Uplinks[i].Name, false})
			}
		}
		if a, err := netip.ParseAddrPort(s.Redis.Address); err == nil && s.Redis.Mode == redismode.Embedded {
			all = append(all, port{"tcp", a, "embedded Redis", true})
		}
	}
	if s.FNP != nil {
		if a, ok := s.FNP.Listen[self.ID]; ok {
			all = append(all, port{"udp", a, "FNP", true})
		}
		if s.FNP.Endpoint != nil {
			if a, ok := s.FNP.Endpoint.Listen[self.ID]; ok {
				all = append(all, port{"udp", a, "FNP endpoint", false})
			}
		}
	}
	return all
}

func (p *patient) ports() (lines []Line) {
	for _, want := range listened(p.station, p.self) {
		if p.socketsErr != nil {
			lines = append(lines, unchecked("port", want.String(), "%v", p.socketsErr))
			continue
		}
		lines = append(lines, checkPort(want, p.sockets, p.processes, p.running, p.runs))
	}
	return lines
}

// collides tells whether two addresses can't be had both.
func collides(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

func checkPort(want port, sockets []socket, all []process, running process, runs bool) Line {
	const check = "port"
	i := slices.IndexFunc(sockets, func(s socket) bool {
		return s.protocol == want.protocol && s.open() && collides(s.local, want.address)
	})
	switch {
	case i < 0 && !runs:
		return good(check, want.String(), "free")
	case i < 0 && want.always:
		return wrong(check, want.String(), "its log says why: is the address on an interface, and the port above 1024?", "the node runs and doesn't listen there")
	case i < 0:
		return good(check, want.String(), "free; the node doesn't listen there now, since it doesn't own it")
	}
	switch holder, known := holderOf(all, sockets[i].inode); {
	case !known && runs && running.inodes != nil:
		return wrong(check, want.String(), "run it as root to see who holds it, and end that, or choose another port", "held by another process than the node, which this user can't see")
	case !known:
		return unchecked(check, want.String(), "it's held, and this user can't see by whom: run it as root")
	case runs && holder.pid == running.pid:
		return good(check, want.String(), "held by the node (%s)", holder)
	default:
		return wrong(check, want.String(), "end that program, or choose another port", "held by another program: %s", holder)
	}
}

// networkInterface is one of this machine.
type networkInterface struct {
	name      string
	up        bool // it's switched on, and has a carrier
	addresses []netip.Addr
}

func interfaces() (all []networkInterface, err error) {
	list, err := net.Interfaces()
	for _, i := range list {
		one := networkInterface{name: i.Name, up: i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				one.addresses = append(one.addresses, prefix.Addr().Unmap())
			}
		}
		all = append(all, one)
	}
	return all, err
}

// addresses tells on which interface each of the node's own addresses is.
func (p *patient) addresses() (lines []Line) {
	all, err := interfaces()
	seen := map[netip.Addr]bool{}
	for _, want := range listened(p.station, p.self) {
		a := want.address.Addr()
		if seen[a] {
			continue
		}
		seen[a] = true
		if err != nil {
			lines = append(lines, unchecked("address", a.String(), "%v", err))
			continue
		}
		lines = append(lines, checkAddress(a, want.what, all))
	}
	return lines
}

func checkAddress(a netip.Addr, what string, all []networkInterface) Line {
	const check = "address"
	if a.IsUnspecified() {
		return good(check, a.String(), "%s listens on every interface", what)
	}
	i := slices.IndexFunc(all, func(n networkInterface) bool { return slices.Contains(n.addresses, a.Unmap()) })
	switch {
	case i < 0 && a.IsLoopback() && slices.ContainsFunc(all, func(n networkInterface) bool { return n.name == "lo" && n.up }):
		return good(check, a.String(), "on lo")
	case i < 0:
		return wrong(check, a.String(), "is this the right machine, and --node the right one? Give the address to an interface, or correct station.yaml", "no interface of this machine has it (%s)", what)
	case !all[i].up:
		return wrong(check, a.String(), "check its cable and switch, and that it's switched on: ip link", "on %s, which is down or has no carrier", all[i].name)
	}
	return good(check, a.String(), "on %s", all[i].name)
}

// interfaceOf is the name of the interface with an address; "": none.
func interfaceOf(all []networkInterface, a netip.Addr) string {
	for _, n := range all {
		if slices.Contains(n.addresses, a.Unmap()) {
			return n.name
		}
	}
	if a.IsLoopback() {
		return "lo"
	}
	return ""
}
