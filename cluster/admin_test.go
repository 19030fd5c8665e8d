package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
	"github.com/hashicorp/raft"
)

func TestTransfer(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	if err := s.nodes["wit"].Transfer(t.Context(), "fep2"); err != nil {
		t.Fatal(err)
	}
	until(t, "fep2 leads", func() bool { return s.leader().ID() == "fep2" })
	if err := s.nodes["fep2"].Transfer(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if l := s.leader(); l.ID() != "fep1" {
		t.Errorf("%s leads; by itself leadership goes to a FEP", l.ID())
	}
	for _, id := range []string{"nobody", "10.0.0.1"} {
		if err := s.nodes["fep2"].Transfer(t.Context(), id); err == nil {
			t.Errorf("transferred to %s", id)
		}
	}
	s.stop("fep2")
	s.stop("wit")
	until(t, "no leader is left", func() bool { return s.nodes["fep1"].Leader() == "" })
	if err := s.nodes["fep1"].Transfer(t.Context(), ""); !errors.Is(err, replica.ErrNoLeader) {
		t.Errorf("%v, expected %v", err, replica.ErrNoLeader)
	}
}

// TestLogIsBounded: with snapshots the log doesn't grow, and a node that was away for longer than the log goes back gets a
// snapshot.
func TestLogIsBounded(t *testing.T) {
	s := newStation(t, func(c *Config) { c.SnapshotEvery, c.TrailingLogs = 1, 10 })
	s.lead("fep1")
	s.stop("fep2")
	var last uint64
	for range 30 {
		s.propose("fep1", clustertest.Pin(rtu1, "fep1"))
		last = s.propose("fep1", clustertest.Pin(rtu1, "")).Index
	}
	index, err := s.nodes["fep1"].Snapshot(t.Context())
	if err != nil || index < last {
		t.Fatalf("snapshot at %d, %v; expected at least %d", index, err, last)
	}
	if again, err := s.nodes["fep1"].Snapshot(t.Context()); err != nil || again < index {
		t.Errorf("a second one: %d, %v", again, err)
	}
	m := s.nodes["fep1"].Metrics()
	if kept := m.LastIndex - m.LogFirst + 1; kept > 20 {
		t.Errorf("%d entries kept: %+v", kept, m)
	}
	if m.SnapshotsTaken == 0 || m.SnapshotIndex < index || m.SnapshotPause <= 0 {
		t.Errorf("%+v", m)
	}
	s.start("fep2")
	until(t, "fep2 has caught up", func() bool { at, _ := s.nodes["fep2"].Applied(); return at >= last })
	if s.nodes["fep2"].Metrics().RestoreDuration == 0 {
		t.Error("without a snapshot")
	}
	s.sameState()
}

// sameState waits until all nodes have the same state.
func (s *station) sameState() {
	s.t.Helper()
	until(s.t, "all have the same state", func() bool {
		digests := map[string]bool{}
		for _, n := range s.nodes {
			n.View(func(st *fsm.State) { digests[st.Digest()] = true })
		}
		return len(digests) == 1
	})
}

// TestRestore goes back to a state in which an RTU had another owner. Nodes take it over one after the other, so no lease
// may be valid meanwhile. A restored snapshot leaves a hole in the log, with which nodes must start again.
func TestRestore(t *testing.T) {
	for _, kind := range []string{LogStoreBolt, LogStoreWAL} {
		t.Run(kind, func(t *testing.T) { testRestore(t, kind) })
	}
}

func testRestore(t *testing.T, kind string) {
	s := newStation(t, func(c *Config) { c.LogStore = kind })
	s.lead("fep2")
	s.move(rtu1, "fep1")
	var snapshot bytes.Buffer
	at, err := s.nodes["fep2"].WriteSnapshot(&snapshot)
	if err != nil || at == 0 {
		t.Fatalf("%d, %v", at, err)
	}
	s.move(rtu1, "fep2")
	now := s.owned("fep2", rtu1)
	if err := s.nodes["fep1"].Restore(t.Context(), bytes.NewReader(snapshot.Bytes())); !errors.Is(err, replica.ErrNotLeader) {
		t.Errorf("a follower: %v, expected %v", err, replica.ErrNotLeader)
	}
	if err := s.nodes["fep2"].Restore(t.Context(), bytes.NewReader(snapshot.Bytes()[:snapshot.Len()/2])); err == nil || !now.Valid() {
		t.Errorf("half a snapshot: %v; the tenure must go on: %v", err, now.Check())
	}
	err = s.nodes["fep2"].Restore(t.Context(), bytes.NewReader(snapshot.Bytes()))
	for errors.Is(err, raft.ErrLeadershipLost) { // a busy machine stalled for longer than a lease
		s.lead("fep2")
		err = s.nodes["fep2"].Restore(t.Context(), bytes.NewReader(snapshot.Bytes()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if now.Valid() {
		t.Error("a tenure outlived the state that it came from")
	}
	now.Close()
	s.owned("fep1", rtu1).Close()
	s.sameState()
	left, err := filepath.Glob(filepath.Join(s.dir, "*", "restore.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	last := s.propose("wit", clustertest.Pin(rtu1, "fep1")).Index // goes on
	for _, id := range []string{"fep1", "fep2", "wit"} {
		s.stop(id)
	}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		s.start(id)
	}
	s.owned("fep1", rtu1).Close()
	if at, _ := s.nodes["fep1"].Applied(); at < last {
		t.Errorf("applied up to %d after the restart, %d was committed", at, last)
	}
	s.sameState()
}

// TestReplace is what's done about a node whose machine is lost.
func TestReplace(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	s.stop("fep2")
	if err := os.RemoveAll(filepath.Join(s.dir, "fep2")); err != nil {
		t.Fatal(err)
	}
	if err := s.nodes["wit"].RemovePeer(t.Context(), "fep2"); err != nil {
		t.Fatal(err)
	}
	if err := s.nodes["wit"].RemovePeer(t.Context(), "fep2"); err != nil {
		t.Errorf("one that's out already: %v", err)
	}
	if err := s.nodes["wit"].RemovePeer(t.Context(), "fep9"); !isUnknown(err) {
		t.Errorf("one that there isn't: %v", err)
	}
	if got := s.nodes["fep1"].group.voters(); len(got) != 2 {
		t.Errorf("voters %v", got)
	}
	last := s.propose("fep1", clustertest.Pin(rtu1, "fep1")).Index
	s.start("fep2")
	m, _ := s.nodes["fep1"].group.member("fep2")
	if err := s.nodes["wit"].AddPeer(t.Context(), "fep2", m.Address); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLease/4)
	defer cancel()
	if err := s.leader().RemovePeer(ctx, "fep2"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second change within a lease: %v", err)
	}
	if at, _ := s.nodes["fep2"].Applied(); at < last {
		t.Errorf("fep2 has a vote with %d of %d entries", at, last)
	}
	if err := s.nodes["fep1"].AddPeer(t.Context(), "fep2", m.Address); err != nil {
		t.Errorf("one that's a member already: %v", err)
	}
	if err := s.nodes["fep1"].AddPeer(t.Context(), "fep3", "127.0.0.1:4"); !isUnknown(err) {
		t.Errorf("one that isn't in the configuration: %v", err)
	}
	if err := s.nodes["fep1"].AddPeer(t.Context(), "fep2", "127.0.0.1:4"); err == nil {
		t.Error("with an address that isn't in the configuration")
	}
	s.owned("fep2", "rtu/2").Close()
}

// isUnknown: an error that came from another node is a text.
func isUnknown(err error) bool {
	return err != nil && (errors.Is(err, replica.ErrUnknownNode) || bytes.Contains([]byte(err.Error()), []byte(replica.ErrUnknownNode.Error())))
}

// TestRecover is the way out of the loss of two nodes: the one that's left goes on alone, and others are added to it.
func TestRecover(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	s.owned("fep1", rtu1).Close()
	last := s.propose("fep1", clustertest.Pin(rtu1, "fep1")).Index
	cfg := s.config("fep1")
	if err := Recover(cfg, cfg.Members[:1]); !errors.Is(err, ErrDataDir) {
		t.Errorf("of a node that runs: %v, expected %v", err, ErrDataDir)
	}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		s.stop(id)
	}
	for _, id := range []string{"fep2", "wit"} {
		if err := os.RemoveAll(filepath.Join(s.dir, id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Recover(cfg, cfg.Members[1:]); !errors.Is(err, ErrConfig) {
		t.Errorf("without the node itself: %v", err)
	}
	empty := cfg
	empty.DataDir = t.TempDir()
	if err := Recover(empty, cfg.Members[:1]); !errors.Is(err, ErrDataDir) {
		t.Errorf("of nothing: %v", err)
	}
	if err := Recover(cfg, cfg.Members[:1]); err != nil {
		t.Fatal(err)
	}
	one := s.start("fep1")
	s.owned("fep1", rtu1).Close()
	if at, _ := one.Applied(); at < last {
		t.Errorf("applied up to %d, it had committed %d", at, last)
	}
	for _, m := range cfg.Members[1:] {
		s.start(m.ID)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := one.AddPeer(ctx, m.ID, m.Address); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	s.move("rtu/2", "fep2") // while it was alone, fep1 may have taken it
	s.owned("fep2", "rtu/2").Close()
	s.sameState()
}

func TestCloseUnderLoad(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	var ps []replica.Proposal
	for i := range 3000 {
		ps = append(ps, s.nodes[[]string{"fep1", "fep2"}[i%2]].ProposeAsync(clustertest.Pin(rtu1, "fep1")))
	}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		s.stop(id)
	}
	for _, p := range ps {
		if _, err := p.Result(); err != nil && !errors.Is(err, replica.ErrClosed) {
			t.Fatal(err)
		}
	}
}
