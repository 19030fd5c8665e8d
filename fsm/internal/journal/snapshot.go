package journal

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/frame"
	"github.com/fepha/fepha/fsm/internal/points"
)

const blockEvents = 1024 // in a frame

// recordSize: number, value, time, ms (8 each), RTU, point (4 each), kind, type, quality (1 each), elapsed time (2),
// transient (1).
const recordSize = 4*8 + 2*4 + 3 + 3

// WriteFrames writes the events. The error is that of out's Flush.
func (j *Journal) WriteFrames(out *bufio.Writer) {
	var buf []byte
	events := make([]Event, blockEvents)
	for after := uint64(0); ; {
		block := j.Read(after, events)
		if len(block) == 0 {
			return
		}
		buf = appendBlock(buf[:0], block)
		out.Write(buf)
		after = block[len(block)-1].Seq
	}
}

// appendBlock writes a frame of records.
func appendBlock(b []byte, events []Event) []byte {
	le := binary.LittleEndian
	b = frame.Begin(b, frame.Journal)
	for i := range events {
		e := &events[i]
		b = le.AppendUint64(b, e.Seq)
		b = le.AppendUint64(b, math.Float64bits(e.Value))
		b = le.AppendUint64(b, e.Time)
		b = le.AppendUint64(b, uint64(e.TimeMs))
		b = le.AppendUint32(b, e.RTU)
		b = le.AppendUint32(b, e.Point)
		b = append(b, byte(e.Kind), e.Type, e.Quality)
		b = append(le.AppendUint16(b, e.ElapsedMs), frame.Octet(e.Transient))
	}
	return frame.End(b, 0)
}

// Restore takes the payload of a frame. No number may be above the newest one given, which the journal was made with.
func (j *Journal) Restore(b []byte) error {
	le := binary.LittleEndian
	if len(b) == 0 || len(b)%recordSize != 0 {
		return fmt.Errorf("%d octets of events", len(b))
	}
	for ; len(b) > 0; b = b[recordSize:] {
		e := Event{
			Seq: le.Uint64(b), Value: math.Float64frombits(le.Uint64(b[8:])), Time: le.Uint64(b[16:]), TimeMs: int64(le.Uint64(b[24:])),
			RTU: le.Uint32(b[32:]), Point: le.Uint32(b[36:]), Kind: points.Kind(b[40]), Type: b[41], Quality: b[42],
			ElapsedMs: le.Uint16(b[43:]), Transient: b[45] != 0,
		}
		if e.Seq <= j.newest() || e.Seq > j.last || j.count == j.retain {
			return fmt.Errorf("event %d after %d, at most to be %d, %d of %d are there", e.Seq, j.newest(), j.last, j.count, j.retain)
		}
		j.Hold(e)
	}
	return nil
}

// newest is the number of the newest event that was ever held, as long as any is; else 0.
func (j *Journal) newest() uint64 {
	if n := len(j.chunks); n > 0 {
		return j.chunks[n-1].last
	}
	return 0
}

// AgeProto is how old the events are, for a snapshot.
func (j *Journal) AgeProto() (ms int64, marks []*fsmpb.AgeMark) {
	for _, m := range j.age.marks {
		marks = append(marks, &fsmpb.AgeMark{Ms: m.ms, Seq: m.seq})
	}
	return j.age.ms, marks
}

// RestoreAge takes what AgeProto gave.
func (j *Journal) RestoreAge(ms int64, marks []*fsmpb.AgeMark) {
	j.age = age{ms: ms}
	for _, m := range marks {
		j.age.marks = append(j.age.marks, ageMark{m.Ms, m.Seq})
	}
}
