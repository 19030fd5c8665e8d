package lease

import (
	"time"

	"github.com/fepha/fepha/cluster/internal/placement"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Member is one node of the group as its configuration lists it.
type Member struct {
	ID  string
	FEP bool // false: a witness
}

// LeaderCore is what a leader knows and decides in one term, as a pure function of messages, the state, and readings of
// the leader's clock.
type LeaderCore struct {
	*grantor

	self    Member
	members []Member // by host
	renew   time.Duration
	policy  *placement.Policy
	heard   map[string]*MemberState
	readyAt time.Duration // since when it may decide; 0: not yet

	lastLeader time.Duration // when the former leader was last heard
	campaigned time.Duration // when this node began to campaign
}

// MemberState is what a member said last.
type MemberState struct {
	At      time.Duration
	Spoke   bool
	Applied uint64
	Digest  string // of its configuration; "" if it hasn't said
	Build   string
	Level   uint32 // newest feature level that its program understands
	Clock   Clock
	Vitals  *replica.Vitals
	Lacks   map[string]bool // resources of the state that its configuration doesn't have
}

// Clock is how far a member's wall clock is ahead of the leader's, give or take the error.
type Clock struct {
	Known         bool
	Offset, Error time.Duration
}

// NewLeaderCore is for a node that begins to lead. Members are in the order of their hosts; lastLeader is when the former
// leader was last heard, campaigned when this node began to campaign.
func NewLeaderCore(self Member, members []Member, wait, lastLeader, campaigned time.Duration) *LeaderCore {
	return &LeaderCore{
		grantor: newGrantor(self.ID, wait),
		self:    self, members: members, renew: RenewEvery(wait),
		policy: placement.New(wait), heard: map[string]*MemberState{},
		lastLeader: lastLeader, campaigned: campaigned,
	}
}

// Open begins the decisions, once everything that earlier leaders committed is applied.
func (c *LeaderCore) Open(now time.Duration, owners uint64) {
	c.readyAt = now
	c.open(owners)
}

// Ready tells whether Open was called.
func (c *LeaderCore) Ready() bool { return c.readyAt != 0 }

// LastLeader is when the former leader was last heard.
func (c *LeaderCore) LastLeader() time.Duration { return c.lastLeader }

// Shut grants no lease any more, until Unshut or Reopen. It's false if that's so already.
func (c *LeaderCore) Shut() bool {
	was := c.shut
	c.shut = true
	return !was
}

// Unshut takes Shut back.
func (c *LeaderCore) Unshut() { c.shut = false }

// Reopen goes on after all leases were shut and have run out, as in the beginning: nodes that have yet to take over the
// state have as long as a lease takes to ask for new ones, and aren't lost before that.
func (c *LeaderCore) Reopen(now time.Duration, owners uint64) {
	c.shut = false
	clear(c.granted)
	c.Open(now+c.wait-c.renew, owners)
}

// Member is what a member said last; it may be changed.
func (c *LeaderCore) Member(id string) *MemberState {
	m := c.heard[id]
	if m == nil {
		m = &MemberState{}
		c.heard[id] = m
	}
	return m
}

// Hear notes a sign of life.
func (c *LeaderCore) Hear(now time.Duration, id string, applied uint64) *MemberState {
	m := c.Member(id)
	m.At, m.Spoke, m.Applied = now, true, applied
	return m
}

// Alive tells whether a member was heard of lately: for as long as it may hold a lease.
func (c *LeaderCore) Alive(now time.Duration, id string) bool {
	m := c.Member(id)
	return id == c.self.ID || m.Spoke && now < m.At+c.wait
}

// GrantSelf is the leader's own lease, counted from an instant before its newest probes. Not ok: there's no quorum yet.
func (c *LeaderCore) GrantSelf(now, sent time.Duration, voters []string, owners uint64) (_ Grant, ok bool) {
	if !c.self.FEP || !c.Evident(sent, c.self.ID, voters) || c.Refusal(c.self.ID) != "" {
		return Grant{}, false
	}
	return Grant{Sent: sent, MinApplied: c.Grant(now, c.self.ID, owners)}, true
}

// Plan is what's to be committed now.
type Plan struct {
	Decisions  []placement.Decision
	TransferTo string        // FEP to which leadership is to be handed on; "" for none
	Again      time.Duration // instant from which on more may be decided, if nothing happens; 0 for none

	barred []string // nodes that are given no lease until Finish
}

// Decide asks the policy. Decisions that would take something from a node that may hold a lease are left out.
func (c *LeaderCore) Decide(now time.Duration, state *fsm.State, voters []string, commit uint64) Plan {
	v := c.view(now, state, voters, commit)
	p := Plan{TransferTo: c.policy.TransferTarget(v)}
	barred := map[string]bool{}
	for _, d := range c.policy.Decide(v) {
		if d.Takes != "" {
			free, asked := barred[d.Takes]
			if !asked {
				free = c.bar(now, d.Takes, voters) == nil
				barred[d.Takes] = free
				if free {
					p.barred = append(p.barred, d.Takes)
				}
			}
			if !free {
				continue
			}
			if d.Assign != nil {
				d.Assign.Timings = c.timings(now, d.Takes)
			}
		}
		p.Decisions = append(p.Decisions, d)
	}
	for _, n := range v.Nodes {
		if n.FreeKnown && n.Free > now && (p.Again == 0 || n.Free < p.Again) {
			p.Again = n.Free
		}
	}
	return p
}

// Finish ends a plan that's applied, or that certainly never will be. One whose outcome isn't known stays as it is until
// the term ends.
func (c *LeaderCore) Finish(p Plan, owners uint64) {
	for _, id := range p.barred {
		c.unbar(id, owners)
	}
}

// view is what the policy may know.
func (c *LeaderCore) view(now time.Duration, state *fsm.State, voters []string, commit uint64) placement.View {
	v := placement.View{Now: now, Leader: c.self.ID, State: state}
	for _, m := range c.members {
		st, self := c.Member(m.ID), m.ID == c.self.ID
		n := placement.Node{
			ID: m.ID, FEP: m.FEP,
			Usable:   c.Fresh(now, m.ID),
			Alive:    c.Alive(now, m.ID),
			CaughtUp: self || st.Applied+maxTransferLag >= commit,
			Lacks:    st.Lacks,
		}
		if known, ok := state.Node(m.ID); ok {
			n.Away = known.Away()
		}
		n.Free, n.FreeKnown = c.free(m.ID, voters)
		if _, asked := c.granted[m.ID]; !asked {
			n.Free = max(n.Free, c.readyAt+c.renew) // one that lives will have asked by then
		}
		v.Nodes = append(v.Nodes, n)
	}
	return v
}

// maxTransferLag is how many entries a FEP may be behind when a witness hands on leadership to it. Raft itself waits for
// the rest.
const maxTransferLag = 64

// timings are of a takeover from a lost node: in ms since it was last heard of.
func (c *LeaderCore) timings(now time.Duration, from string) *fsmpb.Timings {
	cause, detected, elected := c.lastLeader, c.campaigned, c.readyAt
	if m := c.Member(from); m.Spoke { // this leader saw it go
		cause = m.At
		detected = min(cause+c.lease, now) // one whose disk hangs may speak until the end
		elected = detected
	}
	return &fsmpb.Timings{
		DetectedMs: max(0, detected-cause).Milliseconds(),
		ElectedMs:  max(0, elected-cause).Milliseconds(),
		LeasedMs:   (now - cause).Milliseconds(),
	}
}
