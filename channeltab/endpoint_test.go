package channeltab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

// fakeTenures gives a tenure of each epoch that it is told of.
type fakeTenures chan *fakeTenure

func (f fakeTenures) wait(ctx context.Context) (Tenure, error) {
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
	tenures fakeTenures
	address netip.AddrPort
}

func newPairNode(t *testing.T, c *realCentre) *pairNode {
	t.Helper()
	n := &pairNode{tenures: make(fakeTenures), address: freePort(t, "127.0.0.1:0")}
	cfg := StationConfig{
		ID: 21, Name: "pair", Level: 1, Instance: 2121, Listen: n.address, Centres: c.all, Keys: testKeys(), Timing: fast,
	}
	var err error
	if n.Endpoint, err = NewEndpoint(EndpointConfig{Station: cfg, Tenures: n.tenures.wait, Registry: c.memory.Node("endpoint")}); err != nil {
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
	first, second := newPairNode(t, c), newPairNode(t, c)

	at := func(address netip.AddrPort) func() bool {
		return func() bool {
			e, ok := other.Lookup(21)
			return ok && e.Online && e.Address == address && e.Level == 1
		}
	}
	send := func(n *pairNode, text string) {
		t.Helper()
		if err := other.SendDataByID(withDeadline(t), 21, []byte(text), InOrder); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%q to be kept", text), func() bool {
			list, _ := n.Received(0, 10)
			return len(list) > 0 && string(list[len(list)-1].Payload) == text && list[len(list)-1].From == 1
		})
	}
	epoch5 := newFakeTenure(5)
	first.tenures <- epoch5
	eventually(t, "the endpoint to be in the copy", at(first.address))
	send(first, "to the first")
	if _, ok := second.Station(); ok {
		t.Error("the second node runs the endpoint without owning it")
	}

	epoch5.end()
	<-epoch5.closed
	if _, ok := first.Station(); ok {
		t.Error("the first node runs the endpoint after its tenure")
	}
	second.tenures <- newFakeTenure(6)
	eventually(t, "the new address to be in the copy", at(second.address))
	send(second, "to the second")
	s, _ := second.Station()
	if err := s.SendDataByID(withDeadline(t), 1, []byte("back"), AnyOrder); err != nil {
		t.Error(err)
	}

	// The first takes itself for the owner still.
	first.tenures <- newFakeTenure(5)
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

func TestMailboxIsBounded(t *testing.T) {
	b := newMailbox()
	now := time.UnixMicro(1_000_000)
	for i := range maxKept + 10 {
		b.add(now, Message{From: chantable.ID(i + 1)})
	}
	all, _ := b.after(0, 2*maxKept)
	if len(all) != maxKept || all[0].From != 11 || all[0].Number != 1_000_010 {
		t.Errorf("%d kept, the first %+v", len(all), all[0])
	}
	page, _ := b.after(all[4].Number, 3)
	if len(page) != 3 || page[0].From != all[5].From {
		t.Errorf("after the fifth: %+v", page)
	}
	none, more := b.after(all[len(all)-1].Number, 3)
	if len(none) != 0 {
		t.Errorf("after the last: %+v", none)
	}
	b.add(now, Message{Payload: make([]byte, maxKeptSize)})
	select {
	case <-more:
	default:
		t.Error("not told of another")
	}
	b.add(now, Message{From: 9, Payload: []byte("x")})
	if all, _ := b.after(0, maxKept); len(all) != 1 || all[0].From != 9 {
		t.Errorf("%d kept after a large one and another, the first from %d", len(all), all[0].From)
	}
}
