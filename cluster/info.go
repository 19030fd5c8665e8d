package cluster

import "time"

// Info is a node's view of its group at one instant.
type Info struct {
	ID           string
	State        string // leader, follower or candidate
	Leader       string // "" if none is known
	Term         uint64
	CommitIndex  uint64
	AppliedIndex uint64 // of the state that View shows
	LastIndex    uint64 // of the log
	Quorum       bool   // this node is in touch with a leader that a quorum follows
	Lease        bool   // this node's lease is valid
	LeaseLeft    time.Duration
	Peers        []PeerInfo // sorted by Host; on a follower as the leader told it last
}

// PeerInfo is what the leader knows of a member.
type PeerInfo struct {
	ID            string
	Host          int
	Role          Role
	Address       string
	State         string // leader, follower; "" if not heard of
	Voter         bool
	Alive         bool          // heard of within a lease
	Lease         bool          // may hold a valid lease
	ConfigDiffers bool          // its configuration isn't the leader's; it's given nothing that its own lacks
	Build         string        // version of its program
	AppliedIndex  uint64        // as it said last
	LastContact   time.Duration // since its last message; 0 for the leader itself
}

// Info tells how this node and its group are.
func (n *Node) Info() Info { return Info{} }

// Leader is the id of the leader this node knows of, "" if none.
func (n *Node) Leader() string { return "" }

// IsLeader tells whether this node leads and has applied everything that earlier leaders committed.
func (n *Node) IsLeader() bool { return false }

// Metrics are counters since the start and gauges.
type Metrics struct {
	Term, CommitIndex, AppliedIndex, LastIndex, SnapshotIndex uint64
	Leader                                                    bool
	LeaderChanges                                             uint64
	ProposalsWaiting                                          int
	CommandsProposed, EntriesProposed, ProposalsRetried       uint64
	CommitLatencyP50, CommitLatencyP99                        time.Duration // of this node's last 1,024 entries, as their proposer saw them
	LeaseGranted, LeaseRefused, LeaseExpired                  uint64
	HeartbeatsQueued                                          uint64 // kept off the fast path (raft#695)
	SnapshotsTaken                                            uint64
	LastSnapshotDuration, LastRestoreDuration                 time.Duration
	LogBytes, LogFreePages                                    int64 // of the bolt file; 0 with a WAL
}

// Metrics reads them.
func (n *Node) Metrics() Metrics { return Metrics{} }
