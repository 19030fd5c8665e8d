package server

import (
	"net"
	"sync"
)

// maxConnections is how many clients may be connected at once. Whoever floods
// the API must not take the file descriptors that the devices' links need.
const maxConnections = 256

// boundedListener accepts no more than maxConnections at once; others wait in
// the system's queue.
type boundedListener struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func bounded(l net.Listener) net.Listener {
	return &boundedListener{Listener: l, free: make(chan struct{}, maxConnections), closed: make(chan struct{})}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &boundedConn{Conn: c, free: l.free}, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.free })
	return err
}
