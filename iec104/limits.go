package iec104

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Limits bound what clients can take of a server. Zero fields have defaults.
type Limits struct {
	Connections     int // at a time; 256. Each group has an equal share
	PerAddress      int // at a time from one IP address; 16
	FramesPerSecond int // received from one client; no limit
	Backlog         int // octets of received ASDUs that wait for Handle, a session; 64 KiB
}

const defaultBacklog = 64 << 10

func (l Limits) withDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 256
	}
	if l.PerAddress == 0 {
		l.PerAddress = 16
	}
	if l.Backlog == 0 {
		l.Backlog = defaultBacklog
	}
	return l
}

// rate allows limit frames in each second, counted from the first one of it.
type rate struct {
	limit int // 0: no limit
	began time.Duration
	count int
}

func (r *rate) allow(now time.Duration, frames uint64) bool {
	if r.limit == 0 {
		return true
	}
	if now-r.began >= time.Second {
		r.began, r.count = now, 0
	}
	r.count += int(frames)
	return r.count <= r.limit
}

// place is what a connection takes: one of its address, and one of a group.
type place struct {
	addr  netip.Addr
	group *group // the first that had room; after the TLS handshake, that of the certificate
}

// groupsOf are those that a client with this address may be in.
func (srv *Server) groupsOf(addr netip.Addr) []*group {
	return slices.DeleteFunc(slices.Clone(srv.groups), func(g *group) bool { return !g.matches(addr) })
}

// place finds a place for another connection from an address. Whom no group knows takes nobody's. srv.mu is held.
func (srv *Server) place(addr netip.Addr) (place, error) {
	candidates := srv.groupsOf(addr)
	if len(candidates) == 0 {
		return place{}, fmt.Errorf("%w: address %v", ErrNoGroup, addr)
	}
	same := 0
	for _, p := range srv.conns {
		if p.addr == addr {
			same++
		}
	}
	if n := srv.cfg.Limits.PerAddress; same >= n {
		return place{}, fmt.Errorf("%w: %d from %v, the limit of an address", ErrLimit, n, addr)
	}
	for _, g := range candidates {
		if srv.hasRoom(g) {
			return place{addr, g}, nil
		}
	}
	return place{}, srv.full(candidates[0])
}

// move gives a connection a place of the group that it turned out to be in.
func (srv *Server) move(tcp net.Conn, g *group) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	p := srv.conns[tcp]
	if p.group == g {
		return nil
	}
	if !srv.hasRoom(g) {
		return srv.full(g)
	}
	p.group = g
	srv.conns[tcp] = p
	return nil
}

// share is how many connections a group may have.
func (srv *Server) share() int { return max(1, srv.cfg.Limits.Connections/len(srv.groups)) }

func (srv *Server) hasRoom(g *group) bool {
	n := 0
	for _, p := range srv.conns {
		if p.group == g {
			n++
		}
	}
	return n < srv.share()
}

func (srv *Server) full(g *group) error {
	return fmt.Errorf("%w: %d, the limit of group %q", ErrLimit, srv.share(), g.Name)
}
