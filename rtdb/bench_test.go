package rtdb

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica/replicatest"
)

const benchRTUs = 50

// timedNode notes how long the state was kept from changing.
type timedNode struct {
	*replicatest.Node
	longest atomic.Int64
}

func (n *timedNode) View(read func(*fsm.State)) {
	n.Node.View(func(s *fsm.State) {
		began := time.Now()
		read(s)
		if took := int64(time.Since(began)); took > n.longest.Load() {
			n.longest.Store(took)
		}
	})
}

// benchCluster has this many points, half of them DI, half AI, all of them fep1's.
func benchCluster(b *testing.B, points int) station {
	b.Helper()
	var rtus []uint32
	for i := range benchRTUs {
		rtus = append(rtus, uint32(i+1))
	}
	c := startStation(b, rtus...)
	for _, rtu := range rtus {
		c.Assign(b, fsm.RTUResource(rtu), "fep1")
		c.update(b, rtu, points/benchRTUs, 0)
	}
	return c
}

// update changes points of an RTU.
func (c station) update(b *testing.B, rtu uint32, points int, value float64) {
	items := make([]*fsmpb.Item, points)
	for i := range items {
		items[i] = item(fsmpb.Kind(1+i%2), uint32(i), value+float64(i))
	}
	c.Values(b, rtu, items...)
}

var benchServers = []struct {
	name  string
	mode  redismode.Mode
	start func(b *testing.B) string
}{
	{"redis-server", redismode.PerNode, func(b *testing.B) string { return startRedis(b).addr }},
	{"redis-server,shared", redismode.Shared, func(b *testing.B) string { return startRedis(b).addr }},
	{"embedded", redismode.Embedded, func(*testing.B) string { return "" }},
}

// BenchmarkFull writes everything: the figure to reach is 100,000 points in 2 s.
func BenchmarkFull(b *testing.B) {
	for _, s := range benchServers {
		b.Run(s.name, func(b *testing.B) {
			const points = 100_000
			c := benchCluster(b, points)
			n := &timedNode{Node: c.Node("fep1")}
			best := time.Hour
			for b.Loop() {
				r := run(b, Config{Replica: n, Mode: s.mode, Address: s.start(b)})
				within(b, time.Minute, "the view is complete", func() bool { return r.Stats().Complete })
				best = min(best, r.Stats().FullTook)
				r.stop()
			}
			b.ReportMetric(points/best.Seconds(), "best-points/s")
			b.ReportMetric(best.Seconds(), "best-s")
			b.ReportMetric(float64(n.longest.Load())/1e6, "longest-view-ms")
		})
	}
}

// BenchmarkUpdates changes points in commits of 100: the figure to reach is 50,000 updates/s.
func BenchmarkUpdates(b *testing.B) {
	for _, s := range benchServers {
		b.Run(s.name, func(b *testing.B) {
			const points, commit = 100_000, 100
			c := benchCluster(b, points)
			n := &timedNode{Node: c.Node("fep1")}
			r := run(b, Config{Replica: n, Mode: s.mode, Address: s.start(b)})
			within(b, time.Minute, "the view is complete", func() bool { return r.Stats().Complete })
			n.longest.Store(0)
			best, value := time.Hour, 1.0
			for b.Loop() {
				// Each point once, so that nothing goes together and all has to be written.
				began, written := time.Now(), r.Stats().Written
				const count = 50_000
				for i := range count / commit {
					items := make([]*fsmpb.Item, commit)
					for j := range items {
						p := i/benchRTUs*commit + j
						items[j] = item(fsmpb.Kind(1+p%2), uint32(p), value+float64(p))
					}
					c.Values(b, uint32(1+i%benchRTUs), items...)
				}
				value++
				within(b, time.Minute, "all is written", func() bool { return r.Stats().Written-written >= count })
				best = min(best, time.Since(began))
			}
			b.ReportMetric(50_000/best.Seconds(), "best-updates/s")
			b.ReportMetric(float64(n.longest.Load())/1e6, "longest-view-ms")
		})
	}
}

// BenchmarkEncode is the cost of a record in this process, without the network.
func BenchmarkEncode(b *testing.B) {
	r := record{key: key{kind: yc, rtu: 12, a: 12345}, value: 230.125, quality: 0, timeMs: 1700000000123, host: 1}
	var e encoder
	b.ReportAllocs()
	for b.Loop() {
		if _, fields := e.encode(&r); len(fields) != 8 {
			b.Fatal(fmt.Sprint(fields))
		}
	}
}
