package forwarder

import (
	"math"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// changeSet is a queue of entries, each in it once: what is queued again keeps its place, and its value is read when
// it leaves. So however fast values change, it never holds more than the table.
type changeSet struct {
	queue []int32
	in    []uint64 // bit by entry
}

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
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
}

// lookForAnalogs queues the analogs that changed, at most once in analogPace.
func (f *feed) lookForAnalogs() {
	now := f.now()
	if !f.main || now.Before(f.lookAt) {
		return
	}
	f.view(func(s *fsm.State) {
		version := s.Version()
		if version == f.version {
			return
		}
		keys, ok := s.ChangesAfter(f.version)
		f.version, f.lookAt = version, now.Add(analogPace)
		if !ok { // too many changes ago, or a restored state
			for i := range f.table.entries {
				if f.table.entries[i].key.Kind == fsm.AI {
					f.changed.add(int32(i), len(f.table.entries))
				}
			}
			return
		}
		for _, k := range keys {
			if i, ours := f.table.byKey.get(k); ours && k.Kind == fsm.AI {
				f.changed.add(i, len(f.table.entries))
			}
		}
	})
}

// lookAgain has Next called at lookAt if something changed since the last look.
func (f *feed) lookAgain() {
	if !f.main {
		return
	}
	var version uint64
	f.view(func(s *fsm.State) { version = s.Version() })
	if version == f.version {
		return
	}
	if wait := f.lookAt.Sub(f.now()); f.alarm == nil {
		f.alarm = time.AfterFunc(wait, f.wake)
	} else {
		f.alarm.Reset(wait)
	}
}

// nextAnalogs packs the newest values of changed analogs of one type.
func (f *feed) nextAnalogs(a *iec104.ASDU) bool {
	n := 0
	f.view(func(s *fsm.State) {
		var typeID iec104.TypeID
		for ; f.changed.len() > 0; f.changed.remove() {
			e := &f.table.entries[f.changed.first()]
			if journaled(s, e.key) {
				continue
			}
			if n > 0 && e.typeID != typeID {
				return
			}
			if n == 0 {
				typeID = e.typeID
				f.reset(typeID, iec104.Spontaneous)
			}
			if err := f.builder.Add(e.value(s)); err == iec104.ErrFull {
				return
			} else if err != nil {
				f.log.Error("value can't be encoded", "ioa", e.address, "type", e.typeID, "error", err)
				continue
			}
			n++
		}
	})
	if n == 0 {
		return false
	}
	f.sent.analogs += uint64(n)
	*a = f.builder.ASDU()
	return true
}

// journaled tells whether a point's newest value is an event, and so goes out as one.
func journaled(s *fsm.State, key fsm.PointKey) bool {
	p, ok := s.Point(key)
	if !ok || p.Seq == 0 {
		return false
	}
	var one [1]fsm.Event
	ev := s.ReadJournal(p.Seq-1, one[:])
	return len(ev) == 1 && ev[0].Seq == p.Seq && ev[0].Time == p.Time && ev[0].Quality == p.Quality && ev[0].Transient == p.Transient &&
		math.Float64bits(ev[0].Value) == math.Float64bits(p.Value)
}
