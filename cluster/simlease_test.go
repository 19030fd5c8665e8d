package cluster

import (
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// The model's counterpart of keeper's callers, service and reign: messages in, messages out.

type (
	msgLease struct {
		term    uint64
		sent    time.Duration // the requester's; it comes back with the answer
		applied uint64
		life    int // the requester's: an answer reaches no later process

		from     string // filled in by the leader
		received time.Duration
	}
	msgLeased struct {
		term, minApplied uint64
		sent             time.Duration
		life             int
	}
	msgProbe struct {
		term uint64
		sent time.Duration
	}
	msgProbed struct {
		msgProbe
		vouched bool
		applied uint64
	}
	msgElapsed struct{ term uint64 }
	msgProof   struct {
		term  uint64
		proof proof
	}
)

// The mutations. Two more, vouching for a term that was left and taking a lease of one, need so many things to go wrong in
// one order that they're told as stories in lease_test.go.
const (
	noWait           mutation = "the successor doesn't wait"
	noStopTime       mutation = "the successor leaves no time to stop"
	noRateMargin     mutation = "the successor trusts clocks to run alike"
	fromAnswer       mutation = "the holder counts from the answer"
	noMinApplied     mutation = "the holder may not know what was taken from it"
	noBar            mutation = "leases are granted while a resource is being taken"
	noFence          mutation = "decisions of earlier terms count"
	forgetsAtRestart mutation = "a voter forgets what it vouched for"
	forgetsAtReign   mutation = "a new leader forgets the leases of earlier terms"
	forgetsOwn       mutation = "a voter forgets what it asked for itself"
)

func (n *simNode) leads(term uint64) bool {
	return n.regent != nil && n.raft.role == "leader" && n.raft.term == term
}

func (n *simNode) voters() []string {
	var ids []string
	for _, m := range n.members {
		ids = append(ids, m.ID)
	}
	return ids
}

func (n *simNode) reignBegins() {
	n.regent = newRegent(n.self, n.members, n.sim.lease, n.local(), n.campaigned)
	g := n.regent.grantor
	switch n.sim.broken {
	case noWait:
		g.wait = 0
	case noStopTime:
		g.wait -= stopTime
	case noRateMargin:
		g.wait = g.lease + stopTime
	case forgetsAtReign:
		for _, id := range n.voters() {
			g.noteElapsed(id, n.local(), proof{time.Hour, time.Hour})
		}
	}
	if p, ok := n.keeper.elapsed(n.raft.term); ok && n.sim.broken != forgetsAtReign {
		n.noteElapsed(n.id, p)
	}
	n.plan, n.waiting = &plan{}, nil // until the mark is applied
	n.planAt = n.append(simEntry{fence: n.raft.term})
	n.tickReign(n.raft.term)
}

func (n *simNode) noteElapsed(from string, p proof) {
	if n.sim.broken == forgetsOwn {
		p.own = p.others
	}
	n.regent.grantor.noteElapsed(from, n.local(), p)
}

// tickReign is a leader's rhythm.
func (n *simNode) tickReign(term uint64) {
	if !n.leads(term) {
		return
	}
	n.probe()
	if n.sim.broken != forgetsAtReign {
		n.broadcast(msgElapsed{term})
	}
	n.decide()
	n.after(n.sim.lease/8, func() { n.tickReign(term) })
}

func (n *simNode) probe() {
	n.probes++
	if n.probes%2 == 1 {
		n.broadcast(msgProbe{n.raft.term, n.local()})
	}
}

func (n *simNode) onProbed(from string, m msgProbed) {
	if !n.leads(m.term) {
		return
	}
	n.regent.hear(n.local(), from, m.applied)
	if !m.vouched {
		return
	}
	n.regent.grantor.noteVouched(from, m.sent)
	if g, ok := n.regent.grantSelf(n.local(), m.sent, n.voters(), n.owners); ok {
		n.take(m.term, g)
	}
	waiting := n.waiting
	n.waiting = nil
	for _, w := range waiting {
		n.answer(w)
	}
}

// tickLease asks for a lease four times a lease.
func (n *simNode) tickLease() {
	n.askForLease()
	n.pushRelease()
	n.after(n.sim.lease/4, n.tickLease)
}

func (n *simNode) askForLease() {
	if leader := n.raft.leader; leader != "" && leader != n.id && n.self.Role == replica.RoleFEP {
		n.send(leader, msgLease{term: n.raft.term, sent: n.local(), applied: uint64(n.raft.applied), life: n.life})
	}
}

func (n *simNode) onLease(from string, m msgLease) {
	if !n.leads(m.term) {
		return
	}
	m.from, m.received = from, n.local()
	n.regent.hear(m.received, from, m.applied)
	n.answer(m)
}

func (n *simNode) answer(m msgLease) {
	g, now := n.regent.grantor, n.local()
	switch {
	case now > m.received+g.lease:
	case !g.evident(m.received, m.from, n.voters()):
		n.waiting = append(n.waiting, m)
	case !n.keeper.vouch(m.term) || g.refusal(m.from) != "":
	default:
		a := msgLeased{term: m.term, sent: m.sent, minApplied: g.grant(now, m.from, n.owners), life: m.life}
		if n.sim.broken == noMinApplied {
			a.minApplied = 0
		}
		n.send(m.from, a)
		n.decide()
	}
}

func (n *simNode) onLeased(m msgLeased) {
	if m.life == n.life {
		n.take(m.term, grant{sent: m.sent, minApplied: m.minApplied})
	}
}

func (n *simNode) take(term uint64, g grant) {
	if n.sim.broken == fromAnswer {
		g.sent = n.local()
	}
	n.keeper.accept(term, g)
}

// decide has the leader's decisions committed, one plan after the other.
func (n *simNode) decide() {
	if n.regent == nil || n.plan != nil || n.raft.role != "leader" {
		return
	}
	if n.state.Config().GetDigest() == "" {
		n.commit(plan{}, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: simStation(n.members)}})
		return
	}
	p := n.regent.decide(n.local(), n.state, n.voters(), uint64(n.raft.commit))
	if len(p.decisions) == 0 {
		return
	}
	if n.sim.broken == noBar {
		n.regent.settle(p, 0)
		p.barred = nil
	}
	commands := make([]*fsmpb.Command, len(p.decisions))
	for i, d := range p.decisions {
		n.sim.trace("%v %s decides in term %d: %v", n.sim.now, n.id, n.raft.term, d)
		commands[i] = d.command()
	}
	n.commit(p, commands...)
}

// commit has Raft append a decision, at once or some time later: the goroutine that decided may be kept waiting, and by
// then the node may lead in another term.
func (n *simNode) commit(p plan, commands ...*fsmpb.Command) {
	for _, c := range commands {
		c.AtMs, c.Node = n.sim.now.Milliseconds()+1, n.id
	}
	n.plan, n.planAt = &p, 0
	e := simEntry{entry: &fsmpb.Entry{Commands: commands}, fence: n.raft.term}
	appendIt := func() {
		if n.raft.role != "leader" {
			return
		}
		if n.raft.term == e.fence {
			n.planAt = len(n.raft.log) + 1
		}
		n.append(e)
	}
	if n.sim.rng.IntN(4) > 0 {
		appendIt()
		return
	}
	n.after(n.sim.upTo(n.sim.lease), appendIt)
}

// decided is told of each entry as it's applied.
func (n *simNode) decided(index int) {
	if n.regent == nil || n.plan == nil || index != n.planAt {
		return
	}
	if n.regent.readyAt == 0 {
		n.regent.open(n.local(), n.owners)
	}
	n.regent.settle(*n.plan, n.owners)
	n.plan = nil
}

// pushRelease says that a planned move may go on, until that's known.
func (n *simNode) pushRelease() {
	for _, r := range n.resources() {
		if _, open := n.open[r.ID]; !open && r.Owner == n.id && r.Phase == fsm.Releasing {
			n.propose(released(r, n.id))
		}
	}
}

// propose sends a command to the leader, if it's known. It may be lost.
func (n *simNode) propose(c *fsmpb.Command) {
	c.AtMs, c.Node = n.sim.now.Milliseconds()+1, n.id
	switch {
	case n.raft.role == "leader":
		n.append(simEntry{entry: &fsmpb.Entry{Commands: []*fsmpb.Command{c}}})
	case n.raft.leader != "":
		n.send(n.raft.leader, msgPropose{c})
	}
}

// simStation is the station of the model: two RTUs, an uplink, the FNP endpoint.
func simStation(members []Member) *fsmpb.Configure {
	c := testStation(members)
	c.Retain = 16
	slices.SortFunc(c.Rtus, func(a, b *fsmpb.Configure_RTU) int { return int(a.Number) - int(b.Number) })
	return c
}
