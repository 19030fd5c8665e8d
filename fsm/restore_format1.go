package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/audit"
)

// Snapshots of format 1 had what is now in the audit among the events, and no numbers in the journal were missing. What it
// says of itself goes into the audit, whose chains begin with it.

// eventRecordSize1: value, time, ms (8 each), RTU, point (4 each), kind, type, quality (1 each), length of the note (2),
// elapsed time (2), transient (1). The note follows. In framePlainEvents the last two are missing.
const eventRecordSize1 = 3*8 + 2*4 + 3 + 2 + 3

func (in *restorer) takeEventsFormat1(b []byte, plain bool) error {
	le, s := binary.LittleEndian, in.s
	fixed := eventRecordSize1
	if plain {
		fixed -= 3
	}
	if in.format != 1 {
		return errors.New("of no known kind")
	}
	if in.seq == 0 {
		in.seq = in.head.JournalFirst - 1
	}
	if len(b) < 8 || le.Uint64(b) != in.seq+1 {
		return fmt.Errorf("events out of order: expected them from %d", in.seq+1)
	}
	for b = b[8:]; len(b) > 0; {
		if len(b) < fixed || in.seq == in.head.JournalLast || s.journal.Count() == s.journal.Retain() {
			return fmt.Errorf("event %d: %d octets", in.seq+1, len(b))
		}
		in.seq++
		e := Event{
			Seq: in.seq, Value: math.Float64frombits(le.Uint64(b)), Time: le.Uint64(b[8:]), TimeMs: int64(le.Uint64(b[16:])),
			RTU: le.Uint32(b[24:]), Point: le.Uint32(b[28:]), Kind: Kind(b[32]), Type: b[33], Quality: b[34],
		}
		size := int(le.Uint16(b[35:]))
		if !plain {
			e.ElapsedMs, e.Transient = le.Uint16(b[37:]), b[39] != 0
		}
		b = b[fixed:]
		switch {
		case size > len(b):
			return fmt.Errorf("event %d: note of %d octets where %d are left", e.Seq, size, len(b))
		case size == 0:
			s.journal.Hold(e)
		default:
			if err := read(b[:size], func(p *fsmpb.Note) error { in.takeNoteFormat1(&e, audit.NoteOf(p)); return nil }); err != nil {
				return fmt.Errorf("event %d: %w", e.Seq, err)
			}
		}
		b = b[size:]
	}
	return nil
}

func (in *restorer) takeNoteFormat1(e *Event, n Note) {
	s := in.s
	entry := AuditEntry{Seq: e.Seq, TimeMs: e.TimeMs, Note: n}
	if n.Kind == NoteControl {
		entry.Point, entry.Type, entry.Value = e.Key(), e.Type, e.Value
		if n.Stage >= Confirmed {
			s.controls.AnsweredAt(n.Control, e.Seq)
		}
	}
	s.audit.Put(entry)
}

// settleFormat1 fills in what follows from the numbers in format 1, where whatever is before the first was dropped.
func (in *restorer) settleFormat1(tail *fsmpb.SnapshotTail) error {
	s, first := in.s, in.head.JournalFirst
	if n := in.head.JournalLast - first + 1; tail.Events != n || n > 0 && in.seq != in.head.JournalLast {
		return errors.New("events are missing")
	}
	tail.Events, tail.Audit = s.journal.Count(), s.audit.Count()
	for _, g := range s.groups {
		if g.lost = max(first-1, g.base) - g.base; g.lost > 0 {
			g.lostTo = first - 1
		}
		for i := range g.slots {
			if g.slots[i].Overflow {
				g.slots[i].LostTo = first - 1
			}
		}
	}
	s.controls.AnsweredAt("", first)
	return nil
}
