package forwarder

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
)

// Forwarder runs the uplinks of one node.
type Forwarder struct {
	node     Node
	operator *operator
	uplinks  []*uplink // those that this node serves
}

// New checks the configuration. Errors wrap ErrConfig.
func New(cfg Config) (*Forwarder, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	errs := []error{cfg.validate()}
	tables := make([]*table, len(cfg.Uplinks))
	for i, u := range cfg.Uplinks {
		var err error
		tables[i], err = newTable(u)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f := &Forwarder{node: cfg.Node, operator: newOperator(cfg.Node, time.Now())}
	for i, u := range cfg.Uplinks {
		if u.Listen == "" {
			continue
		}
		u = u.withDefaults()
		u.Points = nil // the table has them: a million rows are not to be kept twice
		up, err := newUplink(cfg, u, tables[i], f.operator)
		if err != nil {
			return nil, err
		}
		f.uplinks = append(f.uplinks, up)
	}
	return f, nil
}

// Run serves the uplinks until ctx ends, and returns nil after everything it started has ended. The node must live until
// then: groups are given up on the way out. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	var serving, watching sync.WaitGroup
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watching.Go(func() { f.watch(watch) })
	for _, u := range f.uplinks {
		serving.Go(func() { u.run(ctx) })
	}
	serving.Wait()
	cancel()
	watching.Wait()
	return nil
}

// watch tells everyone what of the state has changed, until ctx ends.
func (f *Forwarder) watch(ctx context.Context) {
	var seen fsm.Revisions
	var last, version uint64
	for {
		_, grown := f.node.Applied()
		var now fsm.Revisions
		var newLast, newVersion uint64
		f.node.View(func(s *fsm.State) {
			now, newLast, newVersion = s.Revisions(), s.JournalLast(), s.Version()
		})
		if newLast != last || newVersion != version {
			for _, u := range f.uplinks {
				u.wake()
			}
		}
		if now.Controls != seen.Controls {
			f.operator.deliver()
		}
		if now.Config != seen.Config || now.Resources != seen.Resources || now.Clients != seen.Clients || now.Nodes != seen.Nodes {
			for _, u := range f.uplinks {
				u.kick()
			}
		}
		seen, last, version = now, newLast, newVersion
		select {
		case <-ctx.Done():
			return
		case <-grown:
		}
	}
}
