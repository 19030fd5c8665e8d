package fsm

import (
	"cmp"
	"slices"

	"github.com/fepha/fepha/fsm/internal/command"
)

// What the journal drops, and what that means for the uplink groups. Each event that goes is counted for every cursor that
// had not come to it, whatever it was dropped for.

// append adds an event to the journal, drops what has no room then, and returns the event's number.
func (s *State) append(e Event) uint64 {
	seq := s.journal.append(e)
	s.makeRoom()
	return seq
}

// makeRoom drops events of whoever has most until the journal holds no more than it is to retain.
func (s *State) makeRoom() {
	for s.journal.full() {
		s.dropped(s.journal.dropShare())
	}
}

// dropped counts an event that is gone.
func (s *State) dropped(seq uint64) {
	s.exports.Dropped(seq, false)
	for _, g := range s.groups {
		if seq <= g.base {
			continue
		}
		g.lost++
		g.lostTo = max(g.lostTo, seq)
		for i := range g.slots {
			if c := &g.slots[i]; seq > c.Seq {
				c.Dropped++
				c.LostTo = max(c.LostTo, seq)
				s.rev.Cursors++
				s.unsettled = true
			}
		}
	}
}

// addSlot makes the cursor of a dual-active link that acknowledges for the first time. What the journal has dropped
// since the group began is lost for it.
func (g *group) addSlot(name string) *Slot {
	c := Slot{Name: name, Seq: g.base, Dropped: g.lost, LostTo: g.lostTo}
	i, _ := slices.BinarySearchFunc(g.slots, name, func(s Slot, n string) int { return cmp.Compare(s.Name, n) })
	g.slots = slices.Insert(g.slots, i, c)
	return &g.slots[i]
}

// settleRetention tells when a group begins to lose events, and when it has caught up.
func (s *State) settleRetention(at command.Stamp) {
	if !s.unsettled {
		return
	}
	s.unsettled = false
	for _, g := range s.groups {
		for i := range g.slots {
			c := &g.slots[i]
			behind := c.LostTo > c.Seq
			caughtUp := c.Overflow && !behind && s.journal.after(c.Seq) <= s.journal.retain/2
			if behind && !c.Overflow || caughtUp {
				c.Overflow = !c.Overflow
				s.rev.Cursors++
				s.virtual.touch(g.resource.ID)
				s.note(at, &Note{Kind: NoteOverflow, Resource: g.resource.ID, To: c.Name, OK: !c.Overflow, Count: c.Dropped})
			}
		}
	}
}

// JournalPart is each RTU's equal part of the journal, in events.
func (s *State) JournalPart() uint64 {
	return s.journal.retain / uint64(max(1, len(s.journal.shares.largest)))
}

// OverPart tells whether an RTU has more than its equal part of a journal that is half full of what some group has not
// acknowledged: it had better send more slowly.
func (s *State) OverPart(rtu uint32) bool {
	if s.journal.shares.of(rtu) < s.JournalPart() {
		return false
	}
	for _, g := range s.groups {
		if s.journal.after(g.cursor()) >= s.journal.retain/2 {
			return true
		}
	}
	return false
}

const (
	ageMarks  = 64     // how finely age is told: events are kept for the time that is configured and a 64th of it
	maxAgeing = 60_000 // ms by which one command can make the journal's events older
)

// age is how old the journal's events are. Their own tags say when a device's clock thought that something happened, so it
// goes by the clocks of those who propose commands: forward only, and a minute a command at most, since one node whose clock
// is wrong must not make everything old at once.
type age struct {
	ms    int64
	marks []ageMark // ascending
}

// ageMark says how far the journal was at a time.
type ageMark struct {
	ms  int64
	seq uint64
}

// dropAged drops what has been in the journal for longer than is configured.
func (s *State) dropAged(at command.Stamp) {
	a, keep := &s.age, s.config.RetainForMs
	if keep == 0 {
		*a = age{}
		return
	}
	if a.ms == 0 {
		a.ms = at.Ms
	}
	a.ms = max(a.ms, min(at.Ms, a.ms+maxAgeing))
	if n := len(a.marks); n == 0 || s.journal.last > a.marks[n-1].seq && a.ms >= a.marks[n-1].ms+max(1, keep/ageMarks) {
		a.marks = append(a.marks, ageMark{a.ms, s.journal.last})
	}
	for len(a.marks) > 0 && a.marks[0].ms+keep <= a.ms {
		for s.journal.count > 0 && s.journal.oldest() <= a.marks[0].seq {
			s.dropped(s.journal.dropOldest())
		}
		a.marks = slices.Delete(a.marks, 0, 1)
	}
}
