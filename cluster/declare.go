package cluster

import (
	"sync"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// declaration is a configuration as the state has to know it.
type declaration struct {
	configure *fsmpb.Configure
	digest    string
	stage     uint64 // that it was prepared in
	resources map[string]bool
}

func newDeclaration(c *fsmpb.Configure) *declaration {
	return &declaration{c, c.GetDigest(), c.GetStage(), declaredBy(c)}
}

// declarations are this node's own configuration, and another one that it's ready to take on.
type declarations struct {
	mu   sync.Mutex
	own  *declaration
	next *declaration // nil: none
}

// Prepare makes the node ready for another configuration, which is to complete its Stage: from the moment on at which the
// state has it, it's the node's own. The node, if it leads, would else have its former one put in force again. The last
// one prepared counts; members and lease stay what Start got.
func (n *Node) Prepare(c *fsmpb.Configure) {
	d := &n.declarations
	n.ownNow() // one that was prepared before may be in force already
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = newDeclaration(c)
}

// own is this node's configuration, given what the state looks like: if that has taken on the one that was prepared, it
// is that one.
func (n *Node) own(s *fsm.State) *declaration {
	d := &n.declarations
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next != nil && s.StageCompleted(d.next.stage, d.next.digest) {
		d.own, d.next = d.next, nil
	}
	return d.own
}

// ownNow is own with the state as it is now.
func (n *Node) ownNow() (own *declaration) {
	n.machine.view(func(s *fsm.State) { own = n.own(s) })
	return own
}

// declaredBy are the resources that a configuration declares.
func declaredBy(c *fsmpb.Configure) map[string]bool {
	ids := map[string]bool{}
	for _, r := range c.GetRtus() {
		ids[fsm.RTUResource(r.GetNumber())] = true
	}
	for _, g := range c.GetGroups() {
		ids[fsm.UplinkResource(g.GetUplink(), g.GetGroup())] = true
	}
	if c.GetFnp() {
		ids[fsm.FNPResource()] = true
	}
	return ids
}

// lacks are the resources of the state that a configuration doesn't have.
func (d *declaration) lacks(s *fsm.State) map[string]bool {
	lacks := map[string]bool{}
	for _, r := range s.Resources() {
		if !d.resources[r.ID] {
			lacks[r.ID] = true
		}
	}
	return lacks
}
