// Package audit says what was done and by whom: controls, moves, pins, logins, configurations, what was refused, and what
// became of nodes, RTUs and groups. It has room of its own, so it can push no event out of the journal, nor events it.
//
// Each entry takes a number of the journal, which is thereby its place among the events, and one of its own. It is part of a
// chain: its hash is the SHA-256 of the hash before it and of what it says (Entry.Content), so that nobody changes or
// takes out an entry without changing all that follow. Controls have a chain and room of their own: whoever may operate
// must not be able to push out who logged in, or what was configured.
package audit

import (
	"sort"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// The room of each chain. Whichever is reached first, the oldest entry goes.
const (
	MaxEntries = 25_000
	MaxSize    = 6 << 20 // octets, as they are kept
)

// record is an entry as it is kept.
type record struct {
	number, seq uint64
	hash        Hash
	entry       string // an fsmpb.AuditEntry
}

// ring is the entries of one chain.
type ring struct {
	records []record // never rewritten, so a snapshot shares them
	before  Hash     // of the entry before the oldest kept
	size    int      // octets of the entries
}

// Audit is a part of the replicated state; see package fsm for who may call what when.
type Audit struct {
	last     uint64 // number of the newest entry
	rings    [chains]ring
	refusals refusals
	journal  Journal
}

// Journal is what the audit needs of the journal.
type Journal struct {
	// Number gives the next number of the journal.
	Number func() uint64
	// Dropped is told of the places of entries that had to go.
	Dropped func(seq uint64)
}

// New returns an audit without entries.
func New(journal Journal) *Audit { return &Audit{refusals: newRefusals(), journal: journal} }

// Apply applies a command that tells of something to be put into the audit; nil: it doesn't.
func (a *Audit) Apply(at command.Stamp, c *fsmpb.Command) *fsmpb.Result {
	if op, ok := c.GetOp().(*fsmpb.Command_Audit); ok {
		return a.action(at, op.Audit)
	}
	return nil
}

// Append makes an entry, and returns its place in the journal.
func (a *Audit) Append(at command.Stamp, e Entry) (seq uint64) {
	a.last++
	e.Number, e.Seq, e.TimeMs, e.Node = a.last, a.journal.Number(), at.Ms, at.Node
	for _, gone := range a.append(e) {
		a.journal.Dropped(gone)
	}
	return e.Seq
}

// Note makes an entry of what concerns no point.
func (a *Audit) Note(at command.Stamp, n *Note) { a.Append(at, Entry{Note: *n}) }

// Last is the number of the newest entry; 0 before the first.
func (a *Audit) Last() uint64 { return a.last }

// First is the place in the journal of the oldest entry kept.
func (a *Audit) First() (seq uint64, any bool) {
	for c := range a.rings {
		if records := a.rings[c].records; len(records) > 0 && (!any || records[0].seq < seq) {
			seq, any = records[0].seq, true
		}
	}
	return seq, any
}

// After returns entries after this number, oldest first, at most limit.
func (a *Audit) After(number uint64, limit int) []Entry {
	return a.after(limit, func(r *record) bool { return r.number > number })
}

// AfterSeq returns entries after this place in the journal, oldest first, at most limit.
func (a *Audit) AfterSeq(seq uint64, limit int) []Entry {
	return a.after(limit, func(r *record) bool { return r.seq > seq })
}

// Before returns the newest entries before this number, oldest first, at most limit.
func (a *Audit) Before(number uint64, limit int) []Entry {
	return a.before(limit, func(r *record) bool { return r.number >= number })
}

// BeforeSeq returns the newest entries before this place in the journal, oldest first, at most limit.
func (a *Audit) BeforeSeq(seq uint64, limit int) []Entry {
	return a.before(limit, func(r *record) bool { return r.seq >= seq })
}

// append adds an entry that has its numbers, and returns the places of those that had to go for it.
func (a *Audit) append(e Entry) (gone []uint64) {
	ring := &a.rings[chainOf(&e.Note)]
	return ring.append(record{e.Number, e.Seq, HashOf(ring.newest(), e.Content()), e.encode()})
}

func (r *ring) newest() Hash {
	if n := len(r.records); n > 0 {
		return r.records[n-1].hash
	}
	return r.before
}

func (r *ring) append(rec record) (gone []uint64) {
	r.records = append(r.records, rec)
	r.size += len(rec.entry)
	for len(r.records) > MaxEntries || r.size > MaxSize {
		r.before = r.records[0].hash
		r.size -= len(r.records[0].entry)
		gone = append(gone, r.records[0].seq)
		r.records = r.records[1:]
	}
	return gone
}

// at is the entry in this place.
func (r *ring) at(i int, chain Chain) Entry {
	rec := &r.records[i]
	e := decode(rec.entry)
	e.Number, e.Seq, e.Hash, e.Chain, e.Before = rec.number, rec.seq, rec.hash, chain, r.before
	if i > 0 {
		e.Before = r.records[i-1].hash
	}
	return e
}

// read merges entries of the rings from some places to others.
func (a *Audit) read(from, to [chains]int) (all []Entry) {
	for {
		next := chains
		for c := range chains {
			if from[c] < to[c] && (next == chains || a.rings[c].records[from[c]].number < a.rings[next].records[from[next]].number) {
				next = c
			}
		}
		if next == chains {
			return all
		}
		all = append(all, a.rings[next].at(from[next], next))
		from[next]++
	}
}

// places are where in each ring the first entry is of which this is true.
func (a *Audit) places(is func(*record) bool) (at [chains]int) {
	for c := range a.rings {
		records := a.rings[c].records
		at[c] = sort.Search(len(records), func(i int) bool { return is(&records[i]) })
	}
	return at
}

// CountAfterSeq is how many entries are kept that have a higher place in the journal.
func (a *Audit) CountAfterSeq(seq uint64) (n uint64) {
	at := a.places(func(r *record) bool { return r.seq > seq })
	for c := range a.rings {
		n += uint64(len(a.rings[c].records) - at[c])
	}
	return n
}

// Count is how many entries are kept.
func (a *Audit) Count() (n uint64) {
	for c := range a.rings {
		n += uint64(len(a.rings[c].records))
	}
	return n
}

// after returns the entries from the first one on of which this is true, at most limit.
func (a *Audit) after(limit int, is func(*record) bool) []Entry {
	from := a.places(is)
	var to [chains]int
	for c := range to {
		to[c] = min(len(a.rings[c].records), from[c]+limit)
	}
	all := a.read(from, to)
	return all[:min(limit, len(all))]
}

// before returns the newest entries before the first one of which this is true, oldest first.
func (a *Audit) before(limit int, is func(*record) bool) []Entry {
	from, to := a.places(is), a.places(is)
	for c := range from {
		from[c] = max(0, to[c]-limit)
	}
	all := a.read(from, to)
	return all[max(0, len(all)-limit):]
}
