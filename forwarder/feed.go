package forwarder

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

const (
	readEvents   = 256                    // that are read from the journal at a time: 16 KiB a started link
	readsPerNext = 64                     // at most, so that many events of other uplinks don't hold the link's other work
	changePace   = 100 * time.Millisecond // between two looks at what has changed
	maxAnswers   = 64                     // that wait for the events before them
)

// feed decides what goes next on a started link. It is asked only while the window has room, so every value is read
// from the state at the last moment, and nothing but the client's own acknowledgement holds events back.
//
// The order: answers that had to wait for events; events; then, one ASDU of each, changes and what was
// interrogated. While there are events, one ASDU of the latter kinds goes out in each window, so neither starves.
//
// It implements iec104.Source. Time comes in by now; there is no goroutine of its own.
type feed struct {
	table   *table
	config  iec104.Config // with defaults
	sectors []asdu.CommonAddress
	view    func(read func(s *fsm.State))
	now     func() time.Time
	wake    func() // makes the link call Next again
	cursor  *cursor
	dropped func(s *fsm.State) uint64 // events that the journal dropped before this cursor came to them
	acked   func()                    // the cursor has moved
	role    func() asdu.Object        // of the table's role entry
	stopped func(error)
	log     *slog.Logger

	mu      sync.Mutex // guards what follows; nothing else is locked under it but the cursor, and the state for reading
	builder asdu.Builder
	index   uint64 // of the last ASDU handed out
	ended   bool

	main       bool   // events and analogs are sent
	position   uint64 // last event that was sent or passed over
	events     []fsm.Event
	buffer     [readEvents]fsm.Event
	unacked    []shipment
	known      uint64    // dropped, when it looked last
	complained time.Time // of them
	others     int       // event ASDUs in a row while something else waits

	version     uint64      // of the image, up to which changed analogs are in changed
	changesAt   time.Time   // when to look for more
	alarm       *time.Timer // nil, or calls wake at changesAt
	changed     changeSet
	changesNext bool // changes go next, not the interrogation

	jobs    []*job
	answers []answer
	stops   map[string]uint64 // controls at whose confirmation the events have to wait: its number, 0 while it isn't known
	sent    feedCounters
}

// shipment is an ASDU of events that is not acknowledged.
type shipment struct {
	index  uint64
	last   uint64 // event, or one passed over after it
	events int
}

// answer is an ASDU that goes out after the events up to one.
type answer struct {
	asdu  asdu.ASDU
	after uint64
}

// begin lets events and analog changes flow: from the cursor, and from what changed since the link started.
func (f *feed) begin(after uint64) {
	f.mu.Lock()
	f.main, f.position = true, after
	f.view(func(s *fsm.State) { f.known = f.dropped(s) })
	f.mu.Unlock()
	f.wake()
}

// answer sends an ASDU after the events up to one, or at once if there are more than patience of them. It returns
// iec104.ErrNoRoom if too many wait.
func (f *feed) answer(a asdu.ASDU, after, patience uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers) == maxAnswers {
		return iec104.ErrNoRoom
	}
	if f.main && after > f.position && after-f.position > patience {
		after = 0
	}
	f.answers = append(f.answers, answer{a.Clone(), after})
	f.wake()
	return nil
}

// lastEvent is the newest event of the journal.
func (f *feed) lastEvent() (last uint64) {
	f.view(func(s *fsm.State) { last = s.JournalLast() })
	return last
}

// Next is for the link; see iec104.Source.
func (f *feed) Next() (a asdu.ASDU, index uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return asdu.ASDU{}, 0, false
	}
	f.queueChanges()
	switch {
	case f.nextAnswer(&a):
	case f.others >= max(1, f.config.K-1) && f.nextOther(&a):
		f.others = 0
	case f.nextEvents(&a):
		if f.otherWaits() {
			f.others++
		}
	case f.nextAnswer(&a): // the events before it were not the uplink's
	case f.nextOther(&a):
		f.others = 0
	default:
		f.awaitChanges()
		return asdu.ASDU{}, 0, false
	}
	f.index++
	return a, f.index, true
}

// nextAnswer is the next answer whose events were sent. A standby link has no events to wait for.
func (f *feed) nextAnswer(a *asdu.ASDU) bool {
	if len(f.answers) == 0 || f.main && f.answers[0].after > f.position {
		return false
	}
	*a = f.answers[0].asdu
	f.answers = f.answers[1:]
	return true
}

// nextEvents packs the next events of one type, as many as fit.
func (f *feed) nextEvents(a *asdu.ASDU) bool {
	if !f.main || f.cursor.held() {
		return false
	}
	n := 0
	var typeID asdu.TypeID
	var sector asdu.CommonAddress
	for reads := 0; ; {
		if len(f.events) == 0 {
			if reads == readsPerNext {
				f.wake()
				break
			}
			reads++
			if !f.read() {
				break
			}
		}
		ev := &f.events[0]
		if f.stopsBefore(ev.Seq) {
			break
		}
		i, ours := f.table.byKey.get(fsm.PointKey{RTU: ev.RTU, Kind: ev.Kind, Point: ev.Point})
		if ours {
			e := &f.table.entries[i]
			if n > 0 && (e.typeID != typeID || e.sector != sector) {
				break
			}
			if n == 0 {
				typeID, sector = e.typeID, e.sector
				f.reset(typeID, sector)
			}
			if err := f.builder.Add(e.object(ev, &f.table.tags)); err == asdu.ErrFull {
				break
			} else if err != nil { // the table and fit keep every value within its type
				f.log.Error("event can't be encoded", "seq", ev.Seq, "ioa", e.address, "type", e.typeID, "error", err)
			} else {
				n++
			}
		}
		f.events, f.position = f.events[1:], ev.Seq
		if !ours && n == 0 {
			f.passed()
		}
	}
	if n == 0 {
		return false
	}
	f.unacked = append(f.unacked, shipment{f.index + 1, f.position, n})
	f.cursor.ship(n)
	f.sent.events += uint64(n)
	*a = f.builder.ASDU()
	return true
}

// stopAt makes the events wait at the confirmation of a control until confirm or goOn: what the device returns because of a command
// is told after its confirmation (101, clause 6.8), although the two take different ways.
func (f *feed) stopAt(control string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stops == nil {
		f.stops = map[string]uint64{}
	}
	f.stops[control] = 0
}

// confirm sends a control's confirmation, before the events that waited for it. It returns iec104.ErrNotStarted if the
// link has stopped, iec104.ErrNoRoom if too many answers wait.
func (f *feed) confirm(control string, a asdu.ASDU) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return iec104.ErrNotStarted
	}
	if len(f.answers) == maxAnswers {
		return iec104.ErrNoRoom
	}
	// Not behind what waits for events: those may be the ones that wait for this.
	i := 0
	for i < len(f.answers) && f.answers[i].after == 0 {
		i++
	}
	f.answers = slices.Insert(f.answers, i, answer{asdu: a.Clone()})
	delete(f.stops, control)
	f.wake()
	return nil
}

// goOn says that nothing more is to be waited for.
func (f *feed) goOn(control string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, stops := f.stops[control]; stops {
		delete(f.stops, control)
		f.wake()
	}
}

// stopsBefore tells whether an event has to wait for a confirmation that is before it.
func (f *feed) stopsBefore(event uint64) bool {
	for _, confirmation := range f.stops {
		if confirmation != 0 && confirmation < event {
			return true
		}
	}
	return false
}

// read gets more of the journal.
func (f *feed) read() bool {
	var dropped uint64
	f.view(func(s *fsm.State) {
		f.events = s.ReadJournal(f.position, f.buffer[:])
		if len(f.events) == 0 { // the numbers up to here are the audit's, or of events that were dropped
			f.position = max(f.position, s.JournalLast())
		}
		for control := range f.stops {
			if c, ok := s.Control(control); ok {
				f.stops[control] = c.AnsweredSeq
			}
		}
		dropped = f.dropped(s)
	})
	if lost := dropped - f.known; lost > 0 {
		f.known = dropped
		if now := f.now(); now.Sub(f.complained) >= time.Minute {
			f.complained = now
			f.log.Warn("events were dropped from the journal before they were acknowledged", "after", f.position, "events", lost)
		}
	}
	return len(f.events) > 0
}

// passed moves the cursor over events of no concern: with what was sent before them, or at once.
func (f *feed) passed() {
	if n := len(f.unacked); n > 0 {
		f.unacked[n-1].last = f.position
		return
	}
	f.cursor.acknowledge(f.now(), f.position, 0)
	f.acked()
}

// otherWaits tells whether nextOther has something.
func (f *feed) otherWaits() bool {
	f.changed.release(f.position)
	return len(f.jobs) > 0 || f.changed.len() > 0
}

// nextOther sends changes and interrogations one after the other.
func (f *feed) nextOther(a *asdu.ASDU) bool {
	f.changesNext = !f.changesNext
	if f.changesNext {
		return f.nextChanges(a) || f.nextInterrogated(a)
	}
	return f.nextInterrogated(a) || f.nextChanges(a)
}

// reset begins a spontaneous ASDU in f.builder.
func (f *feed) reset(t asdu.TypeID, sector asdu.CommonAddress) {
	f.resetHeader(asdu.Header{Type: t, Cause: asdu.Spontaneous, CommonAddress: sector})
}

func (f *feed) resetHeader(h asdu.Header) {
	if err := f.builder.Reset(f.config.Profile, h); err != nil { // New has checked the profile, address and types
		f.log.Error("ASDU can't be built", "header", h, "error", err)
	}
}

// Acked is for the link; see iec104.Source.
func (f *feed) Acked(index uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, events := 0, 0
	for n < len(f.unacked) && f.unacked[n].index <= index {
		events += f.unacked[n].events
		n++
	}
	if n > 0 {
		f.cursor.acknowledge(f.now(), f.unacked[n-1].last, events)
		f.unacked = append(f.unacked[:0], f.unacked[n:]...)
		f.acked()
	}
}

// Stopped is for the link; see iec104.Source.
func (f *feed) Stopped(err error) {
	f.mu.Lock()
	f.ended = true
	if f.alarm != nil {
		f.alarm.Stop()
	}
	f.mu.Unlock()
	f.stopped(err)
}
