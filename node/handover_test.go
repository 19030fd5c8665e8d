package node

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

func handOverStation(t *testing.T) *replicatest.Station {
	t.Helper()
	return replicatest.New(t, &fsmpb.Configure{
		Digest: "one",
		Nodes:  []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
		Rtus:   []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1}}},
	})
}

// A node that stops waits until all it owned is elsewhere.
func TestHandOverWaitsForTheMove(t *testing.T) {
	s := handOverStation(t)
	node := s.Start("fep1")
	s.Elect("wit", 1)
	s.Assign(t, fsm.RTUResource(1), "fep1")
	s.OnCommit(func(_ *fsm.State, c *fsmpb.Command) {
		if c.GetStopping().GetOn() { // what the leader's policy does then
			go s.Assign(t, fsm.RTUResource(1), "fep2")
		}
	})
	handOver(node, slog.New(slog.DiscardHandler))
	if got := s.Resource(fsm.RTUResource(1)).Owner; got != "fep2" {
		t.Errorf("it ended while RTU 1 was %q's", got)
	}
}

// An election that is under way when the node is asked to end is waited for: nobody would be told of the stop otherwise, and it
// would be taken for a death. Without a quorum at all the node ends all the same.
func TestHandOverWaitsForAnElection(t *testing.T) {
	for _, elected := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := handOverStation(t)
			node := s.Start("fep1")
			quorum := false
			var mu sync.Mutex
			node.EditInfo(func(i *replica.Info) {
				mu.Lock()
				defer mu.Unlock()
				i.Quorum = quorum
			})
			s.Elect("wit", 1)
			if elected {
				time.AfterFunc(100*time.Millisecond, func() {
					mu.Lock()
					defer mu.Unlock()
					quorum = true
				})
			}
			began := time.Now()
			handOver(node, slog.New(slog.DiscardHandler))
			stopping := false
			s.View(func(st *fsm.State) {
				n, _ := st.Node("fep1")
				stopping = n.Stopping
			})
			if stopping != elected {
				t.Errorf("elected: %t, the others were told: %t", elected, stopping)
			}
			if took := time.Since(began); took > handOverLimit/4 {
				t.Errorf("elected: %t, it took %v", elected, took)
			}
		})
	}
}

// With nobody there to take over, nothing is waited for.
func TestHandOverToNobody(t *testing.T) {
	s := handOverStation(t)
	node := s.Start("fep1")
	s.Elect("wit", 1)
	s.Kill(t, "fep2")
	s.Assign(t, fsm.RTUResource(1), "fep1")
	began := time.Now()
	handOver(node, slog.New(slog.DiscardHandler))
	if took := time.Since(began); took >= handOverLimit {
		t.Errorf("it took %v", took)
	}
}

// The next process takes back what its former one said.
func TestEnterService(t *testing.T) {
	s := handOverStation(t)
	node := s.Start("fep1")
	if err := sayStopping(t.Context(), node, true); err != nil {
		t.Fatal(err)
	}
	service := enterService(node, slog.New(slog.DiscardHandler))
	defer service.end()
	for range replica.Follow(t.Context(), node, replica.Pace{}) {
		away := true
		node.View(func(s *fsm.State) {
			n, _ := s.Node("fep1")
			away = n.Away()
		})
		if !away {
			return
		}
	}
	t.Error("still said to stop")
}
