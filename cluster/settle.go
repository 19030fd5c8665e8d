package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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

// settle checks what's in the folder against the configuration and, on a node's first start, forms the group: each node
// begins with the same list of members, so it doesn't matter who's first.
func (s *stores) settle(cfg Config) error {
	if err := atomicfile.Sweep(cfg.DataDir); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	path := filepath.Join(cfg.DataDir, nodeFile)
	record, found, err := readRecord(path)
	if err != nil {
		return err
	}
	if found && record.ID != cfg.ID {
		return fmt.Errorf("%w: %s is node %s's, not %s's", ErrDataDir, cfg.DataDir, record.ID, cfg.ID)
	}
	if err := s.verify(); err != nil {
		return fmt.Errorf("%w: %s: %w: %s", ErrDataDir, cfg.DataDir, err, howToRejoin)
	}
	stable := &checkedStable{s.stable, newDiskWatch(newClock(), time.Hour), func(error) {}}
	log := &checkedLog{s.log, stable.disk, stable.fail}
	exists, err := raft.HasExistingState(log, stable, s.snapshots)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDataDir, cfg.DataDir, err)
	}
	if record.Lease > cfg.Lease {
		s.excess = record.Lease - cfg.Lease
	}
	record = nodeRecord{ID: cfg.ID, Lease: cfg.Lease, Current: record.Current && exists}
	if err := writeRecord(path, record); err != nil {
		return err
	}
	if !exists {
		if err := bootstrap(cfg, log, stable, s.snapshots); err != nil {
			return fmt.Errorf("%w: %s: forming the group: %w", ErrDataDir, cfg.DataDir, err)
		}
	}
	if !record.Current {
		s.amnesia = &amnesiaGuard{bootstrap: 1, remember: func() {
			record.Current = true
			_ = writeRecord(path, record) // if it fails, the node is only more cautious after its next start
		}}
	}
	return nil
}

// bootstrap writes the first entry of a log, the list of members.
func bootstrap(cfg Config, log raft.LogStore, stable raft.StableStore, snapshots raft.SnapshotStore) error {
	var servers []raft.Server
	for _, m := range cfg.Members {
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address)})
	}
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(cfg.ID)
	conf.Logger = newRaftLog(cfg.Logger, "raft", slog.LevelError)
	_, transport := raft.NewInmemTransport("")
	return raft.BootstrapCluster(conf, log, stable, snapshots, transport, raft.Configuration{Servers: servers})
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
	list, err := s.snapshots.List()
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		if first > 1 {
			return 0, fmt.Errorf("the log begins at entry %d, and there's no snapshot of what was before", first)
		}
		return 0, nil
	}
	if err := s.snapshots.verify(list[0].ID); err != nil {
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
