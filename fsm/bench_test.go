package fsm

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// bigState has this many points on 500 RTUs, and as many events as are retained.
func bigState(t testing.TB, points, events int) *State {
	const rtus = 500
	x := newScripted(t)
	cfg := &fsmpb.Configure{Retain: uint64(events), Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: roleFEP}, {Id: "fep2", Host: 2, Role: roleFEP}}}
	for n := range rtus {
		cfg.Rtus = append(cfg.Rtus, &fsmpb.Configure_RTU{Number: uint32(n + 1), Links: []uint32{1, 1}})
		cfg.Virtual = append(cfg.Virtual, &fsmpb.Configure_Virtual{Rtu: 10_000, Point: uint32(n), Source: fmt.Sprintf("rtu:%d", n+1)})
	}
	cfg.Groups = []*fsmpb.Configure_Group{{Uplink: "occ", Group: "main", Mode: fsmpb.Configure_MAIN_STANDBY}}
	apply := func(c *fsmpb.Command) {
		x.index++
		if r := x.s.Apply(x.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]; r.Code != ok {
			t.Fatal(r)
		}
	}
	apply(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
	for n := range rtus {
		id := uint32(n + 1)
		apply(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: RTUResource(id), Owner: "fep1"}}})
		apply(&fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{Rtu: id, Node: "fep1", Links: []*fsmpb.Links_Link{{Channel: 1, Link: 1, State: fsmpb.LinkState_ACTIVE}}}}})
		ev := &fsmpb.Events{Rtu: id, Epoch: 1, Batch: 1}
		for p := range points / rtus {
			ev.Items = append(ev.Items, benchItem(p, fsmpb.Item_IMAGE))
		}
		apply(&fsmpb.Command{Node: "fep1", Op: &fsmpb.Command_Events{Events: ev}})
	}
	for n := uint64(2); x.s.JournalLast() < uint64(events); n++ {
		ev := &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: n}
		for p := range 1000 {
			ev.Items = append(ev.Items, benchItem(p%(points/rtus), fsmpb.Item_EVENT))
		}
		apply(&fsmpb.Command{Node: "fep1", Op: &fsmpb.Command_Events{Events: ev}})
	}
	return x.s
}

// benchItem is a point of its own for each number: as many DI as AI.
func benchItem(p int, mode fsmpb.Item_Mode) *fsmpb.Item {
	kind := fsmpb.Kind_DI
	if p%2 == 1 {
		kind = fsmpb.Kind_AI
	}
	return &fsmpb.Item{Kind: kind, Point: uint32(p), Type: 30, Value: float64(p), Time: 1 << 40, TimeMs: scriptStart, Mode: mode}
}

// BenchmarkEvents applies batches of events as they come out of the log, decoding included.
func BenchmarkEvents(b *testing.B) {
	for _, items := range []int{1, 20, 1000} {
		b.Run(fmt.Sprint(items), func(b *testing.B) {
			s := bigState(b, 100_000, 200_000)
			r, _ := s.Resource("rtu/1")
			ev := &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: r.LastBatch}
			for p := range items {
				ev.Items = append(ev.Items, benchItem(p, fsmpb.Item_EVENT))
			}
			entry := &fsmpb.Entry{Commands: []*fsmpb.Command{{AtMs: scriptStart, Node: "fep1", Op: &fsmpb.Command_Events{Events: ev}}}}
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				ev.Batch++
				raw, err := proto.Marshal(entry)
				if err != nil {
					b.Fatal(err)
				}
				var e fsmpb.Entry
				if err := proto.Unmarshal(raw, &e); err != nil {
					b.Fatal(err)
				}
				size = len(raw)
				if r := s.Apply(1, &e)[0]; r.Code != ok {
					b.Fatal(r)
				}
			}
			b.ReportMetric(float64(b.N*items)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(size), "octets/entry")
		})
	}
}

// BenchmarkApplyEvents is the same without encoding and decoding.
func BenchmarkApplyEvents(b *testing.B) {
	for _, items := range []int{1, 20} {
		b.Run(fmt.Sprint(items), func(b *testing.B) {
			s := bigState(b, 100_000, 200_000)
			r, _ := s.Resource("rtu/1")
			ev := &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: r.LastBatch}
			for p := range items {
				ev.Items = append(ev.Items, benchItem(p, fsmpb.Item_EVENT))
			}
			entry := &fsmpb.Entry{Commands: []*fsmpb.Command{{AtMs: scriptStart, Node: "fep1", Op: &fsmpb.Command_Events{Events: ev}}}}
			b.ReportAllocs()
			for b.Loop() {
				ev.Batch++
				if r := s.Apply(1, entry)[0]; r.Code != ok {
					b.Fatal(r)
				}
			}
			b.ReportMetric(float64(b.N*items)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// The figures for a million points and 200,000 events.
func BenchmarkMillion(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := bigState(b, 1_000_000, 200_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20)
	file := written(b, s.Snapshot())

	b.Run("freeze", func(b *testing.B) {
		for b.Loop() {
			s.Snapshot()
		}
		b.ReportMetric(heap, "MiB-heap")
		b.ReportMetric(heap*(1<<20)/1e6, "octets/point")
	})
	b.Run("write", func(b *testing.B) {
		frozen := s.Snapshot()
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if _, err := frozen.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("restore", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if _, err := Restore(bytes.NewReader(file)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("digest", func(b *testing.B) {
		for b.Loop() {
			s.Digest()
		}
	})
	b.Run("move 500 RTUs", func(b *testing.B) {
		for b.Loop() {
			for n := range 500 {
				r, _ := s.Resource(RTUResource(uint32(n + 1)))
				e := &fsmpb.Entry{Commands: []*fsmpb.Command{{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: r.ID, ExpectEpoch: r.Epoch, Owner: "fep2"}}}}}
				if r := s.Apply(1, e)[0]; r.Code != ok {
					b.Fatal(r)
				}
			}
		}
	})
}
