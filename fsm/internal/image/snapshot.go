package image

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/internal/frame"
	"github.com/fepha/fepha/fsm/internal/points"
)

const blockPoints = 1024 // in a frame

// recordSize: value, time, ms, seq, version (8 each), point (4), kind, type, quality (1 each), transient and as
// value (bits 0 and 1 of 1). In [frame.PlainPoints] the last octet is missing.
const recordSize = 5*8 + 4 + 4

// Frozen is the points at one moment.
type Frozen struct {
	rtus  []frozenRTU // by number
	count int
}

type frozenRTU struct {
	number uint32
	n      int
	chunks []chunkRef
}

// Freeze returns the points as they are. It counts as a write.
func (im *Image) Freeze() Frozen {
	frozen := im.View()
	im.generation++
	return frozen
}

// View is what Freeze returns, but good only until the next write.
func (im *Image) View() Frozen {
	frozen := Frozen{rtus: make([]frozenRTU, 0, len(im.rtus)), count: im.count}
	for _, number := range im.RTUs() {
		r := im.rtus[number]
		frozen.rtus = append(frozen.rtus, frozenRTU{number, r.n, slices.Clone(r.chunks)})
	}
	return frozen
}

// Count is the number of points.
func (f *Frozen) Count() int { return f.count }

// WriteFrames writes the points. The error is that of out's Flush.
func (f *Frozen) WriteFrames(out *bufio.Writer) {
	var buf []byte
	for _, r := range f.rtus {
		for from := 0; from < r.n; from += blockPoints {
			buf = appendBlock(buf[:0], r, from, min(from+blockPoints, r.n))
			out.Write(buf)
		}
	}
}

// appendBlock writes a frame: the RTU's number (4), and records.
func appendBlock(b []byte, r frozenRTU, from, to int) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(frame.Begin(b, frame.Points), r.number)
	for pos := from; pos < to; pos++ {
		rec := &r.chunks[pos/chunkPoints].records[pos%chunkPoints]
		b = le.AppendUint64(b, math.Float64bits(rec.Value))
		b = le.AppendUint64(b, rec.Time)
		b = le.AppendUint64(b, uint64(rec.TimeMs))
		b = le.AppendUint64(b, rec.Seq)
		b = le.AppendUint64(b, rec.version)
		b = le.AppendUint32(b, rec.point)
		b = append(b, byte(rec.kind), rec.Type, rec.Quality, frame.Octet(rec.Transient)|frame.Octet(rec.AsValue)<<1)
	}
	return frame.End(b, 0)
}

// Restore takes the payload of a frame; plain: of [frame.PlainPoints].
func (im *Image) Restore(b []byte, plain bool) error {
	size := recordSize
	if plain {
		size--
	}
	if len(b) < 4+size || (len(b)-4)%size != 0 {
		return fmt.Errorf("%d octets of points", len(b))
	}
	le := binary.LittleEndian
	number := le.Uint32(b)
	r := im.RTU(number)
	for b = b[4:]; len(b) > 0; b = b[size:] {
		kind, point := points.Kind(b[44]), le.Uint32(b[40:])
		if _, known := r.Find(kind, point); known || !kind.Monitored() {
			return fmt.Errorf("point %s is there twice, or never", points.Key{RTU: number, Kind: kind, Point: point})
		}
		rec := r.At(im.Add(r, kind, point))
		rec.Value = math.Float64frombits(le.Uint64(b))
		rec.Time, rec.TimeMs = le.Uint64(b[8:]), int64(le.Uint64(b[16:]))
		rec.Seq, rec.version = le.Uint64(b[24:]), le.Uint64(b[32:])
		rec.Type, rec.Quality = b[45], b[46]
		if !plain {
			rec.Transient, rec.AsValue = b[47]&1 != 0, b[47]&2 != 0
		}
	}
	return nil
}
