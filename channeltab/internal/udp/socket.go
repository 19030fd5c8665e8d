// Package udp has the sockets of a station or a centre: its own, and one that hears the multicast group.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/fepha/fepha/channeltab/internal/wire"
)

// receiveBuffer is what is asked of the system for each socket, in octets: a burst of a few hundred datagrams.
const receiveBuffer = 1 << 20

// MulticastConfig says how the table is multicast.
type MulticastConfig struct {
	Group     netip.AddrPort // zero: no multicast
	Interface string         // by name; empty: the one that has the listen address, else the system's choice
	Hops      int            // how many routers the table may cross, plus 1; 0 stands for 8
}

func (m MulticastConfig) Validate(listen netip.AddrPort) error {
	switch {
	case !m.Group.IsValid():
		return nil
	case !m.Group.Addr().IsMulticast() || m.Group.Port() == 0:
		return fmt.Errorf("%w: multicast group %s, want an address of 224.0.0.0/4 or ff00::/8 and a port", wire.ErrConfig, m.Group)
	case m.Group.Port() == listen.Port():
		// The group's port is shared by all stations of a host; the listen port is this one's alone.
		return fmt.Errorf("%w: port %d is the multicast group's and the listen address's, want two", wire.ErrConfig, listen.Port())
	case m.Group.Addr().Is4() != listen.Addr().Is4():
		return fmt.Errorf("%w: multicast group %s and listen address %s, want both IPv4 or both IPv6", wire.ErrConfig, m.Group, listen)
	case m.Hops < 0 || m.Hops > 255:
		return fmt.Errorf("%w: %d multicast hops, want 1 to 255", wire.ErrConfig, m.Hops)
	}
	return nil
}

// Sockets are the UDP sockets of a station or a centre: its own, and one that hears the group.
type Sockets struct {
	Own   *net.UDPConn
	Group *net.UDPConn // nil: none
	to    netip.AddrPort
	Guard func() bool // asked before each datagram is sent

	closing sync.Once
	closed  error
}

// Open binds the sockets. The error wraps ErrConfig, or is the system's.
func Open(listen netip.AddrPort, m MulticastConfig) (*Sockets, error) {
	if !listen.IsValid() {
		return nil, fmt.Errorf("%w: no listen address", wire.ErrConfig)
	}
	if err := m.Validate(listen); err != nil {
		return nil, err
	}
	own, err := net.ListenUDP(network(listen), net.UDPAddrFromAddrPort(listen))
	if err != nil {
		return nil, fmt.Errorf("channeltab: listen on %s: %w", listen, err)
	}
	s := &Sockets{Own: own, to: m.Group, Guard: func() bool { return true }}
	_ = own.SetReadBuffer(receiveBuffer) // the system may give less
	if !m.Group.IsValid() {
		return s, nil
	}
	if err := s.join(listen, m); err != nil {
		return nil, errors.Join(fmt.Errorf("channeltab: multicast group %s: %w", m.Group, err), s.Close())
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
func (s *Sockets) join(listen netip.AddrPort, m MulticastConfig) error {
	nic, err := pickInterface(listen.Addr(), m.Interface)
	if err != nil {
		return err
	}
	hops := m.Hops
	if hops == 0 {
		hops = 8
	}
	if listen.Addr().Is4() {
		p := ipv4.NewPacketConn(s.Own)
		err = errors.Join(p.SetMulticastTTL(hops), p.SetMulticastLoopback(true))
		if nic != nil {
			err = errors.Join(err, p.SetMulticastInterface(nic))
		}
	} else {
		p := ipv6.NewPacketConn(s.Own)
		err = errors.Join(p.SetMulticastHopLimit(hops), p.SetMulticastLoopback(true))
		if nic != nil {
			err = errors.Join(err, p.SetMulticastInterface(nic))
		}
	}
	if err != nil {
		return err
	}
	if s.Group, err = net.ListenMulticastUDP(network(m.Group), nic, net.UDPAddrFromAddrPort(m.Group)); err != nil {
		return err
	}
	_ = s.Group.SetReadBuffer(receiveBuffer)
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

// Send sends what a core wants sent and returns how much the guard or the system refused. A datagram that can't be sent is like one
// that is lost on its way: whoever needs an answer asks again.
func (s *Sockets) Send(out []wire.Packet) (refused uint64) {
	for _, p := range out {
		to := p.To
		if !to.IsValid() {
			to = s.to
		}
		if !s.Guard() {
			refused++
			continue
		}
		if _, err := s.Own.WriteToUDPAddrPort(p.B, to); err != nil {
			refused++
		}
	}
	return refused
}

// Read passes on what a socket receives until it is closed.
func Read(conn *net.UDPConn, take func(from netip.AddrPort, b []byte)) {
	b := make([]byte, wire.MaxDatagram+1) // one more, so that what is too long is seen to be
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

// Close closes them, once.
func (s *Sockets) Close() error {
	s.closing.Do(func() {
		s.closed = s.Own.Close()
		if s.Group != nil {
			s.closed = errors.Join(s.closed, s.Group.Close())
		}
	})
	return s.closed
}
