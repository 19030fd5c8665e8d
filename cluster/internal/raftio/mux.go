package raftio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/internal/slots"
	"github.com/fepha/fepha/replica"
)

// One TCP port a node carries both kinds of traffic. After the TLS handshake, if there is one, the first octet tells
// them apart: HTTP/2's connection preface begins with 'P', and our side of a Raft stream with 'R'.
const (
	OctetRaft = 'R'
	octetGRPC = 'P'
)

// Mux accepts connections on the node's port, sorts them into Raft's and gRPC's, makes outgoing ones, and can close all
// of them: neither library closes the connections it was given when it's closed itself.
type Mux struct {
	MuxConfig
	listener net.Listener
	raft     chan net.Conn
	grpc     chan net.Conn
	done     chan struct{}
	wg       sync.WaitGroup

	slots *slots.Slots // of connections that haven't said what they are

	mu     sync.Mutex
	conns  map[net.Conn]bool // open ones
	closed bool
}

// MuxConfig is what a Mux needs to know.
type MuxConfig struct {
	Address string // host:port to listen on
	Network Network
	TLS     *TLS          // nil: plain TCP
	Timeout time.Duration // of connecting, the handshake included
	Log     *slog.Logger  // told of connections that are refused, within limits

	// IsMember knows the addresses of the group's members, whom strangers from elsewhere don't keep out. Nil: none are known.
	IsMember func(netip.Addr) bool
}

// NewMux listens.
func NewMux(c MuxConfig) (*Mux, error) {
	l, err := c.Network.Listen(c.Address)
	if err != nil {
		return nil, fmt.Errorf("listening for the other nodes on %s: %w", c.Address, err)
	}
	c.Log = loglimit.New(c.Log)
	if c.IsMember == nil {
		c.IsMember = func(netip.Addr) bool { return false }
	}
	m := &Mux{
		MuxConfig: c, listener: l, slots: slots.New(unsorted, c.IsMember),
		raft: make(chan net.Conn), grpc: make(chan net.Conn),
		done: make(chan struct{}), conns: map[net.Conn]bool{},
	}
	m.wg.Go(m.accept)
	return m, nil
}

func (m *Mux) accept() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			select {
			case <-m.done:
				return
			case <-time.After(5 * time.Millisecond): // such as too many open files
				m.Log.Warn("accepting a connection failed", "error", err)
				continue
			}
		}
		tracked, ok := m.track(conn)
		if !ok {
			return
		}
		m.wg.Go(func() { m.sort(tracked) })
	}
}

// unsorted bounds the connections that haven't said what they are, from addresses of members, and once more from all
// others. It's far more than a station's nodes need.
var unsorted = slots.Limits{Strangers: 64, OfAnAddress: 32}

// sort hands an incoming connection to the side that its first octet names.
func (m *Mux) sort(conn net.Conn) {
	slot := m.slots.Enter(conn, func() { _ = conn.Close() })
	defer slot.Leave()
	_ = conn.SetDeadline(time.Now().Add(4 * m.Timeout))
	if m.TLS != nil {
		secured := tls.Server(conn, m.TLS.server())
		if err := secured.Handshake(); err != nil {
			m.Log.Warn("refused a connection", "from", conn.RemoteAddr(), "error", err)
			_ = conn.Close()
			return
		}
		m.know(conn, secured)
		conn = secured
	}
	var first [1]byte
	if _, err := conn.Read(first[:]); err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	var to chan net.Conn
	switch first[0] {
	case OctetRaft:
		to = m.raft
	case octetGRPC:
		to = m.grpc
		conn = &prefixed{Conn: conn, prefix: first[:]}
	default:
		m.Log.Warn("refused a connection", "from", conn.RemoteAddr(), "error", fmt.Errorf("first octet %#x, expected %q or %q", first[0], OctetRaft, octetGRPC))
		_ = conn.Close()
		return
	}
	select {
	case to <- conn:
	case <-m.done:
		_ = conn.Close()
	}
}

// Dial connects to a node. With TLS, the certificate must bear the node's id.
func (m *Mux) Dial(ctx context.Context, id, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	raw, err := m.Network.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to node %s: %w", id, err)
	}
	conn, ok := m.track(raw)
	if !ok {
		return nil, fmt.Errorf("connecting to node %s: %w", id, replica.ErrClosed)
	}
	if m.TLS == nil {
		return conn, nil
	}
	secured := tls.Client(conn, m.TLS.client(id))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connecting to node %s at %s: %w", id, address, err)
	}
	m.know(conn, secured)
	return secured, nil
}

// know notes whose certificate the other end of a connection has shown.
func (m *Mux) know(conn net.Conn, secured *tls.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	conn.(*trackedConn).peer = secured.ConnectionState().PeerCertificates[0]
}

// Recheck closes the connections with those whose certificates are refused by now.
func (m *Mux) Recheck(refused func(*x509.Certificate) error) {
	m.mu.Lock()
	var end []*trackedConn
	for conn := range m.conns {
		if t := conn.(*trackedConn); t.peer != nil {
			end = append(end, t)
		}
	}
	m.mu.Unlock()
	for _, t := range end {
		if err := refused(t.peer); err != nil {
			m.Log.Warn("closed a connection", "with", t.RemoteAddr(), "error", err)
			_ = t.Close()
		}
	}
}

// Close ends everything: no connection is left, incoming or outgoing.
func (m *Mux) Close() {
	m.mu.Lock()
	already := m.closed
	m.closed = true
	open := slices.Collect(maps.Keys(m.conns))
	m.mu.Unlock()
	if !already {
		close(m.done)
		_ = m.listener.Close()
		for _, conn := range open {
			_ = conn.Close()
		}
	}
	m.wg.Wait()
}

// track takes a connection into the book, or closes it if the Mux is closed.
func (m *Mux) track(conn net.Conn) (net.Conn, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = conn.Close()
		return nil, false
	}
	t := &trackedConn{Conn: conn, mux: m}
	m.conns[t] = true
	return t, true
}

// trackedConn leaves the book when it's closed.
type trackedConn struct {
	net.Conn
	mux  *Mux
	peer *x509.Certificate // after the handshake, and under the Mux's lock; nil: without TLS
}

func (c *trackedConn) Close() error {
	c.mux.mu.Lock()
	delete(c.mux.conns, c)
	c.mux.mu.Unlock()
	return c.Conn.Close()
}

// prefixed gives back the octet that was read to sort a connection.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (c *prefixed) Read(b []byte) (int, error) {
	if len(c.prefix) > 0 && len(b) > 0 {
		n := copy(b, c.prefix)
		c.prefix = c.prefix[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// GRPC is where gRPC's connections come in.
func (m *Mux) GRPC() net.Listener { return newSide(m, m.grpc) }

// side is one of the mux's two kinds of connections, as a listener.
type side struct {
	mux   *Mux
	conns <-chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newSide(mux *Mux, conns <-chan net.Conn) *side {
	return &side{mux: mux, conns: conns, done: make(chan struct{})}
}

var errSideClosed = errors.New("listener closed")

func (s *side) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.done:
		return nil, errSideClosed
	case <-s.mux.done:
		return nil, errSideClosed
	}
}

func (s *side) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *side) Addr() net.Addr { return s.mux.listener.Addr() }

// raftSide is Raft's StreamLayer.
type raftSide struct {
	*side
	id func(address raft.ServerAddress) string // of the member with that address
}

func (r raftSide) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := r.mux.Dial(ctx, r.id(address), string(address))
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write([]byte{OctetRaft}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, nil
}
