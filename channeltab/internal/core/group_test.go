package core

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// simGroup is a centre of three nodes around a log that stands for Raft's.
type simGroup struct {
	w         *world
	id        chantable.ID
	nodes     []*simNode
	byAddress map[netip.AddrPort]*simNode
	addresses []netip.AddrPort
	log       []chantable.Command
	leader    *simNode // nil: none
	term      uint64
	commit    time.Duration // until a proposal is committed
	lag       time.Duration // until another node applies it
}

type simNode struct {
	g       *simGroup
	name    string
	address netip.AddrPort
	setup   CentreSetup
	core    *Centre // nil: not running
	table   *chantable.Table
	applied int
	results map[int][]chantable.Result
	paused  bool
}

func (w *world) centre(id chantable.ID, level uint8, mutate func(*CentreSetup)) *simGroup {
	g := &simGroup{w: w, id: id, byAddress: map[netip.AddrPort]*simNode{}, commit: 2 * time.Millisecond, lag: 5 * time.Millisecond}
	places := map[string]netip.AddrPort{}
	for i := range 3 {
		n := &simNode{g: g, name: fmt.Sprintf("node%d", i+1), table: chantable.New(), results: map[int][]chantable.Result{}}
		n.address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, byte(id), byte(i + 1)}), 7400)
		places[n.name] = n.address
		g.nodes = append(g.nodes, n)
		g.byAddress[n.address] = n
		g.addresses = append(g.addresses, n.address)
	}
	for _, n := range g.nodes {
		n.setup = CentreSetup{
			ID: id, Level: level, Name: fmt.Sprintf("centre %d", id), Node: n.name, Nodes: places,
			Multicast: netip.MustParseAddrPort("239.1.2.3:7400"), Timing: w.timing, Codec: w.codec(),
			Since: func(table, version uint64) chantable.Page { return n.table.Since(table, version) },
		}
		if mutate != nil {
			mutate(&n.setup)
		}
		n.begin()
	}
	w.groups = append(w.groups, g)
	if w.group == nil {
		w.group = g
	}
	g.elect(g.nodes[0])
	return g
}

// describe tells what a command does to the table as it is committed.
func (g *simGroup) describe(c chantable.Command) string {
	t := chantable.New()
	for _, c := range g.log[:len(g.log)-1] {
		t.Apply(c)
	}
	text := ""
	for i, r := range t.Apply(c) {
		ch := c.Changes[i]
		switch ch.Kind {
		case chantable.Register:
			text += fmt.Sprintf(" register %d (cn %d)", ch.Claim.ID, ch.Claim.CN)
		case chantable.Leave:
			text += fmt.Sprintf(" leave %d", ch.Claim.ID)
		case chantable.Expire:
			text += fmt.Sprintf(" expire %d", ch.ID)
		case chantable.Remove:
			text += fmt.Sprintf(" remove %d", ch.ID)
		case chantable.RivalGone:
			text += fmt.Sprintf(" rival of %d gone", ch.ID)
		case chantable.Adopt:
			text += fmt.Sprintf(" adopt %d (cn %d)", ch.Entry.ID, ch.Entry.CN)
		case chantable.Renew:
			text += " renew"
		}
		text += fmt.Sprintf(": %s", r.Outcome)
		if r.CN != 0 {
			text += fmt.Sprintf(" cn %d", r.CN)
		}
		text += fmt.Sprintf(" version %d;", r.Version)
	}
	return text
}

// table is what has been committed.
func (g *simGroup) table() *chantable.Table {
	t := chantable.New()
	for _, c := range g.log {
		t.Apply(c)
	}
	return t
}

// elect makes a node leader once it has applied all that was committed; nil: nobody leads.
func (g *simGroup) elect(n *simNode) {
	g.term++
	g.leader = n
	if n != nil {
		n.apply(len(g.log))
	}
	for _, m := range g.nodes {
		if m.core != nil {
			m.core.Changed(g.w.now)
			m.core.Led(g.w.now, g.seenBy(m))
			m.work()
		}
	}
}

// electAny ends a time without a leader, or with one that is paused, if a node is there to lead.
func (g *simGroup) electAny() {
	if g.leader != nil && !g.leader.paused {
		return
	}
	for _, n := range g.nodes {
		if n.core != nil && !n.paused {
			g.elect(n)
			return
		}
	}
}

func (g *simGroup) seenBy(n *simNode) Leader {
	if g.leader == nil {
		return Leader{}
	}
	return Leader{Node: g.leader.name, Self: g.leader == n, Term: g.term}
}

// propose commits a command unless leadership changes before; then it may have been committed or not.
func (g *simGroup) propose(n *simNode, c chantable.Command) {
	term, core := g.term, n.core
	finish := func(r []chantable.Result, err error) {
		if n.core == core && core != nil {
			core.Proposed(g.w.now, r, err)
			n.work()
		}
	}
	if g.leader != n {
		g.w.after(time.Millisecond, func() { finish(nil, errors.New("not the leader")) })
		return
	}
	reached := g.w.rand.IntN(2) == 0 // what a leader that is lost had got out
	committed := false
	add := func() int {
		committed = true
		g.log = append(g.log, c)
		if g.w.note != nil {
			g.w.tell("committed:%s", g.describe(c))
		}
		index := len(g.log)
		for _, m := range g.nodes {
			if m != n {
				g.w.after(g.lag, func() { m.catchUp(index) })
			}
		}
		return index
	}
	g.w.after(g.commit/2, func() {
		if g.term == term && reached {
			add()
		}
	})
	g.w.after(g.commit, func() {
		if g.term != term || n.core == nil {
			g.w.after(time.Second, func() { finish(nil, errors.New("leadership lost")) })
			return
		}
		index := len(g.log)
		if !committed {
			index = add()
		}
		n.catchUp(index)
		// The entry may have been added before others: its results are those of its own index.
		for i := range g.log {
			if &g.log[i].Changes[0] == &c.Changes[0] {
				finish(n.results[i+1], nil)
				return
			}
		}
	})
}

func (n *simNode) catchUp(index int) {
	n.apply(index)
	if n.core != nil {
		n.core.Changed(n.g.w.now)
		n.work()
	}
}

func (n *simNode) apply(index int) {
	for n.applied < index {
		n.results[n.applied+1] = n.table.Apply(n.g.log[n.applied])
		n.applied++
	}
}

// begin starts the node's process; its table is on its disk.
func (n *simNode) begin() {
	n.setup.Rand = n.g.w.newRand()
	n.core = NewCentre(n.g.w.now, n.setup)
	n.core.Changed(n.g.w.now)
	n.core.Led(n.g.w.now, n.g.seenBy(n))
	core := n.core
	var tick func()
	tick = func() {
		if n.core != core {
			return
		}
		if !n.paused {
			core.Tick(n.g.w.now)
			n.work()
		}
		n.g.w.after(n.setup.Timing.Tick, tick)
	}
	tick()
}

func (n *simNode) crash() {
	n.core = nil
	if n.g.leader == n {
		n.g.elect(nil)
	}
}

func (n *simNode) receive(from netip.AddrPort, multicast bool, b []byte) {
	if n.core != nil && !n.paused {
		n.core.Receive(n.g.w.now, from, multicast, b)
		n.work()
	}
}

func (n *simNode) work() {
	c := n.core
	out, proposal := c.Out, c.Proposal
	c.Out, c.Proposal = nil, nil
	n.g.w.carry(n.address, out)
	if proposal != nil {
		n.g.propose(n, *proposal)
	}
}
