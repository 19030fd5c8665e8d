package rtdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/listen"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/internal/passwordfile"
	"github.com/fepha/fepha/internal/redismode"
)

// How often things are tried.
const (
	catchUpEvery = 50 * time.Millisecond // looking whether this node has caught up, after the start
	retryFirst   = 100 * time.Millisecond
	retryMost    = 5 * time.Second // between tries to connect; doubled from retryFirst on
)

// Publisher keeps the view of one node up, and takes requests. It is a [prometheus.Collector] of its [Stats].
type Publisher struct {
	cfg       Config
	server    *miniredis.Miniredis // of mode embedded, or nil
	gate      *gate                // of that
	password  string               // of that; "": none
	front     *front               // before that, from when it listens
	listening bool                 // it did so at once
	connector
	view   *view
	outage outage
	counts counters
}

// New checks the configuration; its errors are [ErrConfig]. In mode embedded the server listens from here on until Run
// returns, or, if its address isn't there yet, from when it is. New does not connect: a server that isn't there is no
// error.
func New(cfg Config) (*Publisher, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{cfg: cfg}
	if cfg.Mode == redismode.Off {
		return p, nil
	}
	address := cfg.Address
	if cfg.Mode == redismode.Embedded {
		if address == "" {
			address = "127.0.0.1:0"
		}
		if err := p.makeServer(); err != nil {
			return nil, fmt.Errorf("%w: mode embedded: %w", ErrConfig, err)
		}
		if p.start(address) == nil {
			p.listening = true
			if cfg.Address == "" {
				address = p.front.listener.Addr().String()
			}
		}
	}
	p.connector = newConnector(&p.cfg, address)
	if p.gate != nil {
		p.connector.name = p.gate.name
	}
	// Whoever may ask may do so a thousand times a second.
	p.cfg.Log = loglimit.New(cfg.Log).With("redis", p.at)
	p.view = newView(cfg.Replica.ID(), cfg.Mode == redismode.Shared)
	p.outage = outage{log: p.cfg.Log, what: "redis: the view is not kept up"}
	return p, nil
}

// makeServer makes the embedded server, which doesn't listen yet.
func (p *Publisher) makeServer() error {
	password, err := passwordfile.Read(p.cfg.PasswordFile)
	if err != nil {
		return err
	}
	p.server = miniredis.NewMiniRedis()
	p.gate = newGate(p.server)
	p.password = password
	if password != "" {
		user := p.cfg.Username
		if user == "" {
			user = "default"
		}
		p.server.RequireUserAuth(user, password)
	}
	return nil
}

// serve makes the embedded server listen, if it does not do so yet; an error is ctx's.
func (p *Publisher) serve(ctx context.Context) error {
	if p.listening {
		return nil
	}
	return listen.Retry(ctx, p.cfg.Log, "embedded Redis", p.address, func() error { return p.start(p.address) })
}

// start has the embedded server listen, behind its gate.
func (p *Publisher) start(address string) error {
	l, err := listenAt(address)
	if err != nil {
		return err
	}
	p.front, err = newFront(l, p.password, func(cfg *tls.Config) (string, error) {
		if err := p.server.StartAddrTLS("127.0.0.1:0", cfg); err != nil {
			return "", err
		}
		p.server.Server().SetPreHook(p.gate.hook)
		return p.server.Addr(), nil
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}

// listenAt listens where an address says. A Unix socket is for this process's own user, and root.
func listenAt(address string) (net.Listener, error) {
	network, at := endpoint(address)
	if network == "unix" {
		return listen.Unix(at)
	}
	return net.Listen(network, at)
}

// stop ends the embedded server, if it listens.
func (p *Publisher) stop() {
	if p.front != nil {
		p.front.close()
	}
	p.server.Close()
}

// Addr is the server's host:port or unix:PATH: in mode embedded where it listens. It is empty if Sentinel finds the server, and in
// mode off.
func (p *Publisher) Addr() string { return p.address }

// Run works until ctx ends, and returns nil then.
func (p *Publisher) Run(ctx context.Context) error {
	if p.cfg.Mode == redismode.Off {
		<-ctx.Done()
		return nil
	}
	if p.server != nil {
		defer p.stop()
		if p.serve(ctx) != nil {
			return nil
		}
	}
	if !p.catchUp(ctx) {
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	if p.cfg.Describe != nil {
		in := newIntake(p)
		wg.Go(func() { in.run(ctx) })
	}
	p.publish(ctx)
	return nil
}

// catchUp waits until this node's state is worth to be shown. It is false if ctx ends first.
func (p *Publisher) catchUp(ctx context.Context) bool {
	tick := time.NewTicker(catchUpEvery)
	defer tick.Stop()
	for !p.ready() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

func (p *Publisher) ready() (member bool) {
	if !p.cfg.Replica.CaughtUp() {
		return false
	}
	p.cfg.Replica.View(func(s *fsm.State) { _, member = s.Node(p.cfg.Replica.ID()) })
	return member
}

// publish keeps the view up, over one connection after the other.
func (p *Publisher) publish(ctx context.Context) {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		full := p.counts.full.Load()
		err := p.session(ctx)
		if ctx.Err() != nil {
			p.counts.complete.Store(false)
			return
		}
		notice := p.outage.fail
		if p.counts.full.Load() != full { // it was well until now
			pause = retryFirst
			if isLoss(err) {
				notice = p.outage.lost
			}
		}
		if notice(err) {
			p.counts.outages.Add(1)
		}
		p.counts.complete.Store(false)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
