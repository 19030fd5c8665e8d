package forwarder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/replica"
)

// fakeCluster is a cluster in memory: one state that all nodes see at once. What takes time in a real one (a commit, a
// lease) takes time or fails here when a test says so.
type fakeCluster struct {
	mu      sync.RWMutex
	state   *fsm.State
	index   uint64
	grown   chan struct{}
	latency time.Duration // of a commit
	lost    bool          // no leader: nothing is committed until it's back
	back    chan struct{} // closed when lost ends
	tenures []*fakeTenure
	batches map[uint32]uint64
	asleep  bool               // watchdogs don't run: only who asks a tenure hears of its end
	witness func(s *fsm.State) // sees the state after each command
}

var configuration = &fsmpb.Configure{
	Digest: "test", Retain: 100_000,
	Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
	Rtus:  []*fsmpb.Configure_RTU{{Number: 1, Name: "one", Links: []uint32{1}}, {Number: 2, Name: "two", Links: []uint32{1}}},
}

// newCluster makes a station whose uplink "occ" has the groups given, and whose RTUs are fep1's.
func newCluster(t testing.TB, mode fsmpb.Configure_Mode, groups ...string) *fakeCluster {
	c := &fakeCluster{state: fsm.New(), grown: make(chan struct{}), batches: map[uint32]uint64{}}
	cfg := &fsmpb.Configure{Digest: configuration.Digest, Retain: configuration.Retain, Nodes: configuration.Nodes, Rtus: configuration.Rtus}
	for _, g := range groups {
		cfg.Groups = append(cfg.Groups, &fsmpb.Configure_Group{Uplink: "occ", Group: g, Mode: mode})
	}
	c.must(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
	for _, n := range []string{"fep1", "fep2", "wit"} {
		c.must(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: n, Alive: true, Lease: true}}})
	}
	for _, rtu := range []uint32{1, 2} {
		c.must(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: fsm.RTUResource(rtu), Owner: "fep1", Reason: "start"}}})
	}
	return c
}

// apply has a command applied at once.
func (c *fakeCluster) apply(node string, cmd *fsmpb.Command) replica.Result {
	cmd.Node, cmd.AtMs = node, time.Now().UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	r := c.state.Apply(c.index, &fsmpb.Entry{Commands: []*fsmpb.Command{cmd}})[0]
	close(c.grown)
	c.grown = make(chan struct{})
	for _, t := range slices.Clone(c.tenures) {
		t.watch(c.state)
	}
	c.release()
	if c.witness != nil {
		c.witness(c.state)
	}
	return replica.Result{Result: r, Index: c.index}
}

// release says for each node that it has released what it was asked to, once nothing runs under a tenure there. c.mu is
// held.
func (c *fakeCluster) release() {
	for _, r := range c.state.Resources() {
		if r.Phase != fsm.Releasing || slices.ContainsFunc(c.tenures, func(t *fakeTenure) bool { return t.resource == r.ID && t.n.id == r.Owner }) {
			continue
		}
		c.index++
		c.state.Apply(c.index, &fsmpb.Entry{Commands: []*fsmpb.Command{{Node: r.Owner, AtMs: time.Now().UnixMilli(),
			Op: &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: r.ID, Epoch: r.Epoch, Node: r.Owner}}}}})
		close(c.grown)
		c.grown = make(chan struct{})
	}
}

func (c *fakeCluster) must(t testing.TB, node string, cmd *fsmpb.Command) replica.Result {
	t.Helper()
	r := c.apply(node, cmd)
	if r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
		t.Fatalf("%v: %v %s", cmd, r.Code, r.Message)
	}
	return r
}

func (c *fakeCluster) view(read func(s *fsm.State)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	read(c.state)
}

// values is a batch of an RTU's owner.
func (c *fakeCluster) values(t testing.TB, rtu uint32, items ...*fsmpb.Item) {
	t.Helper()
	var epoch uint64
	c.view(func(s *fsm.State) {
		r, _ := s.Resource(fsm.RTUResource(rtu))
		epoch = r.Epoch
	})
	c.mu.Lock()
	c.batches[rtu]++
	batch := c.batches[rtu]
	c.mu.Unlock()
	c.must(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: rtu, Epoch: epoch, Batch: batch, Items: items}}})
}

// di is an event of a digital point, told apart by its time tag.
func di(point uint32, value float64, n uint64) *fsmpb.Item {
	return &fsmpb.Item{Kind: fsmpb.Kind_DI, Point: point, Type: 30, Value: value, Time: tag(n), TimeMs: int64(n)}
}

// tag is a valid time tag with a number in it: ms and minutes of 1 January 2026.
func tag(n uint64) uint64 {
	ms, minutes := n%60_000, n/60_000
	return ms | minutes%60<<16 | minutes/60<<24 | 1<<32 | 1<<40 | 26<<48
}

// numberOf is the inverse of tag.
func numberOf(t iec104.CP56Time2a) uint64 {
	return uint64(t[0]) | uint64(t[1])<<8 + 60_000*uint64(t[2]&0x3f) + 3_600_000*uint64(t[3]&0x1f)
}

func ai(point uint32, value float64) *fsmpb.Item {
	return &fsmpb.Item{Kind: fsmpb.Kind_AI, Point: point, Type: 13, Value: value, Time: tag(1), TimeMs: 1, Mode: fsmpb.Item_IMAGE}
}

func (c *fakeCluster) setLatency(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latency = d
}

// setLeader takes the leader away, or gives it back.
func (c *fakeCluster) setLeader(there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there == !c.lost {
		return
	}
	if c.lost = !there; c.lost {
		c.back = make(chan struct{})
	} else {
		close(c.back)
	}
}

// fakeNode is one member.
type fakeNode struct {
	replica.Owner
	c  *fakeCluster
	id string

	mu      sync.Mutex
	lease   error
	ended   bool            // the process was killed: nothing it proposes is committed any more
	queue   chan *fakeAsync // in order
	workers sync.WaitGroup
}

func (c *fakeCluster) node(t testing.TB, id string) *fakeNode {
	n := &fakeNode{c: c, id: id, queue: make(chan *fakeAsync, 10_000)}
	n.workers.Go(func() {
		for p := range n.queue {
			p.result, p.err = n.Propose(context.Background(), p.cmd)
			close(p.done)
		}
	})
	t.Cleanup(func() {
		c.setLeader(true)
		close(n.queue)
		n.workers.Wait()
	})
	return n
}

func (n *fakeNode) ID() string                   { return n.id }
func (n *fakeNode) View(read func(s *fsm.State)) { n.c.view(read) }

func (n *fakeNode) Applied() (uint64, <-chan struct{}) {
	n.c.mu.RLock()
	defer n.c.mu.RUnlock()
	return n.c.index, n.c.grown
}

func (n *fakeNode) WaitApplied(context.Context, uint64) error { return nil }

func (n *fakeNode) Propose(ctx context.Context, cmd *fsmpb.Command) (replica.Result, error) {
	for {
		n.c.mu.RLock()
		lost, back, latency := n.c.lost, n.c.back, n.c.latency
		n.c.mu.RUnlock()
		if n.isKilled() {
			return replica.Result{}, replica.ErrClosed
		}
		if !lost {
			time.Sleep(latency)
			return n.c.apply(n.id, cmd), nil
		}
		select {
		case <-ctx.Done():
			return replica.Result{}, fmt.Errorf("%w: %w", replica.ErrNoLeader, ctx.Err())
		case <-back:
		}
	}
}

type fakeAsync struct {
	cmd    *fsmpb.Command
	done   chan struct{}
	result replica.Result
	err    error
}

func (n *fakeNode) ProposeAsync(cmd *fsmpb.Command) Proposal {
	p := &fakeAsync{cmd: cmd, done: make(chan struct{})}
	n.queue <- p
	return p
}

func (p *fakeAsync) Done() <-chan struct{} { return p.done }

func (p *fakeAsync) Result() (replica.Result, error) {
	<-p.done
	return p.result, p.err
}

func (n *fakeNode) CheckLease() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lease
}

// setLease ends or renews the lease, and with it the node's tenures.
func (n *fakeNode) setLease(err error) {
	n.mu.Lock()
	n.lease = err
	n.mu.Unlock()
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	for _, t := range slices.Clone(n.c.tenures) {
		t.watch(n.c.state)
	}
}

// kill ends the process: it writes and proposes nothing any more.
func (n *fakeNode) kill() {
	n.mu.Lock()
	n.ended = true
	n.mu.Unlock()
	n.setLease(errors.New("killed"))
}

func (n *fakeNode) isKilled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended
}

type fakeTenure struct {
	replica.Tenure
	n        *fakeNode
	resource string
	epoch    uint64

	mu    sync.Mutex
	err   error
	onEnd []func()
}

func (n *fakeNode) WaitTenure(ctx context.Context, resource string) (Tenure, error) {
	for {
		_, grown := n.Applied()
		if err := n.CheckLease(); err == nil {
			n.c.mu.Lock()
			r, _ := n.c.state.Resource(resource)
			if r.Owner == n.id && r.Phase == fsm.Owned {
				t := &fakeTenure{n: n, resource: resource, epoch: r.Epoch}
				n.c.tenures = append(n.c.tenures, t)
				n.c.mu.Unlock()
				return t, nil
			}
			n.c.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-grown:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// watch ends the tenure if the state or the lease says so.
func (t *fakeTenure) watch(s *fsm.State) {
	r, _ := s.Resource(t.resource)
	err := t.n.CheckLease()
	if err == nil && (r.Owner != t.n.id || r.Epoch != t.epoch || r.Phase != fsm.Owned) {
		err = replica.ErrEpochEnded
	}
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
		if t.n.c.asleep {
			return
		}
		for _, f := range t.onEnd {
			f()
		}
	}
}

func (t *fakeTenure) Epoch() uint64 { return t.epoch }

func (t *fakeTenure) Check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *fakeTenure) OnEnd(f func()) (cancel func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		f()
	}
	t.onEnd = append(t.onEnd, f)
	return func() {}
}

func (t *fakeTenure) Close() {
	t.n.c.mu.Lock()
	defer t.n.c.mu.Unlock()
	t.n.c.tenures = slices.DeleteFunc(t.n.c.tenures, func(o *fakeTenure) bool { return o == t })
	t.n.c.release()
}

// patience is for machines with much else to do: nothing that's tested takes so long.
const patience = 15 * time.Second

// eventually waits for a condition, as long as patience lasts.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
