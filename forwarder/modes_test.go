package forwarder

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

const roleIOA = 60001

// role is what the client was told last; -1: nothing.
func (c *centre) role() float64 {
	role := -1.0
	for _, o := range c.find(asdu.M_SP_TB_1, asdu.Spontaneous) {
		if o.Address == roleIOA {
			role = o.Value
		}
	}
	return role
}

func TestMainStandby(t *testing.T) {
	c, f1, f2 := pair(t, fsm.MainStandby, Uplink{RoleIOA: roleIOA, Controls: true})
	one, two := begin(t, f1.address), begin(t, f2.address)
	eventually(t, "roles 1 and 0", func() bool { return one.role() == 1 && two.role() == 0 })

	c.Values(t, 1, di(1, 1, 1), di(2, 1, 2), ai(1, 42))
	eventually(t, "events on the main link", func() bool { return slices.Equal(one.numbers(), []uint64{1, 2}) })
	if err := two.Interrogate(t.Context(), commonAddress, asdu.QOIStation); err != nil {
		t.Fatalf("interrogation on the standby link: %v", err)
	}
	single := two.find(asdu.M_SP_NA_1, asdu.InterrogatedStation)
	if !slices.ContainsFunc(single, func(o asdu.Object) bool { return o.Address == 101 && o.Value == 1 }) {
		t.Errorf("standby interrogation %v lacks the newest value", single)
	}
	if !slices.ContainsFunc(single, func(o asdu.Object) bool { return o.Address == roleIOA && o.Value == 0 }) {
		t.Errorf("standby interrogation %v lacks the role", single)
	}
	err := two.Command(t.Context(), iec104.Command{CommonAddress: commonAddress, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: 401, Value: 1}})
	wantNegative(t, err, asdu.ActivationCon)
	if got := two.numbers(); len(got) != 0 {
		t.Fatalf("events %v on the standby link", got)
	}

	eventually(t, "the cursor is replicated", func() bool { return c.settled("") })
	f1.Stop()
	c.Do(t, "wit", &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: "fep1"}}})
	c.Do(t, "wit", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: groupA, ExpectEpoch: c.Resource(groupA).Epoch, Owner: "fep2", Reason: "fep1 dead"}}})
	c.Values(t, 1, di(1, 0, 3))
	eventually(t, "the standby link is promoted", func() bool { return two.role() == 1 })
	eventually(t, "events go on there", func() bool { return slices.Equal(two.numbers(), []uint64{3}) })
}

func TestMainStandbyLostMainLinkPromotesTheOther(t *testing.T) {
	c, f1, f2 := pair(t, fsm.MainStandby, Uplink{RoleIOA: roleIOA})
	one, two := begin(t, f1.address), begin(t, f2.address)
	eventually(t, "roles 1 and 0", func() bool { return one.role() == 1 && two.role() == 0 })
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "an event on the main link", func() bool { return len(one.numbers()) == 1 })
	eventually(t, "the cursor is replicated", func() bool { return c.settled("") })
	eventually(t, "the clients are known", func() bool { return len(c.clients()) == 2 })
	one.Close()
	c.Values(t, 1, di(1, 0, 2))
	eventually(t, "the other is promoted", func() bool { return two.role() == 1 })
	eventually(t, "it gets what the first didn't", func() bool { return slices.Equal(two.numbers(), []uint64{2}) })
	three := begin(t, f1.address)
	eventually(t, "the first comes back as standby", func() bool { return three.role() == 0 })
}

func TestMainStandbyNewerLinkOfTheSameNodeTakesOver(t *testing.T) {
	c, f1, _ := pair(t, fsm.MainStandby, Uplink{RoleIOA: roleIOA})
	slow := connect(t, f1.address, true) // acknowledges nothing
	if err := slow.StartDT(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Values(t, 1, di(1, 1, 1), di(1, 0, 2))
	eventually(t, "events on the older link", func() bool { return len(slow.numbers()) == 2 })
	two := begin(t, f1.address)
	eventually(t, "the older link is closed", func() bool { return slow.Err() != nil })
	eventually(t, "what it had not acknowledged is sent again, in order", func() bool {
		return slices.Equal(two.numbers(), []uint64{1, 2}) && two.role() == 1
	})
	if got := c.Resource(groupA).Owner; got != "fep1" {
		t.Errorf("owner is %q, want fep1 all along", got)
	}
}

// Both start at once: both are confirmed, and exactly one is main.
func TestMainStandbyRace(t *testing.T) {
	c, f1, f2 := pair(t, fsm.MainStandby, Uplink{RoleIOA: roleIOA})
	c.SetDelay(5 * time.Millisecond) // so that neither sees the other's claim before its own is decided
	for range 20 {
		eventually(t, "nobody owns the group", func() bool { return c.Resource(groupA).Owner == "" })
		clients := []*centre{connect(t, f1.address, false), connect(t, f2.address, false)}
		var wg sync.WaitGroup
		for i, cl := range clients {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
				defer cancel()
				if err := cl.StartDT(ctx); err != nil {
					t.Errorf("fep%d: %v", i+1, err)
				}
			})
		}
		wg.Wait()
		eventually(t, "each is told its role", func() bool { return clients[0].role() >= 0 && clients[1].role() >= 0 })
		if clients[0].role()+clients[1].role() != 1 {
			t.Fatalf("roles %v and %v, want one main and one standby", clients[0].role(), clients[1].role())
		}
		clients[0].Close()
		clients[1].Close()
	}
}

func TestDualActive(t *testing.T) {
	c, f1, f2 := pair(t, fsm.DualActive, Uplink{RoleIOA: roleIOA})
	c.Values(t, 1, di(1, 1, 1))
	one, two := begin(t, f1.address), begin(t, f2.address)
	c.Values(t, 1, di(1, 0, 2))
	for _, cl := range []*centre{one, two} {
		eventually(t, "both events on both", func() bool { return slices.Equal(cl.numbers(), []uint64{1, 2}) && cl.role() == 1 })
	}
	eventually(t, "each cursor is replicated", func() bool { return c.settled("fep1") && c.settled("fep2") })
	two.Close()
	c.Values(t, 1, di(1, 1, 3))
	eventually(t, "the first goes on alone", func() bool { return slices.Equal(one.numbers(), []uint64{1, 2, 3}) })
	two = begin(t, f2.address)
	eventually(t, "the second goes on where it was", func() bool { return slices.Equal(two.numbers(), []uint64{3}) })
}

// from connects from an address of the loopback network.
func from(t testing.TB, local, address string) (*centre, error) {
	c := &centre{}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	var err error
	c.Client, err = iec104.Dial(context.Background(), iec104.ClientConfig{
		Address: address, Dial: dialer.DialContext,
		Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.got = append(c.got, a.Clone())
		},
	})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func TestSeveralGroupsOnAPortEachFromItsOwnCursor(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{Groups: []Group{
		{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
		{Name: "b", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}},
	}})
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "fep1 listens", func() bool { return reachable(f1.address) })
	var clients []*centre
	for _, local := range []string{"127.0.0.1", "127.0.0.2"} {
		eventually(t, "started from "+local, func() bool {
			cl, err := from(t, local, f1.address)
			if err != nil {
				return false
			}
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			if cl.StartDT(ctx) != nil {
				cl.Close()
				return false
			}
			clients = append(clients, cl)
			return true
		})
	}
	for i, cl := range clients {
		eventually(t, "the event", func() bool { return slices.Equal(cl.numbers(), []uint64{1}) })
		if got := c.Resource("uplink/occ/" + string(rune('a'+i))).Owner; got != "fep1" {
			t.Errorf("group %d has owner %q", i, got)
		}
	}
	// Row 29: a client in no group is closed before any exchange, and counted.
	stranger, err := from(t, "127.0.0.3", f1.address)
	if err == nil {
		eventually(t, "the stranger is closed", func() bool { return stranger.Err() != nil })
		if n := stranger.Counters().ReceivedOctets; n != 0 {
			t.Errorf("the stranger got %d octets", n)
		}
	}
	eventually(t, "the stranger is counted", func() bool { return f1.Stats()[0].Server.Refused["group"] == 1 })
}

// A group that was away gets its backlog while the others' live events go on.
func TestBacklogOfOneGroupDoesNotDelayAnother(t *testing.T) {
	c, f1, _ := pair(t, fsm.DualActive, Uplink{Groups: []Group{
		{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
		{Name: "b", Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}},
	}})
	live := begin(t, f1.address)
	const backlog = 20_000
	items := make([]*fsmpb.Item, 100)
	for n := 0; n < backlog; n += len(items) {
		for i := range items {
			items[i] = di(1, 1, uint64(n+i))
		}
		c.Values(t, 1, items...)
	}
	eventually(t, "the live group has all", func() bool { return len(live.numbers()) == backlog })
	late, err := from(t, "127.0.0.2", f1.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := late.StartDT(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.Values(t, 1, di(2, 1, backlog))
	eventually(t, "a live event at the live group", func() bool { return len(live.numbers()) == backlog+1 })
	delay := time.Since(began)
	eventually(t, "the whole backlog at the late one", func() bool { return len(late.numbers()) == backlog+1 })
	t.Logf("a backlog of %d events in %v; a live event of the other group meanwhile in %v", backlog, time.Since(began), delay)
	if got := late.numbers(); !slices.IsSorted(got) {
		t.Error("the backlog is out of order")
	}
}

func TestOverflowIsCountedAndWhatIsLeftIsSent(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	cfg := &fsmpb.Configure{Digest: "small", Retain: 100, Nodes: configuration.Nodes, Rtus: configuration.Rtus,
		Groups: []*fsmpb.Configure_Group{{Uplink: "occ", Group: "a", Mode: fsmpb.Configure_EXCLUSIVE}}}
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
	for n := range uint64(5000) {
		c.Values(t, 1, di(1, 1, n))
	}
	f1 := c.start(t, "fep1", Uplink{Mode: fsm.Exclusive})
	one := begin(t, f1.address)
	eventually(t, "the newest event", func() bool {
		got := one.numbers()
		return len(got) >= 50 && got[len(got)-1] == 4999
	})
	var g fsm.Group
	c.View(func(s *fsm.State) { g, _ = s.Group(groupA) })
	if g.Dropped != 4900 {
		t.Errorf("the state counts %d events as dropped, want 4900", g.Dropped)
	}
}
