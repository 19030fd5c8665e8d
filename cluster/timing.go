package cluster

import (
	"time"

	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/replica"
)

// timing is every timeout of a node. All derive from the lease, so that one number in the configuration decides how
// fast a station is and how much stalling it forgives.
type timing struct {
	wait  time.Duration // the configured lease: the whole time that a successor waits
	lease time.Duration // a node may act for so long without hearing from the leader; what's left of wait is to stop
	renew time.Duration // between two requests for a lease: two may be lost, and the third still comes in time

	// heartbeat is Raft's HeartbeatTimeout: silence of the leader after which a follower campaigns. 3/5 of the wait lets
	// the election end before the old leader's lease is over, so the successor waits for that alone; below 100 ms the
	// scheduler of a busy machine looks like a dead leader. Raft's heartbeats go out ten times as often.
	heartbeat time.Duration

	// election is Raft's ElectionTimeout: how long a candidate waits for votes before it tries again. Raft wants it at
	// least as long as heartbeat.
	election time.Duration

	// commit is Raft's CommitTimeout: an idle leader tells followers of a commit so late. It's what an uplink on a
	// follower waits for; 5 ms costs 200 small messages a second while entries trickle, and none that matter otherwise.
	commit time.Duration

	// rpc bounds one exchange of Raft's transport. At Raft's own 10 s a node that comes back after a cut waits for the
	// dead connection; at one heartbeat timeout it's back at once.
	rpc time.Duration

	// stagger keeps the nodes from campaigning at the same instant once all have noticed the same silence.
	stagger time.Duration

	// stall is how long a write to disk may take before this node stops acting on what it can't store: it asks for no
	// lease, supports none, and sends no heartbeats, until the write is done. What it has lasts on: a write that's done before
	// the followers give it up (heartbeat) or its lease ends costs nothing. So a disk is forgiven stall + heartbeat.
	stall time.Duration

	// hang is how long a write to disk may take before people and whoever supervises the node are told.
	hang time.Duration

	// stuck is how long a write to disk, or a commit while a quorum answers, may take before the node gives up and ends.
	stuck time.Duration

	// dial bounds connecting, and unacked how long sent bytes may stay unacknowledged by the peer's TCP.
	dial, unacked time.Duration
}

func newTiming(wait time.Duration, role replica.Role, host int) timing {
	t := timing{
		wait:      wait,
		lease:     lease.ValidFor(wait),
		renew:     lease.RenewEvery(wait),
		heartbeat: max(wait*3/5, 100*time.Millisecond),
		commit:    5 * time.Millisecond,
		stagger:   time.Duration(host-1) * max(wait/40, 5*time.Millisecond),
		stuck:     max(4*wait, 3*time.Second),
	}
	if role == replica.RoleWitness {
		// Voters refuse while they believe in a leader, so the one that gives up belief last decides who wins: a witness
		// with longer timeouts won 40 of 40 elections. It believes for a shorter time and doesn't campaign (see raftio/campaign.go).
		t.heartbeat = t.heartbeat * 3 / 4
	}
	t.election = t.heartbeat
	t.stall = max(wait*2/5, 200*time.Millisecond)
	t.hang = max(2*t.heartbeat, 500*time.Millisecond)
	t.rpc = t.heartbeat
	t.dial = t.heartbeat
	t.unacked = max(2*wait, time.Second)
	return t
}

// newClock reads this process's monotonic clock, as the time since an arbitrary origin. It never goes back and no step of
// the wall clock moves it.
func newClock() func() time.Duration {
	origin := time.Now()
	return func() time.Duration { return time.Since(origin) }
}
