package raftio

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/internal/atomicfile"
)

// nodeRecord is node.json: what a data folder says of its node beside Raft's own files.
type nodeRecord struct {
	ID    string        `json:"id"`
	Lease time.Duration `json:"lease_ns"` // with which it ran last
	// Current: a leader has brought it up to date since the folder was made. Before that its vote may be a second one.
	Current bool `json:"current"`
}

// Folder is a node's data folder.
type Folder struct {
	*stores

	Excess    time.Duration   // how much longer this node's leases were when it ran last
	FreshDisk *FreshDiskGuard // nil once a leader has brought this node up to date

	spooling sync.Mutex // held while a stream is taken in
}

// FolderConfig is what a data folder is checked against.
type FolderConfig struct {
	Dir      string
	LogStore string // LogStoreBolt or LogStoreWAL
	ID       string // whose folder it is
	Lease    time.Duration
	Members  []raft.Server // with which the group is formed
	Log      *slog.Logger

	// WrapLog, if not nil, puts a log store that a test can make fail in the place of the real one.
	WrapLog func(raft.LogStore) raft.LogStore
}

// OpenFolder opens or makes a data folder, checks everything in it and, on a node's first start, forms the group: each node
// begins with the same list of members, so it doesn't matter who's first. Errors are ErrDataDir.
func OpenFolder(c FolderConfig) (_ *Folder, err error) {
	s, err := openStores(c.Dir, c.LogStore, c.Log)
	if err != nil {
		return nil, err
	}
	f := &Folder{stores: s}
	if err := f.prepare(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if c.WrapLog != nil {
		s.log = c.WrapLog(s.log)
	}
	return f, nil
}

func (f *Folder) prepare(c FolderConfig) error {
	if err := errors.Join(atomicfile.Sweep(c.Dir), f.Snapshots.sweep()); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	path := filepath.Join(c.Dir, nodeFile)
	record, found, err := readRecord(path)
	if err != nil {
		return err
	}
	if found && record.ID != c.ID {
		return fmt.Errorf("%w: %s is node %s's, not %s's", ErrDataDir, c.Dir, record.ID, c.ID)
	}
	if err := f.verify(); err != nil {
		return fmt.Errorf("%w: %s: %w: %s", ErrDataDir, c.Dir, err, howToRejoin)
	}
	log, stable := f.SealedLog(nil, ignore), f.SealedStable(nil, ignore)
	begun, err := raft.HasExistingState(log, stable, f.Snapshots)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDataDir, c.Dir, err)
	}
	if record.Lease > c.Lease {
		f.Excess = record.Lease - c.Lease
	}
	was := record
	record = nodeRecord{ID: c.ID, Lease: c.Lease, Current: record.Current && begun}
	if record != was { // a start needs no room where nothing is new
		if err := writeRecord(path, record); err != nil {
			return err
		}
	}
	if !begun {
		conf, transport := offline(c)
		if err := raft.BootstrapCluster(conf, log, stable, f.Snapshots, transport, raft.Configuration{Servers: c.Members}); err != nil {
			return fmt.Errorf("%w: %s: forming the group: %w", ErrDataDir, c.Dir, err)
		}
	}
	if !record.Current {
		f.FreshDisk = &FreshDiskGuard{bootstrap: 1, remember: func() {
			record.Current = true
			_ = writeRecord(path, record) // if it fails, the node is only more cautious after its next start
		}}
	}
	return nil
}

// offline is what Raft wants to have when it only writes to a folder.
func offline(c FolderConfig) (*raft.Config, raft.Transport) {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(c.ID)
	conf.Logger = NewRaftLog(c.Log, "raft", slog.LevelError)
	_, transport := raft.NewInmemTransport("")
	return conf, transport
}

// Recover rewrites the group's members in a folder: to are those that go on. fsm is given the state that's there. Nothing of a
// node in the folder is an error.
func Recover(c FolderConfig, fsm raft.FSM, to []raft.Server) error {
	if !exists(filepath.Join(c.Dir, boltFile)) {
		return fmt.Errorf("%w: nothing of a node in %s", ErrDataDir, c.Dir)
	}
	f, err := OpenFolder(c)
	if err != nil {
		return err
	}
	conf, transport := offline(c)
	err = raft.RecoverCluster(conf, fsm, f.SealedLog(nil, ignore), f.SealedStable(nil, ignore), f.Snapshots, transport, raft.Configuration{Servers: to})
	return errors.Join(err, f.Close())
}

// verify reads everything once: what a crash or a bad disk has damaged must not be found in the middle of a night.
func (s *stores) verify() error {
	first, err := s.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return err
	}
	covered, err := s.verifySnapshot(first)
	if err != nil {
		return err
	}
	for i := first; i != 0 && i <= last; i++ {
		err := readLog(s.log, i, new(raft.Log))
		if errors.Is(err, raft.ErrLogNotFound) && i <= covered {
			continue // a snapshot that was restored has an index of its own, which no entry ever had
		}
		if err != nil {
			return fmt.Errorf("log entry %d of %d to %d: %w", i, first, last, err)
		}
	}
	return nil
}

// verifySnapshot checks that the newest snapshot is whole, and that the log, if it begins later than at 1, goes on from
// it. It returns the index up to which the snapshot covers the log.
func (s *stores) verifySnapshot(first uint64) (covered uint64, err error) {
	list, err := s.Snapshots.List()
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		if first > 1 {
			return 0, fmt.Errorf("the log begins at entry %d, and there's no snapshot of what was before", first)
		}
		return 0, nil
	}
	if err := s.Snapshots.verify(list[0].ID); err != nil {
		return 0, fmt.Errorf("snapshot %s: %w", list[0].ID, err)
	}
	if first > list[0].Index+1 {
		return 0, fmt.Errorf("the log begins at entry %d, and the newest snapshot ends at %d", first, list[0].Index)
	}
	return list[0].Index, nil
}

func readRecord(path string) (nodeRecord, bool, error) {
	var record nodeRecord
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if err != nil {
		return record, false, fmt.Errorf("%w: %s: %w", ErrDataDir, path, err)
	}
	return record, true, nil
}

// writeRecord replaces the file as a whole.
func writeRecord(path string, record nodeRecord) error {
	data, err := json.MarshalIndent(record, "", "  ")
	if err == nil {
		err = atomicfile.Write(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: writing %s: %w", ErrDataDir, path, err)
	}
	return nil
}
