package lease

import (
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// An abstract Raft for the model: terms, votes, logs, commitment by majority, as in the paper, and nothing of
// hashicorp/raft. It has no pre-vote and voters forget leaders, so leaders change more often than in earnest.

// simEntry is a log entry.
type simEntry struct {
	term  uint64
	entry *fsmpb.Entry
	fence uint64 // term in which it was decided; 0: whatever
}

// simRaft is a node's Raft. The first group of fields survives a crash.
type simRaft struct {
	term  uint64
	voted string
	log   []simEntry // entry i has index i+1

	role     string // follower, candidate or leader
	leader   string
	heard    time.Duration // local; of the leader, or a vote given
	limit    time.Duration // silence after which it campaigns
	votes    map[string]bool
	next     map[string]int
	match    map[string]int
	answered map[string]time.Duration
	commit   int
	applied  int
}

type (
	msgVote struct {
		term              uint64
		lastTerm          uint64
		lastIndex, answer int // answer 0: asks, 1: yes, 2: no
	}
	msgAppend struct {
		term, prevTerm uint64
		prev, commit   int
		entries        []simEntry
	}
	msgAppended struct {
		term  uint64
		ok    bool
		match int
	}
	msgPropose struct{ command *fsmpb.Command }
)

func (n *simNode) lastTerm() uint64 {
	if len(n.raft.log) == 0 {
		return 0
	}
	return n.raft.log[len(n.raft.log)-1].term
}

// enter takes a higher term.
func (n *simNode) enter(term uint64) {
	if term > n.raft.term {
		n.raft.term, n.raft.voted = term, ""
		n.follow()
	}
}

func (n *simNode) follow() {
	n.raft.role, n.raft.leader = "follower", ""
	n.leader, n.plan = nil, nil
}

// tickRaft runs every few ms of local time.
func (n *simNode) tickRaft() {
	r, now := &n.raft, n.now()
	switch {
	case r.role == "leader":
		n.replicate()
		fresh := 1
		for _, at := range r.answered {
			if now-at < n.sim.election {
				fresh++
			}
		}
		if fresh < Quorum(len(n.sim.nodes)) && now-r.heard > n.sim.election {
			n.follow()
			r.heard = now
		}
	case now-r.heard > r.limit:
		n.campaign()
	}
	n.after(n.sim.election/5, n.tickRaft)
}

func (n *simNode) campaign() {
	r := &n.raft
	r.term++
	r.voted, r.role, r.leader = n.id, "candidate", ""
	r.votes = map[string]bool{n.id: true}
	n.drawLimit()
	n.campaigned = n.now()
	n.broadcast(msgVote{term: r.term, lastTerm: n.lastTerm(), lastIndex: len(r.log)})
	n.tally()
}

func (n *simNode) drawLimit() {
	n.raft.heard = n.now()
	n.raft.limit = n.sim.election + n.sim.upTo(n.sim.election)
}

func (n *simNode) onVote(from string, m msgVote) {
	n.enter(m.term)
	r := &n.raft
	if m.answer != 0 {
		if m.answer == 1 && m.term == r.term && r.role == "candidate" {
			r.votes[from] = true
			n.tally()
		}
		return
	}
	newer := m.lastTerm > n.lastTerm() || m.lastTerm == n.lastTerm() && m.lastIndex >= len(r.log)
	yes := m.term == r.term && newer && (r.voted == "" || r.voted == from)
	answer := 2
	if yes {
		answer = 1
		r.voted = from
		n.drawLimit()
	}
	n.send(from, msgVote{term: r.term, answer: answer})
}

func (n *simNode) tally() {
	r := &n.raft
	if r.role != "candidate" || len(r.votes) < Quorum(len(n.sim.nodes)) {
		return
	}
	r.role, r.leader = "leader", n.id
	r.next, r.match, r.answered = map[string]int{}, map[string]int{}, map[string]time.Duration{}
	for _, m := range n.sim.nodes {
		r.next[m.id] = len(r.log) + 1
	}
	r.heard = n.now()
	n.beginTerm()
}

// append adds an entry of this leader's and returns its index.
func (n *simNode) append(e simEntry) int {
	e.term = n.raft.term
	n.raft.log = append(n.raft.log[:len(n.raft.log):len(n.raft.log)], e)
	n.advanceCommit()
	n.replicate()
	return len(n.raft.log)
}

func (n *simNode) replicate() {
	r := &n.raft
	for _, m := range n.sim.nodes {
		if m.id == n.id {
			continue
		}
		prev := r.next[m.id] - 1
		msg := msgAppend{term: r.term, prev: prev, commit: r.commit, entries: r.log[prev:]}
		if prev > 0 {
			msg.prevTerm = r.log[prev-1].term
		}
		n.send(m.id, msg)
	}
}

func (n *simNode) onAppend(from string, m msgAppend) {
	n.enter(m.term)
	r := &n.raft
	if m.term < r.term {
		n.send(from, msgAppended{term: r.term})
		return
	}
	if r.role == "candidate" {
		n.follow()
	}
	if r.leader != from {
		r.leader = from
		n.askForLease()
	}
	n.drawLimit()
	if m.prev > len(r.log) || m.prev > 0 && r.log[m.prev-1].term != m.prevTerm {
		n.send(from, msgAppended{term: r.term, match: min(m.prev-1, len(r.log))})
		return
	}
	for i, e := range m.entries {
		at := m.prev + i
		if at < len(r.log) && r.log[at].term == e.term {
			continue
		}
		r.log = append(r.log[:at:at], m.entries[i:]...)
		break
	}
	last := m.prev + len(m.entries)
	r.commit = max(r.commit, min(m.commit, last))
	n.apply()
	n.send(from, msgAppended{term: r.term, ok: true, match: last})
}

func (n *simNode) onAppended(from string, m msgAppended) {
	n.enter(m.term)
	r := &n.raft
	if r.role != "leader" || m.term != r.term {
		return
	}
	r.answered[from] = n.now()
	if !m.ok {
		r.next[from] = max(1, min(r.next[from]-1, m.match+1))
		return
	}
	r.match[from] = max(r.match[from], m.match)
	r.next[from] = max(r.next[from], m.match+1)
	n.advanceCommit()
}

func (n *simNode) advanceCommit() {
	r := &n.raft
	for i := len(r.log); i > r.commit && r.log[i-1].term == r.term; i-- {
		have := 1
		for _, m := range n.sim.nodes {
			if m.id != n.id && r.match[m.id] >= i {
				have++
			}
		}
		if have >= Quorum(len(n.sim.nodes)) {
			r.commit = i
			n.apply()
			return
		}
	}
}
