package channeltab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	goleak.VerifyTestMain(m)
}

// fast is for tests over real sockets: all that takes seconds in a plant takes tens of milliseconds here.
var fast = Timing{
	RegisterEvery: 200 * time.Millisecond, Silence: 1500 * time.Millisecond, RetryAfter: 100 * time.Millisecond,
	AckTimeout: 50 * time.Millisecond, Tick: 20 * time.Millisecond,
}

// freePort returns a UDP port that nobody uses now.
func freePort(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(host)))
	if err != nil {
		t.Skipf("no UDP on %s: %v", host, err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// network is a real centre of three nodes on loopback.
type realCentre struct {
	memory *channeltabtest.Memory
	nodes  map[string]netip.AddrPort
	all    []netip.AddrPort
	by     map[string]*Centre
	multi  MulticastConfig
	host   string
}

func openRealCentre(t *testing.T, host string, group netip.Addr) *realCentre {
	t.Helper()
	n := &realCentre{memory: channeltabtest.NewMemory(), nodes: map[string]netip.AddrPort{}, by: map[string]*Centre{}, host: host}
	for _, id := range []string{"fep1", "fep2", "wit"} {
		n.nodes[id] = freePort(t, host)
		n.all = append(n.all, n.nodes[id])
	}
	if group.IsValid() {
		n.multi = MulticastConfig{Group: netip.AddrPortFrom(group, freePort(t, host).Port()), Interface: "lo", Hops: 1}
	}
	for id := range n.nodes {
		n.open(t, id)
	}
	n.memory.Elect("fep1")
	return n
}

func (n *realCentre) open(t *testing.T, id string) {
	t.Helper()
	c, err := OpenCentre(CentreConfig{
		ID: 900, Name: "centre", Level: 1, Node: id, Nodes: n.nodes, Multicast: n.multi, Keys: testKeys(), Timing: fast,
		Registry: n.memory.Node(id),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.by[id] = c
	t.Cleanup(func() { c.Close() })
}

func (n *realCentre) station(t *testing.T, id chantable.ID, mutate func(*StationConfig)) *Station {
	t.Helper()
	cfg := StationConfig{
		ID: id, Name: fmt.Sprintf("station %d", id), Listen: netip.MustParseAddrPort(n.host), Centres: n.all,
		Multicast: n.multi, Keys: testKeys(), Timing: fast,
	}
	if mutate != nil {
		mutate(&cfg)
	}
	s, err := OpenStation(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s: not %s", what)
		}
	}
}

func withDeadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestUDP takes a network through its life over real sockets, in each way that datagrams may go.
func TestUDP(t *testing.T) {
	for _, tt := range []struct{ name, host, group string }{
		{"IPv4 multicast", "127.0.0.1:0", "239.255.74.1"},
		{"IPv4 unicast", "127.0.0.1:0", ""},
		{"IPv6 multicast", "[::1]:0", "ff01::7401"},
		{"IPv6 unicast", "[::1]:0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			group, _ := netip.ParseAddr(tt.group)
			n := openRealCentre(t, tt.host, group)
			ctx := withDeadline(t)
			file := filepath.Join(t.TempDir(), "copy")
			a := n.station(t, 1, func(c *StationConfig) { c.CopyFile = file })
			b := n.station(t, 2, func(c *StationConfig) { c.Centres = n.all[1:] }) // through nodes that do not lead
			for _, s := range []*Station{a, b} {
				if err := s.Registered(ctx); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "both in a's copy", func() bool { return len(a.Table()) == 2 && a.Status().Complete })
			eventually(t, "both in b's copy", func() bool { return len(b.Table()) == 2 && b.Status().Complete })
			if group.IsValid() && n.by["fep1"].Stats().Multicast == 0 {
				t.Error("nothing was multicast")
			}

			// Data, from an empty message to the longest, by id and by channel.
			received := make(chan Message, 8)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					m, err := b.Receive(ctx)
					if err != nil {
						return
					}
					received <- m
				}
			}()
			for _, size := range []int{0, 1, wire.MaxFragment, wire.MaxFragment + 1, MaxMessage} {
				payload := bytes.Repeat([]byte{byte(size)}, size)
				if err := a.SendDataByID(ctx, 2, payload, InOrder); err != nil {
					t.Fatalf("%d octets: %v", size, err)
				}
				if m := <-received; m.From != 1 || m.CN != a.Status().CN || !bytes.Equal(m.Payload, payload) {
					t.Fatalf("got %d octets from %d on %d, want %d from 1", len(m.Payload), m.From, m.CN, size)
				}
			}
			if err := a.SendData(ctx, b.Status().CN, []byte("by channel"), AnyOrder); err != nil {
				t.Fatal(err)
			}
			if m := <-received; string(m.Payload) != "by channel" {
				t.Fatalf("got %q", m.Payload)
			}

			// The leader changes; the stations go on through whichever node they know.
			n.memory.Elect("fep2")
			eventually(t, "served by the new leader", func() bool { return n.by["fep2"].Status().Served == 2 })
			if err := a.SendDataByID(ctx, 2, []byte("after"), AnyOrder); err != nil {
				t.Fatal(err)
			}
			<-received

			// A clean leave is in every copy at once; so is silence, after its time.
			if err := b.Leave(ctx); err != nil {
				t.Fatal(err)
			}
			eventually(t, "b offline in a's copy", func() bool { e, ok := a.Lookup(2); return ok && !e.Online })
			b.Close()
			<-done
			if err := a.SendDataByID(ctx, 2, []byte("nobody"), AnyOrder); !errors.Is(err, ErrNotAcknowledged) {
				t.Errorf("to a station that is gone: %v, want %v", err, ErrNotAcknowledged)
			}
			c := n.station(t, 3, nil)
			if err := c.Registered(ctx); err != nil {
				t.Fatal(err)
			}
			eventually(t, "c in a's copy", func() bool { e, ok := a.Lookup(3); return ok && e.Online })
			c.Close()
			eventually(t, "c offline in a's copy", func() bool { e, ok := a.Lookup(3); return ok && !e.Online })

			// The copy outlives the station, and serves it without any centre.
			cn := a.Status().CN
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			for _, node := range n.by {
				node.Close()
			}
			d := n.station(t, 1, func(c *StationConfig) { c.CopyFile = file })
			if st := d.Status(); st.CN != cn || st.Stations != 3 || st.State != core.Registering {
				t.Errorf("restarted from its file: %+v, want channel %d and 3 stations", st, cn)
			}
		})
	}
}

func TestUDPClosedAndCancelled(t *testing.T) {
	n := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	ctx := withDeadline(t)
	a := n.station(t, 1, nil)
	if err := a.Registered(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.SendDataByID(ctx, 99, nil, AnyOrder); !errors.Is(err, ErrUnknownID) {
		t.Errorf("to an unknown id: %v", err)
	}
	if err := a.SendData(ctx, 99, nil, AnyOrder); !errors.Is(err, ErrUnknownCN) {
		t.Errorf("to an unassigned channel: %v", err)
	}
	b := n.station(t, 2, nil)
	if err := b.Registered(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b known to a", func() bool { _, ok := a.Lookup(2); return ok })
	b.Close()
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := a.SendDataByID(short, 2, nil, AnyOrder); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	if st := a.Status(); st.Waiting != 0 {
		t.Errorf("%d messages wait after the context's end", st.Waiting)
	}
	results := make(chan error, 2)
	go func() { results <- a.SendDataByID(ctx, 2, nil, AnyOrder) }()
	go func() { _, err := a.Receive(ctx); results <- err }()
	eventually(t, "sending", func() bool { return a.Status().Waiting == 1 })
	a.Close()
	for range 2 {
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want %v", err, ErrClosed)
		}
	}
	if err := a.SendDataByID(ctx, 2, nil, AnyOrder); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v, want %v", err, ErrClosed)
	}
	for _, c := range n.by {
		if got := slices.Collect(func(yield func(chantable.ID) bool) {
			for _, e := range c.Table() {
				yield(e.ID)
			}
		}); !slices.Equal(got, []chantable.ID{2, 1}) && !slices.Equal(got, []chantable.ID{1, 2}) {
			t.Errorf("the node's table has %v", got)
		}
	}
}

func testKeys() Keys { return Keys{{ID: 7, Secret: [KeySize]byte{1, 2, 3}}} }

func stationAddress(id byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, id}), 7401)
}
