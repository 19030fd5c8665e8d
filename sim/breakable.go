package sim

import (
	"fmt"
	"net"
	"sync"
)

// breakable is a TCP endpoint that can be cut and repaired.
type breakable struct {
	address string
	open    func(network, address string) (net.Listener, error)
	judge   *judge // nil: none
	rudely  func(net.Conn) net.Conn

	mu       sync.Mutex
	listener net.Listener
	conns    map[string]net.Conn // by remote address
}

// listen opens the endpoint; nil if it is open already.
func (b *breakable) listen() (net.Listener, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listener != nil {
		return nil, nil
	}
	l, err := b.open("tcp", b.address)
	if err != nil {
		return nil, fmt.Errorf("simulated device: %w", err)
	}
	b.address = l.Addr().String() // keeps a port that was given as 0
	b.listener = l
	b.conns = make(map[string]net.Conn)
	return &tracked{l, b}, nil
}

// cut closes the endpoint and resets its connections.
func (b *breakable) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listener == nil {
		return
	}
	_ = b.listener.Close()
	b.listener = nil
	for _, c := range b.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
	b.conns = nil
}

func (b *breakable) has(remote string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns[remote] != nil
}

// tracked notes the connections that it accepts.
type tracked struct {
	net.Listener
	b *breakable
}

func (t *tracked) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	if t.b.listener != t.Listener {
		_ = c.Close() // cut meanwhile
		return nil, net.ErrClosed
	}
	t.b.conns[c.RemoteAddr().String()] = c
	if t.b.judge != nil {
		return t.b.judge.watch(c), nil
	}
	return t.b.rudely(c), nil
}
