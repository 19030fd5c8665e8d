package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/hashicorp/raft"
)

// TestGroup is the whole of it once: three nodes form a group, a FEP leads, what's declared gets owners, and proposals
// from every node are applied on every node.
func TestGroup(t *testing.T) {
	s := newStation(t, nil)
	leader := s.leader()
	if leader.group.self.Role != replica.RoleFEP {
		until(t, "the witness hands on leadership", func() bool { return s.leader().group.self.Role == replica.RoleFEP })
	}
	one, two := s.owned("fep1", fsm.RTUResource(1)), s.owned("fep2", fsm.RTUResource(2))
	defer one.Close()
	defer two.Close()
	if err := one.Check(); err != nil {
		t.Error(err)
	}
	var last uint64
	for _, id := range []string{"fep1", "fep2", "wit"} {
		r := s.propose(id, clustertest.Pin(fsm.RTUResource(1), "fep1"))
		if r.GetCode() > fsmpb.Result_DUPLICATE {
			t.Errorf("%s: %v", id, r)
		}
		last = r.Index
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, n := range s.nodes {
		if err := n.WaitApplied(ctx, last); err != nil {
			t.Fatal(err)
		}
		if n.Info().Leader == "" {
			t.Errorf("%s knows no leader", n.ID())
		}
	}
	until(t, "every node sees a quorum and three living peers", func() bool {
		for _, n := range s.nodes {
			info := n.Info()
			if !info.Quorum || len(info.Peers) != 3 {
				return false
			}
			for _, p := range info.Peers {
				if !p.Alive || p.ConfigDiffers || p.Digest == "" || p.Vitals == nil || p.Vitals.Reaches[0] != "all but "+p.ID {
					return false
				}
			}
		}
		return true
	})
}

// TestKill cuts off the node that leads and owns: the other one takes over, and only when the old one has stopped.
func TestKill(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	old := s.owned("fep1", fsm.RTUResource(1))
	s.nodes["fep2"].Transfer(t.Context(), "fep1")
	until(t, "fep1 leads", func() bool { return s.leader().ID() == "fep1" })
	if !old.Valid() {
		old.Close()
		old = s.owned("fep1", fsm.RTUResource(1))
	}
	began := time.Now()
	s.fabric.isolate("fep1", s.others("fep1")...)
	taken := s.owned("fep2", fsm.RTUResource(1))
	defer taken.Close()
	if old.Valid() {
		t.Error("two valid tenures")
	}
	if err := s.nodes["fep1"].CheckLease(); !errors.Is(err, replica.ErrLeaseExpired) {
		t.Errorf("the lost node's lease: %v", err)
	}
	if err := s.nodes["fep2"].CheckLease(); err != nil {
		t.Error(err)
	}
	// Cut off, it still lists who there should be, and claims to know of itself alone.
	var cutOff replica.Info
	until(t, "fep1 sees no quorum", func() bool { cutOff = s.nodes["fep1"].Info(); return !cutOff.Quorum })
	if len(cutOff.Peers) != 3 {
		t.Errorf("%+v", cutOff.Peers)
	}
	for _, p := range cutOff.Peers {
		if self := p.ID == "fep1"; p.Alive != self || p.Lease || (p.State != "") != self || !p.Voter || p.Role == "" || p.Address == "" {
			t.Errorf("%+v", p)
		}
	}
	t.Logf("takeover in %v, timings %+v", time.Since(began), s.resource("fep2", fsm.RTUResource(1)).Timings)
	<-old.Done()
	old.Close()
	if taken.epoch <= old.epoch {
		t.Errorf("epoch %d after %d", taken.epoch, old.epoch)
	}
	s.fabric.heal()
	until(t, "fep1 sees that it lost the RTU", func() bool { return s.resource("fep1", fsm.RTUResource(1)).Owner == "fep2" })
	if _, ok := s.nodes["fep1"].tenures.begin(fsm.RTUResource(1)); ok {
		t.Error("fep1 has a tenure of what it lost")
	}
}

// What a node's log had when it was started is what it has to show before it counts as up to date.
func TestLastCommand(t *testing.T) {
	log := raft.NewInmemStore()
	for _, c := range []struct {
		entry raft.LogType
		want  uint64
	}{{raft.LogNoop, 0}, {raft.LogConfiguration, 0}, {raft.LogCommand, 3}, {raft.LogNoop, 3}, {raft.LogCommand, 5}, {raft.LogConfiguration, 5}} {
		last, _ := log.LastIndex()
		if err := log.StoreLog(&raft.Log{Index: last + 1, Type: c.entry}); err != nil {
			t.Fatal(err)
		}
		if got, err := lastCommand(log); err != nil || got != c.want {
			t.Errorf("after entry %d: %d, %v, want %d", last+1, got, err, c.want)
		}
	}
	if err := log.DeleteRange(1, 3); err != nil {
		t.Fatal(err)
	}
	if got, err := lastCommand(log); err != nil || got != 5 {
		t.Errorf("of a log that begins later: %d, %v", got, err)
	}
}
