package raftio

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/internal/atomicfile"
)

// Snapshots is Raft's file store with a checksum over what it leaves without one: meta.json, where the index and
// the members stand. The state has its own.
type Snapshots struct {
	*raft.FileSnapshotStore
	dir string
}

const (
	snapshotMeta = "meta.json"
	snapshotSum  = "meta.sum"
	unfinished   = ".tmp" // what Raft's store appends to a name until the snapshot is whole
)

// Create begins a snapshot.
func (c *Snapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := c.FileSnapshotStore.Create(version, index, term, configuration, configurationIndex, trans)
	if err != nil {
		return nil, err
	}
	return &sealedSink{sink, filepath.Join(c.dir, sink.ID())}, nil
}

type sealedSink struct {
	raft.SnapshotSink
	dir string // where the snapshot is once it's closed
}

// Close completes the snapshot. A crash before the checksum is written leaves one that's not checked, which is as good as
// none being damaged at that very moment.
func (s *sealedSink) Close() error {
	if err := s.SnapshotSink.Close(); err != nil {
		return err
	}
	meta, err := os.ReadFile(filepath.Join(s.dir, snapshotMeta))
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.ID(), err)
	}
	if err := atomicfile.Write(filepath.Join(s.dir, snapshotSum), sumOf(meta), 0o600); err != nil {
		return fmt.Errorf("snapshot %s: %w", s.ID(), err)
	}
	return nil
}

// sweep removes what a crash has left of snapshots that were being written, which Raft ignores and keeps.
func (c *Snapshots) sweep() error {
	left, err := filepath.Glob(filepath.Join(c.dir, "*"+unfinished))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

func sumOf(meta []byte) []byte { return fmt.Appendf(nil, "%08x\n", crc32.Checksum(meta, castagnoli)) }

// verify reads a snapshot and compares its checksums.
func (c *Snapshots) verify(id string) error {
	meta, err := os.ReadFile(filepath.Join(c.dir, id, snapshotMeta))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(c.dir, id, snapshotSum))
	if err == nil && !bytes.Equal(sum, sumOf(meta)) {
		return fmt.Errorf("%s: %w", snapshotMeta, errDamaged)
	}
	_, r, err := c.Open(id) // checks the state's
	if err != nil {
		return err
	}
	return r.Close()
}
