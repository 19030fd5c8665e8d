package replicatest

import (
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Apply commits a command of a node at once, whether there's a leader or not: before all that is on its way.
func (s *Station) Apply(node string, c *fsmpb.Command) replica.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := newProposal(node, c)
	s.commit([]*Proposal{p})
	return p.result
}

// Do is Apply of a command that the state must not refuse.
func (s *Station) Do(t testing.TB, node string, c *fsmpb.Command) replica.Result {
	t.Helper()
	r := s.Apply(node, c)
	if r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
		t.Fatalf("%v: %v %s", c, r.Code, r.Message)
	}
	return r
}

// SetAlive says that a node is alive, and a FEP has a lease, or neither, as the leader does.
func (s *Station) SetAlive(t testing.TB, node string, alive bool) {
	t.Helper()
	var n fsm.Node
	s.View(func(st *fsm.State) { n, _ = st.Node(node) })
	lease := alive && n.Role == string(replica.RoleFEP)
	s.Do(t, node, &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: node, Alive: alive, Lease: lease}}})
}

// Kill takes a node's lease away and says that it's dead.
func (s *Station) Kill(t testing.TB, node string) {
	t.Helper()
	s.Node(node).SetLease(false)
	s.SetAlive(t, node, false)
}

// Assign gives a resource to a node in a new epoch, as the leader does; to nobody if node is "".
func (s *Station) Assign(t testing.TB, resource, node string) {
	t.Helper()
	s.Do(t, "", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: resource, ExpectEpoch: s.Resource(resource).Epoch, Owner: node, Reason: "test",
	}}})
}

// Move begins a planned move.
func (s *Station) Move(t testing.TB, resource, to string) {
	t.Helper()
	s.Do(t, "", &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{
		Resource: resource, ExpectEpoch: s.Resource(resource).Epoch, To: to, Reason: "test",
	}}})
}

// Values is a batch of values of an RTU's owner.
func (s *Station) Values(t testing.TB, rtu uint32, items ...*fsmpb.Item) {
	t.Helper()
	r := s.Resource(fsm.RTUResource(rtu))
	s.mu.Lock()
	b := s.batches[r.ID] // RTUs that share their links number them together
	if b.epoch != r.Epoch {
		b = batch{epoch: r.Epoch}
	}
	b.number++
	s.batches[r.ID] = b
	s.mu.Unlock()
	s.Do(t, r.Owner, &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{
		Rtu: rtu, Epoch: b.epoch, Batch: b.number, Items: items,
	}}})
}

// Resource is a resource as the newest state has it.
func (s *Station) Resource(id string) (r fsm.Resource) {
	s.View(func(st *fsm.State) { r, _ = st.Resource(id) })
	return r
}

// Control is a control as the newest state has it.
func (s *Station) Control(id string) (c fsm.Control) {
	s.View(func(st *fsm.State) { c, _ = st.Control(id) })
	return c
}

// Point is a point's newest value as the newest state has it.
func (s *Station) Point(rtu uint32, kind fsm.Kind, number uint32) (p fsm.Point) {
	s.View(func(st *fsm.State) { p, _ = st.Point(fsm.PointKey{RTU: rtu, Kind: kind, Point: number}) })
	return p
}

// Events are the journal's events.
func (s *Station) Events() (events []fsm.Event) {
	s.View(func(st *fsm.State) {
		events = st.ReadJournal(0, make([]fsm.Event, st.JournalEvents()))
	})
	return events
}
