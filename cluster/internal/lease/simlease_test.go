package lease

import (
	"time"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// The model's counterpart of package cluster: messages in, messages out.

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
		term   uint64
		holder string
		sent   time.Duration
	}
	msgProbed struct {
		msgProbe
		supported bool
		applied   uint64
	}
	msgElapsed struct{ term uint64 }
	msgProof   struct {
		term  uint64
		proof Proof
	}
)

// The mutations. Two more, supporting a term that was left and taking a lease of one, need so many things to go wrong in
// one order that they're told as stories in lease_test.go.
const (
	noWait           mutation = "the successor doesn't wait"
	noStopTime       mutation = "the successor leaves no time to stop"
	noRateMargin     mutation = "the successor trusts clocks to run alike"
	fromAnswer       mutation = "the holder counts from the answer"
	noMinApplied     mutation = "the holder may not know what was taken from it"
	noBar            mutation = "leases are granted while a resource is being taken"
	noFence          mutation = "decisions of earlier terms count"
	forgetsAtRestart mutation = "a voter forgets what it supported"
	forgetsAtTerm    mutation = "a new leader forgets the leases of earlier terms"
	forgetsOwn       mutation = "a voter forgets what it asked for itself"
	forgetsHolder    mutation = "a voter forgets whose leases it supported"
)

func (n *simNode) leads(term uint64) bool {
	return n.leader != nil && n.raft.role == "leader" && n.raft.term == term
}

func (n *simNode) voters() []string {
	var ids []string
	for _, m := range n.members {
		ids = append(ids, m.ID)
	}
	return ids
}

func (n *simNode) beginTerm() {
	n.leader = NewLeaderCore(n.self, n.members, n.sim.lease, n.now(), n.campaigned)
	g := n.leader.grantor
	switch n.sim.broken {
	case noWait:
		g.wait = 0
	case noStopTime:
		g.wait -= stopTime
	case noRateMargin:
		g.wait = g.lease + stopTime
	case forgetsAtTerm:
		for _, id := range n.voters() {
			g.NoteElapsed(id, n.now(), Proof{Others: time.Hour, Own: time.Hour})
		}
	}
	if p, ok := n.local.Elapsed(n.raft.term); ok && n.sim.broken != forgetsAtTerm {
		n.NoteElapsed(n.id, p)
	}
	n.plan, n.waiting = &Plan{}, nil // until the mark is applied
	n.planAt = n.append(simEntry{fence: n.raft.term})
	n.tickTerm(n.raft.term)
}

func (n *simNode) NoteElapsed(from string, p Proof) {
	switch n.sim.broken {
	case forgetsOwn:
		p.Own = p.Others
	case forgetsHolder:
		p.Holders = nil
	}
	n.leader.grantor.NoteElapsed(from, n.now(), p)
}

// tickTerm is a leader's rhythm.
func (n *simNode) tickTerm(term uint64) {
	if !n.leads(term) {
		return
	}
	n.probe()
	if n.sim.broken != forgetsAtTerm {
		n.broadcast(msgElapsed{term})
	}
	n.decide()
	n.after(n.sim.lease/8, func() { n.tickTerm(term) })
}

func (n *simNode) probe() {
	n.probes++
	if n.probes%2 == 1 {
		n.broadcast(msgProbe{n.raft.term, n.leader.ProbeFor(n.voters()), n.now()})
	}
}

func (n *simNode) onProbed(from string, m msgProbed) {
	if !n.leads(m.term) {
		return
	}
	n.leader.Hear(n.now(), from, m.applied)
	if !m.supported {
		return
	}
	n.leader.grantor.NoteSupport(from, m.holder, m.sent)
	if g, ok := n.leader.GrantSelf(n.now(), m.sent, n.voters(), n.owners); ok {
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
	if leader := n.raft.leader; leader != "" && leader != n.id && n.self.FEP {
		n.send(leader, msgLease{term: n.raft.term, sent: n.now(), applied: uint64(n.raft.applied), life: n.life})
	}
}

func (n *simNode) onLease(from string, m msgLease) {
	if !n.leads(m.term) {
		return
	}
	m.from, m.received = from, n.now()
	n.leader.Hear(m.received, from, m.applied)
	n.answer(m)
}

func (n *simNode) answer(m msgLease) {
	g, now := n.leader.grantor, n.now()
	switch {
	case now > m.received+g.lease:
	case !g.Evident(m.received, m.from, n.voters()):
		n.waiting = append(n.waiting, m)
	case !n.local.Support(m.term, m.from) || g.Refusal(m.from) != "":
	default:
		a := msgLeased{term: m.term, sent: m.sent, minApplied: g.Grant(now, m.from, n.owners), life: m.life}
		if n.sim.broken == noMinApplied {
			a.minApplied = 0
		}
		n.send(m.from, a)
		n.decide()
	}
}

func (n *simNode) onLeased(m msgLeased) {
	if m.life == n.life {
		n.take(m.term, Grant{Sent: m.sent, MinApplied: m.minApplied})
	}
}

func (n *simNode) take(term uint64, g Grant) {
	if n.sim.broken == fromAnswer {
		g.Sent = n.now()
	}
	n.local.Accept(term, g)
}

// decide has the leader's decisions committed, one plan after the other.
func (n *simNode) decide() {
	if n.leader == nil || n.plan != nil || n.raft.role != "leader" {
		return
	}
	if n.state.Config().GetDigest() == "" {
		n.commit(Plan{}, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: simStation(n.members)}})
		return
	}
	p := n.leader.Decide(n.now(), n.state, n.voters(), uint64(n.raft.commit))
	if len(p.Decisions) == 0 {
		return
	}
	if n.sim.broken == noBar {
		n.leader.Finish(p, 0)
		p.barred = nil
	}
	commands := make([]*fsmpb.Command, len(p.Decisions))
	for i, d := range p.Decisions {
		n.sim.trace("%v %s decides in term %d: %v", n.sim.now, n.id, n.raft.term, d)
		commands[i] = d.Command()
	}
	n.commit(p, commands...)
}

// commit has Raft append a decision, at once or some time later: the goroutine that decided may be kept waiting, and by
// then the node may lead in another term.
func (n *simNode) commit(p Plan, commands ...*fsmpb.Command) {
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
	if n.leader == nil || n.plan == nil || index != n.planAt {
		return
	}
	if !n.leader.Ready() {
		n.leader.Open(n.now(), n.owners)
	}
	n.leader.Finish(*n.plan, n.owners)
	n.plan = nil
}

// pushRelease says that a planned move may go on, until that's known.
func (n *simNode) pushRelease() {
	for _, r := range n.resources() {
		if _, open := n.open[r.ID]; !open && r.Owner == n.id && r.Phase == fsm.Releasing {
			n.propose(&fsmpb.Command{Op: &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: r.ID, Epoch: r.Epoch, Node: n.id}}})
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
	var nodes []*fsmpb.Configure_Node
	for i, m := range members {
		role := "witness"
		if m.FEP {
			role = "fep"
		}
		nodes = append(nodes, &fsmpb.Configure_Node{Id: m.ID, Host: uint32(i + 1), Role: role})
	}
	c := clustertest.Station(nodes)
	c.Retain = 16
	return c
}
