package chantable

import "iter"

// Page is a part of a table: every entry whose last change lies in the range (From, To], ascending by Changed, as of
// the table's Version.
type Page struct {
	Table   uint64
	Version uint64
	From    uint64
	To      uint64
	Entries []Entry
}

// Copy is what a station or a node holds of a table. The zero Copy is not usable; see NewCopy. It is not safe for
// concurrent use.
//
// A copy follows one table at a time. When it turns to another, it goes on answering from the former one until it
// knows the new one whole, since an address that was right a moment ago is better than none.
type Copy struct {
	slots
	table   uint64
	version uint64
	known   Known
	former  *slots
}

// NewCopy returns an empty copy that follows no table.
func NewCopy() *Copy { return &Copy{slots: newSlots()} }

// Table is the identity of the table that is followed; 0 for none.
func (c *Copy) Table() uint64 { return c.table }

// Version is the latest version that the copy has heard of.
func (c *Copy) Version() uint64 { return c.version }

// Floor is the version up to which the copy misses nothing.
func (c *Copy) Floor() uint64 { return c.known.Floor() }

// Complete reports whether the copy is, as far as it has heard, the same as the table.
func (c *Copy) Complete() bool { return c.table != 0 && c.known.Floor() >= c.version }

// whole reports whether the copy is complete and can take the place of the former one. A table at version 0 has only
// just been begun, by a centre that has yet to hear from its stations.
func (c *Copy) whole() bool { return c.version > 0 && c.Complete() }

// Missing returns the ranges of versions that the copy lacks, at most limit of them, lowest first.
func (c *Copy) Missing(limit int) []Range { return c.known.Missing(c.version, limit) }

// Follow turns to a table.
func (c *Copy) Follow(table uint64) {
	if table == c.table {
		return
	}
	if c.whole() || c.former == nil {
		held := c.slots
		c.former = &held
	}
	c.slots, c.table, c.version, c.known = newSlots(), table, 0, Known{}
}

// Heard notes that a table has reached a version.
func (c *Copy) Heard(table, version uint64) {
	if table == c.table && table != 0 {
		c.version = max(c.version, version)
	}
}

// Take takes in a page and reports whether it belongs to the table that is followed. Pages may come in any order and
// any number of times: an entry of a version that is known already is either held or was replaced since.
func (c *Copy) Take(p Page) bool {
	if p.Table != c.table || c.table == 0 {
		return false
	}
	c.version = max(c.version, p.Version, p.To)
	for _, e := range p.Entries {
		if e.CN != 0 && c.at(e.CN).Changed < e.Changed && !c.known.has(e.Changed) {
			c.put(e)
		}
	}
	c.known.Add(Range{p.From, p.To})
	if c.whole() {
		c.former = nil
	}
	return true
}

// Page returns the part of the copy from one version to another, as far as fits says that there is room for the next
// entry. The copy must know that part.
func (c *Copy) Page(from, to uint64, fits func(Entry) bool) Page {
	p := Page{Table: c.table, Version: c.version, From: from, To: to}
	for e := range c.after(from) {
		if e.Changed > to {
			break
		}
		if !fits(e) {
			p.To = e.Changed - 1
			break
		}
		p.Entries = append(p.Entries, e)
	}
	return p
}

// Len is the number of stations in the table that is followed, as far as known.
func (c *Copy) Len() int { return len(c.byID) }

// ByCN returns the entry of a channel.
func (c *Copy) ByCN(cn CN) (Entry, bool) {
	e := c.at(cn)
	if e.Changed == 0 && c.former != nil {
		e = c.former.at(cn)
	}
	return e, e.ID != 0
}

// ByID returns the entry of a station.
func (c *Copy) ByID(id ID) (Entry, bool) {
	e := c.of(id)
	if e.ID == 0 && c.former != nil {
		e = c.former.of(id)
	}
	return e, e.ID != 0
}

// All yields the stations of the table that is followed by channel number; while that is not complete, then those
// that only the former table had.
func (c *Copy) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for e := range c.all() {
			if !yield(e) {
				return
			}
		}
		if c.former == nil {
			return
		}
		for e := range c.former.all() {
			if c.byID[e.ID] == 0 && !yield(e) {
				return
			}
		}
	}
}

// Removable returns the changes that remove what may be removed at an instant, at most limit of them.
func (c *Copy) Removable(at int64, limit int) []Change { return removable(c.all(), at, limit) }

// AppendBinary appends the encoding of what is worth keeping: the stations, and up to where nothing is missing.
func (c *Copy) AppendBinary(b []byte) ([]byte, error) {
	w := writer{append(b, codecVersion)}
	w.u64(c.table)
	w.u64(c.known.Floor())
	former := newSlots()
	if c.former != nil {
		former = *c.former
	}
	for _, s := range []*slots{&c.slots, &former} {
		n := 0
		for range s.all() {
			n++
		}
		w.u64(uint64(n))
		for e := range s.all() {
			w.entry(e)
		}
	}
	return w.b, nil
}

// UnmarshalBinary replaces the copy with one that AppendBinary wrote; on an error, which wraps ErrEncoded, it is left
// as it was.
func (c *Copy) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	r.version()
	loaded := NewCopy()
	loaded.table = r.u64()
	loaded.version = r.u64()
	loaded.known.Add(Range{0, loaded.version})
	former := newSlots()
	for _, s := range []*slots{&loaded.slots, &former} {
		var last CN
		for range r.count(int(MaxCN)) {
			e := r.entry()
			switch {
			case r.err != nil:
				return r.err
			case e.CN <= last:
				r.fail("channel %d after channel %d", e.CN, last)
			case e.ID == 0 || e.ID > MaxID || ValidateName(e.Name) != nil || ValidateAddress(e.Address) != nil:
				r.fail("channel %d holds no station: id %d, name %q, address %s", e.CN, e.ID, e.Name, e.Address)
			default:
				s.put(e)
				last = e.CN
			}
		}
	}
	if err := r.end(); err != nil {
		return err
	}
	if len(former.byID) != 0 {
		loaded.former = &former
	}
	*c = *loaded
	return nil
}
