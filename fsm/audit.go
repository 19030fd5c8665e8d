package fsm

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// The audit says what was done and by whom: controls, moves, pins, logins, configurations, what was refused, and what
// became of nodes, RTUs and groups. It has room of its own, so it can push no event out of the journal, nor events it.
//
// Each entry takes a number of the journal, which is thereby its place among the events, and one of its own. It is part of a
// chain: its hash is the SHA-256 of the hash before it and of what it says (AuditEntry.Content), so that nobody changes or
// takes out an entry without changing all that follow. Controls have a chain and room of their own: whoever may operate
// must not be able to push out who logged in, or what was configured.

// AuditChain names a chain.
type AuditChain uint8

// The chains.
const (
	AuditStation  AuditChain = iota // all but controls
	AuditControls                   // controls, started or refused

	auditChains
)

var auditChainNames = [auditChains]string{"station", "controls"}

// String gives station or controls.
func (c AuditChain) String() string {
	if c < auditChains {
		return auditChainNames[c]
	}
	return fmt.Sprintf("chain(%d)", uint8(c))
}

// The room of each chain. Whichever is reached first, the oldest entry goes.
const (
	maxAudit     = 25_000
	maxAuditSize = 6 << 20 // octets, as they are kept
)

// AuditHash is a link of a chain.
type AuditHash [sha256.Size]byte

// AuditEntry is an entry of the audit. What Note refers to is shared: readers must not change it.
type AuditEntry struct {
	Number uint64 // from 1 without gaps, over both chains
	Seq    uint64 // its place in the journal
	TimeMs int64  // ms since 1970-01-01 UTC, by the clock of the node
	Node   string // that proposed what it tells of
	Note   Note

	// Of a control, or an override.
	Point PointKey
	Type  uint8 // TypeID
	Value float64

	Chain  AuditChain
	Before AuditHash // hash of the chain's entry before this one; zero if there was none
	Hash   AuditHash
}

func chainOf(n *Note) AuditChain {
	if n.Kind == NoteControl || n.Kind == NoteRefused && n.To == refusedControl {
		return AuditControls
	}
	return AuditStation
}

// auditContent is an entry in the form that is hashed: JSON without blanks, keys in this order, those of empty texts and of
// zeros left out but for the first three. It never changes for what is there: later fields come at the end, left out when
// empty.
type auditContent struct {
	Number   uint64 `json:"number"`
	Seq      uint64 `json:"seq"`
	TimeMs   int64  `json:"time_ms"`
	Node     string `json:"node,omitempty"`
	Kind     string `json:"kind"`
	Resource string `json:"resource,omitempty"`
	Epoch    uint64 `json:"epoch,omitempty"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Origin   string `json:"origin,omitempty"`
	Control  string `json:"control,omitempty"`
	Stage    string `json:"stage,omitempty"`
	OK       bool   `json:"ok,omitempty"`
	Count    uint64 `json:"count,omitempty"`
	Point    string `json:"point,omitempty"` // rtu/kind/point
	Type     uint8  `json:"type,omitempty"`
	Value    string `json:"value,omitempty"`

	DetectedMs  int64 `json:"detected_ms,omitempty"`
	ElectedMs   int64 `json:"elected_ms,omitempty"`
	LeasedMs    int64 `json:"leased_ms,omitempty"`
	ConnectedMs int64 `json:"connected_ms,omitempty"`
	FirstDataMs int64 `json:"first_data_ms,omitempty"`

	Condition string   `json:"condition,omitempty"`
	Change    uint8    `json:"change,omitempty"`
	Severity  string   `json:"severity,omitempty"`
	Values    []string `json:"values,omitempty"`
}

// Content is what the entry says, in the form that its hash is made of.
func (e *AuditEntry) Content() []byte {
	n := &e.Note
	c := auditContent{
		Number: e.Number, Seq: e.Seq, TimeMs: e.TimeMs, Node: e.Node, Kind: n.Kind.String(), Resource: n.Resource, Epoch: n.Epoch,
		From: n.From, To: n.To, Reason: n.Reason, Origin: n.Origin, Control: n.Control, OK: n.OK, Count: n.Count, Type: e.Type,
		DetectedMs: n.Timings.DetectedMs, ElectedMs: n.Timings.ElectedMs, LeasedMs: n.Timings.LeasedMs,
		ConnectedMs: n.Timings.ConnectedMs, FirstDataMs: n.Timings.FirstDataMs,
	}
	if n.Stage != 0 {
		c.Stage = n.Stage.String()
	}
	if e.Point != (PointKey{}) {
		c.Point, c.Value = e.Point.String(), strconv.FormatFloat(e.Value, 'g', -1, 64)
	}
	if d := n.Condition; d != nil {
		c.Condition, c.Change, c.Severity, c.Values = d.ID, uint8(d.Change), d.Severity.String(), d.Values
	}
	b, err := json.Marshal(&c)
	if err != nil {
		panic(err) // there is nothing in it that JSON can't say
	}
	return b
}

// ChainAudit is the hash of an entry with this content that follows the one with this hash.
func ChainAudit(before AuditHash, content []byte) AuditHash {
	return sha256.Sum256(append(before[:], content...))
}

// auditRecord is an entry as it is kept.
type auditRecord struct {
	number, seq uint64
	hash        AuditHash
	entry       string // an fsmpb.AuditEntry
}

// auditRing is the entries of one chain.
type auditRing struct {
	records []auditRecord // never rewritten, so a snapshot shares them
	before  AuditHash     // of the entry before the oldest kept
	size    int           // octets of the entries
}

type audit struct {
	last  uint64 // number of the newest entry
	rings [auditChains]auditRing
}

// appendAudit makes an entry.
func (s *State) appendAudit(at command.Stamp, e AuditEntry) {
	s.audit.last++
	e.Number, e.Seq, e.TimeMs, e.Node = s.audit.last, s.journal.Number(), at.Ms, at.Node
	for _, gone := range s.audit.append(e) {
		s.exports.Dropped(gone, true)
	}
}

// append adds an entry that has its numbers, and returns the places of those that had to go for it.
func (a *audit) append(e AuditEntry) (gone []uint64) {
	ring := &a.rings[chainOf(&e.Note)]
	return ring.append(auditRecord{e.Number, e.Seq, ChainAudit(ring.newest(), e.Content()), e.encode()})
}

func (r *auditRing) newest() AuditHash {
	if n := len(r.records); n > 0 {
		return r.records[n-1].hash
	}
	return r.before
}

func (r *auditRing) append(rec auditRecord) (gone []uint64) {
	r.records = append(r.records, rec)
	r.size += len(rec.entry)
	for len(r.records) > maxAudit || r.size > maxAuditSize {
		r.before = r.records[0].hash
		r.size -= len(r.records[0].entry)
		gone = append(gone, r.records[0].seq)
		r.records = r.records[1:]
	}
	return gone
}

// at is the entry in this place.
func (r *auditRing) at(i int, chain AuditChain) AuditEntry {
	rec := &r.records[i]
	e := decodeAudit(rec.entry)
	e.Number, e.Seq, e.Hash, e.Chain, e.Before = rec.number, rec.seq, rec.hash, chain, r.before
	if i > 0 {
		e.Before = r.records[i-1].hash
	}
	return e
}

// read merges entries of the rings from some places to others.
func (a *audit) read(from, to [auditChains]int) (all []AuditEntry) {
	for {
		next := auditChains
		for c := range auditChains {
			if from[c] < to[c] && (next == auditChains || a.rings[c].records[from[c]].number < a.rings[next].records[from[next]].number) {
				next = c
			}
		}
		if next == auditChains {
			return all
		}
		all = append(all, a.rings[next].at(from[next], next))
		from[next]++
	}
}

// places are where in each ring the first entry is of which this is true.
func (a *audit) places(is func(*auditRecord) bool) (at [auditChains]int) {
	for c := range a.rings {
		records := a.rings[c].records
		at[c] = sort.Search(len(records), func(i int) bool { return is(&records[i]) })
	}
	return at
}

// countAfter is how many entries are kept that have a higher place in the journal.
func (a *audit) countAfter(seq uint64) (n uint64) {
	at := a.places(func(r *auditRecord) bool { return r.seq > seq })
	for c := range a.rings {
		n += uint64(len(a.rings[c].records) - at[c])
	}
	return n
}

// count is how many entries are kept.
func (a *audit) count() (n uint64) {
	for c := range a.rings {
		n += uint64(len(a.rings[c].records))
	}
	return n
}

// AuditEntries is the number of entries kept.
func (s *State) AuditEntries() uint64 { return s.audit.count() }

// AuditLast is the number of the newest entry of the audit; 0 before the first.
func (s *State) AuditLast() uint64 { return s.audit.last }

// ReadAudit returns entries of the audit after this number, oldest first, at most limit.
func (s *State) ReadAudit(after uint64, limit int) []AuditEntry {
	return s.audit.after(limit, func(r *auditRecord) bool { return r.number > after })
}

// after returns the entries from the first one on of which this is true, at most limit.
func (a *audit) after(limit int, is func(*auditRecord) bool) []AuditEntry {
	from := a.places(is)
	var to [auditChains]int
	for c := range to {
		to[c] = min(len(a.rings[c].records), from[c]+limit)
	}
	all := a.read(from, to)
	return all[:min(limit, len(all))]
}

// before returns the newest entries before the first one of which this is true, oldest first.
func (a *audit) before(limit int, is func(*auditRecord) bool) []AuditEntry {
	from, to := a.places(is), a.places(is)
	for c := range from {
		from[c] = max(0, to[c]-limit)
	}
	all := a.read(from, to)
	return all[max(0, len(all)-limit):]
}

// AuditBefore returns the newest entries of the audit before this number, oldest first, at most limit.
func (s *State) AuditBefore(number uint64, limit int) []AuditEntry {
	return s.audit.before(limit, func(r *auditRecord) bool { return r.number >= number })
}

// Record is an event of the journal, or an entry of the audit.
type Record struct {
	Seq   uint64
	Event Event       // if Audit is nil
	Audit *AuditEntry // else
}

// ReadHistory returns events and entries of the audit after this number of the journal in their one order, at most limit.
func (s *State) ReadHistory(after uint64, limit int) []Record {
	events := s.ReadJournal(after, make([]Event, min(uint64(limit), s.journal.Last()-min(after, s.journal.Last()))))
	all := merge(events, s.audit.after(limit, func(r *auditRecord) bool { return r.seq > after }))
	return all[:min(limit, len(all))]
}

// HistoryBefore returns the newest events and entries of the audit before this number of the journal, oldest first, at most
// limit.
func (s *State) HistoryBefore(seq uint64, limit int) []Record {
	from := s.journal.Before(seq, limit)
	events := s.ReadJournal(from, make([]Event, min(uint64(limit), s.journal.Count())))
	for len(events) > 0 && events[len(events)-1].Seq >= seq {
		events = events[:len(events)-1]
	}
	all := merge(events, s.audit.before(limit, func(r *auditRecord) bool { return r.seq >= seq }))
	return all[max(0, len(all)-limit):]
}

// HistoryFirst is the number of the oldest event or entry of the audit kept; JournalLast+1 if none is.
func (s *State) HistoryFirst() uint64 {
	first := s.journal.Oldest()
	for c := range s.audit.rings {
		if records := s.audit.rings[c].records; len(records) > 0 {
			first = min(first, records[0].seq)
		}
	}
	return first
}

func merge(events []Event, entries []AuditEntry) []Record {
	all := make([]Record, 0, len(events)+len(entries))
	for len(events)+len(entries) > 0 {
		if len(entries) == 0 || len(events) > 0 && events[0].Seq < entries[0].Seq {
			all = append(all, Record{Seq: events[0].Seq, Event: events[0]})
			events = events[1:]
		} else {
			all = append(all, Record{Seq: entries[0].Seq, Audit: &entries[0]})
			entries = entries[1:]
		}
	}
	return all
}

// encode and decodeAudit carry an entry into the form in which it is kept, without its numbers and hashes.
func (e *AuditEntry) encode() string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&fsmpb.AuditEntry{
		TimeMs: e.TimeMs, Node: e.Node, Note: e.Note.proto(), Rtu: e.Point.RTU, Kind: uint32(e.Point.Kind), Point: e.Point.Point,
		Type: uint32(e.Type), Value: e.Value,
	})
	if err != nil {
		panic(err) // as in appendMessage
	}
	return string(b)
}

func decodeAudit(entry string) AuditEntry {
	var p fsmpb.AuditEntry
	if err := proto.Unmarshal([]byte(entry), &p); err != nil {
		panic(err) // it was made by encode, or checked when it was restored
	}
	return auditFromProto(&p)
}

func auditFromProto(p *fsmpb.AuditEntry) AuditEntry {
	return AuditEntry{
		TimeMs: p.TimeMs, Node: p.Node, Note: noteFromProto(p.Note), Point: PointKey{RTU: p.Rtu, Kind: Kind(p.Kind), Point: p.Point},
		Type: uint8(p.Type), Value: p.Value,
	}
}
