package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/frame"
)

const blockEntries = 256 // in a frame

// recordSize: number, place in the journal (8 each), hash (32), length of the entry (4). The entry follows.
const recordSize = 2*8 + sha256.Size + 4

// appendBlock writes a block: the chain (1), and records.
func appendBlock(b []byte, chain Chain, records []record) []byte {
	le := binary.LittleEndian
	b = append(frame.Begin(b, frame.Audit), byte(chain))
	for i := range records {
		r := &records[i]
		b = le.AppendUint64(b, r.number)
		b = le.AppendUint64(b, r.seq)
		b = append(b, r.hash[:]...)
		b = le.AppendUint32(b, uint32(len(r.entry)))
		b = append(b, r.entry...)
	}
	return frame.End(b, 0)
}

// Freeze returns a copy that later entries do not change. It can only be read.
func (a *Audit) Freeze() *Audit { return &Audit{last: a.last, rings: a.rings} }

// WriteFrames writes the entries. The error is that of out's Flush.
func (a *Audit) WriteFrames(out *bufio.Writer) {
	var buf []byte
	for chain := range a.rings {
		records := a.rings[chain].records
		for from := 0; from < len(records); from += blockEntries {
			buf = appendBlock(buf[:0], Chain(chain), records[from:min(from+blockEntries, len(records))])
			out.Write(buf)
		}
	}
}

// Roots are the hashes that the rings begin with.
func (a *Audit) Roots() (hashes [][]byte) {
	for c := range a.rings {
		hashes = append(hashes, a.rings[c].before[:])
	}
	return hashes
}

func (r *refusal) proto() *fsmpb.Refusal {
	return &fsmpb.Refusal{Action: r.action, Origin: r.origin, Resource: r.resource, Reason: r.reason, Count: r.count, ToldMs: r.toldMs}
}

// RefusalProtos are the refusals as they go into a snapshot.
func (a *Audit) RefusalProtos() (list []*fsmpb.Refusal) {
	for _, k := range a.refusals.keys() {
		list = append(list, a.refusals.by[k].proto())
	}
	return list
}

// Resume takes the number of the newest entry, and the hashes that Roots gave.
func (a *Audit) Resume(number uint64, roots [][]byte) error {
	a.last = number
	for c, hash := range roots {
		if c >= int(chains) || len(hash) != sha256.Size {
			return fmt.Errorf("audit: hash of %d octets before chain %d", len(hash), c)
		}
		a.rings[c].before = Hash(hash)
	}
	return nil
}

// Restore takes the payload of a frame, of a snapshot whose newest number of the journal is last.
func (a *Audit) Restore(b []byte, last uint64) error {
	le := binary.LittleEndian
	if len(b) == 0 || Chain(b[0]) >= chains {
		return errors.New("no such chain of the audit")
	}
	ring := &a.rings[b[0]]
	for b = b[1:]; len(b) > 0; {
		if len(b) < recordSize {
			return fmt.Errorf("audit: %d octets", len(b))
		}
		r := record{number: le.Uint64(b), seq: le.Uint64(b[8:]), hash: Hash(b[16:])}
		size := uint64(le.Uint32(b[16+sha256.Size:]))
		b = b[recordSize:]
		if size > uint64(len(b)) {
			return fmt.Errorf("audit: entry %d of %d octets where %d are left", r.number, size, len(b))
		}
		r.entry = string(b[:size])
		b = b[size:]
		n := len(ring.records)
		if n > 0 && (r.number <= ring.records[n-1].number || r.seq <= ring.records[n-1].seq) || r.number > a.last || r.seq > last {
			return fmt.Errorf("audit: entry %d at %d is out of order", r.number, r.seq)
		}
		if err := proto.Unmarshal([]byte(r.entry), new(fsmpb.AuditEntry)); err != nil {
			return fmt.Errorf("audit: entry %d: %w", r.number, err)
		}
		ring.records, ring.size = append(ring.records, r), ring.size+len(r.entry)
	}
	if len(ring.records) > MaxEntries || ring.size > MaxSize {
		return fmt.Errorf("audit: %d entries of %d octets", len(ring.records), ring.size)
	}
	return nil
}

// RestoreRefusal takes one of what RefusalProtos gave.
func (a *Audit) RestoreRefusal(p *fsmpb.Refusal) error {
	r := &a.refusals
	k := refusalKey{p.Action, p.Origin}
	if r.by[k] != nil {
		return fmt.Errorf("refusals of %q to %q are there twice", p.Action, p.Origin)
	}
	r.by[k] = &refusal{action: p.Action, origin: p.Origin, resource: p.Resource, reason: p.Reason, count: p.Count, toldMs: p.ToldMs}
	r.schedule()
	return nil
}

// Put adds an entry that has its place, of a snapshot that had the audit in the journal.
func (a *Audit) Put(e Entry) {
	a.last++
	e.Number = a.last
	a.append(e)
}
