package chantable

import (
	"slices"
	"sync"
	"testing"
)

// reused is a table in which station 1 was removed and its channel given to station 9, and station 2 came back on
// another channel.
func reused() *Table {
	const late = 1 << 40
	tb := New()
	tb.Renew(1)
	for id := range ID(3) {
		tb.Register(claim(id+1), 0) // versions 1 to 3
	}
	tb.Leave(1, 0, 0, 0)        // 4
	tb.Leave(2, 0, 0, 0)        // 5
	tb.Remove(1, 1, 4, late)    // 6
	tb.Remove(2, 2, 5, late)    // 7
	tb.Register(claim(9), late) // 8: channel 1
	tb.Register(claim(8), late) // 9: channel 2
	tb.Register(claim(2), late) // 10: channel 4
	return tb
}

func TestOldPagesBringNothingBack(t *testing.T) {
	before := New()
	before.Renew(1)
	for id := range ID(3) {
		before.Register(claim(id+1), 0)
	}
	old := before.Since(0, 0)
	c := NewCopy()
	c.Follow(1)
	c.Take(reused().Since(0, 0))
	octets, _ := c.AppendBinary(nil)
	loaded := NewCopy()
	if err := loaded.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Copy{"copy": c, "loaded copy": loaded} {
		want := slices.Collect(c.All())
		c.Take(old)
		if got := slices.Collect(c.All()); !slices.Equal(got, want) || c.Len() != 4 {
			t.Errorf("%s after an old page: %+v, want %+v", name, got, want)
		}
	}

	// The channel of a station that was removed stays empty in a loaded copy, though the file does not say so.
	gone := before
	gone.Leave(3, 0, 0, 0)
	gone.Remove(3, 3, 4, 1<<40)
	c = NewCopy()
	c.Follow(1)
	c.Take(gone.Since(0, 0))
	octets, _ = c.AppendBinary(nil)
	if err := c.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	c.Take(old)
	if e, ok := c.ByID(3); ok {
		t.Errorf("an old page brought back %+v", e)
	}
}

// TestStationOnTwoChannels: a copy may see a station on its new channel before it sees the old one empty.
func TestStationOnTwoChannels(t *testing.T) {
	page := reused().Since(0, 0)
	i := slices.IndexFunc(page.Entries, func(e Entry) bool { return e.ID == 2 })
	moved := page
	moved.Entries, moved.From = page.Entries[i:], 9
	before := New()
	before.Renew(1)
	before.Register(claim(1), 0)
	before.Register(claim(2), 0)
	for name, order := range map[string][]Page{
		"old first": {before.Since(0, 0), moved}, "new first": {moved, before.Since(0, 0)},
	} {
		c := NewCopy()
		c.Follow(1)
		for _, p := range order {
			c.Take(p)
		}
		if e, _ := c.ByID(2); e.CN != 4 {
			t.Errorf("%s: station 2 is on channel %d, want 4", name, e.CN)
		}
		c.Take(page)
		if e, _ := c.ByID(2); e.CN != 4 || !c.Complete() {
			t.Errorf("%s, then all: station 2 is on channel %d, want 4", name, e.CN)
		}
		if e, _ := c.ByCN(2); e.ID != 8 {
			t.Errorf("%s, then all: station %d is on channel 2, want 8", name, e.ID)
		}
	}
}

func TestCopyHearsOfVersions(t *testing.T) {
	c := NewCopy()
	c.Follow(1)
	c.Take(Page{Table: 1, Version: 9, From: 0, To: 4})
	if c.Version() != 9 || c.Complete() || !slices.Equal(c.Missing(9), []Range{{4, 9}}) {
		t.Errorf("after a page of version 9: version %d, misses %v", c.Version(), c.Missing(9))
	}
	c.Heard(2, 20)
	c.Heard(1, 7)
	if c.Version() != 9 {
		t.Errorf("version %d, want 9", c.Version())
	}
	c.Heard(1, 12)
	if !slices.Equal(c.Missing(9), []Range{{4, 12}}) {
		t.Errorf("misses %v", c.Missing(9))
	}
}

// TestOrderOfChange: what is told since a version is in order, after very many changes and after loading.
func TestOrderOfChange(t *testing.T) {
	tb := New()
	tb.Renew(1)
	for i := range 2000 {
		id := ID(i*7%50 + 1)
		tb.Register(claim(id), int64(i))
		if i%3 == 0 {
			tb.Leave(id, 0, 0, int64(i))
		}
	}
	octets, _ := tb.AppendBinary(nil)
	loaded := New()
	if err := loaded.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	if n := len(tb.order); n > 2*50+65 {
		t.Errorf("the index has %d places for 50 entries", n)
	}
	for name, tb := range map[string]*Table{"grown": tb, "loaded": loaded} {
		for _, since := range []uint64{0, 1, tb.Version() - 20, tb.Version() - 1, tb.Version()} {
			p := tb.Since(1, since)
			var want []Entry
			for e := range tb.All() {
				if e.Changed > since {
					want = append(want, e)
				}
			}
			slices.SortFunc(want, func(a, b Entry) int { return int(a.Changed) - int(b.Changed) })
			if !slices.Equal(p.Entries, want) {
				t.Errorf("%s since %d: %d entries, want %d", name, since, len(p.Entries), len(want))
			}
		}
	}
}

func TestOutcomeText(t *testing.T) {
	for o, want := range map[Outcome]string{Done: "done", Clash: "clash", Superseded: "superseded", Full: "full", Invalid: "invalid", Stale: "stale", 99: "outcome 99"} {
		if o.String() != want {
			t.Errorf("%d: %q, want %q", o, o.String(), want)
		}
	}
}

// TestReadersOfALoadedTable is for the race detector.
func TestReadersOfALoadedTable(t *testing.T) {
	octets, _ := reused().AppendBinary(nil)
	tb := New()
	if err := tb.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			if n := len(tb.Since(1, 0).Entries); n != 4 {
				t.Errorf("%d entries, want 4", n)
			}
		})
	}
	readers.Wait()
}
