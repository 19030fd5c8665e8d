package export

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// Config is what all exports of a node have in common.
type Config struct {
	Replica    replica.Owner
	Station    uint16
	Location   *time.Location
	Words      Words
	Conditions condition.Reporter
	Log        *slog.Logger
	Exports    []Export
}

// Words says what the configuration and the protocol know of what is in the state.
type Words interface {
	Point(fsm.PointKey) (name, unit string)
	Quality(typeID, quality uint8) string // "" for a good one
	Sentence(*fsm.AuditEntry) string
}

// Export is one export as configured.
type Export struct {
	Name   string
	Driver Driver
	Values time.Duration // how often the values that have changed are written; 0: never
	States bool          // values of states too, not those of analogs and counters alone
}

// Manager runs the exports of a node.
type Manager struct {
	exporters []*exporter
}

// New makes a manager; nothing runs yet.
func New(cfg Config) *Manager {
	m := &Manager{}
	for _, e := range cfg.Exports {
		m.exporters = append(m.exporters, newExporter(&cfg, e))
	}
	return m
}

// Run runs all exports until ctx ends, and waits for their end.
func (m *Manager) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, e := range m.exporters {
		running.Go(func() { e.run(ctx) })
		running.Go(func() { e.watch(ctx) })
	}
	<-ctx.Done() // also where there is none
	running.Wait()
	return nil
}

// Stats is what one export has done on this node since its start.
type Stats struct {
	Name    string
	Records uint64 // written, repeats included
	Values  uint64
	Errors  uint64
	Error   string // why it doesn't get on now; "" if it does
}

// Stats are those of all exports, in the order of the configuration.
func (m *Manager) Stats() iter.Seq[Stats] {
	return func(yield func(Stats) bool) {
		for _, e := range m.exporters {
			if !yield(e.stats()) {
				return
			}
		}
	}
}
