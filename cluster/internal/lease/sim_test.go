package lease

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// sim is a station in virtual time. Everything that happens follows from its seed: delays, losses, cuts, pauses,
// crashes, and the rates of the nodes' clocks. The nodes run this package's own cores (support, holder, the leader core with
// grantor and placement) and the real state machine over an abstract Raft.
type sim struct {
	rng    *rand.Rand
	now    time.Duration // true time
	queue  simQueue
	serial int
	nodes  []*simNode
	lease  time.Duration // as it's configured
	// election is the shortest silence of a leader after which a node campaigns; the longest is twice that. Where it's
	// much shorter than a lease, leaders change while leases are valid and messages of several terms are under way.
	election time.Duration
	broken   mutation // what's left out of the protocol, to see that the model notices

	cut    map[[2]string]bool
	loss   float64
	slow   time.Duration // largest delay of a message
	failed error         // two nodes drove one resource
	trace  func(format string, args ...any)
}

// three are the members of an ordinary station.
var three = []Member{{ID: "fep1", FEP: true}, {ID: "fep2", FEP: true}, {ID: "wit"}}

// mutation is a known mistake.
type mutation string

type simEvent struct {
	at     time.Duration
	serial int
	node   *simNode // nil: the world
	life   int      // of the node: what was scheduled before a crash doesn't happen
	do     func()
}

type simQueue []*simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(*simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func newSim(seed uint64, broken mutation) *sim {
	s := &sim{
		rng: rand.New(rand.NewPCG(seed, 1)), broken: broken, lease: 500 * time.Millisecond,
		cut: map[[2]string]bool{}, slow: 5 * time.Millisecond, trace: func(string, ...any) {},
	}
	s.election = []time.Duration{60, 120, 300}[s.rng.IntN(3)] * time.Millisecond
	members := three
	if seed%4 == 3 {
		members = append(members[:3:3],
			Member{ID: "fep3", FEP: true}, Member{ID: "wit2"})
	}
	for _, m := range members {
		s.nodes = append(s.nodes, &simNode{sim: s, id: m.ID, self: m, members: members, rate: s.drawRate()})
	}
	for _, n := range s.nodes {
		n.boot()
	}
	return s
}

// drawRate draws how fast a clock runs: often at the edge of what's allowed, where mistakes show.
func (s *sim) drawRate() float64 {
	switch s.rng.IntN(4) {
	case 0:
		return 1 - clockRatePercent/100.0
	case 1:
		return 1 + clockRatePercent/100.0
	}
	return 1 + clockRatePercent/100.0*(2*s.rng.Float64()-1)
}

// upTo draws a duration.
func (s *sim) upTo(d time.Duration) time.Duration { return time.Duration(s.rng.Int64N(int64(d))) }

func (s *sim) at(when time.Duration, n *simNode, do func()) {
	s.serial++
	e := &simEvent{at: when, serial: s.serial, node: n, do: do}
	if n != nil {
		e.life = n.life
	}
	heap.Push(&s.queue, e)
}

// run goes on until a true time, or until a node fails.
func (s *sim) run(until time.Duration) {
	for s.failed == nil && len(s.queue) > 0 && s.queue[0].at <= until {
		e := heap.Pop(&s.queue).(*simEvent)
		s.now = e.at
		switch n := e.node; {
		case n == nil:
			e.do()
		case !n.up || n.life != e.life:
		case n.paused:
			n.backlog = append(n.backlog, e.do)
		default:
			e.do()
			n.review()
		}
	}
	s.now = max(s.now, until)
}

// simNode is a node.
type simNode struct {
	sim     *sim
	id      string
	self    Member
	members []Member
	raft    simRaft

	up, paused bool
	life       int // counts its starts
	backlog    []func()
	rate       float64       // of its clock
	origin     time.Duration // true time at which its clock shows 0

	state   *fsm.State
	listed  []fsm.Resource // of state, at the revision
	listRev uint64
	owners  uint64
	local   *Local
	lease   View
	waiting []msgLease // requests without evidence yet, by received

	leader     *LeaderCore
	plan       *Plan // under way
	planAt     int
	probes     int
	campaigned time.Duration
	open       map[string]uint64 // resources whose links are open, with their epoch
}

// now reads the node's clock.
func (n *simNode) now() time.Duration { return n.localAt(n.sim.now) }

func (n *simNode) localAt(t time.Duration) time.Duration {
	return time.Duration(float64(t-n.origin) * n.rate)
}

// after does something after a local duration.
func (n *simNode) after(d time.Duration, do func()) {
	n.sim.at(n.sim.now+time.Duration(float64(d)/n.rate), n, do)
}

func (n *simNode) boot() {
	n.life++
	n.up, n.paused, n.backlog = true, false, nil
	n.origin = n.sim.now - n.sim.upTo(time.Hour)
	n.raft = simRaft{term: n.raft.term, voted: n.raft.voted, log: n.raft.log, role: "follower"}
	n.state, n.owners, n.open, n.lease = fsm.New(), 0, map[string]uint64{}, View{}
	n.waiting, n.leader, n.plan, n.listRev = nil, nil, nil, 0
	n.local = NewLocal(n.now, ValidFor(n.sim.lease), 0, func() uint64 { return n.raft.term }, func(l View) { n.lease = l })
	if n.sim.broken == forgetsAtRestart {
		n.local.others, n.local.own, n.local.start = newSupport(-time.Hour), newSupport(-time.Hour), -time.Hour
	}
	n.drawLimit()
	n.after(n.sim.upTo(n.sim.election), n.tickRaft)
	n.after(n.sim.upTo(n.sim.lease/4), n.tickLease)
}

// send gives a message to the network.
func (n *simNode) send(to string, m any) {
	s := n.sim
	if s.cut[[2]string{n.id, to}] || s.rng.Float64() < s.loss {
		return
	}
	delay := 100*time.Microsecond + s.upTo(s.slow)
	for _, peer := range s.nodes {
		if peer.id == to {
			from := n.id
			s.at(s.now+delay, peer, func() { peer.receive(from, m) })
		}
	}
}

func (n *simNode) broadcast(m any) {
	for _, peer := range n.sim.nodes {
		if peer.id != n.id {
			n.send(peer.id, m)
		}
	}
}

func (n *simNode) receive(from string, m any) {
	switch m := m.(type) {
	case msgVote:
		n.onVote(from, m)
	case msgAppend:
		n.onAppend(from, m)
	case msgAppended:
		n.onAppended(from, m)
	case msgPropose:
		if n.raft.role == "leader" {
			n.append(simEntry{entry: &fsmpb.Entry{Commands: []*fsmpb.Command{m.command}}})
		}
	case msgLease:
		n.onLease(from, m)
	case msgLeased:
		n.onLeased(m)
	case msgProbe:
		n.send(from, msgProbed{m, n.local.Support(m.term, m.holder), uint64(n.raft.applied)})
	case msgProbed:
		n.onProbed(from, m)
	case msgElapsed:
		if p, ok := n.local.Elapsed(m.term); ok {
			n.send(from, msgProof{m.term, p})
		}
	case msgProof:
		if n.leads(m.term) {
			n.NoteElapsed(from, m.proof)
		}
	}
}

// apply applies what's committed.
func (n *simNode) apply() {
	r := &n.raft
	for r.applied < r.commit {
		e := r.log[r.applied]
		r.applied++
		index := uint64(r.applied)
		before := n.state.Revisions().Resources
		if e.entry == nil || e.fence != 0 && e.fence != e.term && n.sim.broken != noFence {
			e.entry = &fsmpb.Entry{}
		}
		n.state.Apply(index, e.entry)
		if n.state.Revisions().Resources != before {
			n.owners = index
		}
		n.closeLost()
		n.local.AppliedTo(index)
		n.decided(r.applied)
	}
	n.decide()
}

// resources lists what the state has; making the list anew each time is most of what a run would cost.
func (n *simNode) resources() []fsm.Resource {
	if rev := n.state.Revisions().Resources + 1; n.listRev != rev {
		n.listed, n.listRev = n.state.Resources(), rev
	}
	return n.listed
}

// closeLost closes links that the state no longer lets this node run, some time later.
func (n *simNode) closeLost() {
	for _, r := range n.resources() {
		r := r
		epoch, open := n.open[r.ID]
		if open && (r.Owner != n.id || r.Phase != fsm.Owned || r.Epoch != epoch) {
			n.after(n.sim.upTo(stopTime/2), func() {
				if n.open[r.ID] == epoch {
					delete(n.open, r.ID)
				}
			})
		}
	}
}

// drives tells whether the node may be writing to a resource's links at this instant: they're open, and its lease has
// not ended for as long as it may take to close them.
func (n *simNode) drives(id string) bool {
	_, open := n.open[id]
	return n.up && open && n.sim.now < n.trueTime(n.lease.Until)+stopTime
}

func (n *simNode) trueTime(local time.Duration) time.Duration {
	return n.origin + time.Duration(float64(local)/n.rate)
}

// review opens and closes links after each event, and checks whether anyone else drives the same.
func (n *simNode) review() {
	valid := n.now() < n.lease.Until
	for _, r := range n.resources() {
		epoch, open := n.open[r.ID]
		owned := r.Owner == n.id && r.Phase == fsm.Owned
		switch {
		case open && !n.drives(r.ID):
			delete(n.open, r.ID)
		case !open && owned && valid:
			n.open[r.ID] = r.Epoch
			n.sim.trace("%v %s opens %s in epoch %d", n.sim.now, n.id, r.ID, r.Epoch)
		case open && owned && valid && epoch != r.Epoch:
			n.open[r.ID] = r.Epoch
		}
		if !n.drives(r.ID) {
			continue
		}
		for _, m := range n.sim.nodes {
			if m != n && m.drives(r.ID) && n.sim.failed == nil {
				n.sim.failed = fmt.Errorf("at %v %s (epoch %d) and %s (epoch %d) both drive %s", n.sim.now, n.id, n.open[r.ID], m.id, m.open[r.ID], r.ID)
			}
		}
	}
}
