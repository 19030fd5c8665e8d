package forwarder

import (
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// changeSet is a queue of entries, each in it once: what is queued again keeps its place, and its value is read when
// it leaves. So however fast values change, it never holds more than the table. An entry whose event is still to be sent
// waits for that beside the queue, and costs nothing meanwhile: a backlog is long.
type changeSet struct {
	queue   []int32
	waiting waitingEntries
	in      []uint64 // bit by entry, in queue or waiting
}

// len counts the entries that wait for no event.
func (c *changeSet) len() int { return len(c.queue) }

func (c *changeSet) add(i int32, entries int) {
	if c.in == nil {
		c.in = make([]uint64, (entries+63)/64)
	}
	if word, bit := &c.in[i/64], uint64(1)<<(i%64); *word&bit == 0 {
		*word |= bit
		c.queue = append(c.queue, i)
	}
}

func (c *changeSet) first() int32 { return c.queue[0] }

func (c *changeSet) remove() {
	i := c.queue[0]
	c.in[i/64] &^= 1 << (i % 64)
	c.pop()
}

func (c *changeSet) pop() {
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
}

// await makes the first entry wait for an event.
func (c *changeSet) await(event uint64) {
	heap.Push(&c.waiting, waitingEntry{event, c.queue[0]})
	c.pop()
}

// release queues the entries that waited for events up to one.
func (c *changeSet) release(event uint64) {
	for len(c.waiting) > 0 && c.waiting[0].event <= event {
		c.queue = append(c.queue, heap.Pop(&c.waiting).(waitingEntry).entry)
	}
}

// all are the entries, those first that wait for no event.
func (c *changeSet) all() []int32 {
	all := slices.Clone(c.queue)
	for _, w := range c.waiting {
		all = append(all, w.entry)
	}
	return all
}

// waitingEntry is an entry that goes after an event.
type waitingEntry struct {
	event uint64
	entry int32
}

// waitingEntries is a heap: that with the lowest event is the first.
type waitingEntries []waitingEntry

func (w waitingEntries) Len() int           { return len(w) }
func (w waitingEntries) Less(i, j int) bool { return w[i].event < w[j].event }
func (w waitingEntries) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *waitingEntries) Push(x any)        { *w = append(*w, x.(waitingEntry)) }
func (w *waitingEntries) Pop() any {
	n := len(*w) - 1
	last := (*w)[n]
	*w = (*w)[:n]
	return last
}

// queueChanges queues the points that changed and may not go out as events, at most once in changePace.
func (f *feed) queueChanges() {
	now := f.now()
	if !f.main || now.Before(f.changesAt) {
		return
	}
	f.view(func(s *fsm.State) {
		version := s.Version()
		if version == f.version {
			return
		}
		keys, ok := s.ChangesAfter(f.version)
		f.version, f.changesAt = version, now.Add(changePace)
		queue := func(i int32) {
			if e := &f.table.entries[i]; e.conflated() && (e.key.Kind == fsm.AI || !told(s, e.key)) {
				f.changed.add(i, len(f.table.entries))
			}
		}
		if !ok { // too many changes ago, or a restored state
			for i := range f.table.entries {
				queue(int32(i))
			}
			return
		}
		for _, k := range keys {
			if i, ours := f.table.byKey.get(k); ours {
				queue(i)
			}
		}
	})
}

// conflated tells the entries whose changes may be told as values: analogs, and states that merely became known or topical.
func (e *entry) conflated() bool { return e.key.Kind == fsm.AI || e.tellsStates() && !e.onlyEvents() }

// tellsStates tells the entries whose every change is an event.
func (e *entry) tellsStates() bool {
	return !e.role && (e.key.Kind == fsm.DI || e.key.Kind == fsm.Bitstring)
}

// onlyEvents tells the entries that are events of protection equipment, and have no value that lasts.
func (e *entry) onlyEvents() bool { return e.typeID.IsProtectionEvent() }

// awaitChanges makes the link call Next at changesAt if something changed since.
func (f *feed) awaitChanges() {
	if !f.main {
		return
	}
	var version uint64
	f.view(func(s *fsm.State) { version = s.Version() })
	if version == f.version {
		return
	}
	if wait := f.changesAt.Sub(f.now()); f.alarm == nil {
		f.alarm = time.AfterFunc(wait, f.wake)
	} else {
		f.alarm.Reset(wait)
	}
}

// nextChanges packs the newest values of changed points of one type. A state goes without its time: when it became so isn't
// known.
func (f *feed) nextChanges(a *asdu.ASDU) bool {
	f.changed.release(f.position)
	n := 0
	f.view(func(s *fsm.State) {
		var typeID asdu.TypeID
		var sector asdu.CommonAddress
		for f.changed.len() > 0 {
			i := f.changed.first()
			e := &f.table.entries[i]
			p, _ := s.Point(e.key)
			as := e.typeID
			if e.tellsStates() {
				as = as.Untimed()
			}
			switch {
			case e.key.Kind == fsm.AI && journaled(s, e.key), e.tellsStates() && told(s, e.key):
				f.changed.remove()
				continue
			case e.tellsStates() && p.Seq > f.position: // not before the event that it comes after
				f.changed.await(p.Seq)
				continue
			}
			if n > 0 && (as != typeID || e.sector != sector) {
				return
			}
			if n == 0 {
				typeID, sector = as, e.sector
				f.reset(typeID, sector)
			}
			if err := f.builder.Add(e.value(s, &f.table.tags)); err == asdu.ErrFull {
				return
			} else if err != nil {
				f.log.Error("value can't be encoded", "ioa", e.address, "type", as, "error", err)
			} else {
				n++
			}
			f.changed.remove()
		}
	})
	if n == 0 {
		return false
	}
	f.sent.analogs += uint64(n)
	*a = f.builder.ASDU()
	return true
}

// newestEvent is a point's newest event, if the journal still has it.
func newestEvent(s *fsm.State, p *fsm.Point) (ev fsm.Event, ok bool) {
	if p.Seq == 0 {
		return ev, false
	}
	var one [1]fsm.Event
	if got := s.ReadJournal(p.Seq-1, one[:]); len(got) == 1 && got[0].Seq == p.Seq {
		return got[0], true
	}
	return ev, false
}

// journaled tells whether a point's newest value is an event, and so goes out as one.
func journaled(s *fsm.State, key fsm.PointKey) bool {
	p, ok := s.Point(key)
	if !ok {
		return false
	}
	ev, ok := newestEvent(s, &p)
	return ok && ev.Time == p.Time && says(&ev, &p)
}

// told tells whether a state is told by its newest event, or will be by the next one. That of a point that chatters is
// blocked until then.
func told(s *fsm.State, key fsm.PointKey) bool {
	p, ok := s.Point(key)
	if !ok || s.Untold(key) || p.Quality&asdu.BL != 0 {
		return true
	}
	if p.AsValue {
		return false
	}
	ev, ok := newestEvent(s, &p)
	return ok && says(&ev, &p)
}

// says tells whether an event says what a point does.
func says(ev *fsm.Event, p *fsm.Point) bool {
	return ev.Quality == p.Quality && ev.Transient == p.Transient && math.Float64bits(ev.Value) == math.Float64bits(p.Value)
}
