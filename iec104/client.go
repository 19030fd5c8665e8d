package iec104

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// ClientConfig describes a controlling station's connection.
type ClientConfig struct {
	Config
	Address string      // host:port; the standard's port is 2404
	TLS     *tls.Config // nil: plain TCP (IEC 62351-3)
	// Dial makes the TCP connection; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Handle gets each ASDU from the station, in order, one call at a time; a
	// slow one delays nothing but the ASDUs behind it. index counts the ASDUs
	// of this connection from 1, see Ack. a may be used during the call only:
	// Clone it to keep it. Requests must not be made from here, as their
	// answers come by the same goroutine.
	Handle func(c *Client, a asdu.ASDU, index uint64)

	// Malformed gets the octets of each ASDU that can't be parsed, and why, in
	// turn with Handle and under the same rules. It is to be acknowledged as
	// any other, see Ack; without Malformed it goes with the one before it.
	Malformed func(c *Client, octets []byte, index uint64, err error)

	// WriteGuard is asked right before every write to the socket of a started
	// link, and before STARTDT act. An error closes the connection, and nothing
	// is written.
	WriteGuard func() error

	Tap     Tap
	Backlog int          // octets of received ASDUs that wait for Handle; 64 KiB
	Log     *slog.Logger // nil: silent

	// Run waits this long after a link that failed, and up to RetryMax after
	// several in a row that were never started: 1 s, 30 s.
	Retry, RetryMax time.Duration
}

// Client is a controlling station's connection to one controlled station. It
// is held stopped, answering TESTFR, until StartDT. Its methods may be called
// from any goroutine.
type Client struct {
	conn
	config   ClientConfig
	requests requests
	started  bool // it was, once; guarded by conn.mu
}

// Dial connects within t0, TLS included. The link is stopped.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	if err := cfg.Config.Validate(); err != nil {
		return nil, err
	}
	cfg.Config = cfg.Config.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, cfg.T0)
	defer cancel()
	dial := cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	tcp, err := dial(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("iec104: connecting to %s within t0 = %v: %w", cfg.Address, cfg.T0, err)
	}
	c := &Client{config: cfg}
	c.init(cfg.Config, tcp, c, true)
	c.tap = cfg.Tap
	if cfg.Backlog > 0 {
		c.inbox.limit = cfg.Backlog
	}
	if cfg.Log != nil {
		c.log = cfg.Log.With("station", cfg.Address)
	}
	if cfg.TLS != nil {
		t := cfg.TLS.Clone()
		if t.ServerName == "" && !t.InsecureSkipVerify {
			t.ServerName, _, _ = net.SplitHostPort(cfg.Address)
		}
		secured := tls.Client(tcp, t)
		if err := secured.HandshakeContext(ctx); err != nil {
			tcp.Close()
			return nil, fmt.Errorf("iec104: TLS with %s: %w", cfg.Address, err)
		}
		c.net = secured
	}
	c.log.Info("connected")
	go c.run()
	return c, nil
}

// StartDT starts the transfer of user data and returns when it is confirmed.
// If the context ends first, the link is left to t1.
func (c *Client) StartDT(ctx context.Context) error {
	err := c.change(ctx, Started, (*link).start)
	if err != nil {
		return fmt.Errorf("iec104: STARTDT not confirmed: %w", err)
	}
	return nil
}

// StopDT stops the transfer and returns when it is confirmed: the station does
// so after all that it sent was acknowledged, see Ack. If the context ends
// first, the link is left to t1.
func (c *Client) StopDT(ctx context.Context) error {
	err := c.change(ctx, Stopped, (*link).stop)
	if err != nil {
		return fmt.Errorf("iec104: STOPDT not confirmed: %w", err)
	}
	return nil
}

// change asks for a state and waits for it.
func (c *Client) change(ctx context.Context, want LinkState, ask func(*link, time.Duration)) error {
	return c.await(ctx, func() bool {
		if c.link.state == want {
			c.started = c.started || want == Started
			return true
		}
		now := c.now()
		ask(c.link, now) // does nothing while another change is under way
		c.carryOut(now)
		return false
	})
}

// Send sends one ASDU and returns nil when it was written to the connection.
// An error that is ErrNotSent says that it never was and never will be; after
// another one it may or may not have arrived.
func (c *Client) Send(ctx context.Context, a asdu.ASDU) error {
	if err := ctx.Err(); err != nil {
		return notSent(&err)
	}
	out := outgoing{asdu: a.Clone(), result: make(chan error, 1)}
	var refused error
	err := c.await(ctx, func() bool {
		if refused = c.sendable(); refused != nil {
			return true
		}
		if len(c.outbox.asdus) >= maxOutgoing {
			return false
		}
		c.outbox.asdus = append(c.outbox.asdus, out)
		c.kick()
		return true
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return notSent(&err)
	}
	select {
	case err := <-out.result:
		return err
	case <-ctx.Done():
	}
	if c.withdraw(out) {
		err := ctx.Err()
		return notSent(&err)
	}
	return <-out.result // it is being written
}

// withdraw takes back an ASDU that still waits.
func (c *Client) withdraw(out outgoing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.outbox.asdus)
	c.outbox.asdus = slices.DeleteFunc(c.outbox.asdus, func(o outgoing) bool { return o.result == out.result })
	return len(c.outbox.asdus) < n
}

func (c *Client) handle(a asdu.ASDU, index uint64) {
	if c.config.Handle != nil {
		c.config.Handle(c, a, index)
	}
	c.requests.answer(a)
}

func (c *Client) malformed(octets []byte, index uint64, err error) bool {
	if c.config.Malformed == nil {
		return false
	}
	c.config.Malformed(c, octets, index, err)
	return true
}

func (c *Client) guard() error {
	if c.config.WriteGuard == nil {
		return nil
	}
	return c.config.WriteGuard()
}

func (c *Client) startRequested() {} // only a controlling station asks for it
func (c *Client) stopped()        {}
func (c *Client) closed(error)    {}

// Run keeps a link up until ctx ends: it dials, calls run with the client,
// closes it when run returns, and tries again after a wait: see
// ClientConfig.Retry. The context that run gets ends with the link. Run returns
// the error of ctx.
func Run(ctx context.Context, cfg ClientConfig, run func(ctx context.Context, c *Client) error) error {
	if err := cfg.Config.Validate(); err != nil {
		return err
	}
	if cfg.Retry <= 0 {
		cfg.Retry = time.Second
	}
	cfg.RetryMax = max(cfg.Retry, cfg.RetryMax)
	if cfg.RetryMax == cfg.Retry {
		cfg.RetryMax = 30 * cfg.Retry
	}
	wait := cfg.Retry
	for {
		started, err := attempt(ctx, cfg, run)
		if started {
			wait = cfg.Retry
		}
		if cfg.Log != nil && ctx.Err() == nil {
			cfg.Log.Warn("no link", "station", cfg.Address, "reason", err, "next attempt in", wait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, cfg.RetryMax)
	}
}

// attempt runs one link to its end and says whether it was ever started.
func attempt(ctx context.Context, cfg ClientConfig, run func(ctx context.Context, c *Client) error) (started bool, err error) {
	c, err := Dial(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-c.detached:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = run(ctx, c)
	cancel()
	<-watched
	if err == nil {
		err = c.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started, err
}
