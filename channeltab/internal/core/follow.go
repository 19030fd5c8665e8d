package core

import (
	"math/rand/v2"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Times of a copy that follows its table.
const (
	askSpread    = 300 * time.Millisecond // asks of many stations for one lost page spread over so long
	askLeast     = 20 * time.Millisecond  // pages that belong together arrive within it
	askAgainMost = 4 * time.Second
)

// follower keeps a copy up to date: it takes in pages, notices what is missing and says when to ask for it.
type follower struct {
	Copy    *chantable.Copy
	rand    *rand.Rand
	Due     time.Time // of the next Ask; zero: none
	confirm bool      // the centre wants an Ask even if nothing is missing
	tries   int       // Asks since the copy was last complete, or last grew

	multicast time.Time // when a page last came by multicast
	Changes   uint64    // counts what the application may want to look at
}

func newFollower(c *chantable.Copy, r *rand.Rand) *follower { return &follower{Copy: c, rand: r} }

// page takes in a page of the table.
func (f *follower) page(now time.Time, t wire.Table, multicast bool) {
	floor := f.Copy.Floor()
	if !f.Copy.Take(t.Page) {
		return // of a table that no centre has told this station to follow
	}
	if multicast {
		f.multicast = now
	}
	if len(t.Page.Entries) > 0 {
		f.Changes++
	}
	if f.Copy.Floor() > floor {
		f.tries = 0
	}
	if t.Confirm {
		f.confirm = true
		f.hurry(now.Add(askLeast))
	}
	f.notice(now)
}

// told takes in what a fresh answer of the centre says of its table.
func (f *follower) told(now time.Time, table, version uint64) {
	if table == 0 {
		return
	}
	if table != f.Copy.Table() {
		f.Copy.Follow(table)
		f.Due, f.tries, f.confirm = time.Time{}, 0, false
		f.Changes++
	}
	f.Copy.Heard(table, version)
	f.notice(now)
}

// notice schedules an Ask if something is missing, and none if nothing is.
func (f *follower) notice(now time.Time) {
	switch {
	case f.Copy.Complete():
		f.tries = 0
		if !f.confirm {
			f.Due = time.Time{}
		}
	case f.Due.IsZero():
		f.Due = now.Add(askLeast + time.Duration(f.rand.Int64N(int64(askSpread))))
	}
}

func (f *follower) hurry(at time.Time) {
	if f.Due.IsZero() || at.Before(f.Due) {
		f.Due = at
	}
}

// ask returns the Ask that is due, if one is.
func (f *follower) ask(now time.Time) (wire.Ask, bool) {
	if f.Due.IsZero() || now.Before(f.Due) {
		return wire.Ask{}, false
	}
	f.Due, f.confirm = time.Time{}, false
	a := wire.Ask{Table: f.Copy.Table(), Floor: f.Copy.Floor(), Missing: f.Copy.Missing(wire.MaxRanges)}
	if len(a.Missing) > 0 {
		again := askSpread
		if versions(a.Missing) > fewVersions { // takes the centre its time
			again = min(askSpread<<f.tries, askAgainMost)
			f.tries = min(f.tries+1, 8)
		}
		f.Due = now.Add(again + time.Duration(f.rand.Int64N(int64(again))))
	}
	return a, true
}

func versions(ranges []chantable.Range) (n uint64) {
	for _, r := range ranges {
		n += r.To - r.From
	}
	return n
}
