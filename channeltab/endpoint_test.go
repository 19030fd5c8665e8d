package channeltab

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica/replicatest"
)

// pairNode is the endpoint on one node of the pair.
type pairNode struct {
	*Endpoint
	*replicatest.Node
	group   *replicatest.Station
	address netip.AddrPort
}

// own makes the node the owner.
func (n *pairNode) own(t *testing.T) {
	t.Helper()
	n.group.Assign(t, fsm.FNPResource(), n.ID())
}

// ends waits until a station that runs on the node has ended.
func (n *pairNode) ends(t *testing.T, running *Station) {
	t.Helper()
	eventually(t, n.ID()+" to end its station", func() bool { s, ok := n.Station(); return !ok || s != running })
}

// kept is what the group has kept.
func (n *pairNode) kept() (texts []string) {
	n.group.View(func(s *fsm.State) {
		for _, m := range s.Mailbox().After(0, 100) {
			texts = append(texts, string(m.Payload))
		}
	})
	return texts
}

func newPairNode(t *testing.T, c *realCentre, g *replicatest.Station, id string) *pairNode {
	t.Helper()
	n := &pairNode{group: g, Node: g.Node(id), address: freePort(t, "127.0.0.1:0")}
	cfg := StationConfig{
		ID: 21, Name: "pair", Level: 1, Instance: 2121, Listen: n.address, Centres: c.all, Keys: testKeys(), Timing: fast,
	}
	var err error
	if n.Endpoint, err = NewEndpoint(EndpointConfig{Station: cfg, Tenures: TenuresOf(n.Node), Registry: c.memory.Node("endpoint"), Mailbox: NewReplicated(n.Node)}); err != nil {
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
	g := newGroup(t, true)
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
	first.own(t)
	eventually(t, "the endpoint to be in the copy", at(first.address))
	send("to the first")
	if _, ok := second.Station(); ok {
		t.Error("the second node runs the endpoint without owning it")
	}

	running, _ := first.Station()
	first.Lag(true) // so that it takes itself for the owner still, once its lease is back
	first.SetLease(false)
	first.ends(t, running)
	if _, ok := first.Station(); ok {
		t.Error("the first node runs the endpoint after its tenure")
	}
	second.own(t)
	eventually(t, "the new address to be in the copy", at(second.address))
	send("to the second")
	s, _ := second.Station()
	if err := s.SendDataByID(withDeadline(t), 1, []byte("back"), AnyOrder); err != nil {
		t.Error(err)
	}

	first.SetLease(true)
	eventually(t, "the former owner to be refused", func() bool {
		s, ok := first.Station()
		return ok && s.Status().Outcome == wire.Superseded
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
	if st := s.Status(); st.State != core.Registering {
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
	g := newGroup(t, true)
	first, second := newPairNode(t, c, g, "fep1"), newPairNode(t, c, g, "fep2")
	at := func(address netip.AddrPort) func() bool {
		return func() bool { e, ok := other.Lookup(21); return ok && e.Online && e.Address == address }
	}
	first.own(t)
	eventually(t, "the endpoint to be in the copy", at(first.address))

	g.SetLeader(false)
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
	g.SetLeader(true)
	eventually(t, "it to be kept", func() bool { return len(first.kept()) == 1 })
	first.SetLease(false)
	first.ends(t, s)
	second.own(t)
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
	g := newGroup(t, true)
	first := newPairNode(t, c, g, "fep1")
	first.own(t)
	eventually(t, "the endpoint to be in the copy", func() bool { e, ok := other.Lookup(21); return ok && e.Online })
	running, _ := first.Station()
	first.Lag(true) // it doesn't hear of the next owner
	g.Assign(t, fsm.FNPResource(), "fep2")
	sent := make(chan error, 1)
	go func() { sent <- other.SendDataByID(withDeadline(t), 21, []byte("hello"), AnyOrder) }()
	first.ends(t, running) // by itself
	first.SetLease(false)
	if err := <-sent; !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("sent to a former owner: %v", err)
	}
	if kept := first.kept(); len(kept) != 0 {
		t.Errorf("kept %q", kept)
	}
}
