package cluster

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/fepha/fepha/cluster/internal/raftio"
)

// fabric is the network of a station under test: real TCP over loopback, with links between nodes that can be cut in
// either direction. What's sent over a cut link vanishes without an error, as with a pulled cable. Nodes have made-up
// addresses, so that no port is ever taken.
type fabric struct {
	mu        sync.Mutex
	listeners map[string]net.Listener // by made-up address
	owner     map[string]string       // node with that address
	cuts      map[[2]string]bool      // from, to
	conns     map[*fabricConn]bool
}

func newFabric() *fabric {
	return &fabric{
		listeners: map[string]net.Listener{}, owner: map[string]string{},
		cuts: map[[2]string]bool{}, conns: map[*fabricConn]bool{},
	}
}

// of is the network as a node sees it.
func (f *fabric) of(node, address string) raftio.Network {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner[address] = node
	return &fabricSide{f, node}
}

type fabricSide struct {
	fabric *fabric
	node   string
}

func (s *fabricSide) Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.fabric.mu.Lock()
	defer s.fabric.mu.Unlock()
	s.fabric.listeners[address] = l
	return l, nil
}

func (s *fabricSide) Dial(ctx context.Context, address string) (net.Conn, error) {
	f := s.fabric
	f.mu.Lock()
	l, to := f.listeners[address], f.owner[address]
	cut := f.cuts[[2]string{s.node, to}] || f.cuts[[2]string{to, s.node}]
	f.mu.Unlock()
	if cut {
		<-ctx.Done() // no answer comes
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, errors.New("connection refused")
	}
	inner, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	c := &fabricConn{Conn: inner, fabric: f, from: s.node, to: to}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = true
	return c, nil
}

// cut cuts what goes from one node to another.
func (f *fabric) cut(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cuts[[2]string{from, to}] = true
}

// isolate cuts a node off, both ways.
func (f *fabric) isolate(node string, others ...string) {
	for _, o := range others {
		f.cut(node, o)
		f.cut(o, node)
	}
}

// mend ends the cuts between two nodes.
func (f *fabric) mend(a, b string) {
	f.mu.Lock()
	delete(f.cuts, [2]string{a, b})
	delete(f.cuts, [2]string{b, a})
	var lossy []*fabricConn
	for c := range f.conns {
		if c.lost && (c.from == a && c.to == b || c.from == b && c.to == a) {
			lossy = append(lossy, c)
		}
	}
	f.mu.Unlock()
	for _, c := range lossy {
		_ = c.Close()
	}
}

// heal mends everything. Connections that lost something on the way are gone.
func (f *fabric) heal() {
	f.mu.Lock()
	f.cuts = map[[2]string]bool{}
	var lossy []*fabricConn
	for c := range f.conns {
		if c.lost {
			lossy = append(lossy, c)
		}
	}
	f.mu.Unlock()
	for _, c := range lossy {
		_ = c.Close()
	}
}

// lose tells whether what goes from one node to another is lost now, and notes it.
func (f *fabric) lose(c *fabricConn, from, to string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.lost = c.lost || f.cuts[[2]string{from, to}]
	return c.lost
}

type fabricConn struct {
	net.Conn
	fabric   *fabric
	from, to string
	lost     bool // guarded by fabric.mu
}

func (c *fabricConn) Write(b []byte) (int, error) {
	if c.fabric.lose(c, c.from, c.to) {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *fabricConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.fabric.lose(c, c.to, c.from) {
			return n, err
		}
	}
}

func (c *fabricConn) Close() error {
	c.fabric.mu.Lock()
	delete(c.fabric.conns, c)
	c.fabric.mu.Unlock()
	return c.Conn.Close()
}
