package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/replica"
)

// One TCP port a node carries both kinds of traffic. After the TLS handshake, if there is one, the first octet tells
// them apart: HTTP/2's connection preface begins with 'P', and our side of a Raft stream with 'R'.
const (
	octetRaft = 'R'
	octetGRPC = 'P'
)

// network is where connections come from: the operating system, or a test's simulation of faults.
type network interface {
	Listen(address string) (net.Listener, error)
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// tcp is the operating system's network.
type tcp struct{ unacked time.Duration }

func (t tcp) Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return tunedListener{l, t.unacked}, nil
}

func (t tcp) Dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		limitUnacked(conn, t.unacked)
	}
	return conn, err
}

type tunedListener struct {
	net.Listener
	unacked time.Duration
}

func (l tunedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		limitUnacked(conn, l.unacked)
	}
	return conn, err
}

// switchboard accepts connections on the node's port, sorts them into Raft's and gRPC's, makes outgoing ones, and can
// close all of them: neither library closes the connections it was given when it's closed itself.
type switchboard struct {
	network  network
	security *security // nil: plain TCP
	timeout  time.Duration
	listener net.Listener
	raft     chan net.Conn
	grpc     chan net.Conn
	done     chan struct{}
	wg       sync.WaitGroup
	warn     func(msg string, args ...any)

	mu       sync.Mutex
	conns    map[net.Conn]bool // open ones
	unsorted []net.Conn        // oldest first
	closed   bool
}

func newSwitchboard(address string, network network, security *security, timeout time.Duration, warn func(string, ...any)) (*switchboard, error) {
	l, err := network.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("listening for the other nodes on %s: %w", address, err)
	}
	s := &switchboard{
		network: network, security: security, timeout: timeout, listener: l, warn: warn,
		raft: make(chan net.Conn), grpc: make(chan net.Conn),
		done: make(chan struct{}), conns: map[net.Conn]bool{},
	}
	s.wg.Go(s.accept)
	return s, nil
}

func (s *switchboard) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			select {
			case <-s.done:
				return
			case <-time.After(5 * time.Millisecond): // such as too many open files
				s.warn("accepting a connection failed", "error", err)
				continue
			}
		}
		tracked, ok := s.track(conn)
		if !ok {
			return
		}
		s.wg.Go(func() { s.sort(tracked) })
	}
}

// maxUnsorted bounds the connections that haven't said what they are. It's far more than a station's nodes need. With one
// more, the oldest is closed: a node says what it is at once, so strangers keep only each other out.
const maxUnsorted = 64

func (s *switchboard) await(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsorted = append(s.unsorted, conn)
	if len(s.unsorted) > maxUnsorted {
		// Closing takes it out of the book, under the lock.
		oldest := s.unsorted[0]
		s.unsorted = s.unsorted[1:]
		s.wg.Go(func() { _ = oldest.Close() })
	}
}

func (s *switchboard) sorted(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsorted = slices.DeleteFunc(s.unsorted, func(c net.Conn) bool { return c == conn })
}

// sort hands an incoming connection to the side that its first octet names.
func (s *switchboard) sort(conn net.Conn) {
	s.await(conn)
	defer s.sorted(conn)
	_ = conn.SetDeadline(time.Now().Add(4 * s.timeout))
	if s.security != nil {
		secured := tls.Server(conn, s.security.server())
		if err := secured.Handshake(); err != nil {
			s.warn("refused a connection", "from", conn.RemoteAddr(), "error", err)
			_ = conn.Close()
			return
		}
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
	case octetRaft:
		to = s.raft
	case octetGRPC:
		to = s.grpc
		conn = &prefixed{Conn: conn, prefix: first[:]}
	default:
		s.warn("refused a connection", "from", conn.RemoteAddr(), "error", fmt.Errorf("first octet %#x, expected %q or %q", first[0], octetRaft, octetGRPC))
		_ = conn.Close()
		return
	}
	select {
	case to <- conn:
	case <-s.done:
		_ = conn.Close()
	}
}

// dial connects to a node. With TLS, the certificate must bear the node's id.
func (s *switchboard) dial(ctx context.Context, id, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	raw, err := s.network.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to node %s: %w", id, err)
	}
	conn, ok := s.track(raw)
	if !ok {
		return nil, fmt.Errorf("connecting to node %s: %w", id, replica.ErrClosed)
	}
	if s.security == nil {
		return conn, nil
	}
	secured := tls.Client(conn, s.security.client(id))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connecting to node %s at %s: %w", id, address, err)
	}
	return secured, nil
}

// close ends everything: no connection is left, incoming or outgoing.
func (s *switchboard) close() {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	open := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	if !already {
		close(s.done)
		_ = s.listener.Close()
		for _, conn := range open {
			_ = conn.Close()
		}
	}
	s.wg.Wait()
}

// track takes a connection into the book, or closes it if the switchboard is closed.
func (s *switchboard) track(conn net.Conn) (net.Conn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, false
	}
	t := &trackedConn{Conn: conn, board: s}
	s.conns[t] = true
	return t, true
}

// trackedConn leaves the book when it's closed.
type trackedConn struct {
	net.Conn
	board *switchboard
}

func (c *trackedConn) Close() error {
	c.board.mu.Lock()
	delete(c.board.conns, c)
	c.board.mu.Unlock()
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

// side is one of the switchboard's two kinds of connections, as a listener.
type side struct {
	board *switchboard
	conns <-chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newSide(board *switchboard, conns <-chan net.Conn) *side {
	return &side{board: board, conns: conns, done: make(chan struct{})}
}

var errSideClosed = errors.New("listener closed")

func (s *side) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.done:
		return nil, errSideClosed
	case <-s.board.done:
		return nil, errSideClosed
	}
}

func (s *side) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *side) Addr() net.Addr { return s.board.listener.Addr() }

// raftSide is Raft's StreamLayer.
type raftSide struct {
	*side
	id func(address raft.ServerAddress) string // of the member with that address
}

func (r raftSide) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := r.board.dial(ctx, r.id(address), string(address))
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write([]byte{octetRaft}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, nil
}
