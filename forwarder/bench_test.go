package forwarder

import (
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// benchmarkFeed measures how fast events are taken from the journal and packed, without a link. The table's size is
// that of a large uplink.
func benchmarkFeed(b *testing.B, alternate bool) {
	c := startStation(b, fsmpb.Configure_EXCLUSIVE, "a")
	const n = 100_000
	table := make([]Point, n)
	for i := range table {
		table[i] = Point{IOA: uint32(i + 1), RTU: 1, Kind: fsm.DI, Point: uint32(i), Type: asdu.M_SP_TB_1}
		if alternate && i%2 == 1 {
			table[i].Type = asdu.M_DP_TB_1
		}
	}
	items := make([]*fsmpb.Item, n)
	for i := range items {
		items[i] = di(uint32(i), 1, uint64(i))
	}
	c.Values(b, 1, items...)
	var first, last uint64
	c.View(func(s *fsm.State) { first, last = s.JournalLast()-n, s.JournalLast() })
	f := newTestFeed(b, c, 12, table)
	f.begin(f.cursor.resume(f.clock, first, last))
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		a, index, ok := f.Next()
		if !ok {
			b.Fatal("nothing to send")
		}
		sent += a.Len()
		f.Acked(index)
		f.replicate()
		if f.position >= last-100 { // once more: the cursor must go with it, which passes over what it has seen acknowledged
			f.cursor.at = 0
			f.begin(f.cursor.resume(f.clock, first, last))
		}
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFeedPacked(b *testing.B) { benchmarkFeed(b, false) }
func BenchmarkFeedSingle(b *testing.B) { benchmarkFeed(b, true) }

// BenchmarkInterrogation is a station interrogation of 100,000 points, without a link.
func BenchmarkInterrogation(b *testing.B) {
	c := startStation(b, fsmpb.Configure_EXCLUSIVE, "a")
	const n = 100_000
	table := make([]Point, n)
	for i := range table {
		table[i] = Point{IOA: uint32(i + 1), RTU: 1, Kind: fsm.DI, Point: uint32(i), Type: asdu.M_SP_TB_1}
	}
	f := newTestFeed(b, c, 12, table)
	b.ReportAllocs()
	for b.Loop() {
		f.start(interrogation(b, f.table))
		for {
			if _, _, ok := f.Next(); !ok {
				break
			}
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "points/s")
}
