package image

import (
	"testing"

	"github.com/fepha/fepha/fsm/internal/points"
)

// A write to every chunk after a snapshot: the worst that copying on write costs.
func BenchmarkFirstWriteToEachChunk(b *testing.B) {
	const rtus, each = 500, 2000
	im := New(0)
	for number := range uint32(rtus) {
		for point := range uint32(each) {
			im.Put(points.Key{RTU: number, Kind: points.DI, Point: point})
		}
	}
	chunks := 0
	for b.Loop() {
		im.Freeze()
		chunks = 0
		for _, number := range im.RTUs() {
			r := im.RTU(number)
			for pos := 0; pos < r.Len(); pos += chunkPoints {
				im.Write(number, r, pos)
				chunks++
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(chunks), "ns/chunk")
}
