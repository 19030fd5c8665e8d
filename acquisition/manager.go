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

// Manager runs the acquisition of one node: a worker for each RTU, or for those that share links, and a watch that tells
// them what the replicated state says.
type Manager struct {
	env Config // without RTUs

	mu      sync.Mutex
	rtus    []RTU                  // to be run; without Points once there's a worker
	workers map[uint32]*supervised // by the number that the links bear
	run     *running               // nil: not in Run
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
	all := byLine(m.rtus)
	for i, line := range all {
		m.startWorker(line, i, len(all))
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
	all, stay := byLine(rtus), map[uint32]bool{}
	for _, line := range all {
		if w := m.workers[line[0].Number]; w != nil && w.same(line) {
			stay[line[0].Number] = true
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
	for i, line := range all {
		if !stay[line[0].Number] && m.run.ctx.Err() == nil {
			m.startWorker(line, i, len(all))
		}
	}
	return nil
}

// Concerned tells whether an RTU's links are closed and begun anew when it is to be another, see [Manager.Configure].
func (r RTU) Concerned(next RTU) bool {
	return !reflect.DeepEqual(r.withDefaults(), next.withDefaults()) || !newTable(r.Points).equal(newTable(next.Points))
}

// same tells whether the worker's RTUs are configured like these.
func (w *worker) same(rtus []RTU) bool {
	return slices.EqualFunc(w.sectors, rtus, func(s *sector, r RTU) bool {
		return reflect.DeepEqual(r.withDefaults(), s.rtu) && s.table.equal(newTable(r.Points))
	})
}

// startWorker starts a worker for the i-th of n links.
func (m *Manager) startWorker(rtus []RTU, i, n int) {
	ctx, cancel := context.WithCancel(m.run.ctx)
	e := &supervised{newWorker(&m.env, rtus, i, n), cancel, make(chan struct{})}
	m.workers[rtus[0].Number] = e
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
		for _, s := range w.sectors {
			all = append(all, s.counters())
		}
	}
	slices.SortFunc(all, func(a, b Counters) int { return cmp.Compare(a.RTU, b.RTU) })
	return all
}

// byLine puts RTUs together that share links, the one whose number they bear first.
func byLine(rtus []RTU) (all [][]RTU) {
	place := map[uint32]int{}
	for _, r := range rtus {
		line := r.line()
		i, known := place[line]
		if !known {
			i = len(all)
			place[line] = i
			all = append(all, nil)
		}
		if r.Number == line {
			all[i] = append([]RTU{r}, all[i]...)
		} else {
			all[i] = append(all[i], r)
		}
	}
	return all
}

// line is the number of the RTU whose number the links and their resource bear.
func (r RTU) line() uint32 {
	if len(r.Sharing) > 0 {
		return r.Sharing[0]
	}
	return r.Number
}
