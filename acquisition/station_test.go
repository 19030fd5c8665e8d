package acquisition

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFakeClosed = errors.New("node closed")

// station stands for the Raft group: one state, one log, and leases that the test gives and takes.
type station struct {
	mu      sync.Mutex
	state   *fsm.State
	index   uint64
	grown   chan struct{}
	queue   []*proposal
	work    chan struct{}
	delay   time.Duration // from proposal to commit
	stalled bool          // no quorum
	nodes   map[string]*fakeNode
	log     []*fsmpb.Command // all that was committed

	revision uint64 // of the resources, when tenures were last looked at
}

// proposal is a command on its way.
type proposal struct {
	node    string
	command *fsmpb.Command
	done    chan struct{}
	result  replica.Result
}

func (p *proposal) Done() <-chan struct{} { return p.done }

func (p *proposal) Result() (replica.Result, error) {
	<-p.done
	return p.result, nil
}

// newStation makes a station with fep1 and fep2, both with a lease, and RTUs with so many links a channel.
func newStation(t testing.TB, rtus map[uint32][]uint32) *station {
	s := &station{state: fsm.New(), grown: make(chan struct{}), work: make(chan struct{}, 1), delay: 2 * time.Millisecond,
		nodes: map[string]*fakeNode{}}
	c := &fsmpb.Configure{Digest: "test"}
	for host, id := range []string{"fep1", "fep2"} {
		s.nodes[id] = &fakeNode{station: s, id: id, lease: true, changed: make(chan struct{})}
		c.Nodes = append(c.Nodes, &fsmpb.Configure_Node{Id: id, Host: uint32(host + 1), Role: "fep"})
	}
	for n, links := range rtus {
		c.Rtus = append(c.Rtus, &fsmpb.Configure_RTU{Number: n, Links: links})
	}
	slices.SortFunc(c.Rtus, func(a, b *fsmpb.Configure_RTU) int { return int(a.Number) - int(b.Number) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.commit(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	s.do(t, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: c}})
	for id := range s.nodes {
		s.do(t, &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: id, Alive: true, Lease: true}}})
	}
	return s
}

// commit applies what was proposed, after a delay, as one entry.
func (s *station) commit(ctx context.Context) {
	for {
		select {
		case <-s.work:
		case <-ctx.Done():
			return
		}
		time.Sleep(s.delay)
		s.mu.Lock()
		if s.stalled || len(s.queue) == 0 {
			s.mu.Unlock()
			continue
		}
		batch := s.queue
		s.queue = nil
		e := &fsmpb.Entry{}
		for _, p := range batch {
			now := time.Now()
			p.command.AtMs, p.command.Node = now.UnixMilli(), p.node
			p.command.AtCp56 = iec104.NewCP56Time2a(now, time.UTC).Uint64()
			e.Commands = append(e.Commands, p.command)
			s.log = append(s.log, p.command)
		}
		s.index++
		results := s.state.Apply(s.index, e)
		for i, p := range batch {
			p.result = replica.Result{Result: results[i], Index: s.index}
			close(p.done)
		}
		close(s.grown)
		s.grown = make(chan struct{})
		s.refresh()
		s.mu.Unlock()
	}
}

// stall takes the quorum away, or gives it back.
func (s *station) stall(stalled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = stalled
	s.kick()
}

func (s *station) kick() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

func (s *station) propose(node string, c *fsmpb.Command) *proposal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enqueue(node, c)
}

func (s *station) enqueue(node string, c *fsmpb.Command) *proposal {
	p := &proposal{node: node, command: c, done: make(chan struct{})}
	s.queue = append(s.queue, p)
	s.kick()
	return p
}

// do has a command committed that must be right.
func (s *station) do(t testing.TB, c *fsmpb.Command) *fsmpb.Result {
	t.Helper()
	p := s.propose("wit", c)
	r, _ := p.Result()
	if r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
		t.Fatalf("%v: %v %s", c, r.Code, r.Message)
	}
	return r.Result
}

// assign gives an RTU to a node, as the leader does.
func (s *station) assign(t testing.TB, rtu uint32, node string) {
	t.Helper()
	var epoch uint64
	s.view(func(st *fsm.State) {
		r, _ := st.Resource(fsm.RTUResource(rtu))
		epoch = r.Epoch
	})
	s.do(t, &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: fsm.RTUResource(rtu), ExpectEpoch: epoch, Owner: node, Reason: "test"}}})
}

// move begins a planned move.
func (s *station) move(t testing.TB, rtu uint32, node string) {
	t.Helper()
	r := s.resource(rtu)
	s.do(t, &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: r.ID, ExpectEpoch: r.Epoch, To: node, Reason: "test"}}})
}

// kill takes a node's lease away and has it declared dead.
func (s *station) kill(t testing.TB, node string) {
	t.Helper()
	s.setLease(node, false)
	s.do(t, &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: node}}})
}

func (s *station) setLease(node string, lease bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[node].lease = lease
	s.refresh()
}

func (s *station) view(f func(*fsm.State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.state)
}

func (s *station) resource(rtu uint32) (r fsm.Resource) {
	s.view(func(st *fsm.State) { r, _ = st.Resource(fsm.RTUResource(rtu)) })
	return r
}

func (s *station) links(rtu uint32, node string) (l []fsm.Link) {
	s.view(func(st *fsm.State) { l = st.Links(rtu, node) })
	return l
}

func (s *station) point(rtu uint32, kind fsm.Kind, n uint32) (p fsm.Point) {
	s.view(func(st *fsm.State) { p, _ = st.Point(fsm.PointKey{RTU: rtu, Kind: kind, Point: n}) })
	return p
}

// events are the journal's events of points, without audit events.
func (s *station) events() (events []fsm.Event) {
	s.view(func(st *fsm.State) {
		for _, e := range st.ReadJournal(0, make([]fsm.Event, st.JournalLast())) {
			if e.Note == nil {
				events = append(events, e)
			}
		}
	})
	return events
}

func (s *station) control(id string) (c fsm.Control) {
	s.view(func(st *fsm.State) { c, _ = st.Control(id) })
	return c
}

// refresh ends the tenures that hold no longer. mu is held.
func (s *station) refresh() {
	var resources []fsm.Resource
	if rev := s.state.Revisions().Resources; rev != s.revision {
		s.revision, resources = rev, s.state.Resources()
	}
	for _, n := range s.nodes {
		for _, t := range n.tenures {
			if !n.holds(t.resource, t.epoch) {
				t.end()
			}
		}
		for _, r := range resources {
			n.release(r.ID)
		}
		close(n.changed)
		n.changed = make(chan struct{})
	}
}

// fakeNode is one node's view of the station.
type fakeNode struct {
	replica.Owner
	*station
	id      string
	lease   bool
	asleep  bool // tenures end without anyone being told
	stuck   bool // only OnEnd tells of the end of a tenure
	closed  bool
	tenures []*fakeTenure // not closed
	changed chan struct{}
}

func (n *fakeNode) holds(resource string, epoch uint64) bool {
	r, ok := n.state.Resource(resource)
	return ok && n.lease && r.Owner == n.id && r.Phase == fsm.Owned && r.Epoch == epoch
}

// release says that the node has closed what it was asked to, once it has.
func (n *fakeNode) release(resource string) {
	r, _ := n.state.Resource(resource)
	open := slices.ContainsFunc(n.tenures, func(t *fakeTenure) bool { return t.resource == resource })
	if r.Owner == n.id && r.Phase == fsm.Releasing && !open {
		n.enqueue(n.id, &fsmpb.Command{Op: &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: r.ID, Epoch: r.Epoch, Node: n.id}}})
	}
}

func (n *fakeNode) Propose(ctx context.Context, c *fsmpb.Command) (replica.Result, error) {
	p := n.propose(n.id, c)
	select {
	case <-p.done:
		return p.result, nil
	case <-ctx.Done():
		return replica.Result{}, ctx.Err()
	}
}

func (n *fakeNode) ProposeAsync(c *fsmpb.Command) Proposal { return n.propose(n.id, c) }

func (n *fakeNode) View(f func(*fsm.State)) { n.view(f) }

func (n *fakeNode) Applied() (uint64, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.index, n.grown
}

func (n *fakeNode) WaitApplied(context.Context, uint64) error { return nil }

func (n *fakeNode) WaitTenure(ctx context.Context, resource string) (Tenure, error) {
	for {
		n.mu.Lock()
		r, _ := n.state.Resource(resource)
		changed := n.changed
		if n.closed {
			n.mu.Unlock()
			return nil, errFakeClosed
		}
		if n.holds(resource, r.Epoch) {
			t := &fakeTenure{node: n, resource: resource, epoch: r.Epoch, done: make(chan struct{}), onEnd: map[int]func(){}}
			n.tenures = append(n.tenures, t)
			n.mu.Unlock()
			return t, nil
		}
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fakeTenure ends when its node doesn't hold it any more.
type fakeTenure struct {
	replica.Tenure
	node     *fakeNode
	resource string
	epoch    uint64
	done     chan struct{}
	onEnd    map[int]func()
	next     int
	over     atomic.Bool
}

func (t *fakeTenure) Epoch() uint64         { return t.epoch }
func (t *fakeTenure) Done() <-chan struct{} { return t.done }

func (t *fakeTenure) Check() error {
	if t.over.Load() {
		return errors.New("over")
	}
	return nil
}

func (t *fakeTenure) end() {
	if t.over.Swap(true) {
		return
	}
	if t.node.asleep {
		return
	}
	for _, f := range t.onEnd {
		f()
	}
	if !t.node.stuck {
		close(t.done)
	}
}

func (t *fakeTenure) OnEnd(f func()) (cancel func()) {
	t.node.mu.Lock()
	defer t.node.mu.Unlock()
	if t.over.Load() {
		f()
		return func() {}
	}
	t.next++
	n := t.next
	t.onEnd[n] = f
	return func() {
		t.node.mu.Lock()
		defer t.node.mu.Unlock()
		delete(t.onEnd, n)
	}
}

func (t *fakeTenure) Close() {
	t.node.mu.Lock()
	defer t.node.mu.Unlock()
	t.node.tenures = slices.DeleteFunc(t.node.tenures, func(o *fakeTenure) bool { return o == t })
	t.node.release(t.resource)
}
