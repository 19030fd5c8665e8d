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
	seq := s.journal.Append(e)
	s.makeRoom()
	return seq
}

// makeRoom drops events of whoever has most until the journal holds no more than it is to retain.
func (s *State) makeRoom() {
	for s.journal.Full() {
		s.dropped(s.journal.DropShare())
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
			caughtUp := c.Overflow && !behind && s.journal.After(c.Seq) <= s.journal.Retain()/2
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
	return s.journal.Part()
}

// OverPart tells whether an RTU has more than its equal part of a journal that is half full of what some group has not
// acknowledged: it had better send more slowly.
func (s *State) OverPart(rtu uint32) bool {
	if s.journal.Share(rtu) < s.JournalPart() {
		return false
	}
	for _, g := range s.groups {
		if s.journal.After(g.cursor()) >= s.journal.Retain()/2 {
			return true
		}
	}
	return false
}

// dropAged drops what has been in the journal for longer than is configured.
func (s *State) dropAged(at command.Stamp) {
	through := s.journal.Aged(at.Ms, s.config.RetainForMs)
	for through > 0 && s.journal.Count() > 0 && s.journal.Oldest() <= through {
		s.dropped(s.journal.DropOldest())
	}
}

// JournalFirst is the number of the oldest event kept. It is JournalLast+1 if none is.
func (s *State) JournalFirst() uint64 { return s.journal.Oldest() }

// JournalLast is the newest number given, to an event or to an entry of the audit; 0 before the first.
func (s *State) JournalLast() uint64 { return s.journal.Last() }

// JournalEvents is the number of events kept.
func (s *State) JournalEvents() uint64 { return s.journal.Count() }

// JournalShare is how many of the events kept are of an RTU.
func (s *State) JournalShare(rtu uint32) uint64 { return s.journal.Share(rtu) }

// ReadJournal fills dst with the events after this number, oldest first, and returns the part that it filled. Numbers are
// missing where events were dropped, and where something is in the audit.
func (s *State) ReadJournal(after uint64, dst []Event) []Event { return s.journal.Read(after, dst) }
