package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// bareRaft is a group of three Raft nodes and nothing else, over TCP on loopback, with the station's log store: what a
// commit costs on this machine. It is the yardstick, so it is not package cluster.
type bareRaft struct {
	leader *raft.Raft
	close  []func() error
}

// newBareRaft starts the group with its files below dir and waits for a leader.
func newBareRaft(dir string) (_ *bareRaft, err error) {
	b := &bareRaft{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("bare raft: %w", errors.Join(err, b.Close()))
		}
	}()
	var servers []raft.Server
	var transports []*raft.NetworkTransport
	for i := range 3 {
		t, err := raft.NewTCPTransport("127.0.0.1:0", nil, 3, 5*time.Second, io.Discard)
		if err != nil {
			return b, err
		}
		b.close = append(b.close, t.Close)
		transports = append(transports, t)
		servers = append(servers, raft.Server{ID: raft.ServerID(fmt.Sprint(i)), Address: t.LocalAddr()})
	}
	var nodes []*raft.Raft
	for i, t := range transports {
		folder := filepath.Join(dir, fmt.Sprint(i))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return b, err
		}
		// As in package cluster.
		store, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(folder, "raft.db"), BoltOptions: &bbolt.Options{
			NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
		}})
		if err != nil {
			return b, err
		}
		b.close = append(b.close, store.Close)
		conf := raft.DefaultConfig()
		conf.LocalID, conf.Logger, conf.NoLegacyTelemetry = servers[i].ID, hclog.NewNullLogger(), true
		snapshots := raft.NewDiscardSnapshotStore()
		if err := raft.BootstrapCluster(conf, store, store, snapshots, t, raft.Configuration{Servers: servers}); err != nil {
			return b, err
		}
		r, err := raft.NewRaft(conf, nothing{}, store, store, snapshots, t)
		if err != nil {
			return b, err
		}
		b.close = append(b.close, func() error { return r.Shutdown().Error() })
		nodes = append(nodes, r)
	}
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		for _, r := range nodes {
			if r.VerifyLeader().Error() == nil {
				b.leader = r
				return b, nil
			}
		}
	}
	return b, errors.New("no leader within 30 s")
}

// Close ends the group.
func (b *bareRaft) Close() error {
	var errs []error
	for i := range b.close {
		errs = append(errs, b.close[len(b.close)-1-i]())
	}
	b.close = nil
	return errors.Join(errs...)
}

// nothing is a state machine without a state.
type nothing struct{}

func (nothing) Apply(*raft.Log) any                 { return nil }
func (nothing) Snapshot() (raft.FSMSnapshot, error) { return nothing{}, nil }
func (nothing) Restore(r io.ReadCloser) error       { return r.Close() }
func (nothing) Persist(s raft.SnapshotSink) error   { return s.Close() }
func (nothing) Release()                            {}
