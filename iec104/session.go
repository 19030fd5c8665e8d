package iec104

import (
	"context"
	"net/netip"
)

// LinkState is the state of a link between two stations (104, clause 5.3).
type LinkState uint8

const (
	Stopped  LinkState = iota // connected; only U-frames
	Starting                  // STARTDT act was sent, or came and is not confirmed yet
	Started                   // user data in both directions
	Stopping                  // STOPDT act was sent, or came and is not confirmed yet
	Closed
)

// Session is one client's connection to a [Server]. It is held stopped,
// answering TESTFR, until the client starts it. Its methods may be called from
// any goroutine; none waits for the network unless it takes a context.
type Session struct{ conn }

// ID numbers the sessions of a server from 1, in the order they came.
func (s *Session) ID() uint64 { return 0 }

// Group is the name of the session's group.
func (s *Session) Group() string { return "" }

// RemoteAddr is the client's address.
func (s *Session) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

// Send queues an ASDU that goes before all that the Source still has: an
// answer to the client. It copies the ASDU. It returns ErrFull when 64 wait
// already, ErrNotStarted or ErrClosed. What is not sent when the link stops is
// dropped: an answer belongs to its link.
func (s *Session) Send(a ASDU) error { return nil }

// Wake makes the link ask its Source again. It never blocks.
func (s *Session) Wake() {}

// conn is what both sides have in common.
type conn struct{}

// State is the state of the link.
func (c *conn) State() LinkState { return Stopped }

// Ack acknowledges the received ASDUs up to and including the one with this
// index. Only needed with Config.ManualAck.
func (c *conn) Ack(upTo uint64) {}

// Challenge sends TESTFR act and returns nil once it was confirmed: the peer
// is alive. The context bounds the wait.
func (c *conn) Challenge(ctx context.Context) error { return nil }

// Close closes the connection and waits until all its calls into the
// application have returned; so it must not be called from one of them.
func (c *conn) Close() error { return nil }

// Abort closes the connection at once, dropping what the kernel has not sent
// yet. It takes no lock and waits for nothing: a watchdog may call it while a
// write hangs. The reason becomes the link's error.
func (c *conn) Abort(reason error) {}

// Done is closed when the link is closed and no call into the application is
// under way or will come.
func (c *conn) Done() <-chan struct{} { return nil }

// Err is why the link was closed; nil before.
func (c *conn) Err() error { return nil }

// Counters are the link's counts so far.
func (c *conn) Counters() Counters { return Counters{} }

// Counters count the frames and octets of a link, or of all links of a server.
type Counters struct {
	ReceivedI, ReceivedS, ReceivedU uint64
	SentI, SentS, SentU             uint64
	ReceivedOctets, SentOctets      uint64
	Malformed                       uint64 // I-frames whose ASDU was rejected: not delivered, not even in part
}

func (s LinkState) String() string {
	switch s {
	case Stopped:
		return "stopped"
	case Starting:
		return "starting"
	case Started:
		return "started"
	case Stopping:
		return "stopping"
	}
	return "closed"
}
