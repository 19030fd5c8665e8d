package cluster

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/replica"
)

// Info tells how this node and its group are.
func (n *Node) Info() replica.Info {
	now, lease := n.clock(), n.tenures.lease.Load()
	info := replica.Info{
		ID: n.cfg.ID, State: strings.ToLower(n.raft.State().String()), Leader: n.leaderID(),
		Term: n.raft.CurrentTerm(), CommitIndex: n.raft.CommitIndex(),
		AppliedIndex: n.machine.applied.Load(), LastIndex: n.raft.LastIndex(),
		Lease: now < lease.until, LeaseLeft: max(0, lease.until-now),
	}
	if r := n.reign.Load(); r != nil {
		info.Quorum = r.ready() && r.followed()
		info.Peers = peersOf(r.peerTable())
		return info
	}
	leader, at, peers := n.table.get()
	info.Quorum = leader != "" && leader == info.Leader && now < at+n.timing.lease
	if info.Peers = peersOf(peers); !info.Quorum {
		info.Peers = n.alone(info)
	}
	return info
}

// alone is what a node without a quorum knows of the members: of itself how it is, of the others that they're there.
func (n *Node) alone(info replica.Info) (peers []replica.Peer) {
	voters := n.voters()
	for _, m := range n.members() {
		p := replica.Peer{ID: m.ID, Host: m.Host, Role: m.Role, Address: m.Address, Voter: slices.Contains(voters, m.ID), LastContact: -1}
		if m.ID == info.ID {
			p.State, p.Alive, p.Lease, p.Build, p.AppliedIndex, p.LastContact = info.State, true, info.Lease, n.cfg.Build, info.AppliedIndex, 0
		}
		peers = append(peers, p)
	}
	return peers
}

// CaughtUp tells whether View shows what the group had committed a moment ago. A node that has just started shows an
// old state until then.
func (n *Node) CaughtUp() bool {
	if n.IsLeader() {
		return true
	}
	info := n.Info()
	for _, p := range info.Peers {
		if info.Quorum && p.State == "leader" {
			return info.AppliedIndex >= p.AppliedIndex
		}
	}
	return false
}

// Leader is the id of the leader this node knows of, "" if none.
func (n *Node) Leader() string { return n.leaderID() }

// IsLeader tells whether this node leads and has applied everything that earlier leaders committed.
func (n *Node) IsLeader() bool {
	r := n.reign.Load()
	return r != nil && r.ready()
}

// LeaderChanged returns a channel that's closed when there's another leader, or none. Ask for it before Leader.
func (n *Node) LeaderChanged() <-chan struct{} { return n.leaderChanged.wait() }

// peerTable is what the leader told this node last.
type peerTable struct {
	mu     sync.Mutex
	leader string
	at     time.Duration
	peers  []*clusterpb.LeaseResponse_Peer
}

func (t *peerTable) set(leader string, at time.Duration, resp *clusterpb.LeaseResponse) {
	if len(resp.Peers) == 0 {
		return // it isn't the leader
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leader, t.at, t.peers = leader, at, resp.Peers
}

func (t *peerTable) get() (string, time.Duration, []*clusterpb.LeaseResponse_Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leader, t.at, t.peers
}

// peerTable is what this leader knows of the members, by host.
func (r *reign) peerTable() []*clusterpb.LeaseResponse_Peer {
	n := r.node
	voters := map[string]bool{}
	for _, id := range n.voters() {
		voters[id] = true
	}
	now, own := n.clock(), n.ownNow()
	r.mu.Lock()
	defer r.mu.Unlock()
	var table []*clusterpb.LeaseResponse_Peer
	for _, m := range n.members() {
		p := &clusterpb.LeaseResponse_Peer{
			Id: m.ID, Host: uint32(m.Host), Role: string(m.Role), Address: m.Address,
			Voter: voters[m.ID], Lease: r.regent.grantor.fresh(now, m.ID), LastContact: -1,
		}
		st := r.regent.member(m.ID)
		switch {
		case m.ID == n.cfg.ID:
			p.State, p.Alive, p.Build, p.Applied, p.LastContact = "leader", true, n.cfg.Build, n.machine.applied.Load(), 0
		case st.spoke:
			p.LastContact, p.Applied = int64(now-st.at), st.applied
			if p.Alive = r.regent.alive(now, m.ID); p.Alive {
				p.State = "follower"
			}
		}
		if st.digest != "" {
			p.Build, p.ConfigDiffers = st.build, st.digest != own.digest
		}
		table = append(table, p)
	}
	return table
}

func peersOf(table []*clusterpb.LeaseResponse_Peer) []replica.Peer {
	peers := make([]replica.Peer, 0, len(table))
	for _, p := range table {
		peers = append(peers, replica.Peer{
			ID: p.Id, Host: int(p.Host), Role: replica.Role(p.Role), Address: p.Address, State: p.State, Voter: p.Voter,
			Alive: p.Alive, Lease: p.Lease, ConfigDiffers: p.ConfigDiffers, Build: p.Build,
			AppliedIndex: p.Applied, LastContact: time.Duration(p.LastContact),
		})
	}
	return peers
}

// Metrics are counters since the start, and gauges.
type Metrics struct {
	Term, CommitIndex, AppliedIndex, LastIndex, SnapshotIndex uint64
	Leader                                                    bool
	LeaderChanges                                             uint64 // won or lost by this node
	ProposalsWaiting                                          int
	CommandsProposed, EntriesProposed, EntriesRetried         uint64
	LeasesGranted, LeasesRefused, LeasesLapsed                uint64 // of this node's own
	HeartbeatsQueued                                          uint64 // kept off the fast path (raft#695)
	SnapshotsTaken                                            uint64
	SnapshotPause                                             time.Duration // for which the last snapshot kept entries from being applied
	RestoreDuration                                           time.Duration
	LogFirst                                                  uint64 // oldest entry of the log
	LogFreePages                                              int    // of the bolt file
}

// Metrics reads them.
func (n *Node) Metrics() Metrics {
	m := Metrics{
		Term: n.raft.CurrentTerm(), CommitIndex: n.raft.CommitIndex(), AppliedIndex: n.machine.applied.Load(),
		LastIndex: n.raft.LastIndex(), Leader: n.IsLeader(),
		LeasesGranted: n.leasesGranted.Load(), LeasesRefused: n.leasesRefused.Load(),
		HeartbeatsQueued: n.transport.queued.Load(),
		SnapshotsTaken:   n.machine.taken.Load(),
		SnapshotPause:    time.Duration(n.machine.frozen.Load()),
		RestoreDuration:  time.Duration(n.machine.restored.Load()),
	}
	m.LeasesLapsed = n.tenures.lapses()
	_, notices := n.leadership.latest()
	m.LeaderChanges = uint64(notices)
	n.proposer.read(&m)
	if list, err := n.stores.snapshots.List(); err == nil && len(list) > 0 {
		m.SnapshotIndex = list[0].Index
	}
	m.LogFirst, _ = n.stores.log.FirstIndex()
	m.LogFreePages = n.stores.bolt.Stats().FreePageN
	return m
}
