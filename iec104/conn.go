package iec104

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// conn runs a link over a network connection: what Session and Client have in
// common.
//
// The goroutine that calls run reads and lets the link act. Two more exist
// only while there is work: the sender, which asks the application for ASDUs
// and writes, and the dispatcher, which hands received ASDUs to the
// application. So neither a slow handler nor a peer that does not read keeps
// TESTFR from being answered, and a link at rest costs one goroutine and one
// timer. mu is held for moments: never during a call into the application or
// the network.
type conn struct {
	cfg   Config
	net   net.Conn // bears the frames
	tcp   net.Conn // under it, if that is TLS: what Abort closes
	epoch time.Time
	owner owner
	tap   Tap
	tapMu sync.Mutex // makes the tap's calls come one at a time
	log   *slog.Logger
	rate  rate // only used by the reader

	reason   atomic.Pointer[error] // why the connection is or will be closed
	detached chan struct{}         // closed when the source of a closed link was stopped
	done     chan struct{}

	mu      sync.Mutex // guards all that follows
	link    *link
	timer   *time.Timer
	armed   time.Duration // when the timer fires
	changed chan struct{} // closed when the state changes; nil if nobody waits
	tests   int           // confirmed TESTFR
	turn    uint64        // counts starts and stops
	closing bool          // no goroutine is started any more
	senders sync.WaitGroup
	others  sync.WaitGroup // dispatcher, and those of the owner
	inbox   inbox
	outbox  outbox
}

// owner is what differs between a session and a client.
type owner interface {
	handle(a asdu.ASDU, index uint64)                              // by the dispatcher
	malformed(octets []byte, index uint64, err error) (taken bool) // by the dispatcher; false: it is skipped
	guard() error                                                  // by the sender, right before a write
	startRequested()                                               // STARTDT act came; conn.mu is held
	stopped()                                                      // the link was stopped or closed; conn.mu is held
	closed(err error)                                              // no other call is under way or will come
}

// init makes a conn of a connection. Nothing happens on it before run.
func (c *conn) init(cfg Config, tcp net.Conn, o owner, controlling bool) {
	c.cfg, c.net, c.tcp, c.owner = cfg, tcp, tcp, o
	c.epoch = time.Now()
	c.detached = make(chan struct{})
	c.done = make(chan struct{})
	c.inbox.limit = defaultBacklog
	c.link = newLink(cfg, controlling, 0)
	c.armed = never
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
}

// now is the link's clock: monotonic, whatever happens to the wall clock.
func (c *conn) now() time.Duration { return time.Since(c.epoch) }

// readBuffer holds a window of k = 12 of the longest frames.
const readBuffer = 4096

// run reads until the connection ends, for whatever reason, and ends the link.
func (c *conn) run() {
	c.mu.Lock()
	c.armed = c.link.deadline()
	c.timer = time.AfterFunc(c.armed-c.now(), c.tick)
	c.mu.Unlock()
	c.finish(fmt.Errorf("iec104: connection lost: %w", c.read()))
}

// read reads until the connection ends, and returns why.
func (c *conn) read() error {
	defer c.caught()
	buf := make([]byte, readBuffer)
	for n := 0; ; {
		m, err := c.net.Read(buf[n:])
		if m > 0 {
			n += m
			used := c.receive(buf[:n])
			n = copy(buf, buf[used:n])
		}
		if err != nil || c.reason.Load() != nil {
			return err
		}
	}
}

func (c *conn) receive(b []byte) (used int) {
	if c.tap != nil {
		c.show(Received, b)
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.link.counters.received()
	used = c.link.receive(now, b)
	if !c.rate.allow(now, c.link.counters.received()-before) {
		c.link.close(fmt.Errorf("%w: limit %d", ErrRate, c.rate.limit))
	}
	c.carryOut(now)
	return used
}

// tick is called by the timer.
func (c *conn) tick() {
	defer c.caught()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	now := c.now()
	c.armed = never
	c.link.tick(now)
	c.carryOut(now)
}

// carryOut does what the link wants done after it was given something. mu is held.
func (c *conn) carryOut(now time.Duration) {
	send := false
	for _, e := range c.link.events {
		switch e.kind {
		case asduReceived:
			c.deliver(e)
		case framesAcked:
			send = true
		case startRequested:
			c.owner.startRequested()
		case linkStarted:
			c.turn++
			send = true
			c.notify()
		case linkStopped:
			c.turn++
			c.outbox.stop(nil)
			c.owner.stopped()
			send = true
			c.notify()
		case testConfirmed:
			c.tests++
			c.notify()
		}
	}
	clear(c.link.events)
	c.link.events = c.link.events[:0]
	if len(c.link.out) > maxUnwritten {
		c.link.close(fmt.Errorf("%w: %d octets wait to be written", ErrBacklog, len(c.link.out)))
	}
	if c.link.state == Closed {
		c.fail(c.link.err)
		return
	}
	if send || len(c.link.out) > 0 {
		c.kick()
	}
	// The timer is only moved forward: when it fires early it is set anew,
	// which is cheaper than to move it with every frame.
	if d := c.link.deadline(); d < c.armed && c.timer != nil && !c.closing {
		c.armed = d
		c.timer.Reset(d - now)
	}
}

// fail closes the connection; the reader then ends the link. It takes no lock.
func (c *conn) fail(reason error) {
	c.reason.CompareAndSwap(nil, &reason)
	c.tcp.Close()
}

// finish ends the link, at the end of run.
func (c *conn) finish(reason error) {
	c.fail(reason)
	reason = c.Err()
	c.mu.Lock()
	c.closing = true
	c.turn++
	c.link.close(reason)
	c.timer.Stop()
	c.outbox.stop(reason)
	c.owner.stopped()
	c.mu.Unlock()

	c.senders.Wait()
	c.mu.Lock()
	c.tellSource() // the last acknowledgements, and that it stopped
	close(c.detached)
	c.notify()
	c.mu.Unlock()
	c.others.Wait()
	c.log.Info("link closed", "reason", reason)
	c.tell(func() { c.owner.closed(reason) })
	close(c.done)
}

// tell calls into the application, which may panic. mu is not held.
func (c *conn) tell(call func()) {
	defer c.caught()
	call()
}

// notify wakes those who await a change of state. mu is held.
func (c *conn) notify() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// await waits until met, which is called with mu held, returns true.
func (c *conn) await(ctx context.Context, met func() bool) error {
	for {
		c.mu.Lock()
		if met() {
			c.mu.Unlock()
			return nil
		}
		if c.closing {
			c.mu.Unlock()
			return c.closedError()
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// closedError is what a call on a closed link returns.
func (c *conn) closedError() error {
	if err := c.Err(); err != nil && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return ErrClosed
}

// turnNow is a number that is the same from a start of the link to the next stop.
func (c *conn) turnNow() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn
}

// counted is how many I-frames were sent, those that wait in the outbox included.
func (c *conn) counted() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.sent + uint64(len(c.outbox.asdus))
}

// acknowledged is how many I-frames the peer has acknowledged.
func (c *conn) acknowledged() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.acked
}

// sendable returns an error if no user data may be sent. mu is held.
func (c *conn) sendable() error {
	switch {
	case c.closing || c.link.state == Closed:
		return c.closedError()
	case c.link.state != Started:
		return fmt.Errorf("%w: it is %v", ErrNotStarted, c.link.state)
	}
	return nil
}

// State is the state of the link.
func (c *conn) State() LinkState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.state
}

// Ack acknowledges the received ASDUs up to and including the one with this
// index. Only needed with Config.ManualAck.
func (c *conn) Ack(upTo uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.link.ack(now, upTo)
	c.carryOut(now)
}

// Challenge sends TESTFR act and returns nil once it was confirmed: the peer
// is alive. The context bounds the wait.
func (c *conn) Challenge(ctx context.Context) error {
	c.mu.Lock()
	before, now := c.tests, c.now()
	c.link.test(now)
	c.carryOut(now)
	c.mu.Unlock()
	if err := c.await(ctx, func() bool { return c.tests > before }); err != nil {
		return fmt.Errorf("iec104: TESTFR not confirmed: %w", err)
	}
	return nil
}

// Silent is for how long nothing has come from the peer.
func (c *conn) Silent() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now() - c.link.heard
}

// RemoteAddr is the peer's address.
func (c *conn) RemoteAddr() netip.AddrPort { return addrPort(c.tcp.RemoteAddr()) }

// LocalAddr is the address at this end.
func (c *conn) LocalAddr() netip.AddrPort { return addrPort(c.tcp.LocalAddr()) }

// Close closes the connection and waits until all its calls into the
// application have returned; so it must not be called from one of them.
func (c *conn) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// Abort closes the connection at once, dropping what the kernel has not sent
// yet. It takes no lock and waits for nothing: a watchdog may call it while a
// write hangs. The reason becomes the link's error; nil: ErrClosed.
func (c *conn) Abort(reason error) {
	if reason == nil {
		reason = ErrClosed
	}
	if t, ok := c.tcp.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	c.fail(reason)
}

// Done is closed when the link is closed and no call into the application is
// under way or will come.
func (c *conn) Done() <-chan struct{} { return c.done }

// Err is why the link was closed, or is being closed; nil before.
func (c *conn) Err() error {
	if err := c.reason.Load(); err != nil {
		return *err
	}
	return nil
}

// Counters are the link's counts so far.
func (c *conn) Counters() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.counters
}

// addrPort is the address of a TCP connection; zero for another network's.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
