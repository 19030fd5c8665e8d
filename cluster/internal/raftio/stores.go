package raftio

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// What's in a data folder.
const (
	nodeFile     = "node.json" // whose folder it is
	boltFile     = "raft.db"   // log, term and vote with LogStoreBolt; term, vote and the list of segments with LogStoreWAL
	walFolder    = "wal"       // log with LogStoreWAL
	snapshotsDir = "snapshots" // made by Raft's file snapshot store
)

const snapshotsKept = 2

// The kinds of log store.
const (
	LogStoreBolt = "boltdb"
	LogStoreWAL  = "wal"
)

// ErrDataDir: what's in the data folder can't be used: locked, damaged, or of another node.
var ErrDataDir = errors.New("data folder unusable")

// stores are a node's files.
type stores struct {
	Snapshots *Snapshots
	Room      *Room

	log     raft.LogStore
	stable  raft.StableStore
	bolt    *raftboltdb.BoltStore
	closers []io.Closer
}

// openStores opens or makes the files of a data folder. One process at a time can.
func openStores(dir, kind string, log *slog.Logger) (_ *stores, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil { // the state has hashes of passwords
		return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err := checkKind(dir, kind); err != nil {
		return nil, err
	}
	s := &stores{Room: openRoom(dir, kind, log)}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()

	// The freelist is found by a scan at the start: written with each commit it would double a small commit's size.
	s.bolt, err = openBolt(filepath.Join(dir, boltFile), &bbolt.Options{
		Timeout: 2 * time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.bolt)
	s.log, s.stable = s.bolt, s.bolt

	if kind == LogStoreWAL {
		folder := filepath.Join(dir, walFolder)
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
		}
		w, err := openWAL(folder, s.SealedStable(nil, ignore), NewRaftLog(log, "wal", slog.LevelError))
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, w)
		s.log = w
	}

	files, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, NewRaftLog(log, "snapshots", slog.LevelError))
	if err != nil {
		return nil, fmt.Errorf("%w: opening the snapshots in %s: %w", ErrDataDir, filepath.Join(dir, snapshotsDir), err)
	}
	s.Snapshots = &Snapshots{files, filepath.Join(dir, snapshotsDir)}
	return s, nil
}

// checkKind refuses to start on an empty log beside the node's real one.
func checkKind(dir, kind string) error {
	segments, _ := filepath.Glob(filepath.Join(dir, walFolder, "*"))
	switch hasWAL, hasBolt := len(segments) > 0, exists(filepath.Join(dir, boltFile)); {
	case kind == LogStoreBolt && hasWAL, kind == LogStoreWAL && hasBolt && !exists(filepath.Join(dir, walFolder)):
		return fmt.Errorf("%w: %s was not made with log store %q", ErrDataDir, dir, kind)
	case hasWAL && !hasBolt:
		return fmt.Errorf("%w: %s has a log, but no %s with the term and the vote", ErrDataDir, dir, boltFile)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openBolt opens a bolt file, after a check of what's in it: bbolt meets damage with a panic, at times on a goroutine of its
// own, or reads beyond the end of a file that was cut short.
func openBolt(path string, options *bbolt.Options) (*raftboltdb.BoltStore, error) {
	if exists(path) {
		if err := checkBolt(path); errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("%w: %s is locked: another process uses it", ErrDataDir, path)
		} else if err != nil {
			return nil, fmt.Errorf("%w: %s is damaged: %w: %s", ErrDataDir, path, err, HowToRejoin)
		}
	}
	store, err := raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: options})
	if err != nil {
		return nil, fmt.Errorf("%w: opening %s: %w", ErrDataDir, path, err)
	}
	return store, nil
}

// HowToRejoin is for a node whose files can't be used (docs/RECOVERY.md).
const HowToRejoin = "to rejoin, take the node out of the group (fepha raft remove --keep-certificate), empty the folder, start it and add it again (fepha raft add)"

// checkBolt reads every page that holds something, and checks the order of all keys.
func checkBolt(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("it's empty") // bbolt would begin anew
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 2 * time.Second, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("%d octets, expected %d", info.Size(), tx.Size())
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		pages := newBoltPages(file, tx)
		if _, err := pages.tree(uint64(tx.Cursor().Bucket().Root()), nil, nil); err != nil {
			return err
		}
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if _, err := pages.tree(uint64(b.Root()), nil, nil); err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
			var before []byte
			return b.ForEach(func(k, v []byte) error {
				if before != nil && bytes.Compare(before, k) >= 0 {
					return fmt.Errorf("bucket %s: keys out of order", name)
				}
				before = append(before[:0], k...)
				_ = crc32.ChecksumIEEE(v) // reads it
				return nil
			})
		})
	})
}

// ignore is for callers that get the error returned as well.
func ignore(error) {}

// SealedLog is the log with a checksum over each entry. fail is told of an entry that can't be written or is damaged.
func (s *stores) SealedLog(disk *DiskWatch, fail func(error)) raft.LogStore {
	return &sealedLog{s.log, disk, s.Room, fail}
}

// SealedStable is the store of term and vote with a checksum over each value. fail is as for SealedLog.
func (s *stores) SealedStable(disk *DiskWatch, fail func(error)) raft.StableStore {
	return &sealedStable{s.stable, disk, s.Room, fail}
}

// FirstIndex is the index of the oldest entry of the log; 0 if there's none.
func (s *stores) FirstIndex() (uint64, error) { return s.log.FirstIndex() }

// LastIndex is the index of the newest entry of the log; 0 if there's none.
func (s *stores) LastIndex() (uint64, error) { return s.log.LastIndex() }

// FreePages is how many pages of the bolt file hold nothing.
func (s *stores) FreePages() int { return s.bolt.Stats().FreePageN }

// Close closes the files.
func (s *stores) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	return errors.Join(errs...)
}
