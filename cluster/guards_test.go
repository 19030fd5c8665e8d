package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// A test a guard; each fails without it.

// TestHeartbeatsDontRaiseTheTerm is raft#695: a heartbeat of a higher term must wait for Raft's main loop, which may be
// in the middle of storing entries of the lower one. One of the current leader's is answered all the same.
func TestHeartbeatsDontRaiseTheTerm(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	follower := s.nodes["fep2"]
	s.disks["fep2"].hang()
	p := s.nodes["fep1"].ProposeAsync(clustertest.Pin(rtu1, "fep1"))
	until(t, "the follower's main loop hangs", s.disks["fep2"].holds)

	wire := s.wire("fep1")
	beat := func(term uint64) chan raft.AppendEntriesResponse {
		answer := make(chan raft.AppendEntriesResponse, 1)
		header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("fep1"), Addr: []byte(threeMembers[0].Address)}
		done := make(chan struct{})
		t.Cleanup(func() { <-done })
		go func() {
			defer close(done)
			var resp raft.AppendEntriesResponse
			//lint:ignore SA1019 a leader of this version of the library fills it in too, and heartbeats are known by it
			req := &raft.AppendEntriesRequest{RPCHeader: header, Term: term, Leader: header.Addr}
			if err := wire.AppendEntries("fep2", raft.ServerAddress(threeMembers[1].Address), req, &resp); err == nil {
				answer <- resp
			}
		}()
		return answer
	}
	term := follower.raft.CurrentTerm()
	select {
	case resp := <-beat(term):
		if !resp.Success || resp.Term != term {
			t.Errorf("the leader's heartbeat got %+v", resp)
		}
	case <-time.After(patience):
		t.Error("the leader's heartbeat waits for the disk")
	}
	later := beat(term + 1)
	select {
	case <-later:
		t.Error("a heartbeat of a higher term was answered while the main loop was busy")
	case <-time.After(300 * ms):
	}
	if now := follower.raft.CurrentTerm(); now != term {
		t.Errorf("a heartbeat raised the term from %d to %d while the main loop was busy", term, now)
	}
	s.disks["fep2"].heal()
	select {
	case <-later:
	case <-time.After(patience):
		t.Error("the heartbeat was never answered")
	}
	if _, err := p.Result(); err != nil {
		t.Error(err)
	}
}

// TestHungDiskLosesLeadership is raft#503 and #666: heartbeats need no disk, so without the guard a leader whose disk
// hangs leads for ever. It must lose leadership and lease, and its node must give up.
func TestHungDiskLosesLeadership(t *testing.T) {
	stuck := make(chan error, 1)
	s := newStation(t, func(c *Config) {
		if c.ID == "fep1" {
			c.OnStuck = func(err error) { stuck <- err }
		}
	})
	s.lead("fep1")
	s.move(rtu1, "fep1")
	mine := s.owned("fep1", rtu1)
	closed := make(chan struct{})
	mine.OnEnd(func() { close(closed) })
	leader := s.nodes["fep1"]
	if err := leader.Progress(); err != nil {
		t.Errorf("a node that goes on: %v", err)
	}
	s.disks["fep1"].hang()
	leader.ProposeAsync(clustertest.Pin(uplink, "fep1"))
	until(t, "the disk is seen to hang", leader.disk.Stalled)
	for what, req := range map[string]*raft.AppendEntriesRequest{"a heartbeat": {}, "the commit index": {PrevLogEntry: 1, PrevLogTerm: 1}} {
		err := leader.transport.AppendEntries("wit", raft.ServerAddress(threeMembers[2].Address), req, new(raft.AppendEntriesResponse))
		if !errors.Is(err, raftio.ErrStalled) {
			t.Errorf("%s was sent: %v", what, err)
		}
	}
	until(t, "the node is said not to go on", func() bool { return leader.Progress() != nil })
	theirs := s.owned("fep2", rtu1)
	defer theirs.Close()
	if mine.Valid() {
		t.Error("two valid tenures")
	}
	<-closed
	mine.Close()
	if l := s.leader("fep2", "wit"); l.ID() == "fep1" {
		t.Error("fep1 still leads")
	}
	select {
	case err := <-stuck:
		if !errors.Is(err, ErrStuck) {
			t.Errorf("%v, expected %v", err, ErrStuck)
		}
	case <-time.After(patience):
		t.Error("fep1 never gave up")
	}
}

// TestFailingDiskEndsTheNode: what can't be stored must not be forgotten, so the node ends, whatever its role.
func TestFailingDiskEndsTheNode(t *testing.T) {
	for _, id := range []string{"fep1", "fep2"} {
		t.Run(map[string]string{"fep1": "leader", "fep2": "follower"}[id], func(t *testing.T) {
			stuck := make(chan error, 1)
			s := newStation(t, func(c *Config) {
				if c.ID == id {
					c.OnStuck = func(err error) { stuck <- err }
				}
			})
			s.lead("fep1")
			full := errors.New("no space left on device")
			s.disks[id].fail(full)
			s.propose("wit", clustertest.Pin(rtu1, "fep1")) // committed in the end by the others
			select {
			case err := <-stuck:
				if !errors.Is(err, full) || !errors.Is(err, ErrStuck) {
					t.Errorf("%v", err)
				}
			case <-time.After(patience):
				t.Error("it never gave up")
			}
		})
	}
}

// TestFollowerGoesOnAfterAStall is raft#612: with more than one message under way, replication to a follower that stalled
// may never go on.
func TestFollowerGoesOnAfterAStall(t *testing.T) {
	s := newStation(t, func(c *Config) { c.Lease = 2 * time.Second }) // a stall isn't the node's end here
	s.lead("fep1")
	s.disks["fep2"].hang()
	var last replica.Result
	for range 50 {
		last = s.propose("fep1", clustertest.Pin(rtu1, "fep1"))
		last = s.propose("fep1", clustertest.Pin(rtu1, "fep2"))
	}
	s.disks["fep2"].heal()
	until(t, "the follower catches up", func() bool { at, _ := s.nodes["fep2"].Applied(); return at >= last.Index })
}

// TestNotRetryingEverMoreRarely: Raft doubles its pause after each failed attempt to reach a follower, up to 10 s, but for
// attempts that it isn't told of.
func TestNotRetryingEverMoreRarely(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	leader := s.nodes["fep1"]
	s.fabric.cut("fep1", "wit")
	s.fabric.cut("wit", "fep1")
	sent := make(chan error, 1)
	req := &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("fep1"), Addr: []byte(threeMembers[0].Address)},
		Term:      leader.raft.CurrentTerm(), PrevLogEntry: 1, PrevLogTerm: 1,
	}
	go func() {
		sent <- leader.transport.AppendEntries("wit", raft.ServerAddress(threeMembers[2].Address), req, new(raft.AppendEntriesResponse))
	}()
	select {
	case err := <-sent:
		t.Fatalf("Raft was told: %v", err)
	case <-time.After(3 * leader.timing.rpc): // some attempts
	}
	s.fabric.heal()
	select {
	case err := <-sent:
		if err != nil && leader.raft.State() == raft.Leader {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("never sent")
	}
}

// TestCampaignEarly: a follower checks at once when it's told to, and not when a random timer of up to twice the timeout
// says so. The timeout is 6 s here.
func TestCampaignEarly(t *testing.T) {
	s := &station{t: t, fabric: newFabric(), members: threeMembers, dir: t.TempDir(), nodes: map[string]*Node{}, disks: map[string]*faultyDisk{},
		cfg: func(c *Config) { c.Lease = MaxLease }}
	t.Cleanup(s.close)
	n := s.start("fep1")
	began := time.Now()
	n.election.checkContact()
	until(t, "it campaigns", func() bool { return n.raft.State() == raft.Candidate })
	if took := time.Since(began); took >= n.timing.heartbeat {
		t.Errorf("it took %v, no less than the timeout of %v", took, n.timing.heartbeat)
	}
}

// TestLeadershipNotices is nomad#6977: Raft's main loop waits for whoever takes its notices.
func TestLeadershipNotices(t *testing.T) {
	var l notices
	notify, done, ended := make(chan bool), make(chan struct{}), make(chan struct{})
	go func() { l.drain(notify, done); close(ended) }()
	for i := range 101 {
		select {
		case notify <- i%2 == 0:
		case <-time.After(patience):
			t.Fatal("a notice isn't taken")
		}
	}
	until(t, "all are taken", func() bool { _, n := l.latest(); return n == 101 })
	if leads, _ := l.latest(); !leads {
		t.Error("the last notice counts")
	}
	close(done)
	<-ended
}

// TestRefusals is raft#696, and a main loop that takes nothing.
func TestRefusals(t *testing.T) {
	transfer, enqueue := raft.ErrLeadershipTransferInProgress, raft.ErrEnqueueTimeout
	for name, c := range map[string]struct {
		errs  []error // one each 100 ms
		stuck bool
	}{
		"nothing":                     {},
		"a transfer that ends":        {[]error{transfer, transfer, transfer, nil, transfer}, false},
		"one that doesn't":            {[]error{transfer, transfer, transfer, transfer, transfer}, true},
		"no entry taken for a while":  {[]error{enqueue, enqueue, enqueue, enqueue, enqueue}, false},
		"no entry taken for long":     {[]error{enqueue, enqueue, enqueue, enqueue, enqueue, enqueue, enqueue}, true},
		"no leader is something else": {[]error{raft.ErrNotLeader, raft.ErrNotLeader, raft.ErrNotLeader, raft.ErrNotLeader, raft.ErrNotLeader, raft.ErrNotLeader, raft.ErrNotLeader}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var r refusals
			now := time.Second
			for _, err := range c.errs {
				now += 100 * ms
				r.note(now, err)
			}
			if err := r.check(now, 300*ms, 500*ms); (err != nil) != c.stuck {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCommitWatch(t *testing.T) {
	var c commitWatch
	for i, s := range []struct {
		last, committed uint64
		followed        bool
		want            time.Duration
	}{
		{5, 5, true, 0}, {6, 5, true, 0}, {6, 5, true, 100 * ms}, {7, 5, true, 200 * ms},
		{7, 6, true, 0}, {7, 6, true, 100 * ms}, {7, 6, false, 0}, {7, 6, true, 0}, {7, 7, true, 0},
	} {
		if got := c.stands(time.Duration(i)*100*ms, s.last, s.committed, s.followed); got != s.want {
			t.Errorf("step %d: %v, expected %v", i, got, s.want)
		}
	}
}

// TestWitnessAlone: the witness alone is up to date, so no FEP can win. It must lead until one has caught up, and no
// longer.
func TestWitnessAlone(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	s.fabric.isolate("fep2", "fep1", "wit")
	index := s.propose("fep1", clustertest.Pin(rtu1, "fep1")).Index
	until(t, "the witness has it", func() bool { return s.nodes["wit"].raft.LastIndex() >= index })
	s.fabric.isolate("fep1", "fep2", "wit")
	s.fabric.mend("fep2", "wit")
	until(t, "fep2 leads, with all that was committed", func() bool {
		at, _ := s.nodes["fep2"].Applied()
		return s.nodes["fep2"].IsLeader() && at >= index
	})
}

// TestFreshDisk: a node that has lost its data mustn't help to elect one that lacks what it had helped to commit.
func TestFreshDisk(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	until(t, "the witness has more than what every node begins with", func() bool { return s.nodes["wit"].raft.LastIndex() > 1 })
	s.fabric.isolate("wit", "fep1", "fep2")
	index := s.propose("fep1", clustertest.Pin(rtu1, "fep1")).Index // on fep1 and fep2 alone
	until(t, "fep2 has it", func() bool { at, _ := s.nodes["fep2"].Applied(); return at >= index })
	s.stop("fep1")
	s.stop("fep2")
	if err := os.RemoveAll(filepath.Join(s.dir, "fep2")); err != nil {
		t.Fatal(err)
	}
	s.fabric.heal()
	s.start("fep2")
	wit := s.nodes["wit"]
	until(t, "the witness campaigns", func() bool {
		return wit.clock()-wit.transport.Contact() > 6*wit.timing.heartbeat && wit.raft.State() == raft.Candidate
	})
	if wit.Leader() != "" || s.nodes["fep2"].Leader() != "" {
		t.Error("a leader without the committed entry")
	}
	s.start("fep1")
	l := s.leader()
	until(t, "the entry is there", func() bool { at, _ := l.Applied(); return at >= index })
	until(t, "fep2 remembers again", func() bool { return s.nodes["fep2"].folder.FreshDisk.Recovered() })
	s.stop("fep2")
	if n := s.start("fep2"); n.folder.FreshDisk != nil {
		t.Error("it must be on disk that the node is up to date")
	}
}

// TestFence: a decision of an earlier term that a later leader's log has changes nothing.
func TestFence(t *testing.T) {
	m := newStateMachine()
	station := marshal(t, clustertest.Configure())
	if o := m.Apply(&raft.Log{Index: 1, Term: 2, Data: station, Extensions: fence(1)}).(outcome); o.err == nil {
		t.Error("applied")
	}
	if m.state.Config().GetDigest() != "" || m.applied.Load() != 1 {
		t.Error("an entry that's passed over must leave nothing but its index")
	}
	if o := m.Apply(&raft.Log{Index: 2, Term: 2, Data: station, Extensions: fence(2)}).(outcome); o.err != nil {
		t.Error(o.err)
	}
	if _, ok := m.state.Resource(fsm.RTUResource(1)); !ok || m.owners.Load() != 2 {
		t.Error("not applied")
	}
	if o := m.Apply(&raft.Log{Index: 3, Term: 2, Data: []byte("rubbish")}).(outcome); o.err == nil {
		t.Error("applied rubbish")
	}
}
