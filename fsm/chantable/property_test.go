package chantable

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// someChange draws a change that has a fair chance to be possible.
func someChange(t *rapid.T, tb *Table) Change {
	id := ID(rapid.IntRange(1, 8).Draw(t, "id"))
	e, _ := tb.ByID(id)
	c := claim(id, func(c *Claim) {
		c.CN = CN(rapid.IntRange(0, 9).Draw(t, "cn"))
		c.Address = address(byte(rapid.IntRange(1, 9).Draw(t, "address")))
		c.Instance = uint64(rapid.IntRange(1, 3).Draw(t, "instance"))
		c.Epoch = uint64(rapid.IntRange(1, 3).Draw(t, "epoch"))
		c.Name = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "name")
	})
	return Change{
		Kind:  Kind(rapid.IntRange(1, 7).Draw(t, "kind")),
		Claim: c, CN: e.CN, ID: id, Changed: e.Changed, Heard: rapid.Int64Range(0, 1e6).Draw(t, "heard"),
		Entry: Entry{
			CN: CN(rapid.IntRange(0, 12).Draw(t, "adopted cn")), ID: id, Address: c.Address, Name: c.Name,
			Online: rapid.Bool().Draw(t, "online"), Since: 5, OnlineBefore: 7,
		},
		Table: rapid.Uint64Range(0, 4).Draw(t, "table"),
	}
}

func someTable(t *rapid.T, visit func(*Table, []Change)) *Table {
	tb := New()
	tb.Renew(1)
	at := int64(0)
	for range rapid.IntRange(0, 40).Draw(t, "commands") {
		at += rapid.Int64Range(-1000, RemoveAfter.Milliseconds()).Draw(t, "passed")
		c := Command{At: at, Changes: []Change{someChange(t, tb)}}
		version := tb.Version()
		results := tb.Apply(c)
		if results[0].Version != tb.Version() || tb.Version() > version+1 {
			t.Fatalf("%+v took the version from %d to %d, told %d", c, version, tb.Version(), results[0].Version)
		}
		visit(tb, c.Changes)
	}
	return tb
}

// TestTableInvariants: what the package promises of a table holds after any change.
func TestTableInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		someTable(t, func(tb *Table, last []Change) {
			ids := map[ID]CN{}
			versions := map[uint64]bool{}
			for e := range tb.All() {
				if other, twice := ids[e.ID]; twice {
					t.Fatalf("id %d stands in channels %d and %d", e.ID, other, e.CN)
				}
				ids[e.ID] = e.CN
				if got, ok := tb.ByID(e.ID); !ok || got != e {
					t.Fatalf("by id %d: %+v, by channel %+v", e.ID, got, e)
				}
				if got, ok := tb.ByCN(e.CN); !ok || got != e {
					t.Fatalf("by channel %d: %+v, want %+v", e.CN, got, e)
				}
				if e.Time(1e15) < 0 || e.OnlineBefore < 0 {
					t.Fatalf("negative time: %+v", e)
				}
			}
			if len(ids) != tb.Len() {
				t.Fatalf("%d stations, Len %d", len(ids), tb.Len())
			}
			page := tb.Since(tb.ID(), 0)
			for _, e := range page.Entries {
				if versions[e.Changed] || e.Changed == 0 || e.Changed > tb.Version() {
					t.Fatalf("version %d of %d in %+v", e.Changed, tb.Version(), e)
				}
				versions[e.Changed] = true
			}
			if !slices.IsSortedFunc(page.Entries, func(a, b Entry) int { return int(a.Changed) - int(b.Changed) }) {
				t.Fatalf("not in order of change: %+v", page.Entries)
			}
		})
	})
}

// TestEqualCommandsMakeEqualTables: so the nodes agree, and a snapshot is as good as the log.
func TestEqualCommandsMakeEqualTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []Command
		at := int64(0)
		tb := someTable(t, func(tb *Table, last []Change) {
			at += 1000
			log = append(log, Command{At: at, Changes: last})
		})
		a, b := New(), New()
		for i, c := range log {
			octets, err := c.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			var again Command
			if err := again.UnmarshalBinary(octets); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Apply(c), b.Apply(again)) {
				t.Fatalf("command %d: %+v and, decoded, %+v do not the same", i, c, again)
			}
			if i == len(log)/2 { // the other goes on from a snapshot
				octets, _ := b.AppendBinary(nil)
				b = New()
				if err := b.UnmarshalBinary(octets); err != nil {
					t.Fatal(err)
				}
			}
		}
		x, _ := a.AppendBinary(nil)
		y, _ := b.AppendBinary(nil)
		if !bytes.Equal(x, y) {
			t.Fatalf("two tables from the same commands:\n%x\n%x", x, y)
		}
		_ = tb
	})
}

// TestKnown compares Known with a plain set of versions.
func TestKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k Known
		set := map[uint64]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "ranges") {
			from := rapid.Uint64Range(0, 60).Draw(t, "from")
			r := Range{from, from + rapid.Uint64Range(0, 8).Draw(t, "length")}
			k.Add(r)
			for v := r.From + 1; v <= r.To; v++ {
				set[v] = true
			}
		}
		floor := uint64(0)
		for set[floor+1] {
			floor++
		}
		if k.Floor() != floor {
			t.Fatalf("floor %d, want %d", k.Floor(), floor)
		}
		version := rapid.Uint64Range(0, 80).Draw(t, "version")
		missing := map[uint64]bool{}
		for _, r := range k.Missing(version, 100) {
			if r.From >= r.To || r.To > version {
				t.Fatalf("missing (%d, %d] of %d", r.From, r.To, version)
			}
			for v := r.From + 1; v <= r.To; v++ {
				missing[v] = true
			}
		}
		for v := uint64(1); v <= 80; v++ {
			if k.has(v) != set[v] {
				t.Fatalf("has %d: %t", v, k.has(v))
			}
			if missing[v] != (v <= version && !set[v]) {
				t.Fatalf("version %d of %d is missing: %t", v, version, missing[v])
			}
		}
		if limit := rapid.IntRange(0, 3).Draw(t, "limit"); len(k.Missing(version, limit)) > limit {
			t.Fatalf("more than %d ranges", limit)
		}
	})
}

// TestKnownIsBounded: beyond its bound it forgets, and never claims to know more than it was told.
func TestKnownIsBounded(t *testing.T) {
	var k Known
	k.Add(Range{0, 3})
	for i := uint64(1); i <= 100; i++ {
		k.Add(Range{i * 10, i*10 + i%5 + 1})
	}
	if n := len(k.Ranges()); n != maxRanges {
		t.Errorf("%d ranges, want %d", n, maxRanges)
	}
	if k.Floor() != 3 {
		t.Errorf("floor %d, want 3", k.Floor())
	}
	for _, r := range k.Ranges()[1:] {
		if r.From%10 != 0 || r.To != r.From+r.From/10%5+1 {
			t.Errorf("claims to know %+v", r)
		}
	}
}

// TestCopyConverges: pages cut anywhere from any state of the table, lost, repeated and in any order, never make a copy
// that takes itself for complete and differs from the table.
func TestCopyConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pages []Page
		source := NewCopy() // as a centre's node follows the table
		check := func(c *Copy, tb *Table) {
			if !c.Complete() || c.Version() != tb.Version() {
				return
			}
			if got, want := slices.Collect(c.All()), slices.Collect(tb.All()); !slices.Equal(got, want) {
				t.Fatalf("a complete copy has\n%+v\nthe table\n%+v", got, want)
			}
		}
		tb := someTable(t, func(tb *Table, _ []Change) {
			p := tb.Since(source.Table(), source.Floor())
			source.Follow(p.Table)
			if !source.Take(p) || !source.Complete() {
				t.Fatalf("a node that takes what it is told has %d of %d", source.Floor(), tb.Version())
			}
			check(source, tb)
			from := rapid.Uint64Range(0, tb.Version()).Draw(t, "from")
			room := rapid.IntRange(0, 4).Draw(t, "room")
			pages = append(pages, source.Page(from, rapid.Uint64Range(from, tb.Version()).Draw(t, "to"), func(Entry) bool {
				room--
				return room >= 0
			}))
		})
		station := NewCopy()
		station.Follow(tb.ID())
		station.Heard(tb.ID(), tb.Version())
		if len(pages) > 0 {
			for _, i := range rapid.SliceOf(rapid.IntRange(0, len(pages)-1)).Draw(t, "arrivals") {
				station.Take(pages[i])
				check(station, tb)
			}
		}
		// Then it asks for what it lacks until it lacks nothing.
		for range 100 {
			for _, r := range station.Missing(3) {
				station.Take(source.Page(r.From, r.To, func(Entry) bool { return true }))
				check(station, tb)
			}
		}
		if !station.Complete() && tb.ID() != 0 {
			t.Fatalf("still lacks %v of %d", station.Missing(9), tb.Version())
		}
		// What is saved is what is loaded.
		octets, _ := station.AppendBinary(nil)
		loaded := NewCopy()
		if err := loaded.UnmarshalBinary(octets); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(slices.Collect(loaded.All()), slices.Collect(station.All())) || loaded.Floor() != station.Floor() {
			t.Fatal("loaded another copy than saved")
		}
		for _, p := range pages { // old recordings change nothing
			loaded.Take(p)
		}
		check(loaded, tb)
	})
}

func TestCopyTurnsToAnotherTable(t *testing.T) {
	old := New()
	old.Renew(1)
	for id := range ID(3) {
		old.Register(claim(id+1), 0)
	}
	c := NewCopy()
	if c.Take(old.Since(0, 0)) {
		t.Error("took a page before it follows a table")
	}
	c.Follow(1)
	c.Take(old.Since(0, 0))
	next := New()
	next.Renew(2)
	next.Register(claim(2), 0)
	c.Follow(2)
	c.Heard(2, 2)
	if c.Take(old.Since(0, 0)) {
		t.Error("took a page of the former table")
	}
	if e, ok := c.ByID(1); !ok || e.CN != 1 || c.Complete() {
		t.Errorf("while it turns: %+v, %t", e, ok)
	}
	c.Take(next.Since(0, 0))
	if e, ok := c.ByID(2); !ok || e.CN != 1 {
		t.Errorf("the new one counts: %+v, %t", e, ok)
	}
	if e, ok := c.ByCN(3); !ok || e.ID != 3 {
		t.Errorf("what only the former has: %+v, %t", e, ok)
	}
	if n := len(slices.Collect(c.All())); n != 3 {
		t.Errorf("shows %d stations, want 3", n)
	}
	octets, _ := c.AppendBinary(nil)
	loaded := NewCopy()
	if err := loaded.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	if _, ok := loaded.ByID(1); !ok || loaded.Table() != 2 {
		t.Error("the former table is not saved")
	}
	next.Register(claim(9), 0)
	c.Take(next.Since(2, 1))
	if _, ok := c.ByID(1); ok || !c.Complete() {
		t.Error("the former table is still there when the new one is whole")
	}
	c.Follow(3)
	c.Follow(4)
	if _, ok := c.ByID(9); !ok {
		t.Error("two turns in a row lost the last whole table")
	}
}

func TestDamagedEncodings(t *testing.T) {
	tb := New()
	tb.Renew(1)
	for id := range ID(3) {
		tb.Register(claim(id+1), 0)
	}
	tb.Register(claim(2, func(c *Claim) { c.Instance, c.Address = 5, address(50) }), 0)
	c := NewCopy()
	c.Follow(1)
	c.Take(tb.Since(0, 0))
	command := Command{At: 5, Changes: []Change{
		{Kind: Register, Claim: claim(1)}, {Kind: Leave, Claim: claim(1)}, {Kind: Expire, CN: 1, ID: 1}, {Kind: Adopt, Entry: held()}, {Kind: Renew, Table: 7},
	}}
	x, _ := tb.AppendBinary(nil)
	y, _ := c.AppendBinary(nil)
	z, _ := command.AppendBinary(nil)
	for name, tt := range map[string]struct {
		octets []byte
		read   func([]byte) error
	}{
		"table":   {x, func(b []byte) error { return New().UnmarshalBinary(b) }},
		"copy":    {y, func(b []byte) error { return NewCopy().UnmarshalBinary(b) }},
		"command": {z, func(b []byte) error { return new(Command).UnmarshalBinary(b) }},
	} {
		if err := tt.read(tt.octets); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range tt.octets {
			if err := tt.read(tt.octets[:n]); !errors.Is(err, ErrEncoded) {
				t.Errorf("%s cut to %d octets: %v", name, n, err)
			}
		}
		if err := tt.read(append(slices.Clone(tt.octets), 0)); !errors.Is(err, ErrEncoded) {
			t.Errorf("%s with an octet more: %v", name, err)
		}
		if err := tt.read(append([]byte{9}, tt.octets[1:]...)); !errors.Is(err, ErrEncoded) {
			t.Errorf("%s of another version: %v", name, err)
		}
	}
}

// FuzzUnmarshal: what is no encoding is an error, and what is accepted encodes to something that is accepted again.
func FuzzUnmarshal(f *testing.F) {
	tb := New()
	tb.Renew(1)
	tb.Register(claim(1), 0)
	x, _ := tb.AppendBinary(nil)
	f.Add(x)
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if tb := New(); tb.UnmarshalBinary(b) == nil {
			x, _ := tb.AppendBinary(nil)
			if err := New().UnmarshalBinary(x); err != nil {
				t.Errorf("table: %v", err)
			}
		}
		if c := NewCopy(); c.UnmarshalBinary(b) == nil {
			x, _ := c.AppendBinary(nil)
			if err := NewCopy().UnmarshalBinary(x); err != nil {
				t.Errorf("copy: %v", err)
			}
		}
		var c Command
		if c.UnmarshalBinary(b) == nil {
			New().Apply(c)
		}
	})
}
