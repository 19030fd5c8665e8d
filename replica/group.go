package replica

import "time"

// Role of a node: a FEP may own resources, a witness only votes and stores.
type Role string

const (
	RoleFEP     Role = "fep"
	RoleWitness Role = "witness"
)

// Member is a Replica that tells what it knows of its group.
type Member interface {
	Replica
	Info() Info

	// IsLeader tells whether this node leads, as far as it knows.
	IsLeader() bool

	// LeaderChanged is closed when another node leads, or none. Ask for the channel first, then look.
	LeaderChanged() <-chan struct{}

	// CaughtUp tells whether View shows what the group had committed a moment ago. A node that has just started shows an
	// old state until then.
	CaughtUp() bool
}

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
	Outside      bool   // a group that goes on says that this node is none of its members: it waits to be added
	Lease        bool   // this node's lease is valid
	LeaseLeft    time.Duration
	Peers        []Peer // sorted by Host; on a follower as the leader told it, on its own without what only a leader knows
}

// Peer is what the leader knows of a member.
type Peer struct {
	ID            string
	Host          int
	Role          Role
	Address       string
	State         string // leader or follower; "" if not heard of lately
	Voter         bool
	Alive         bool          // heard of lately
	Lease         bool          // may hold a valid lease
	ConfigDiffers bool          // its configuration isn't the one in force
	Build         string        // version of its program
	Level         uint32        // newest feature level that its program understands; 0 too if it isn't heard of
	ClockKnown    bool          // its wall clock was compared with the leader's
	ClockOffset   time.Duration // by how much it is ahead of the leader's
	ClockError    time.Duration // by how much that may be wrong
	AppliedIndex  uint64        // as it said last
	LastContact   time.Duration // since its last message; 0 for the leader itself, -1 if there was none
	Digest        string        // of its configuration; "" if it isn't heard of
	Vitals        *Vitals       // as it said last; nil: it has said nothing of that
}

// Vitals is how a node's program and its machine are, as the node has seen last. It is told to people and used for nothing else.
type Vitals struct {
	Memory            uint64        // octets that the program has in memory
	CPU               uint32        // thousandths of a core that it has used in the last 10 s
	Fsync             time.Duration // that it took to make a small write safe; 0: not known
	DiskFree          uint64        // octets of the data folder's disk
	DiskSize          uint64
	CertificateEnds   time.Time // the first of its certificates; zero: it has none
	ClockKnown        bool      // the system says whether the clock is synchronised
	ClockSynchronised bool
	Reaches, Misses   []string // nodes to which it can connect, and can't
}
