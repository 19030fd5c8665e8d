// Package versions is the station's configuration as files: those in force, the last ones before them, and those that are on
// their way. So a node whose own are outdated has the right ones, whichever other node is down.
package versions

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Bounds.
const (
	MaxFiles   = 8 << 20  // octets of one configuration, packed
	maxKept    = 16 << 20 // octets of all versions' files; those of the oldest go first, never those in force
	maxKnown   = 20       // versions that are known; the oldest goes first
	maxChanges = 32       // sentences on what a version has changed
)

// Version is a configuration that is in force, or was. It is shared: readers must not change it.
type Version struct {
	Number  uint64 // from 1
	Digest  string // of the configuration
	AtMs    int64  // when it was put in force, ms since 1970-01-01 UTC
	Node    string // that has proposed it
	Origin  string // who has asked for it; empty: it came from the nodes' own files
	Changes []string
	Files   []byte // packed; nil: not kept
}

// Versions is a part of the replicated state; see package fsm for who may call what when.
type Versions struct {
	last   uint64     // number of the newest
	known  []*Version // ascending; the newest is in force
	upload []byte     // files of the stage that has begun, as far as they have come
}

// Begin forgets what came of another stage.
func (v *Versions) Begin() { v.upload = nil }

// Take adds a part to the files of the stage that has begun.
func (v *Versions) Take(op *fsmpb.ConfigPart) *fsmpb.Result {
	have, octets := uint64(len(v.upload)), op.GetOctets()
	switch end := op.Offset + uint64(len(octets)); {
	case len(octets) == 0 || op.Offset > MaxFiles || end > MaxFiles:
		return command.Refuse(fsmpb.Result_INVALID, "%d octets of a configuration from %d: expected at most %d in all", len(octets), op.Offset, MaxFiles)
	case end <= have:
		return command.Already()
	case op.Offset > have:
		return command.Refuse(fsmpb.Result_GAP, "a part of a configuration from octet %d: %d have come", op.Offset, have)
	case op.Offset < have:
		return command.Refuse(fsmpb.Result_CONFLICT, "a part of a configuration from octet %d to %d: %d have come", op.Offset, end, have)
	}
	v.upload = append(v.upload, octets...)
	return command.Done()
}

// Uploaded tells whether the files with that SHA-256 have come.
func (v *Versions) Uploaded(sum []byte) bool {
	have := sha256.Sum256(v.upload)
	return bytes.Equal(have[:], sum)
}

// Put puts a version in force: with the files that have come, or, without its sum, with none that are known.
func (v *Versions) Put(at command.Stamp, op *fsmpb.Configure) {
	next := &Version{Digest: op.Digest, AtMs: at.Ms, Node: at.Node, Origin: command.Clip(op.Origin)}
	for _, c := range op.Changes[:min(len(op.Changes), maxChanges)] {
		next.Changes = append(next.Changes, command.Clip(c))
	}
	v.last++
	next.Number = v.last
	v.known = append(v.known, next)
	v.keep(next, op)
}

// Keep adds the files that have come to the version in force, which has none.
func (v *Versions) Keep(at command.Stamp, op *fsmpb.Configure) {
	newest, ok := v.Newest()
	if !ok || newest.Digest != op.Digest {
		v.Put(at, op)
		return
	}
	with := *newest // readers may have the other one
	v.known[len(v.known)-1] = &with
	v.keep(&with, op)
}

func (v *Versions) keep(newest *Version, op *fsmpb.Configure) {
	if len(op.Files) > 0 {
		newest.Files = v.upload
	}
	v.upload = nil
	if n := len(v.known) - maxKnown; n > 0 {
		v.known = slices.Clone(v.known[n:])
	}
	size := 0
	for i := len(v.known) - 1; i >= 0; i-- {
		k := v.known[i]
		if size += len(k.Files); size > maxKept && k != newest && k.Files != nil {
			size -= len(k.Files)
			bare := *k
			bare.Files = nil
			v.known[i] = &bare
		}
	}
}

// Newest is the version in force; false: none is known.
func (v *Versions) Newest() (*Version, bool) {
	if len(v.known) == 0 {
		return nil, false
	}
	return v.known[len(v.known)-1], true
}

// All returns the versions that are known, the newest last.
func (v *Versions) All() []*Version { return slices.Clone(v.known) }

// Upload is what has come of the files of the stage that has begun.
func (v *Versions) Upload() []byte { return v.upload }

// Proto is the version in a snapshot.
func (v *Version) Proto() *fsmpb.VersionState {
	return &fsmpb.VersionState{
		Number: v.Number, Digest: v.Digest, AtMs: v.AtMs, Node: v.Node, Origin: v.Origin, Changes: v.Changes, Files: v.Files,
	}
}

// Restore takes a version from a snapshot. They come in order.
func (v *Versions) Restore(p *fsmpb.VersionState) error {
	if p.Number <= v.last || len(v.known) == maxKnown || len(p.Files) > MaxFiles || len(p.Changes) > maxChanges {
		return fmt.Errorf("version %d of the configuration after %d, with %d octets of files", p.Number, v.last, len(p.Files))
	}
	v.last = p.Number
	v.known = append(v.known, &Version{p.Number, p.Digest, p.AtMs, p.Node, p.Origin, p.Changes, p.Files})
	return nil
}

// RestoreUpload takes what had come of files.
func (v *Versions) RestoreUpload(octets []byte) error {
	if v.upload != nil || len(octets) == 0 || len(octets) > MaxFiles {
		return errors.New("files of a configuration on their way, twice or of a size that can't be")
	}
	v.upload = bytes.Clone(octets)
	return nil
}
