package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fepha/fepha/configs"
)

// A device may admit one connection alone, so that one more disturbs the one that counts. So what the group knows of a link, or
// this machine's sockets show, is told instead of a trial. Where neither is known a connection is tried that is closed at once, as
// the standby FEP does it; not with standby_probe: off, which says that the device can't bear that, while another node runs.

// link is one of a device.
type link struct {
	rtu     uint32
	name    string
	channel int
	address netip.AddrPort
	probe   configs.StandbyProbe
}

func (l link) String() string {
	return fmt.Sprintf("RTU %d %s, channel %d, %s", l.rtu, l.name, l.channel, l.address)
}

// links are those of all devices, each address once: RTUs may share a connection.
func links(s *configs.Station) (all []link) {
	seen := map[netip.AddrPort]bool{}
	for i := range s.RTUs {
		r := &s.RTUs[i]
		for n, c := range r.Channels {
			for _, l := range c.Links {
				if !seen[l.Address] {
					seen[l.Address] = true
					all = append(all, link{r.Number, r.Name, n + 1, l.Address, r.StandbyProbe})
				}
			}
		}
	}
	return all
}

// told are the states of links as the running node tells them: by address, then by node.
func (p *patient) told() map[string]map[string]string {
	all := map[string]map[string]string{}
	if p.statusErr != nil {
		return all
	}
	for _, r := range p.status.RTUs {
		for _, c := range r.Channels {
			for _, l := range c.Links {
				if !r.Stale {
					all[l["address"]] = l
				}
			}
		}
	}
	return all
}

func (p *patient) devices(ctx context.Context, othersRun bool) []Line {
	all, told := links(p.station), p.told()
	lines := make([]Line, len(all))
	each(len(all), func(i int) {
		l := all[i]
		if state, ok := told[l.address.String()]; ok {
			lines[i] = checkToldLink(l, p.Node, state)
		} else if s, ok := connection(p.sockets, l.address); ok {
			holder, _ := holderOf(p.processes, s.inode)
			lines[i] = checkHeldLink(l, holder)
		} else if l.probe == configs.ProbeOff && othersRun {
			lines[i] = unchecked("device", l.String(), "another node runs and may hold its only connection (standby_probe: off): ask there with 'fepha rtu show %d'", l.rtu)
		} else {
			lines[i] = checkTriedLink(l, connect(ctx, l.address.String()))
		}
	})
	return lines
}

// connection finds this machine's connection to an address.
func connection(all []socket, to netip.AddrPort) (socket, bool) {
	i := slices.IndexFunc(all, func(s socket) bool {
		return s.protocol == "tcp" && s.state == tcpEstablished && s.remote == netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	})
	if i < 0 {
		return socket{}, false
	}
	return all[i], true
}

func checkToldLink(l link, node string, state map[string]string) Line {
	var all []string
	for id, s := range state {
		if id != "address" {
			all = append(all, id+": "+s)
		}
	}
	slices.Sort(all)
	text := "the group says: " + strings.Join(all, ", ")
	switch state[node] {
	case "active", "standby":
		return good("device", l.String(), "%s", text)
	case "":
		return unchecked("device", l.String(), "this node has nothing to do with it now; %s", text)
	case "connecting":
		return doubtful("device", l.String(), "try again in a few seconds", "%s", text)
	}
	if l.probe == configs.ProbeOff {
		return unchecked("device", l.String(), "standby_probe: off; %s", text)
	}
	return wrong("device", l.String(), "check the device, its cable and the route to it: 'fepha rtu show' says since when", "%s", text)
}

func checkHeldLink(l link, holder process) Line {
	who := "a program that this user can't see"
	if holder.pid != 0 {
		who = holder.String()
	}
	return good("device", l.String(), "this machine has a connection to it already (%s), so none was tried", who)
}

func checkTriedLink(l link, a attempt) Line {
	if a.err == nil {
		return good("device", l.String(), "connected in %s, and closed at once: nothing of the protocol was tried", a.way())
	}
	text, advice := failure(a.err)
	return wrong("device", l.String(), advice, "%s", text)
}

// centres looks for the control centres, which connect by themselves.
func (p *patient) centres() (lines []Line) {
	all, err := interfaces()
	for i := range p.station.Uplinks {
		u := &p.station.Uplinks[i]
		for _, g := range u.Groups {
			about := fmt.Sprintf("uplink %s, group %s", u.Name, g.Name)
			if p.socketsErr != nil || err != nil {
				lines = append(lines, unchecked("centre", about, "%v%v", p.socketsErr, err))
				continue
			}
			lines = append(lines, checkCentre(about, g.Clients, clients(p.sockets, u.Listen[p.Node], g.Clients), route, all))
		}
	}
	return lines
}

// clients are those of a group that are connected to a port of this machine.
func clients(all []socket, port netip.AddrPort, group []netip.Prefix) (connected []string) {
	for _, s := range all {
		mine := s.local == port || port.Addr().IsUnspecified() && s.local.Port() == port.Port()
		if s.protocol == "tcp" && s.state == tcpEstablished && mine &&
			slices.ContainsFunc(group, func(g netip.Prefix) bool { return g.Contains(s.remote.Addr()) }) {
			connected = append(connected, s.remote.String())
		}
	}
	return connected
}

// route tells from which address this machine would send to another; nothing is sent.
func route(to netip.Addr) (netip.Addr, error) { return localTo(netip.AddrPortFrom(to, 9)) }

func checkCentre(about string, group []netip.Prefix, connected []string, route func(netip.Addr) (netip.Addr, error), all []networkInterface) Line {
	if len(connected) > 0 {
		return good("centre", about, "connected: %s", strings.Join(connected, ", "))
	}
	var ways []string
	for _, g := range group {
		from, err := route(g.Addr())
		if err != nil {
			return wrong("centre", about, "ip route get "+g.Addr().String(), "there's no way back to %s, from where it connects: %v", g, err)
		}
		ways = append(ways, fmt.Sprintf("%s by way of %s", g, interfaceOf(all, from)))
	}
	return unchecked("centre", about, "a control centre connects by itself, and none is connected here now; there's a route to %s", strings.Join(ways, ", "))
}
