package channeltab

import (
	"math/rand/v2"
	"time"

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
	copy    *chantable.Copy
	rand    *rand.Rand
	due     time.Time // of the next Ask; zero: none
	confirm bool      // the centre wants an Ask even if nothing is missing
	tries   int       // Asks since the copy was last complete, or last grew

	multicast time.Time // when a page last came by multicast
	changes   uint64    // counts what the application may want to look at
}

func newFollower(c *chantable.Copy, r *rand.Rand) *follower { return &follower{copy: c, rand: r} }

// page takes in a page of the table.
func (f *follower) page(now time.Time, t Table, multicast bool) {
	floor := f.copy.Floor()
	if !f.copy.Take(t.Page) {
		return // of a table that no centre has told this station to follow
	}
	if multicast {
		f.multicast = now
	}
	if len(t.Page.Entries) > 0 {
		f.changes++
	}
	if f.copy.Floor() > floor {
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
	if table != f.copy.Table() {
		f.copy.Follow(table)
		f.due, f.tries, f.confirm = time.Time{}, 0, false
		f.changes++
	}
	f.copy.Heard(table, version)
	f.notice(now)
}

// notice schedules an Ask if something is missing, and none if nothing is.
func (f *follower) notice(now time.Time) {
	switch {
	case f.copy.Complete():
		f.tries = 0
		if !f.confirm {
			f.due = time.Time{}
		}
	case f.due.IsZero():
		f.due = now.Add(askLeast + time.Duration(f.rand.Int64N(int64(askSpread))))
	}
}

func (f *follower) hurry(at time.Time) {
	if f.due.IsZero() || at.Before(f.due) {
		f.due = at
	}
}

// ask returns the Ask that is due, if one is.
func (f *follower) ask(now time.Time) (Ask, bool) {
	if f.due.IsZero() || now.Before(f.due) {
		return Ask{}, false
	}
	f.due, f.confirm = time.Time{}, false
	a := Ask{Table: f.copy.Table(), Floor: f.copy.Floor(), Missing: f.copy.Missing(maxRanges)}
	if len(a.Missing) > 0 {
		again := askSpread
		if versions(a.Missing) > fewVersions { // takes the centre its time
			again = min(askSpread<<f.tries, askAgainMost)
			f.tries = min(f.tries+1, 8)
		}
		f.due = now.Add(again + time.Duration(f.rand.Int64N(int64(again))))
	}
	return a, true
}

func versions(ranges []chantable.Range) (n uint64) {
	for _, r := range ranges {
		n += r.To - r.From
	}
	return n
}
