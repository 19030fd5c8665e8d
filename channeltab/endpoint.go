package channeltab

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/listen"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/replica"
)

// Tenures tells when this node may run the endpoint.
type Tenures func(ctx context.Context) (replica.Tenure, error)

// TenuresOf returns the node's tenures of the endpoint.
func TenuresOf(n replica.Owner) Tenures {
	return func(ctx context.Context) (replica.Tenure, error) { return n.WaitTenure(ctx, fsm.FNPResource()) }
}

// EndpointConfig is what one node of the pair is told of the pair's own station.
type EndpointConfig struct {
	Station  StationConfig // as it is on this node; Epoch, Begin, Kept and Guard are filled in
	Tenures  Tenures
	Registry Registry // has the table to begin with
	Mailbox  Mailbox
}

// Endpoint is the pair's own station: one installation that runs on the node which owns it. It registers under the epoch
// of the ownership, so a table that has heard of the new owner turns the old one away. What it receives it has
// kept in that epoch before it acknowledges it. Its methods may be called from several goroutines.
type Endpoint struct {
	cfg EndpointConfig
	log *slog.Logger

	mu      sync.Mutex
	station *Station // nil while this node does not run it
}

// reopenAfter is how long the endpoint waits after a message that could not be kept before it starts again.
const reopenAfter = time.Second

// NewEndpoint checks the configuration; the error wraps ErrConfig. Run runs it.
func NewEndpoint(cfg EndpointConfig) (*Endpoint, error) {
	if _, err := cfg.Station.setup(); err != nil {
		return nil, err
	}
	if err := cfg.Station.Multicast.Validate(cfg.Station.Listen); err != nil {
		return nil, err
	}
	e := &Endpoint{cfg: cfg, log: cfg.Station.Log}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.log = loglimit.New(e.log) // a message that can't be kept may come again and again
	return e, nil
}

// Run runs the station whenever this node owns it, until ctx ends; it returns ctx's error or the node's.
func (e *Endpoint) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		t, err := e.cfg.Tenures(ctx)
		if err != nil {
			return err
		}
		if err := e.serve(ctx, t); err != nil {
			e.log.Error("FNP endpoint can't go on", "error", err)
			select {
			case <-time.After(reopenAfter):
			case <-t.Done():
			case <-ctx.Done():
			}
		}
		t.Close()
	}
	return ctx.Err()
}

// serve runs the station for one tenure. It does not leave when that ends: the next owner is the same installation.
func (e *Endpoint) serve(ctx context.Context, t replica.Tenure) error {
	cfg := e.cfg.Station
	cfg.Epoch, cfg.Guard, cfg.Begin = t.Epoch(), t.Valid, e.cfg.Registry.Since(0, 0)
	cfg.Kept = e.cfg.Mailbox.Kept
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer t.OnEnd(cancel)()
	var s *Station
	err := listen.Retry(ctx, e.log, "FNP endpoint", cfg.Listen.String(), func() (err error) {
		s, err = OpenStation(cfg)
		return err
	})
	if err != nil {
		return nil // the tenure or the node has ended
	}
	defer s.Close()
	defer t.OnEnd(s.Silence)()
	e.log.Info("FNP endpoint runs here", "address", cfg.Listen, "epoch", cfg.Epoch)
	e.set(s)
	defer e.set(nil)
	for {
		m, err := s.Receive(ctx)
		if err != nil {
			return nil // the tenure or the node has ended
		}
		// One after the other: those that are to be in order are kept in order.
		switch err := e.cfg.Mailbox.Keep(ctx, cfg.Epoch, m); {
		case errors.Is(err, ErrEpochOver) || ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		s.Keep(m)
	}
}

func (e *Endpoint) set(s *Station) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.station = s
}

// Station returns the running station; false while this node does not run it.
func (e *Endpoint) Station() (*Station, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.station, e.station != nil
}
