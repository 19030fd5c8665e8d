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
	// ID is the node's. From feature level 1 on it is a sentence instead, since the builds that know no level compare it with
	// theirs, and refuse the folder with it; then Node has the id.
	ID    string        `json:"id"`
	Node  string        `json:"node,omitempty"`
	Level uint32        `json:"level,omitempty"` // highest feature level of what may be in the folder
	Lease time.Duration `json:"lease_ns"`        // with which it ran last
	// Current: a leader has brought it up to date since the folder was made. Before that its vote may be a second one.
	Current bool `json:"current"`
}

// Folder is a node's data folder.
type Folder struct {
	*stores

	Excess    time.Duration   // how much longer this node's leases were when it ran last
	FreshDisk *FreshDiskGuard // nil once a leader has brought this node up to date

	spooling sync.Mutex // held while a stream is taken in

	path   string // of node.json
	mu     sync.Mutex
	record nodeRecord // guarded by mu
}

// FolderConfig is what a data folder is checked against.
type FolderConfig struct {
	Dir      string
	LogStore string // LogStoreBolt or LogStoreWAL
	ID       string // whose folder it is
	Lease    time.Duration
	Level    uint32        // newest feature level that this build understands
	Members  []raft.Server // with which the group is formed
	Log      *slog.Logger

	// RaisedTo is the feature level that a log entry raises the state to; 0: to none. Nil: none does.
	RaisedTo func(*raft.Log) uint32

	// WrapLog, if not nil, puts a log store that a test can make fail in the place of the real one.
	WrapLog func(raft.LogStore) raft.LogStore
}

// OpenFolder opens or makes a data folder, checks everything in it and, on a node's first start, forms the group: each node
// begins with the same list of members, so it doesn't matter who's first. Errors are ErrDataDir.
func OpenFolder(c FolderConfig) (_ *Folder, err error) {
	if err := checkRecord(c); err != nil { // before anything is opened
		return nil, err
	}
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
	f.path = filepath.Join(c.Dir, nodeFile)
	record, _, err := readRecord(f.path)
	if err != nil {
		return err
	}
	if err := f.verify(c); errors.Is(err, errNewer) {
		return fmt.Errorf("%w: %s: %w", ErrDataDir, c.Dir, err)
	} else if err != nil {
		return fmt.Errorf("%w: %s: %w: %s", ErrDataDir, c.Dir, err, HowToRejoin)
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
	record.ID, record.Lease, record.Current = c.ID, c.Lease, record.Current && begun
	if f.record = record; record != was { // a start needs no room where nothing is new
		if err := writeRecord(f.path, record); err != nil {
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
			_ = f.change(func(r *nodeRecord) { r.Current = true }) // if it fails, the node is only more cautious after its next start
		}}
	}
	return nil
}

// Mark notes, durably, that what's written from now on may be of a feature level.
func (f *Folder) Mark(level uint32) error {
	return f.change(func(r *nodeRecord) { r.Level = max(r.Level, level) })
}

func (f *Folder) change(change func(*nodeRecord)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.record
	if change(&next); next == f.record {
		return nil
	}
	if err := writeRecord(f.path, next); err != nil {
		return err
	}
	f.record = next
	return nil
}

// errNewer: a newer version has written it.
var errNewer = errors.New("a newer version of fepha has written it")

// checkRecord refuses another node's folder, and one that this build is too old for.
func checkRecord(c FolderConfig) error {
	record, found, err := readRecord(filepath.Join(c.Dir, nodeFile))
	switch {
	case err != nil:
		return err
	case found && record.Level > c.Level:
		return fmt.Errorf("%w: %s: %w", ErrDataDir, c.Dir, newer(record.Level, c.Level))
	case found && record.ID != c.ID:
		return fmt.Errorf("%w: %s is node %s's, not %s's", ErrDataDir, c.Dir, record.ID, c.ID)
	}
	return nil
}

func newer(level, known uint32) error {
	return fmt.Errorf("%w: it's of feature level %d, and this one knows 0 to %d; nothing was changed, start the newer version again", errNewer, level, known)
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
func (s *stores) verify(c FolderConfig) error {
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
		var entry raft.Log
		err := readLog(s.log, i, &entry)
		if errors.Is(err, raft.ErrLogNotFound) && i <= covered {
			continue // a snapshot that was restored has an index of its own, which no entry ever had
		}
		if err != nil {
			return fmt.Errorf("log entry %d of %d to %d: %w", i, first, last, err)
		}
		if c.RaisedTo != nil {
			if level := c.RaisedTo(&entry); level > c.Level {
				return newer(level, c.Level)
			}
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
	if record.Node != "" {
		record.ID, record.Node = record.Node, ""
	}
	return record, true, nil
}

// writeRecord replaces the file as a whole.
func writeRecord(path string, record nodeRecord) error {
	if record.Level > 0 {
		record.Node = record.ID
		record.ID = fmt.Sprintf("%s, as a newer version of fepha has left it (feature level %d),", record.Node, record.Level)
	}
	data, err := json.MarshalIndent(record, "", "  ")
	if err == nil {
		err = atomicfile.Write(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: writing %s: %w", ErrDataDir, path, err)
	}
	return nil
}
