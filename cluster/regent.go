package cluster

import (
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// regent is what a leader knows and decides in one term, as a pure function of messages, the state, and readings of the
// leader's clock. Goroutines and messages are reign's.
type regent struct {
	self    Member
	members []Member // as configured, by host
	renew   time.Duration
	grantor *grantor
	policy  *placement
	heard   map[string]*memberState
	readyAt time.Duration // since when it may decide; 0: not yet

	cause      time.Duration // when the former leader was last heard
	campaigned time.Duration // when this node began to campaign
}

// memberState is what a member said last.
type memberState struct {
	at      time.Duration
	spoke   bool
	digest  string // of its configuration; "" if it hasn't said
	build   string
	lacks   map[string]bool // resources of the state that its configuration doesn't have
	applied uint64
}

func newRegent(self Member, members []Member, wait time.Duration, cause, campaigned time.Duration) *regent {
	return &regent{
		self: self, members: members, renew: wait / renewals,
		grantor: newGrantor(self.ID, wait), policy: newPlacement(wait), heard: map[string]*memberState{},
		cause: cause, campaigned: campaigned,
	}
}

// open begins the decisions, once everything that earlier leaders committed is applied.
func (g *regent) open(now time.Duration, owners uint64) {
	g.readyAt = now
	g.grantor.open(owners)
}

// reopen goes on after all leases were shut and have run out, as in the beginning: nodes that have yet to take over the
// state have as long as a lease takes to ask for new ones, and aren't lost before that.
func (g *regent) reopen(now time.Duration, owners uint64) {
	g.grantor.shut = false
	clear(g.grantor.granted)
	g.open(now+g.grantor.wait-g.renew, owners)
}

func (g *regent) member(id string) *memberState {
	m := g.heard[id]
	if m == nil {
		m = &memberState{}
		g.heard[id] = m
	}
	return m
}

// hear notes a sign of life.
func (g *regent) hear(now time.Duration, id string, applied uint64) *memberState {
	m := g.member(id)
	m.at, m.spoke, m.applied = now, true, applied
	return m
}

// alive tells whether a member was heard of lately: for as long as it may hold a lease.
func (g *regent) alive(now time.Duration, id string) bool {
	m := g.member(id)
	return id == g.self.ID || m.spoke && now < m.at+g.grantor.wait
}

// grantSelf is the leader's own lease, counted from an instant before its newest probes. Not ok: there's no quorum yet.
func (g *regent) grantSelf(now, sent time.Duration, voters []string, owners uint64) (_ grant, ok bool) {
	if g.self.Role != replica.RoleFEP || !g.grantor.evident(sent, g.self.ID, voters) || g.grantor.refusal(g.self.ID) != "" {
		return grant{}, false
	}
	return grant{sent: sent, minApplied: g.grantor.grant(now, g.self.ID, owners)}, true
}

// plan is what's to be committed now.
type plan struct {
	decisions []decision
	barred    []string      // nodes that are given no lease until settle
	handOn    string        // FEP to which leadership is to be handed on; "" for none
	again     time.Duration // instant from which on more may be decided, if nothing happens; 0 for none
}

// decide asks the policy. Decisions that would take something from a node that may hold a lease are left out.
func (g *regent) decide(now time.Duration, state *fsm.State, voters []string, commit uint64) plan {
	v := g.view(now, state, voters, commit)
	p := plan{handOn: g.policy.handOn(v)}
	barred := map[string]bool{}
	for _, d := range g.policy.decide(v) {
		if d.takes != "" {
			free, asked := barred[d.takes]
			if !asked {
				free = g.grantor.bar(now, d.takes, voters) == nil
				barred[d.takes] = free
				if free {
					p.barred = append(p.barred, d.takes)
				}
			}
			if !free {
				continue
			}
			if d.assign != nil {
				d.assign.Timings = g.timings(now, d.takes)
			}
		}
		p.decisions = append(p.decisions, d)
	}
	for _, n := range v.nodes {
		if n.mayBeFree && n.free > now && (p.again == 0 || n.free < p.again) {
			p.again = n.free
		}
	}
	return p
}

// settle ends a plan that's applied, or that certainly never will be. One whose outcome isn't known stays as it is until
// the reign ends.
func (g *regent) settle(p plan, owners uint64) {
	for _, id := range p.barred {
		g.grantor.unbar(id, owners)
	}
}

// view is what the policy may know.
func (g *regent) view(now time.Duration, state *fsm.State, voters []string, commit uint64) placementView {
	v := placementView{now: now, leader: g.self.ID, state: state}
	for _, m := range g.members {
		st, self := g.member(m.ID), m.ID == g.self.ID
		nv := nodeView{
			id: m.ID, fep: m.Role == replica.RoleFEP,
			usable:   g.grantor.fresh(now, m.ID),
			alive:    g.alive(now, m.ID),
			caughtUp: self || st.applied+maxHandOnLag >= commit,
			lacks:    st.lacks,
		}
		nv.free, nv.mayBeFree = g.grantor.free(m.ID, voters)
		if _, asked := g.grantor.granted[m.ID]; !asked {
			nv.free = max(nv.free, g.readyAt+g.renew) // one that lives will have asked by then
		}
		v.nodes = append(v.nodes, nv)
	}
	return v
}

// maxHandOnLag is how many entries a FEP may be behind when a witness hands on leadership to it. Raft itself waits for
// the rest.
const maxHandOnLag = 64

// timings are of a takeover from a lost node: in ms since it was last heard of.
func (g *regent) timings(now time.Duration, from string) *fsmpb.Timings {
	cause, detected, elected := g.cause, g.campaigned, g.readyAt
	if m := g.member(from); m.spoke { // this leader saw it go
		cause = m.at
		detected = min(cause+g.grantor.lease, now) // one whose disk hangs may speak until the end
		elected = detected
	}
	return &fsmpb.Timings{
		DetectedMs: max(0, detected-cause).Milliseconds(),
		ElectedMs:  max(0, elected-cause).Milliseconds(),
		LeasedMs:   (now - cause).Milliseconds(),
	}
}

// command is a decision as it's committed.
func (d decision) command() *fsmpb.Command {
	switch {
	case d.assign != nil:
		return &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: d.assign}}
	case d.move != nil:
		return &fsmpb.Command{Op: &fsmpb.Command_Move{Move: d.move}}
	default:
		return &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: d.node}}
	}
}
