package chantable

import (
	"fmt"
	"iter"
	"time"
)

// Table is the channel table itself. The zero Table is not usable; see New. Several goroutines may read it, as long as
// none changes it.
type Table struct {
	slots
	id      uint64
	version uint64
}

// New returns an empty table. It has no identity until Renew gives it one, and no copy follows it before.
func New() *Table { return &Table{slots: newSlots()} }

// ID tells this line of versions from any other: that of another centre, or that before a restore. 0 until Renew.
func (t *Table) ID() uint64 { return t.id }

// Version is the number of the last change; 0 is the empty table.
func (t *Table) Version() uint64 { return t.version }

// Len is the number of stations, online or not.
func (t *Table) Len() int { return len(t.byID) }

// ByCN returns the entry of a channel.
func (t *Table) ByCN(cn CN) (Entry, bool) { e := t.at(cn); return e, e.ID != 0 }

// ByID returns the entry of a station.
func (t *Table) ByID(id ID) (Entry, bool) { e := t.of(id); return e, e.ID != 0 }

// All yields the stations by channel number.
func (t *Table) All() iter.Seq[Entry] { return t.all() }

// Since returns what has changed after version of the table with this id: everything, if that is not this table's.
func (t *Table) Since(table, version uint64) Page {
	if table != t.id {
		version = 0
	}
	p := Page{Table: t.id, Version: t.version, From: min(version, t.version), To: t.version}
	for e := range t.after(p.From) {
		p.Entries = append(p.Entries, e)
	}
	return p
}

// Outcome is what the table answers to a change.
type Outcome uint8

// Outcomes. Done, with Result.Version unchanged, also means that there was nothing to do.
const (
	Done       Outcome = iota + 1
	Clash              // another station with this id is online
	Superseded         // the same installation has registered with a later epoch
	Full               // no channel number is free
	Invalid            // the claim breaks a bound; see Claim.Validate
	Stale              // the entry is not, or no longer, what the change expected
)

func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case Clash:
		return "clash"
	case Superseded:
		return "superseded"
	case Full:
		return "full"
	case Invalid:
		return "invalid"
	case Stale:
		return "stale"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Judge decides a valid claim against the entry that bears its id, the zero Entry if none does.
//
// While that entry is online its holder keeps it. The holder is known by its instance, or by its address, which two
// stations cannot share. Of one installation the later epoch is the right one: a station that was restarted or moved,
// while the process before it may still be sending. An entry without an instance was adopted from another centre and
// is anyone's that first claims it. An entry that is offline is anyone's.
func Judge(held Entry, c Claim) Outcome {
	switch {
	case held.ID == 0 || !held.Online || held.Instance == 0:
		return Done
	case held.Instance == c.Instance && c.Epoch < held.Epoch:
		return Superseded
	case held.Instance == c.Instance || held.Address == c.Address:
		return Done
	}
	return Clash
}

// Settled reports whether granting the claim would leave the entry as it is, so that nothing need be proposed.
func (e Entry) Settled(c Claim) bool {
	return e.Online && e.ID == c.ID && e.Address == c.Address && e.Level == c.Level && e.Name == c.Name &&
		e.Instance == c.Instance && e.Epoch == c.Epoch
}

// Refused reports whether the entry already shows the claimant as its rival.
func (e Entry) Refused(c Claim) bool {
	return e.Contested && e.Rival.Instance == c.Instance && e.Rival.Address == c.Address && e.Rival.Name == c.Name
}

// Leaves reports whether a station may make the entry offline: its holder may, in the epoch that it registered with or a
// later one.
func (e Entry) Leaves(instance, epoch uint64) bool {
	return e.ID != 0 && e.Instance == instance && epoch >= e.Epoch
}

// Register grants a claim or says why not; at is Unix ms. A station that is in the table keeps its channel number
// whichever it asked for; a new one gets the lowest that is free. A clash is recorded in the entry, to be shown.
func (t *Table) Register(c Claim, at int64) Result {
	if c.Validate() != nil {
		return t.result(0, Invalid)
	}
	e := t.of(c.ID)
	switch outcome := Judge(e, c); {
	case outcome == Clash && !e.Refused(c):
		e.Contested = true
		e.Rival = Rival{Address: c.Address, Name: c.Name, Instance: c.Instance, Since: at}
		t.change(e)
		return t.result(e.CN, Clash)
	case outcome != Done:
		return t.result(e.CN, outcome)
	case e.Settled(c):
		return t.result(e.CN, Done)
	}
	if e.ID == 0 {
		cn, ok := t.lowestFree()
		if !ok {
			return t.result(0, Full)
		}
		e = Entry{CN: cn, ID: c.ID}
	}
	if !e.Online || e.Instance != c.Instance {
		e.Contested, e.Rival = false, Rival{} // another holder has other rivals
	}
	e.Address, e.Level, e.Name, e.Instance, e.Epoch = c.Address, c.Level, c.Name, c.Instance, c.Epoch
	t.change(e.switched(true, at))
	return t.result(e.CN, Done)
}

// Leave makes a station offline at its own wish, see Entry.Leaves; at is Unix ms. Instance 0 is an operator, who may
// always.
func (t *Table) Leave(id ID, instance, epoch uint64, at int64) Result {
	e := t.of(id)
	switch {
	case e.ID == 0, instance != 0 && !e.Leaves(instance, epoch):
		return t.result(e.CN, Stale)
	case e.Online:
		t.change(e.switched(false, at))
	}
	return t.result(e.CN, Done)
}

// Expire makes a silent station offline; heard is when it was last heard, Unix ms, and where its clock stops.
// It is refused if the entry has changed since version changed, on which the judgement was based.
func (t *Table) Expire(cn CN, id ID, changed uint64, heard, at int64) Result {
	e := t.at(cn)
	if e.ID == 0 || e.ID != id || e.Changed != changed || !e.Online {
		return t.result(cn, Stale)
	}
	t.change(e.switched(false, min(max(heard, e.Since), max(at, e.Since))))
	return t.result(cn, Done)
}

// Remove empties a channel whose station has been offline for RemoveAfter.
func (t *Table) Remove(cn CN, id ID, changed uint64, at int64) Result {
	e := t.at(cn)
	if e.ID == 0 || e.ID != id || e.Changed != changed || !e.removable(at) {
		return t.result(cn, Stale)
	}
	t.change(Entry{CN: cn})
	return t.result(cn, Done)
}

// Removable returns the changes that remove what may be removed at an instant, at most limit of them.
func (t *Table) Removable(at int64, limit int) []Change { return removable(t.all(), at, limit) }

// RivalGone forgets the rival of a station, once it no longer claims the id.
func (t *Table) RivalGone(cn CN, id ID, changed uint64) Result {
	e := t.at(cn)
	if e.ID == 0 || e.ID != id || e.Changed != changed || !e.Contested {
		return t.result(cn, Stale)
	}
	e.Contested, e.Rival = false, Rival{}
	t.change(e)
	return t.result(cn, Done)
}

// Adopt takes over an entry of another centre's table when that centre has gone. It keeps its channel number if that
// is free here, or the one that the station has here. What the other knew is newer than what this table has. The
// holder stays known if its address is the same; if not, the first that claims the id is taken for it.
func (t *Table) Adopt(a Entry, at int64) Result {
	c := Claim{ID: a.ID, Address: a.Address, Level: a.Level, Name: a.Name, Instance: 1}
	if c.Validate() != nil || a.CN == 0 {
		return t.result(0, Invalid)
	}
	e := t.of(a.ID)
	if e.ID == 0 {
		cn := a.CN
		if t.at(cn).ID != 0 {
			var ok bool
			if cn, ok = t.lowestFree(); !ok {
				return t.result(0, Full)
			}
		}
		e = Entry{CN: cn, ID: a.ID, Since: min(a.Since, at), OnlineBefore: max(0, a.Time(at).Milliseconds())}
	}
	if e.Address != a.Address {
		e.Instance, e.Epoch = 0, 0
	}
	e.Address, e.Level, e.Name = a.Address, a.Level, a.Name
	if e = e.switched(a.Online, at); e == t.at(e.CN) {
		return t.result(e.CN, Done)
	}
	t.change(e)
	return t.result(e.CN, Done)
}

// Renew gives the table another identity, so that every copy starts anew: at its beginning, and when a copy is found
// to know later versions than the table has, as after a restore from a backup. 0 is refused.
func (t *Table) Renew(id uint64) Result {
	if id == 0 || id == t.id {
		return t.result(0, Stale)
	}
	t.id = id
	return t.result(0, Done)
}

// switched returns the entry as it is after going online or offline, with its clock accordingly.
func (e Entry) switched(online bool, at int64) Entry {
	if e.Online == online && e.Since != 0 {
		return e
	}
	if e.Online {
		e.OnlineBefore += max(0, at-e.Since)
	}
	e.Online, e.Since = online, at
	return e
}

func (e Entry) removable(at int64) bool {
	return e.ID != 0 && !e.Online && time.Duration(at-e.Since)*time.Millisecond >= RemoveAfter
}

func removable(entries iter.Seq[Entry], at int64, limit int) []Change {
	var due []Change
	for e := range entries {
		if len(due) == limit {
			break
		}
		if e.removable(at) {
			due = append(due, Change{Kind: Remove, CN: e.CN, ID: e.ID, Changed: e.Changed})
		}
	}
	return due
}

// change stores an entry under the next version.
func (t *Table) change(e Entry) {
	t.version++
	e.Changed = t.version
	t.put(e)
}

func (t *Table) result(cn CN, o Outcome) Result {
	return Result{Outcome: o, CN: cn, Version: t.version}
}
