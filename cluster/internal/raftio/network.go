package raftio

import (
	"context"
	"net"
	"time"
)

// Network is where connections come from: the operating system, or a test's simulation of faults.
type Network interface {
	Listen(address string) (net.Listener, error)
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// TCP is the operating system's network. A connection whose sent bytes stay unacknowledged for so long is ended.
func TCP(unacked time.Duration) Network { return tcp{unacked} }

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
