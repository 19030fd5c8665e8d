package acquisition

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
)

// Manager runs the acquisition of one node: a worker for each RTU, and a watch that tells them what the replicated state
// says.
type Manager struct {
	env Config // without RTUs

	mu      sync.Mutex
	rtus    []RTU // to be run; without Points once there's a worker
	workers map[uint32]*supervised
	run     *running // nil: not in Run
}

// supervised is a worker with the goroutine that runs it.
type supervised struct {
	*worker
	cancel context.CancelFunc
	ended  chan struct{}
}

// running is what Run shares with Configure.
type running struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// New checks the configuration and makes a manager; nothing runs before [Manager.Run]. The error is an [ErrConfig] that
// names everything that's wrong.
func New(config Config) (*Manager, error) {
	if config.Location == nil {
		config.Location = time.UTC
	}
	if config.Conditions == nil {
		config.Conditions = condition.Nobody
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Replica == nil {
		return nil, fmt.Errorf("%w: no replica", ErrConfig)
	}
	rtus := config.RTUs
	config.RTUs = nil
	m := &Manager{env: config, workers: map[uint32]*supervised{}}
	if err := m.Configure(rtus); err != nil {
		return nil, err
	}
	return m, nil
}

// Run works until ctx ends, and returns after every connection is closed and every goroutine has ended. It is called
// once. The error is that of the replica if it was closed before ctx ended, else nil.
func (m *Manager) Run(ctx context.Context) error {
	r := &running{}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	m.mu.Lock()
	m.run = r
	for i, rtu := range m.rtus {
		m.startWorker(rtu, i, len(m.rtus))
	}
	m.rtus = nil
	m.mu.Unlock()

	m.watch(r.ctx)
	r.wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(r.ctx)
}

// Configure puts another list of RTUs in force: the links of those that aren't concerned go on. With an error nothing
// has changed. Before Run it only replaces the list that New got.
func (m *Manager) Configure(rtus []RTU) error {
	if err := check(rtus); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		m.rtus = slices.Clone(rtus)
		return nil
	}
	stay := map[uint32]bool{}
	for _, rtu := range rtus {
		if w := m.workers[rtu.Number]; w != nil && w.same(rtu) {
			stay[rtu.Number] = true
		}
	}
	for number, w := range m.workers {
		if !stay[number] {
			w.cancel()
		}
	}
	for number, w := range m.workers {
		if !stay[number] {
			<-w.ended
			delete(m.workers, number)
		}
	}
	for i, rtu := range rtus {
		if !stay[rtu.Number] && m.run.ctx.Err() == nil {
			m.startWorker(rtu, i, len(rtus))
		}
	}
	return nil
}

// Concerned tells whether an RTU's links are closed and begun anew when it is to be another, see [Manager.Configure].
func (r RTU) Concerned(next RTU) bool {
	return !reflect.DeepEqual(r.withDefaults(), next.withDefaults()) || !newTable(r.Points).equal(newTable(next.Points))
}

// same tells whether the worker's RTU is configured like this one.
func (w *worker) same(rtu RTU) bool {
	return reflect.DeepEqual(rtu.withDefaults(), w.rtu) && w.table.equal(newTable(rtu.Points))
}

// startWorker starts a worker for the i-th of n RTUs.
func (m *Manager) startWorker(rtu RTU, i, n int) {
	ctx, cancel := context.WithCancel(m.run.ctx)
	e := &supervised{newWorker(&m.env, rtu, i, n), cancel, make(chan struct{})}
	m.workers[rtu.Number] = e
	m.run.wg.Go(func() {
		defer close(e.ended)
		defer cancel()
		if err := e.run(ctx); err != nil {
			m.run.cancel(err)
		}
	})
}

// Counters returns what was counted of each RTU since Run, by number.
func (m *Manager) Counters() []Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Counters, 0, len(m.workers))
	for _, w := range m.workers {
		all = append(all, w.counters())
	}
	slices.SortFunc(all, func(a, b Counters) int { return cmp.Compare(a.RTU, b.RTU) })
	return all
}
