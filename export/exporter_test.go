package export_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/export/exporttest"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a target in memory that can be out of order, and slow.
type memory struct {
	mu    sync.Mutex
	err   error
	slow  time.Duration
	opens int
	seqs  []uint64
}

func (m *memory) state() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *memory) set(err error, slow time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err, m.slow = err, slow
}

func (m *memory) got() []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seqs)
}

func (m *memory) Probe(context.Context) error { return m.state() }

func (m *memory) Open(_ context.Context, start export.Start) (export.Target, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opens++
	return &opened{memory: m, delivered: start.After}, m.err
}

type opened struct {
	*memory
	delivered uint64
}

func (o *opened) Write(_ context.Context, records []export.Record) error {
	o.mu.Lock()
	slow := o.slow
	o.mu.Unlock()
	time.Sleep(slow)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range records {
		o.seqs = append(o.seqs, r.Seq)
		o.delivered = r.Seq
	}
	return o.err
}

func (o *opened) Delivered() uint64      { return o.delivered }
func (o *opened) Committed(uint64) error { return nil }
func (o *opened) Close() error           { return nil }

// exported runs a test in virtual time, with an export that fep1 owns.
func exported(t *testing.T, test func(t *testing.T, s *exporttest.Station, m *memory)) {
	synctest.Test(t, func(t *testing.T) {
		s, m := exporttest.New(t, true, false), &memory{}
		s.Run("fep1", export.Export{Driver: m})
		s.Assign(t, exporttest.Resource, "fep1")
		test(t, s, m)
		s.End("fep1")
	})
}

func TestPauseAndReplay(t *testing.T) {
	exported(t, func(t *testing.T, s *exporttest.Station, m *memory) {
		s.Happen(10)
		time.Sleep(time.Second)
		all := s.Seqs()
		if got := m.got(); !slices.Equal(got, all) {
			t.Fatalf("got %v, want %v", got, all)
		}
		s.Do(t, "fep2", &fsmpb.Command{Op: &fsmpb.Command_ExportPause{ExportPause: &fsmpb.ExportPause{Resource: exporttest.Resource, On: true}}})
		time.Sleep(time.Second)
		s.Happen(5)
		time.Sleep(time.Hour)
		if got := m.got(); len(got) != len(all) {
			t.Errorf("a paused export writes: %v", got)
		}
		if s.Said.IDs() != "" {
			t.Errorf("a paused export is behind: %s", s.Said.IDs())
		}
		s.Do(t, "fep2", &fsmpb.Command{Op: &fsmpb.Command_ExportReplay{ExportReplay: &fsmpb.ExportReplay{Resource: exporttest.Resource, From: all[7]}}})
		s.Do(t, "fep2", &fsmpb.Command{Op: &fsmpb.Command_ExportPause{ExportPause: &fsmpb.ExportPause{Resource: exporttest.Resource}}})
		time.Sleep(time.Second)
		if got, want := m.got(), append(all, s.Seqs()[7:]...); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// A target that refuses is tried again, more and more seldom, and that it is behind is told until it has caught up.
func TestBehind(t *testing.T) {
	exported(t, func(t *testing.T, s *exporttest.Station, m *memory) {
		m.set(errors.New("disk full"), 0)
		s.Happen(3)
		time.Sleep(50 * time.Second)
		if s.Said.IDs() != "" {
			t.Errorf("told too soon: %s", s.Said.IDs())
		}
		time.Sleep(time.Hour)
		if got := s.Said.Says("export.test.export_behind"); got == "" || !slices.Contains([]byte(got), '3') {
			t.Errorf("says %q", got)
		}
		if m.mu.Lock(); m.opens < 100 || m.opens > 400 {
			t.Errorf("opened %d times in an hour", m.opens)
		}
		m.mu.Unlock()
		if r := s.Export().Reach["fep1"]; r.OK || r.Reason != "disk full" {
			t.Errorf("%+v", r)
		}
		m.set(nil, 0)
		time.Sleep(time.Minute)
		if s.Export().Backlog != 0 || s.Said.IDs() != "" || !s.Export().Reach["fep1"].OK {
			t.Errorf("%+v, %s", s.Export(), s.Said.IDs())
		}
	})
}

// One that takes ten seconds an answer loses nothing, and holds at most a batch in memory.
func TestSlow(t *testing.T) {
	exported(t, func(t *testing.T, s *exporttest.Station, m *memory) {
		m.set(nil, 10*time.Second)
		s.Happen(20_000)
		time.Sleep(10 * time.Minute)
		if got := m.got(); !slices.Equal(got, s.Seqs()) {
			t.Errorf("%d of %d", len(got), len(s.Seqs()))
		}
	})
}
