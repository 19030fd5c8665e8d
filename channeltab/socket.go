package channeltab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// receiveBuffer is what is asked of the system for each socket, in octets: a burst of a few hundred datagrams.
const receiveBuffer = 1 << 20

// MulticastConfig says how the table is multicast.
type MulticastConfig struct {
	Group     netip.AddrPort // zero: no multicast
	Interface string         // by name; empty: the one that has the listen address, else the system's choice
	Hops      int            // how many routers the table may cross, plus 1; 0 stands for 8
}

func (m MulticastConfig) validate(listen netip.AddrPort) error {
	switch {
	case !m.Group.IsValid():
		return nil
	case !m.Group.Addr().IsMulticast() || m.Group.Port() == 0:
		return fmt.Errorf("%w: multicast group %s, want an address of 224.0.0.0/4 or ff00::/8 and a port", ErrConfig, m.Group)
	case m.Group.Port() == listen.Port():
		// The group's port is shared by all stations of a host; the listen port is this one's alone.
		return fmt.Errorf("%w: port %d is the multicast group's and the listen address's, want two", ErrConfig, listen.Port())
	case m.Group.Addr().Is4() != listen.Addr().Is4():
		return fmt.Errorf("%w: multicast group %s and listen address %s, want both IPv4 or both IPv6", ErrConfig, m.Group, listen)
	case m.Hops < 0 || m.Hops > 255:
		return fmt.Errorf("%w: %d multicast hops, want 1 to 255", ErrConfig, m.Hops)
	}
	return nil
}

// sockets are the UDP sockets of a station or a centre: its own, and one that hears the group.
type sockets struct {
	own   *net.UDPConn
	group *net.UDPConn // nil: none
	to    netip.AddrPort
	guard func() bool // asked before each datagram is sent

	closing sync.Once
	closed  error
}

func openSockets(listen netip.AddrPort, m MulticastConfig) (*sockets, error) {
	if !listen.IsValid() {
		return nil, fmt.Errorf("%w: no listen address", ErrConfig)
	}
	if err := m.validate(listen); err != nil {
		return nil, err
	}
	own, err := net.ListenUDP(network(listen), net.UDPAddrFromAddrPort(listen))
	if err != nil {
		return nil, fmt.Errorf("channeltab: listen on %s: %w", listen, err)
	}
	s := &sockets{own: own, to: m.Group, guard: func() bool { return true }}
	_ = own.SetReadBuffer(receiveBuffer) // the system may give less
	if !m.Group.IsValid() {
		return s, nil
	}
	if err := s.join(listen, m); err != nil {
		return nil, errors.Join(fmt.Errorf("channeltab: multicast group %s: %w", m.Group, err), s.close())
	}
	return s, nil
}

func network(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return "udp4"
	}
	return "udp6"
}

// join opens the socket that hears the group, and makes the own one send to it.
func (s *sockets) join(listen netip.AddrPort, m MulticastConfig) error {
	nic, err := pickInterface(listen.Addr(), m.Interface)
	if err != nil {
		return err
	}
	hops := m.Hops
	if hops == 0 {
		hops = 8
	}
	if listen.Addr().Is4() {
		p := ipv4.NewPacketConn(s.own)
		err = errors.Join(p.SetMulticastTTL(hops), p.SetMulticastLoopback(true))
		if nic != nil {
			err = errors.Join(err, p.SetMulticastInterface(nic))
		}
	} else {
		p := ipv6.NewPacketConn(s.own)
		err = errors.Join(p.SetMulticastHopLimit(hops), p.SetMulticastLoopback(true))
		if nic != nil {
			err = errors.Join(err, p.SetMulticastInterface(nic))
		}
	}
	if err != nil {
		return err
	}
	if s.group, err = net.ListenMulticastUDP(network(m.Group), nic, net.UDPAddrFromAddrPort(m.Group)); err != nil {
		return err
	}
	_ = s.group.SetReadBuffer(receiveBuffer)
	return nil
}

// pickInterface returns the interface by that name, or the one that has the address; nil leaves it to the system.
func pickInterface(address netip.Addr, name string) (*net.Interface, error) {
	if name != "" {
		return net.InterfaceByName(name)
	}
	if address.IsUnspecified() {
		return nil, nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, nic := range all {
		addresses, err := nic.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == address.WithZone("") {
				return &nic, nil
			}
		}
	}
	return nil, nil
}

// send sends what a core wants sent and returns how much the guard or the system refused. A datagram that can't be sent is like one
// that is lost on its way: whoever needs an answer asks again.
func (s *sockets) send(out []packet) (refused uint64) {
	for _, p := range out {
		to := p.to
		if !to.IsValid() {
			to = s.to
		}
		if !s.guard() {
			refused++
			continue
		}
		if _, err := s.own.WriteToUDPAddrPort(p.b, to); err != nil {
			refused++
		}
	}
	return refused
}

// read passes on what a socket receives until it is closed.
func read(conn *net.UDPConn, take func(from netip.AddrPort, b []byte)) {
	b := make([]byte, MaxDatagram+1) // one more, so that what is too long is seen to be
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier send
		}
		take(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), b[:n])
	}
}

// close closes the sockets, once.
func (s *sockets) close() error {
	s.closing.Do(func() {
		s.closed = s.own.Close()
		if s.group != nil {
			s.closed = errors.Join(s.closed, s.group.Close())
		}
	})
	return s.closed
}
