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
	resources map[string]bool
}

func newDeclaration(c *fsmpb.Configure) *declaration {
	return &declaration{c, c.GetDigest(), declaredBy(c)}
}

// declarations are this node's own configuration, and what it makes of the one in force if that is another.
type declarations struct {
	state *stateMachine

	mu   sync.Mutex // taken after stateMachine.mu
	own  *declaration
	kept keptOwn
}

// keptOwn says that the node goes on with its own configuration although the group has the files of another one.
type keptOwn struct {
	inForce string // digest of the other one; "": it doesn't
	owns    bool   // it may own all the same: what differs concerns no resource
}

func newDeclarations(state *stateMachine, own *fsmpb.Configure) *declarations {
	return &declarations{state: state, own: newDeclaration(own)}
}

// run takes note that the node runs another configuration from now on.
func (d *declarations) run(c *fsmpb.Configure) {
	next := newDeclaration(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.own, d.kept = next, keptOwn{}
}

// keep takes note that it doesn't run the one in force, and won't.
func (d *declarations) keep(inForce string, owns bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = keptOwn{inForce, owns}
}

// now is this node's configuration.
func (d *declarations) now() *declaration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.own
}

// mayOwn tells whether the node may begin to own something: its configuration is the one in force, or the group doesn't have the
// files of that one, in which case each node is given what its own configuration has.
func (d *declarations) mayOwn(s *fsm.State) bool {
	v, known := s.FilesInForce()
	d.mu.Lock()
	defer d.mu.Unlock()
	return !known || v.Digest == d.own.digest || v.Digest == d.kept.inForce && d.kept.owns
}

// mayPropose tells whether the node's own configuration may be put in force, since its files were changed where a running
// station can't change. Any other one it takes from the group.
func (d *declarations) mayPropose(s *fsm.State) bool {
	v, known := s.FilesInForce()
	d.mu.Lock()
	defer d.mu.Unlock()
	return !known || v.Digest == d.kept.inForce
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
	for _, e := range c.GetExports() {
		ids[fsm.ExportResource(e.GetName())] = true
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
