package cluster

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// leadership keeps what Raft said last of this node's leadership. Raft's main loop waits until its notice is taken
// (nomad#6977), and its other channel drops all but the latest (consul#6852): so a goroutine does nothing but take them,
// and counts, so that a loss between two wins isn't missed.
type leadership struct {
	mu      sync.Mutex
	leads   bool
	notices int
	news    broadcast
}

func (l *leadership) drain(notify <-chan bool, done <-chan struct{}) {
	for {
		select {
		case leads := <-notify:
			l.mu.Lock()
			l.leads = leads
			l.notices++
			l.mu.Unlock()
			l.news.fire()
		case <-done:
			return
		}
	}
}

func (l *leadership) latest() (leads bool, notices int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leads, l.notices
}

// rule begins and ends reigns as leadership is won and lost.
func (n *Node) rule() {
	seen := 0
	for {
		news := n.leadership.news.wait()
		if leads, notices := n.leadership.latest(); notices != seen {
			seen = notices
			n.endReign()
			if leads {
				n.reign.Store(newReign(n, n.raft.CurrentTerm()))
			}
			n.leaderChanged.fire()
		}
		select {
		case <-news:
		case <-n.done:
			n.endReign()
			return
		}
	}
}

func (n *Node) endReign() {
	if r := n.reign.Swap(nil); r != nil {
		r.end()
	}
}

// observe notes when Raft sees another leader or begins to campaign, and tells the log of leaders come and gone.
func (n *Node) observe() {
	seen := make(chan raft.Observation, 64)
	observer := raft.NewObserver(seen, false, func(o *raft.Observation) bool {
		switch state := o.Data.(type) {
		case raft.LeaderObservation:
			return true
		case raft.RaftState:
			if state == raft.Candidate {
				n.campaigned.Store(int64(n.clock()))
			}
		}
		return false
	})
	n.raft.RegisterObserver(observer)
	defer n.raft.DeregisterObserver(observer)
	leader := ""
	for {
		select {
		case <-seen:
			n.leaderChanged.fire()
			if now := n.leaderID(); now != leader {
				n.tellLeader(leader, now)
				leader = now
			}
		case <-n.done:
			return
		}
	}
}

// tellLeader tells the log. Of its own leadership a reign tells, once it's ready.
func (n *Node) tellLeader(before, now string) {
	switch {
	case now == n.cfg.ID:
	case now != "":
		n.log.Info("leader", "leader", now, "term", n.raft.CurrentTerm())
	case before == n.cfg.ID:
		n.log.Warn("leading no more", "term", n.raft.CurrentTerm())
	default:
		// When leadership is handed on or won by a newer term there's none for a moment, too.
		if silence := n.transport.silence(); silence >= n.timing.heartbeat {
			n.log.Warn("the leader is silent", "leader", before, "for", silence.Round(time.Millisecond))
		}
	}
}

// campaignEarly has Raft look at once when the leader has been silent for a heartbeat timeout. By itself it looks at
// random times, and when it finds fresh contact sleeps for a whole random timeout again: between one and three timeouts
// after the leader's last word. Nodes look one after the other, so that their campaigns don't collide.
func (n *Node) campaignEarly() {
	patience := n.timing.heartbeat + n.timing.stagger + time.Millisecond
	for {
		wait := patience
		if n.raft.State() == raft.Follower {
			silence := time.Since(n.raft.LastContact())
			if silence >= patience && n.leaderID() != "" {
				n.lookNow()
				wait = patience / 20
			} else if silence < patience {
				wait = patience - silence
			}
		}
		select {
		case <-time.After(wait):
		case <-n.done:
			return
		}
	}
}

// lookNow wakes Raft's follower: it looks at the leader's last contact when its timeout is made shorter.
func (n *Node) lookNow() {
	c := n.raft.ReloadableConfig()
	for _, timeout := range []time.Duration{n.timing.heartbeat + time.Microsecond, n.timing.heartbeat} {
		c.HeartbeatTimeout, c.ElectionTimeout = timeout, max(timeout, n.timing.election)
		if err := n.raft.ReloadConfig(c); err != nil {
			n.log.Error("reloading Raft's timeouts failed", "error", err)
			return
		}
	}
}
