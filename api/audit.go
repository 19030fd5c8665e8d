package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// AuditEntry is an entry of the audit, with what proves it. Its hash is the SHA-256 of the octets of Before and of Content;
// Before is the hash of the entry before it in its chain.
type AuditEntry struct {
	Number  uint64 `json:"number"` // from 1 without gaps, over both chains
	Seq     uint64 `json:"seq"`    // its place among the events
	TimeMs  int64  `json:"time_ms"`
	Chain   string `json:"chain"`   // station | controls
	Text    string `json:"text"`    // for people, and not proven
	TextZH  string `json:"text_zh"` // the same in Chinese
	Content string `json:"content"` // what it says, as JSON
	Before  string `json:"before"`  // in hex; of the chain's first entry ever 64 zeros
	Hash    string `json:"hash"`
}

// AuditPage is a part of the audit.
type AuditPage struct {
	Last    uint64       `json:"last"` // newest entry
	Entries []AuditEntry `json:"entries"`
}

// AuditReport is what an AuditCheck has found.
type AuditReport struct {
	Entries uint64                `json:"entries"`
	Chains  map[string]AuditRange `json:"chains"`
}

// AuditRange is what is there of one chain.
type AuditRange struct {
	First   uint64 `json:"first"` // number of its first entry
	Last    uint64 `json:"last"`
	Entries uint64 `json:"entries"`
	Hash    string `json:"hash"` // of its last entry
}

// AuditCheck follows the chains of an audit, entry by entry in the order of their numbers.
type AuditCheck struct{ report AuditReport }

// Add checks the next entry. The error says which entry is not what it was, or what is missing before it.
func (c *AuditCheck) Add(e AuditEntry) error {
	var said struct {
		Number uint64 `json:"number"`
		Seq    uint64 `json:"seq"`
		TimeMs int64  `json:"time_ms"`
	}
	before, err := hex.DecodeString(e.Before)
	if err != nil || len(before) != sha256.Size {
		return fmt.Errorf("entry %d: before: expected %d hexadecimal digits", e.Number, 2*sha256.Size)
	}
	if sum := sha256.Sum256(append(before, e.Content...)); hex.EncodeToString(sum[:]) != e.Hash {
		return fmt.Errorf("entry %d was changed: its hash is %.16s…, its content has %x…", e.Number, e.Hash, sum[:8])
	}
	if err := json.Unmarshal([]byte(e.Content), &said); err != nil || said.Number != e.Number || said.Seq != e.Seq || said.TimeMs != e.TimeMs {
		return fmt.Errorf("entry %d was changed: its content is of entry %d at %d", e.Number, said.Number, said.Seq)
	}
	r, known := c.report.Chains[e.Chain]
	switch {
	case !known:
		r.First = e.Number
	case e.Number <= r.Last:
		return fmt.Errorf("entry %d comes after entry %d of chain %s: expected them in order", e.Number, r.Last, e.Chain)
	case e.Before != r.Hash:
		return fmt.Errorf("chain %s is broken: entry %d does not follow entry %d, so entries between them are missing", e.Chain, e.Number, r.Last)
	}
	r.Last, r.Hash = e.Number, e.Hash
	r.Entries++
	if c.report.Chains == nil {
		c.report.Chains = map[string]AuditRange{}
	}
	c.report.Chains[e.Chain] = r
	c.report.Entries++
	return nil
}

// Report is what was added so far.
func (c *AuditCheck) Report() AuditReport { return c.report }
