package chantable

import (
	"net/netip"
)

// Kind says what a Change does.
type Kind uint8

// Kinds of change. Numbers are never reused: a log may outlive the build that wrote it.
const (
	Register  Kind = 1 // Claim
	Leave     Kind = 2 // ID, Instance, Epoch of Claim
	Expire    Kind = 3 // CN, ID, Changed, Heard
	Remove    Kind = 4 // CN, ID, Changed
	RivalGone Kind = 5 // CN, ID, Changed
	Adopt     Kind = 6 // Entry
	Renew     Kind = 7 // Table
)

// Change is one wish to change the table. Which fields count depends on Kind.
type Change struct {
	Kind    Kind   `json:"kind"`
	Claim   Claim  `json:"claim,omitzero"`
	CN      CN     `json:"cn,omitzero"`
	ID      ID     `json:"id,omitzero"`
	Changed uint64 `json:"changed,omitzero"` // the entry's version that the change was decided on
	Heard   int64  `json:"heard,omitzero"`   // Unix ms
	Entry   Entry  `json:"entry,omitzero"`
	Table   uint64 `json:"table,omitzero"`
}

// Command is a batch of changes, applied in order, each on its own: one that is refused does not undo the others.
type Command struct {
	At      int64    `json:"at"` // proposer's wall clock, Unix ms
	Changes []Change `json:"changes"`
}

// Result answers one change.
type Result struct {
	Outcome Outcome `json:"outcome"`
	CN      CN      `json:"cn"`      // the channel concerned, 0 if none
	Version uint64  `json:"version"` // of the table after the change
}

// MaxChanges is the largest batch that a Command may hold.
const MaxChanges = 1024

// Apply carries out a command and returns one result for each change.
func (t *Table) Apply(c Command) []Result {
	results := make([]Result, len(c.Changes))
	for i, ch := range c.Changes {
		results[i] = t.applyOne(ch, c.At)
	}
	return results
}

func (t *Table) applyOne(c Change, at int64) Result {
	switch c.Kind {
	case Register:
		return t.Register(c.Claim, at)
	case Leave:
		return t.Leave(c.Claim.ID, c.Claim.Instance, c.Claim.Epoch, at)
	case Expire:
		return t.Expire(c.CN, c.ID, c.Changed, c.Heard, at)
	case Remove:
		return t.Remove(c.CN, c.ID, c.Changed, at)
	case RivalGone:
		return t.RivalGone(c.CN, c.ID, c.Changed)
	case Adopt:
		return t.Adopt(c.Entry, at)
	case Renew:
		return t.Renew(c.Table)
	}
	return t.result(0, Invalid)
}

// AppendBinary appends the command's encoding, which UnmarshalBinary reads.
func (c Command) AppendBinary(b []byte) ([]byte, error) {
	w := writer{append(b, codecVersion)}
	w.i64(c.At)
	w.u64(uint64(len(c.Changes)))
	for _, ch := range c.Changes {
		w.u8(uint8(ch.Kind))
		switch ch.Kind {
		case Register, Leave:
			w.claim(ch.Claim)
		case Adopt:
			w.entry(ch.Entry)
		case Renew:
			w.u64(ch.Table)
		default:
			w.u64(uint64(ch.CN))
			w.u64(uint64(ch.ID))
			w.u64(ch.Changed)
			w.i64(ch.Heard)
		}
	}
	return w.b, nil
}

// UnmarshalBinary reads what AppendBinary wrote; the error wraps ErrEncoded.
func (c *Command) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	r.version()
	c.At = r.i64()
	n := r.count(MaxChanges)
	c.Changes = make([]Change, 0, n)
	for range n {
		ch := Change{Kind: Kind(r.u8())}
		switch ch.Kind {
		case Register, Leave:
			ch.Claim = r.claim()
		case Adopt:
			ch.Entry = r.entry()
		case Renew:
			ch.Table = r.u64()
		case Expire, Remove, RivalGone:
			ch.CN, ch.ID, ch.Changed, ch.Heard = r.cn(), ID(r.u64()), r.u64(), r.i64()
		default:
			r.fail("kind %d of change is unknown", ch.Kind)
		}
		c.Changes = append(c.Changes, ch)
	}
	return r.end()
}

func (w *writer) claim(c Claim) {
	w.u64(uint64(c.CN))
	w.u64(uint64(c.ID))
	w.addr(c.Address)
	w.u8(c.Level)
	w.text(c.Name)
	w.u64(c.Instance)
	w.u64(c.Epoch)
}

func (r *reader) claim() Claim {
	return Claim{CN: r.cn(), ID: ID(r.u64()), Address: r.addr(), Level: r.u8(), Name: r.text(), Instance: r.u64(), Epoch: r.u64()}
}

func (w *writer) entry(e Entry) {
	w.u64(uint64(e.CN))
	w.u64(uint64(e.ID))
	w.u64(e.Changed)
	if e.ID == 0 {
		return
	}
	w.addr(e.Address)
	w.u8(e.Level)
	w.text(e.Name)
	w.flag(e.Online)
	w.i64(e.Since)
	w.i64(e.OnlineBefore)
	w.u64(e.Instance)
	w.u64(e.Epoch)
	w.flag(e.Contested)
	if e.Contested {
		w.addr(e.Rival.Address)
		w.text(e.Rival.Name)
		w.u64(e.Rival.Instance)
		w.i64(e.Rival.Since)
	}
}

func (r *reader) entry() Entry {
	e := Entry{CN: r.cn(), ID: ID(r.u64()), Changed: r.u64()}
	if e.ID == 0 {
		return e
	}
	e.Address, e.Level, e.Name = r.addr(), r.u8(), r.text()
	e.Online, e.Since, e.OnlineBefore = r.flag(), r.i64(), r.i64()
	e.Instance, e.Epoch = r.u64(), r.u64()
	if e.Contested = r.flag(); e.Contested {
		e.Rival = Rival{Address: r.addr(), Name: r.text(), Instance: r.u64(), Since: r.i64()}
	}
	return e
}

func (w *writer) addr(a netip.AddrPort) {
	b, _ := a.MarshalBinary() // of an address without error
	w.text(string(b))
}

func (r *reader) addr() netip.AddrPort {
	b := r.text()
	var a netip.AddrPort
	if b == "" || r.err != nil {
		return a
	}
	if err := a.UnmarshalBinary([]byte(b)); err != nil {
		r.fail("address: %v", err)
	}
	return a
}
