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
	state *stateMachine

	mu   sync.Mutex // taken after stateMachine.mu
	own  *declaration
	next *declaration // nil: none
}

func newDeclarations(state *stateMachine, own, prepared *fsmpb.Configure) *declarations {
	d := &declarations{state: state, own: newDeclaration(own)}
	if prepared != nil {
		d.next = newDeclaration(prepared)
	}
	return d
}

// prepare takes another configuration as the one that's to be the node's own once the state has it.
func (d *declarations) prepare(c *fsmpb.Configure) {
	d.now() // one that was prepared before may be in force already
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = newDeclaration(c)
}

// in is this node's configuration, given what the state looks like: if that has taken on the one that was prepared, it is
// that one.
func (d *declarations) in(s *fsm.State) *declaration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next != nil && s.StageCompleted(d.next.stage, d.next.digest) {
		d.own, d.next = d.next, nil
	}
	return d.own
}

// now is this node's configuration with the state as it is now.
func (d *declarations) now() (own *declaration) {
	d.state.view(func(s *fsm.State) { own = d.in(s) })
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
