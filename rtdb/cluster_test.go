package rtdb

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// fakeCluster is a group in memory: one log, and a state of its own for each node, which may lag.
type fakeCluster struct {
	mu      sync.Mutex
	leader  *fsm.State // always newest
	log     []*fsmpb.Command
	nodes   []*fakeNode
	batches map[uint32]uint64 // newest batch of each RTU in its epoch
	epochs  map[uint32]uint64
	lost    bool // no leader
	back    chan struct{}
	clock   func() time.Time
}

// newCluster makes a station of two FEPs that knows these RTUs, with two channels of one and two links.
func newCluster(t testing.TB, rtus ...uint32) *fakeCluster {
	c := &fakeCluster{
		leader: fsm.New(), batches: map[uint32]uint64{}, epochs: map[uint32]uint64{}, back: make(chan struct{}), clock: time.Now,
	}
	c.node("fep1")
	c.node("fep2")
	c.configure(t, "first", nil, rtus...)
	return c
}

// configure puts a configuration in force. Virtual points are rtu, point and source.
func (c *fakeCluster) configure(t testing.TB, digest string, virtual []*fsmpb.Configure_Virtual, rtus ...uint32) {
	t.Helper()
	cfg := &fsmpb.Configure{
		Digest: digest, Retain: 1000, Virtual: virtual,
		Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
	}
	for _, n := range rtus {
		cfg.Rtus = append(cfg.Rtus, &fsmpb.Configure_RTU{Number: n, Links: []uint32{1, 2}})
	}
	c.must(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
}

// apply commits a command. Nodes that don't lag have applied it when it returns.
func (c *fakeCluster) apply(node string, cmd *fsmpb.Command) replica.Result {
	cmd = proto.CloneOf(cmd)
	cmd.Node, cmd.AtMs = node, c.clock().UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, cmd)
	index := uint64(len(c.log))
	r := c.leader.Apply(index, &fsmpb.Entry{Commands: []*fsmpb.Command{cmd}})[0]
	for _, n := range c.nodes {
		if !n.lags.Load() {
			n.advance(c.log)
		}
	}
	return replica.Result{Result: r, Index: index}
}

func (c *fakeCluster) must(t testing.TB, node string, cmd *fsmpb.Command) {
	t.Helper()
	if r := c.apply(node, cmd); r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE {
		t.Fatalf("%v: %v %s", cmd, r.Code, r.Message)
	}
}

// assign gives an RTU to a node, in a new epoch.
func (c *fakeCluster) assign(t testing.TB, rtu uint32, owner string) {
	t.Helper()
	c.must(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: fsm.RTUResource(rtu), ExpectEpoch: c.owner(rtu).Epoch, Owner: owner, Reason: "test",
	}}})
}

func (c *fakeCluster) owner(rtu uint32) fsm.Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, _ := c.leader.Resource(fsm.RTUResource(rtu))
	return r
}

// values is a batch of an RTU's owner.
func (c *fakeCluster) values(t testing.TB, rtu uint32, items ...*fsmpb.Item) {
	t.Helper()
	r := c.owner(rtu)
	if c.epochs[rtu] != r.Epoch {
		c.epochs[rtu], c.batches[rtu] = r.Epoch, 0
	}
	c.batches[rtu]++
	c.must(t, r.Owner, &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{
		Rtu: rtu, Epoch: r.Epoch, Batch: c.batches[rtu], Items: items,
	}}})
}

// links reports the links of an RTU as a node sees them: channel 1, link 1, and channel 2, links 1 and 2.
func (c *fakeCluster) links(t testing.TB, rtu uint32, node string, states ...fsmpb.LinkState) {
	t.Helper()
	all := []*fsmpb.Links_Link{{Channel: 1, Link: 1}, {Channel: 2, Link: 1}, {Channel: 2, Link: 2}}[:len(states)]
	for i, s := range states {
		all[i].State = s
	}
	c.must(t, node, &fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{Rtu: rtu, Node: node, Links: all}}})
}

func (c *fakeCluster) setLeader(there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == there {
		c.lost = !there
		close(c.back)
		c.back = make(chan struct{})
	}
}

// control is a control as the newest state has it.
func (c *fakeCluster) control(id string) fsm.Control {
	c.mu.Lock()
	defer c.mu.Unlock()
	x, _ := c.leader.Control(id)
	return x
}

func item(kind fsmpb.Kind, point uint32, value float64) *fsmpb.Item {
	return &fsmpb.Item{
		Kind: kind, Point: point, Type: 30, Value: value, Time: 1<<32 | 1<<40 | 26<<48, TimeMs: int64(value),
		Mode: fsmpb.Item_IMAGE,
	}
}

// fakeNode is one member.
type fakeNode struct {
	replica.Owner
	c     *fakeCluster
	id    string
	lags  atomic.Bool
	fresh atomic.Bool // it has caught up after its start

	mu    sync.RWMutex
	state *fsm.State
	index uint64
	grown chan struct{}
}

func (c *fakeCluster) node(id string) *fakeNode {
	n := &fakeNode{c: c, id: id, state: fsm.New(), grown: make(chan struct{})}
	n.fresh.Store(true)
	c.nodes = append(c.nodes, n)
	return n
}

// advance applies what of the log it hasn't yet.
func (n *fakeNode) advance(log []*fsmpb.Command) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ; n.index < uint64(len(log)); n.index++ {
		n.state.Apply(n.index+1, &fsmpb.Entry{Commands: []*fsmpb.Command{log[n.index]}})
	}
	close(n.grown)
	n.grown = make(chan struct{})
}

// lag makes the node stop applying, or catch up.
func (n *fakeNode) lag(on bool) {
	n.lags.Store(on)
	if !on {
		n.c.mu.Lock()
		defer n.c.mu.Unlock()
		n.advance(n.c.log)
	}
}

func (n *fakeNode) ID() string     { return n.id }
func (n *fakeNode) CaughtUp() bool { return n.fresh.Load() }

func (n *fakeNode) View(read func(s *fsm.State)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	read(n.state)
}

func (n *fakeNode) Applied() (uint64, <-chan struct{}) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.index, n.grown
}

func (n *fakeNode) WaitApplied(ctx context.Context, index uint64) error {
	for {
		at, grown := n.Applied()
		if at >= index {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *fakeNode) Propose(ctx context.Context, cmd *fsmpb.Command) (replica.Result, error) {
	for {
		n.c.mu.Lock()
		lost, back := n.c.lost, n.c.back
		n.c.mu.Unlock()
		if !lost {
			return n.c.apply(n.id, cmd), nil
		}
		select {
		case <-back:
		case <-ctx.Done():
			return replica.Result{}, fmt.Errorf("%w: %w", replica.ErrNoLeader, ctx.Err())
		}
	}
}

// eventually waits for a condition, ten seconds at most.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, ok)
}

func within(t testing.TB, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", most, what)
		}
	}
}
