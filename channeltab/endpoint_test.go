package channeltab

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// fakeTenures gives a tenure of each epoch that it is told of.
type fakeTenures chan *fakeTenure

func (f fakeTenures) wait(ctx context.Context) (replica.Tenure, error) {
	select {
	case t := <-f:
		return t, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type fakeTenure struct {
	epoch  uint64
	ended  chan struct{}
	closed chan struct{}

	mu    sync.Mutex
	onEnd func()
}

func newFakeTenure(epoch uint64) *fakeTenure {
	return &fakeTenure{epoch: epoch, ended: make(chan struct{}), closed: make(chan struct{})}
}

func (t *fakeTenure) Epoch() uint64         { return t.epoch }
func (t *fakeTenure) Done() <-chan struct{} { return t.ended }
func (t *fakeTenure) Close()                { close(t.closed) }

func (t *fakeTenure) Check() error {
	if t.Valid() {
		return nil
	}
	return replica.ErrEpochEnded
}

func (t *fakeTenure) Valid() bool {
	select {
	case <-t.ended:
		return false
	default:
		return true
	}
}

func (t *fakeTenure) OnEnd(f func()) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onEnd = f
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.onEnd = nil
	}
}

// end ends the tenure as the node's watchdog does.
func (t *fakeTenure) end() {
	close(t.ended)
	t.mu.Lock()
	f := t.onEnd
	t.mu.Unlock()
	if f != nil {
		f()
	}
}

// pairNode is the endpoint on one node of the pair.
type pairNode struct {
	*Endpoint
	group   groupNode
	tenures fakeTenures
	address netip.AddrPort
}

// groupNode is one node of a group that keeps what the endpoint receives.
type groupNode struct {
	*fakeGroup
	id string
}

func (n groupNode) Propose(ctx context.Context, c *fsmpb.Command) (replica.Result, error) {
	c.Node = n.id
	return n.fakeGroup.Propose(ctx, c)
}

// own makes the node the owner and returns its tenure.
func (n *pairNode) own() *fakeTenure {
	var epoch uint64
	n.group.View(func(s *fsm.State) { r, _ := s.Resource(fsm.FNPResource()); epoch = r.Epoch })
	n.group.apply(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: fsm.FNPResource(), ExpectEpoch: epoch, Owner: n.group.id}}})
	t := newFakeTenure(epoch + 1)
	n.tenures <- t
	return t
}

// kept is what the group has kept.
func (n *pairNode) kept() (texts []string) {
	n.group.View(func(s *fsm.State) {
		for _, m := range s.FNPMessages(0, 100) {
			texts = append(texts, string(m.Payload))
		}
	})
	return texts
}

func newPairNode(t *testing.T, c *realCentre, g *fakeGroup, id string) *pairNode {
	t.Helper()
	n := &pairNode{group: groupNode{g, id}, tenures: make(fakeTenures), address: freePort(t, "127.0.0.1:0")}
	cfg := StationConfig{
		ID: 21, Name: "pair", Level: 1, Instance: 2121, Listen: n.address, Centres: c.all, Keys: testKeys(), Timing: fast,
	}
	var err error
	if n.Endpoint, err = NewEndpoint(EndpointConfig{Station: cfg, Tenures: n.tenures.wait, Registry: c.memory.Node("endpoint"), Mailbox: NewReplicated(n.group)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("endpoint: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return n
}

// TestEndpointMoves: the endpoint runs on the node whose tenure lasts and on no other, as one station that comes with a
// new address and the whole table.
func TestEndpointMoves(t *testing.T) {
	c := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	other := c.station(t, 1, nil)
	g := newFakeGroup(t, true)
	first, second := newPairNode(t, c, g, "fep1"), newPairNode(t, c, g, "fep2")

	at := func(address netip.AddrPort) func() bool {
		return func() bool {
			e, ok := other.Lookup(21)
			return ok && e.Online && e.Address == address && e.Level == 1
		}
	}
	send := func(text string) {
		t.Helper()
		if err := other.SendDataByID(withDeadline(t), 21, []byte(text), InOrder); err != nil {
			t.Fatal(err)
		}
		// Acknowledged is kept: there's nothing to wait for.
		if list := first.kept(); len(list) == 0 || list[len(list)-1] != text {
			t.Errorf("%q is acknowledged, but kept are %q", text, list)
		}
	}
	epoch1 := first.own()
	eventually(t, "the endpoint to be in the copy", at(first.address))
	send("to the first")
	if _, ok := second.Station(); ok {
		t.Error("the second node runs the endpoint without owning it")
	}

	epoch1.end()
	<-epoch1.closed
	if _, ok := first.Station(); ok {
		t.Error("the first node runs the endpoint after its tenure")
	}
	second.own()
	eventually(t, "the new address to be in the copy", at(second.address))
	send("to the second")
	s, _ := second.Station()
	if err := s.SendDataByID(withDeadline(t), 1, []byte("back"), AnyOrder); err != nil {
		t.Error(err)
	}

	// The first takes itself for the owner still.
	first.tenures <- newFakeTenure(1)
	eventually(t, "the former owner to be refused", func() bool {
		s, ok := first.Station()
		return ok && s.Status().Outcome == Superseded
	})
	if !at(second.address)() {
		t.Error("the former owner has changed the table")
	}
}

// TestStationAsksItsGuard: the guard stops what a process sends that was stopped and goes on.
func TestStationAsksItsGuard(t *testing.T) {
	c := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	allowed := make(chan struct{})
	cfg := StationConfig{
		ID: 21, Name: "pair", Listen: netip.MustParseAddrPort("127.0.0.1:0"), Centres: c.all, Keys: testKeys(), Timing: fast,
		Guard: func() bool {
			select {
			case <-allowed:
				return true
			default:
				return false
			}
		},
	}
	s, err := OpenStation(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	eventually(t, "some datagrams to be held back", func() bool { return s.Stats().Unsent > 3 })
	if st := s.Status(); st.State != Registering {
		t.Errorf("registered past the guard: %+v", st)
	}
	close(allowed)
	if err := s.Registered(withDeadline(t)); err != nil {
		t.Error(err)
	}
}

// TestEndpointKeepsBeforeItAcknowledges: a message that can't be committed is not acknowledged; and one that was committed
// by a former owner, without an acknowledgement, is acknowledged by the next one and kept once.
func TestEndpointKeepsBeforeItAcknowledges(t *testing.T) {
	c := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	other := c.station(t, 1, nil)
	g := newFakeGroup(t, true)
	first, second := newPairNode(t, c, g, "fep1"), newPairNode(t, c, g, "fep2")
	at := func(address netip.AddrPort) func() bool {
		return func() bool { e, ok := other.Lookup(21); return ok && e.Online && e.Address == address }
	}
	tenure := first.own()
	eventually(t, "the endpoint to be in the copy", at(first.address))

	g.stall(true)
	sent := make(chan error, 1)
	go func() { sent <- other.SendDataByID(withDeadline(t), 21, []byte("hello"), AnyOrder) }()
	eventually(t, "the message to be delivered", func() bool { s, ok := first.Station(); return ok && s.Stats().Delivered == 1 })
	eventually(t, "repetitions", func() bool { s, ok := first.Station(); return ok && s.Stats().Duplicates > 2 })
	select {
	case err := <-sent:
		t.Fatalf("settled before it was kept: %v", err)
	default:
	}
	if s, _ := first.Station(); s.Stats().Delivered != 1 {
		t.Errorf("%d delivered", s.Stats().Delivered)
	}

	// It's committed, but its owner is no longer heard.
	s, _ := first.Station()
	s.Silence()
	g.stall(false)
	eventually(t, "it to be kept", func() bool { return len(first.kept()) == 1 })
	tenure.end()
	<-tenure.closed
	second.own()
	if err := <-sent; err != nil {
		t.Errorf("after the move: %v", err)
	}
	if kept := second.kept(); len(kept) != 1 || kept[0] != "hello" {
		t.Errorf("kept %q", kept)
	}
	if s, ok := second.Station(); !ok || s.Stats().Delivered != 0 {
		t.Error("it was delivered again")
	}
}

// TestFormerOwnerAcknowledgesNothing: what an owner of an earlier epoch still receives is neither kept nor acknowledged.
func TestFormerOwnerAcknowledgesNothing(t *testing.T) {
	c := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	other := c.station(t, 1, nil)
	g := newFakeGroup(t, true)
	first := newPairNode(t, c, g, "fep1")
	tenure := first.own()
	eventually(t, "the endpoint to be in the copy", func() bool { e, ok := other.Lookup(21); return ok && e.Online })
	g.apply(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: fsm.FNPResource(), ExpectEpoch: 1, Owner: "fep2"}}})
	if err := other.SendDataByID(withDeadline(t), 21, []byte("hello"), AnyOrder); !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("sent to a former owner: %v", err)
	}
	<-tenure.closed // it ended by itself
	if kept := first.kept(); len(kept) != 0 {
		t.Errorf("kept %q", kept)
	}
}
