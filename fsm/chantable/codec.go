package chantable

import (
	"encoding/binary"
	"fmt"
)

// codecVersion is the first octet of each encoding.
const codecVersion = 1

// writer appends the primitive values of an encoding.
type writer struct{ b []byte }

func (w *writer) u8(v uint8)    { w.b = append(w.b, v) }
func (w *writer) u64(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) i64(v int64)   { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) text(s string) { w.u64(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) flag(v bool) {
	if v {
		w.u8(1)
	} else {
		w.u8(0)
	}
}

// reader reads them back. After the first mistake it returns zeros, and end tells what the mistake was.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: octet %d: %s", ErrEncoded, r.at, fmt.Sprintf(format, args...))
	}
}

func (r *reader) u8() uint8 {
	if r.err != nil || r.at >= len(r.b) {
		r.fail("ends early")
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) flag() bool {
	v := r.u8()
	if v > 1 {
		r.fail("flag is %d, want 0 or 1", v)
	}
	return v == 1
}

func (r *reader) u64() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.fail("no number here")
		return 0
	}
	r.at += n
	return v
}

func (r *reader) i64() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.b[r.at:])
	if n <= 0 {
		r.fail("no number here")
		return 0
	}
	r.at += n
	return v
}

func (r *reader) cn() CN {
	v := r.u64()
	if v > uint64(MaxCN) {
		r.fail("channel %d, want at most %d", v, MaxCN)
	}
	return CN(v)
}

// count reads the number of items that follow, each of at least one octet.
func (r *reader) count(limit int) int {
	v := r.u64()
	if v > uint64(limit) || v > uint64(len(r.b)-r.at) {
		r.fail("%d items, want at most %d, with octets for each", v, limit)
		return 0
	}
	return int(v)
}

func (r *reader) text() string {
	n := r.u64()
	if r.err != nil || n > uint64(len(r.b)-r.at) {
		r.fail("text of %d octets, %d are left", n, len(r.b)-r.at)
		return ""
	}
	r.at += int(n)
	return string(r.b[r.at-int(n) : r.at])
}

func (r *reader) version() {
	if v := r.u8(); v != codecVersion {
		r.fail("encoding %d, want %d", v, codecVersion)
	}
}

func (r *reader) end() error {
	if r.err == nil && r.at != len(r.b) {
		r.fail("%d octets too many", len(r.b)-r.at)
	}
	return r.err
}

// AppendBinary appends the table's encoding: equal tables give equal octets.
func (t *Table) AppendBinary(b []byte) ([]byte, error) {
	w := writer{append(b, codecVersion)}
	w.u64(t.id)
	w.u64(t.version)
	w.u64(uint64(len(t.order) - t.void))
	for _, e := range t.byCN {
		if e.Changed != 0 {
			w.entry(e)
		}
	}
	return w.b, nil
}

// UnmarshalBinary replaces the table with one that AppendBinary wrote; on an error, which wraps ErrEncoded, it is
// left as it was.
func (t *Table) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	r.version()
	loaded := New()
	loaded.id, loaded.version = r.u64(), r.u64()
	var last CN
	for range r.count(int(MaxCN)) {
		e := r.entry()
		switch {
		case r.err != nil:
			return r.err
		case e.CN <= last:
			r.fail("channel %d after channel %d", e.CN, last)
		case e.Changed == 0 || e.Changed > loaded.version:
			r.fail("channel %d changed in version %d, the table's is %d", e.CN, e.Changed, loaded.version)
		case e.ID != 0 && loaded.byID[e.ID] != 0:
			r.fail("id %d stands in channels %d and %d", e.ID, loaded.byID[e.ID], e.CN)
		default:
			loaded.put(e)
			last = e.CN
		}
	}
	if err := r.end(); err != nil {
		return err
	}
	loaded.sort() // so that reading changes nothing
	*t = *loaded
	return nil
}
