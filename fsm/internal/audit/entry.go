package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/points"
)

// Chain names a chain.
type Chain uint8

// The chains.
const (
	ChainStation  Chain = iota // all but controls
	ChainControls              // controls, started or refused

	chains
)

var chainNames = [chains]string{"station", "controls"}

// String gives station or controls.
func (c Chain) String() string {
	if c < chains {
		return chainNames[c]
	}
	return fmt.Sprintf("chain(%d)", uint8(c))
}

// Hash is a link of a chain.
type Hash [sha256.Size]byte

// Entry is an entry of the audit. What Note refers to is shared: readers must not change it.
type Entry struct {
	Number uint64 // from 1 without gaps, over both chains
	Seq    uint64 // its place in the journal
	TimeMs int64  // ms since 1970-01-01 UTC, by the clock of the node
	Node   string // that proposed what it tells of
	Note   Note

	// Of a control, or an override.
	Point points.Key
	Type  uint8 // TypeID
	Value float64

	Chain  Chain
	Before Hash // hash of the chain's entry before this one; zero if there was none
	Hash   Hash
}

func chainOf(n *Note) Chain {
	if n.Kind == NoteControl || n.Kind == NoteRefused && n.To == controlAction {
		return ChainControls
	}
	return ChainStation
}

// content is an entry in the form that is hashed: JSON without blanks, keys in this order, those of empty texts and of
// zeros left out but for the first three. It never changes for what is there: later fields come at the end, left out when
// empty.
type content struct {
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
func (e *Entry) Content() []byte {
	n := &e.Note
	c := content{
		Number: e.Number, Seq: e.Seq, TimeMs: e.TimeMs, Node: e.Node, Kind: n.Kind.String(), Resource: n.Resource, Epoch: n.Epoch,
		From: n.From, To: n.To, Reason: n.Reason, Origin: n.Origin, Control: n.Control, OK: n.OK, Count: n.Count, Type: e.Type,
		DetectedMs: n.Timings.DetectedMs, ElectedMs: n.Timings.ElectedMs, LeasedMs: n.Timings.LeasedMs,
		ConnectedMs: n.Timings.ConnectedMs, FirstDataMs: n.Timings.FirstDataMs,
	}
	if n.Stage != 0 {
		c.Stage = n.Stage.String()
	}
	if e.Point != (points.Key{}) {
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

// HashOf is the hash of an entry with this content that follows the one with this hash.
func HashOf(before Hash, content []byte) Hash {
	return sha256.Sum256(append(before[:], content...))
}

// encode and decode carry an entry into the form in which it is kept, without its numbers and hashes.
func (e *Entry) encode() string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&fsmpb.AuditEntry{
		TimeMs: e.TimeMs, Node: e.Node, Note: e.Note.proto(), Rtu: e.Point.RTU, Kind: uint32(e.Point.Kind), Point: e.Point.Point,
		Type: uint32(e.Type), Value: e.Value,
	})
	if err != nil {
		panic(err) // as in appendMessage
	}
	return string(b)
}

func decode(entry string) Entry {
	var p fsmpb.AuditEntry
	if err := proto.Unmarshal([]byte(entry), &p); err != nil {
		panic(err) // it was made by encode, or checked when it was restored
	}
	return entryFromProto(&p)
}

func entryFromProto(p *fsmpb.AuditEntry) Entry {
	return Entry{
		TimeMs: p.TimeMs, Node: p.Node, Note: NoteOf(p.Note), Point: points.Key{RTU: p.Rtu, Kind: points.Kind(p.Kind), Point: p.Point},
		Type: uint8(p.Type), Value: p.Value,
	}
}
