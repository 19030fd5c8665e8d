package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/replica"
)

// Forwarder runs the uplinks of one node.
type Forwarder struct {
	cfg      Config // without uplinks
	operator *operator
	started  startedLinks

	configuring sync.Mutex // held by who changes the uplinks

	mu      sync.Mutex // guards what follows
	uplinks []*serving
	run     *running // nil: not in Run
}

// serving is an uplink that this node serves.
type serving struct {
	*uplink
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing of it is left
}

// running is what Run shares with Configure.
type running struct {
	ctx     context.Context
	serving sync.WaitGroup
}

// New checks the configuration. Errors wrap ErrConfig.
func New(cfg Config) (*Forwarder, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Log = loglimit.New(cfg.Log, "uplink", "group") // whoever may connect may do so in a flood
	if cfg.Conditions == nil {
		cfg.Conditions = condition.Nobody
	}
	if cfg.OnCarrierLoss == nil {
		cfg.OnCarrierLoss = func(netip.Addr, func(error)) func() { return func() {} }
	}
	if cfg.Replica == nil {
		return nil, fmt.Errorf("%w: no replica", ErrConfig)
	}
	uplinks := cfg.Uplinks
	cfg.Uplinks = nil
	f := &Forwarder{cfg: cfg, operator: newOperator(cfg.Replica, time.Now())}
	if err := f.Configure(uplinks); err != nil {
		return nil, err
	}
	return f, nil
}

// Configure puts another list of uplinks in force. Clients of an uplink that isn't concerned stay connected, and so do
// those of one of which only the points change: they're told by an end of initialization. With an error, which wraps
// ErrConfig, nothing has changed. It returns after what is no more has ended.
func (f *Forwarder) Configure(uplinks []Uplink) error {
	f.configuring.Lock()
	defer f.configuring.Unlock()
	next, tables, err := f.prepare(uplinks)
	if err != nil {
		return err
	}
	f.mu.Lock()
	var gone []*serving
	for _, e := range f.uplinks {
		i := slices.IndexFunc(next, func(n *serving) bool { return n.cfg.same(e.cfg) })
		if i < 0 {
			gone = append(gone, e)
			continue
		}
		next[i] = e
		e.setTable(tables[i])
	}
	f.uplinks = slices.DeleteFunc(f.uplinks, func(e *serving) bool { return slices.Contains(gone, e) })
	run := f.run
	f.mu.Unlock()
	if run != nil {
		for _, e := range gone { // first, so that their ports are free
			e.cancel()
			<-e.ended
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if run = f.run; run != nil { // Run may have begun meanwhile
		for _, e := range next {
			if !slices.Contains(f.uplinks, e) {
				run.serve(e)
			}
		}
	}
	f.uplinks = next
	return nil
}

// prepare checks a list of uplinks and makes those that this node serves, with their tables.
func (f *Forwarder) prepare(uplinks []Uplink) (next []*serving, tables []*table, err error) {
	errs := []error{validate(uplinks)}
	for _, u := range uplinks {
		t, err := newTable(u, f.cfg.Location)
		errs = append(errs, err)
		if err != nil || u.Listen == "" {
			continue
		}
		u = u.withDefaults()
		u.Points = nil // the table has them: a million rows are not to be kept twice
		up, err := newUplink(f.cfg, u, t, f.operator, &f.started)
		errs = append(errs, err)
		next, tables = append(next, &serving{uplink: up}), append(tables, t)
	}
	return next, tables, errors.Join(errs...)
}

// Run serves the uplinks until ctx ends, and returns nil after everything it started has ended. The replica must live until
// then: groups are given up on the way out. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watching.Go(func() { f.watch(watch) })
	watching.Go(func() { f.operator.Run(watch) })
	f.mu.Lock()
	f.run = &running{ctx: ctx}
	for _, e := range f.uplinks {
		f.run.serve(e)
	}
	f.mu.Unlock()
	<-ctx.Done()
	f.configuring.Lock() // nobody begins another uplink from here on
	f.run.serving.Wait()
	f.configuring.Unlock()
	cancel()
	watching.Wait()
	return nil
}

// serve runs an uplink.
func (r *running) serve(e *serving) {
	var ctx context.Context
	ctx, e.cancel = context.WithCancel(r.ctx)
	e.ended = make(chan struct{})
	r.serving.Go(func() {
		defer close(e.ended)
		defer e.cancel()
		e.run(ctx)
	})
}

// served are the uplinks that this node serves now.
func (f *Forwarder) served() []*serving {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.uplinks)
}

// watch tells everyone what of the state has changed, until ctx ends.
func (f *Forwarder) watch(ctx context.Context) {
	var seen fsm.Revisions
	var last, version uint64
	for range replica.Follow(ctx, f.cfg.Replica, replica.Pace{}) {
		var now fsm.Revisions
		var newLast, newVersion uint64
		f.cfg.Replica.View(func(s *fsm.State) {
			now, newLast, newVersion = s.Revisions(), s.JournalLast(), s.Version()
		})
		if newLast != last || newVersion != version {
			f.started.wake()
		}
		if now.Config != seen.Config || now.Resources != seen.Resources || now.Clients != seen.Clients || now.Nodes != seen.Nodes {
			for _, u := range f.served() {
				u.kick()
			}
		}
		seen, last, version = now, newLast, newVersion
	}
}
