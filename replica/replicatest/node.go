package replicatest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Node is a member of the station, from the start of its process to the end.
type Node struct {
	s  *Station
	id string

	lease   atomic.Pointer[error] // nil: valid
	caught  atomic.Bool
	stopped atomic.Bool

	// Guarded by s.mu.
	lagging  *fsm.State    // nil: it has applied everything
	index    uint64        // of lagging
	caughtUp chan struct{} // closed when it doesn't lag any more
	tenures  []*Tenure     // not closed
	asleep   bool
	stuck    bool
	edit     func(*replica.Info)
}

var (
	_ replica.Owner  = (*Node)(nil)
	_ replica.Member = (*Node)(nil)
)

// Start starts the process of a member anew, or for the first time.
func (s *Station) Start(id string) *Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &Node{s: s, id: id}
	n.caught.Store(true)
	s.nodes[id] = n
	return n
}

// Node is a member as it was started last.
func (s *Station) Node(id string) *Node {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.nodes[id]
}

// Lag makes the node stop applying, or catch up.
func (n *Node) Lag(lags bool) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	switch {
	case lags && n.lagging == nil:
		n.lagging, n.index, n.caughtUp = fsm.New(), uint64(len(n.s.entries)), make(chan struct{})
		for i, e := range n.s.entries {
			n.lagging.Apply(uint64(i+1), e)
		}
	case !lags && n.lagging != nil:
		n.lagging = nil
		close(n.caughtUp)
		n.s.checkTenures()
	}
}

// Lags tells whether the node has stopped applying.
func (n *Node) Lags() bool {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	return n.lagging != nil
}

// SetCaughtUp says what CaughtUp says.
func (n *Node) SetCaughtUp(caught bool) { n.caught.Store(caught) }

// SetLease ends or renews the node's lease, and with it its tenures.
func (n *Node) SetLease(valid bool) {
	if valid {
		n.lease.Store(nil)
	} else {
		err := fmt.Errorf("%s: %w", n.id, replica.ErrLeaseExpired)
		n.lease.Store(&err)
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.s.checkTenures()
}

// SetAsleep lets the node's watchdog sleep: of the end of a tenure hears only who asks it.
func (n *Node) SetAsleep(asleep bool) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.asleep = asleep
}

// SetStuck lets everything be stuck but the node's watchdog: of the end of a tenure only OnEnd tells.
func (n *Node) SetStuck(stuck bool) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.stuck = stuck
}

// Stop ends the process: it has no lease, and proposes nothing any more. What is on its way stays there.
func (n *Node) Stop() {
	n.stopped.Store(true)
	n.SetLease(false)
}

// EditInfo changes what Info returns.
func (n *Node) EditInfo(edit func(i *replica.Info)) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if before := n.edit; before != nil {
		n.edit = func(i *replica.Info) { before(i); edit(i) }
		return
	}
	n.edit = edit
}

// state is what View shows. s.mu is held.
func (n *Node) state() *fsm.State {
	if n.lagging != nil {
		return n.lagging
	}
	return n.s.state
}

// applied is Applied. s.mu is held.
func (n *Node) applied() (index uint64, grown <-chan struct{}) {
	if n.lagging != nil {
		return n.index, n.caughtUp
	}
	return uint64(len(n.s.entries)), n.s.grown
}

// ID implements [replica.Replica].
func (n *Node) ID() string { return n.id }

// View implements [replica.Replica].
func (n *Node) View(read func(s *fsm.State)) {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	read(n.state())
}

// Applied implements [replica.Replica].
func (n *Node) Applied() (index uint64, grown <-chan struct{}) {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	return n.applied()
}

// WaitApplied implements [replica.Replica].
func (n *Node) WaitApplied(ctx context.Context, index uint64) error {
	for {
		at, grown := n.Applied()
		if at >= index {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Propose implements [replica.Replica].
func (n *Node) Propose(ctx context.Context, c *fsmpb.Command) (replica.Result, error) {
	n.s.mu.Lock()
	refusal := n.s.refusal
	n.s.mu.Unlock()
	if refusal != nil {
		return replica.Result{}, fmt.Errorf("proposing: %w", refusal)
	}
	p := n.propose(c)
	select {
	case <-p.done:
		return p.Result()
	case <-ctx.Done():
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	err := replica.ErrUnknownOutcome
	if n.s.leader == "" { // so it's still here
		err = replica.ErrNoLeader
		n.s.queue = slices.DeleteFunc(n.s.queue, func(o *Proposal) bool { return o == p })
	}
	return replica.Result{}, fmt.Errorf("%w: %w", err, ctx.Err())
}

// ProposeAsync implements [replica.Replica].
func (n *Node) ProposeAsync(c *fsmpb.Command) replica.Proposal { return n.propose(c) }

func (n *Node) propose(c *fsmpb.Command) *Proposal {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if n.stopped.Load() {
		p := &Proposal{Command: c, done: make(chan struct{}), err: replica.ErrClosed}
		close(p.done)
		return p
	}
	return n.s.propose(n.id, c)
}

// CheckLease implements [replica.Owner].
func (n *Node) CheckLease() error {
	if err := n.lease.Load(); err != nil {
		return *err
	}
	return nil
}

// CaughtUp implements [replica.Member]: what SetCaughtUp has said, true before.
func (n *Node) CaughtUp() bool { return n.caught.Load() }

// IsLeader implements [replica.Member].
func (n *Node) IsLeader() bool {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	return n.s.leader == n.id
}

// LeaderChanged implements [replica.Member].
func (n *Node) LeaderChanged() <-chan struct{} {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	return n.s.elected
}

// Info implements [replica.Member]: as EditInfo has changed it.
func (n *Node) Info() replica.Info {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	role := func(id string) string {
		if id == n.s.leader {
			return "leader"
		}
		return "follower"
	}
	lease := n.CheckLease() == nil
	applied, _ := n.applied()
	i := replica.Info{
		ID: n.id, State: role(n.id), Leader: n.s.leader, Term: n.s.term,
		CommitIndex: uint64(len(n.s.entries)), AppliedIndex: applied, LastIndex: uint64(len(n.s.entries)),
		Quorum: n.s.leader != "", Lease: lease,
	}
	if lease {
		i.LeaseLeft = 400 * time.Millisecond
	}
	for _, m := range n.s.state.Nodes() {
		fep := m.Role == string(replica.RoleFEP)
		i.Peers = append(i.Peers, replica.Peer{
			ID: m.ID, Host: int(m.Host), Role: replica.Role(m.Role), Address: fmt.Sprintf("10.0.0.%d:7300", m.Host),
			State: role(m.ID), Voter: true, Alive: m.Alive, Lease: fep && m.Lease,
		})
	}
	if n.edit != nil {
		n.edit(&i)
	}
	return i
}
