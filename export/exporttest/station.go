// Package exporttest is what the tests of exports have in common: a station in memory that exports, the faults that every
// kind of target has to stand, and real servers.
package exporttest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/export"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica/replicatest"
)

// Resource is the export of a [Station].
const Resource = "export/test"

// Station is a station in memory with one RTU, which is fep1's, and one export.
type Station struct {
	*replicatest.Station
	Said conditiontest.Said

	t       testing.TB
	running map[string]func() // by node: ends its exports
	point   uint32
}

// New makes a station whose export takes events, the audit, or both.
func New(t testing.TB, events, audit bool) *Station {
	s := &Station{t: t, running: map[string]func(){}}
	s.Station = replicatest.New(t, &fsmpb.Configure{
		Nodes:   []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
		Rtus:    []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1}}},
		Exports: []*fsmpb.Configure_Export{{Name: "test", Events: events, Audit: audit}},
	})
	s.SetDelay(time.Millisecond)
	s.Assign(t, fsm.RTUResource(1), "fep1")
	return s
}

// Run runs the export on a node, until [Station.End] or the end of the test.
func (s *Station) Run(node string, e export.Export) *export.Manager {
	e.Name = "test"
	m := export.New(export.Config{
		Replica: s.Node(node), Station: 21, Location: time.UTC, Words: Words{}, Conditions: &s.Said,
		Log: slog.New(slog.DiscardHandler), Exports: []export.Export{e},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	end := sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	s.running[node] = end
	s.t.Cleanup(end)
	return m
}

// End ends the export on a node, in the middle of what it does.
func (s *Station) End(node string) { s.running[node]() }

// Happen makes so many events.
func (s *Station) Happen(n int) {
	const batch = 50
	for n > 0 {
		var items []*fsmpb.Item
		for range min(n, batch) {
			s.point++
			items = append(items, &fsmpb.Item{
				Kind: fsmpb.Kind_DI, Point: s.point%1000 + 1, Type: 30, Value: float64(s.point % 2), TimeMs: 1_795_938_430_846 + int64(s.point),
			})
		}
		s.Values(s.t, 1, items...)
		n -= len(items)
	}
}

// Export is how far the export has come.
func (s *Station) Export() (e fsm.Export) {
	s.View(func(st *fsm.State) { e, _ = st.Export(Resource) })
	return e
}

// Exported waits until the target has all there is.
func (s *Station) Exported() {
	s.t.Helper()
	defer func() {
		if s.Export().Backlog != 0 {
			s.t.Logf("%+v", s.Export())
		}
	}()
	Within(s.t, time.Minute, "all is exported", func() bool { return s.Export().Backlog == 0 })
}

// Seqs are the numbers of the events.
func (s *Station) Seqs() (seqs []uint64) {
	for _, e := range s.Events() {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

// Words implements export.Words.
type Words struct{}

// Point names a point by its number.
func (Words) Point(k fsm.PointKey) (name, unit string) {
	return fmt.Sprintf("开关 %d, \"Q%d\"", k.Point, k.Point), ""
}

// Quality is that of the quality octet.
func (Words) Quality(_, quality uint8) string {
	if quality != 0 {
		return fmt.Sprintf("%02x", quality)
	}
	return ""
}

// Sentence says what an entry of the audit is about.
func (Words) Sentence(e *fsm.AuditEntry) string { return e.Note.Kind.String() + " " + e.Note.Resource }

// Server is a target that can be stopped.
type Server struct {
	Driver func(node string) export.Driver
	Seqs   func() []uint64 // of the records in the target, in the order in which it got them
	Stop   func()          // nil: it can't be
	Start  func()
	Once   bool // it has each record once, whatever happens; else at least once
}

// Faults brings events into a target while its owner is killed, given the export back, and while the target is away.
func Faults(t *testing.T, server Server) {
	const each = 2000
	s := New(t, true, false)
	for _, node := range []string{"fep1", "fep2"} {
		s.Run(node, export.Export{Driver: server.Driver(node)})
	}
	s.Assign(t, Resource, "fep1")
	s.Happen(each)
	s.Exported()

	s.Happen(each) // under way while the owner ends
	s.Node("fep1").SetLease(false)
	s.End("fep1")
	s.Assign(t, Resource, "fep2")
	s.Happen(each)
	s.Exported()

	if server.Stop != nil {
		s.Happen(each)
		server.Stop()
		s.Happen(each)
		Within(t, time.Minute, "the owner says that it can't reach the target", func() bool {
			reach, said := s.Export().Reach["fep2"]
			return said && !reach.OK && reach.Reason != ""
		})
		server.Start()
		s.Exported()
	}

	s.Node("fep1").SetLease(true)
	s.Run("fep1", export.Export{Driver: server.Driver("fep1")})
	s.Happen(each)
	s.Move(t, Resource, "fep1")
	s.Happen(each)
	s.Exported()
	Within(t, 20*time.Second, "the target has every event", func() bool { return len(distinct(server.Seqs())) == len(s.Seqs()) })
	got := server.Seqs()
	if all := distinct(got); !slices.Equal(all, s.Seqs()) {
		t.Errorf("%d of %d events are in the target", len(all), len(s.Seqs()))
	} else if server.Once && len(got) != len(all) {
		t.Errorf("%d events are %d times in the target", len(all), len(got))
	}
	t.Logf("%d events, %d repeated", len(s.Seqs()), len(got)-len(s.Seqs()))
}

func distinct(seqs []uint64) []uint64 {
	all := slices.Clone(seqs)
	slices.Sort(all)
	return slices.Compact(all)
}

// Analog gives an analog another value, which is no event.
func (s *Station) Analog(point uint32, value float64) {
	s.Values(s.t, 1, &fsmpb.Item{Kind: fsmpb.Kind_AI, Point: point, Type: 36, Value: value, Mode: fsmpb.Item_IMAGE, TimeMs: 1_795_938_430_846})
}
