package cluster

import (
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/replica"
)

// Info tells how this node and its group are.
func (n *Node) Info() replica.Info {
	now, lease := n.clock(), n.tenures.lease.Load()
	info := replica.Info{
		ID: n.cfg.ID, State: strings.ToLower(n.raft.State().String()), Leader: n.group.leader(),
		Term: n.raft.CurrentTerm(), CommitIndex: n.raft.CommitIndex(),
		AppliedIndex: n.state.applied.Load(), LastIndex: n.raft.LastIndex(),
		Lease: now < lease.Until, LeaseLeft: max(0, lease.Until-now), Outside: n.outside.Load(),
	}
	if t := n.leadership.current(); t != nil {
		info.Quorum = t.ready() && t.followed()
		info.Peers = peersOf(peerTableOf(t, n.cfg.Build, n.cfg.Vitals))
		return info
	}
	leader, at, peers := n.told.get()
	info.Quorum = leader != "" && leader == info.Leader && now < at+n.timing.lease
	if info.Peers = peersOf(peers); !info.Quorum {
		info.Peers = n.alone(info)
	}
	return info
}

// alone is what a node without a quorum knows of the members: of itself how it is, of the others that they're there.
func (n *Node) alone(info replica.Info) (peers []replica.Peer) {
	voters := n.group.voters()
	for _, m := range n.group.members {
		p := replica.Peer{ID: m.ID, Host: m.Host, Role: m.Role, Address: m.Address, Voter: slices.Contains(voters, m.ID), LastContact: -1}
		if m.ID == info.ID {
			p.State, p.Alive, p.Lease, p.Build, p.AppliedIndex, p.LastContact = info.State, true, info.Lease, n.cfg.Build, info.AppliedIndex, 0
			p.Vitals = n.cfg.Vitals()
		}
		peers = append(peers, p)
	}
	return peers
}

// CaughtUp tells whether View shows what the group had committed a moment ago. A node that has just started shows an
// old state until then.
func (n *Node) CaughtUp() bool {
	// After a start of the whole station the leader may be no further than this node: what its log had counts too.
	if n.state.applied.Load() < n.began {
		return false
	}
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

// Progress is nil while the node goes on; else it says what hangs. It neither waits nor blocks.
func (n *Node) Progress() error { return n.watchdog.progress() }

// Disk is how the disk of the data folder is.
type Disk = raftio.Disk

// Disk looks at it.
func (n *Node) Disk() Disk { return n.folder.Room.Disk() }

// CheckRoom tells whether the data folder has room for so many octets of what can wait. The error is replica.ErrNoRoom.
func (n *Node) CheckRoom(octets int64) error { return n.folder.Room.Check(octets) }

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
		Term: n.raft.CurrentTerm(), CommitIndex: n.raft.CommitIndex(), AppliedIndex: n.state.applied.Load(),
		LastIndex: n.raft.LastIndex(), Leader: n.IsLeader(),
		LeasesGranted: n.leases.granted.Load(), LeasesRefused: n.leases.refused.Load(), LeasesLapsed: n.tenures.lapses(),
		HeartbeatsQueued: n.transport.Queued(),
		SnapshotsTaken:   n.state.taken.Load(),
		SnapshotPause:    time.Duration(n.state.frozen.Load()),
		RestoreDuration:  time.Duration(n.state.restored.Load()),
		LogFreePages:     n.folder.FreePages(),
	}
	_, notices := n.leadership.notices.latest()
	m.LeaderChanges = uint64(notices)
	proposals, waiting := n.proposer.read()
	m.ProposalsWaiting = waiting
	m.CommandsProposed, m.EntriesProposed, m.EntriesRetried = proposals.commands, proposals.entries, proposals.retried
	if list, err := n.folder.Snapshots.List(); err == nil && len(list) > 0 {
		m.SnapshotIndex = list[0].Index
	}
	m.LogFirst, _ = n.folder.FirstIndex()
	return m
}
