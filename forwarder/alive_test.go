package forwarder

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/internal/carrier"
)

// testee is a client that acknowledges nothing, and confirms TESTFR as long as its cable isn't cut.
type testee struct {
	conn  net.Conn
	cut   atomic.Bool
	tests atomic.Int64 // that were confirmed
	ended chan struct{}
	once  sync.Once
}

// startTestee is a client whose STARTDT was confirmed.
func startTestee(t *testing.T, address string) *testee {
	t.Helper()
	c := &testee{ended: make(chan struct{})}
	eventually(t, "connected to "+address, func() (ok bool) {
		var err error
		c.conn, err = net.Dial("tcp", address)
		return err == nil
	})
	t.Cleanup(func() { c.conn.Close(); <-c.ended })
	started := make(chan struct{})
	go c.read(started)
	if _, err := c.conn.Write(iec104.AppendU(nil, iec104.StartDTAct)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-started:
	case <-time.After(patience):
		t.Fatal("STARTDT is not confirmed")
	}
	return c
}

func (c *testee) read(started chan struct{}) {
	defer close(c.ended)
	r := bufio.NewReader(c.conn)
	for {
		head, err := r.Peek(2)
		if err != nil {
			return
		}
		octets := make([]byte, 2+int(head[1]))
		for n := 0; n < len(octets); {
			m, err := r.Read(octets[n:])
			if err != nil {
				return
			}
			n += m
		}
		f, _, err := iec104.ParseFrame(octets)
		switch {
		case err != nil || f.Format != iec104.FormatU:
		case f.Function == iec104.StartDTCon:
			c.once.Do(func() { close(started) })
		case f.Function == iec104.TestFRAct && !c.cut.Load():
			c.tests.Add(1)
			_, _ = c.conn.Write(iec104.AppendU(nil, iec104.TestFRCon))
		}
	}
}

func (c *testee) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// mainAndStandby is a main-standby group with its main client on fep1 and its standby client on fep2.
func mainAndStandby(t *testing.T, check time.Duration) (c station, one, two *testee) {
	t.Helper()
	c, f1, f2 := pair(t, fsm.MainStandby, Uplink{LinkCheck: check})
	one = startTestee(t, f1.address)
	two = startTestee(t, f2.address)
	eventually(t, "both are known", func() bool { return len(c.clients()) == 2 })
	if owner := c.Resource(groupA).Owner; owner != "fep1" {
		t.Fatalf("owner is %q", owner)
	}
	return c, one, two
}

// A client whose way to the owner was cut where nobody is told comes to the other node: that one gets it as soon as the owner
// has found its link dead, and nothing is lost or told twice beyond what was not acknowledged.
func TestExclusiveClientIsLetInAtTheOtherNodeIfTheOwnersLinkIsDead(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	for n := range uint64(3) {
		c.Values(t, 1, di(1, float64(n%2), n))
	}
	dead := startTestee(t, f1.address)
	eventually(t, "the client is known", func() bool { return len(c.clients()) == 1 && c.clients()[0].Started })
	dead.cut.Store(true)
	began := time.Now()
	two := connect(t, f2.address, false)
	if err := two.StartDT(t.Context()); err != nil {
		t.Fatalf("the first attempt at the other node: %v", err)
	}
	t.Logf("served after %v", time.Since(began))
	if owner := c.Resource(groupA).Owner; owner != "fep2" {
		t.Errorf("owner is %q", owner)
	}
	eventually(t, "the dead link has ended", dead.gone)
	eventually(t, "the events, in order", func() bool { return slices.Equal(two.numbers(), []uint64{0, 1, 2}) })
}

// A live client keeps its place, however often somebody tries the other node.
func TestExclusiveClientThatAnswersStays(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	live := startTestee(t, f1.address)
	eventually(t, "the client is known", func() bool { return len(c.clients()) == 1 && c.clients()[0].Started })
	for range 5 {
		refused(t, f2.address)
	}
	if live.gone() || live.tests.Load() == 0 || c.Resource(groupA).Owner != "fep1" {
		t.Errorf("gone: %t, asked %d times, owner %q", live.gone(), live.tests.Load(), c.Resource(groupA).Owner)
	}
	eventually(t, "nobody is waiting any more", func() bool { return len(c.clients()) == 1 })
}

// Without a live link at the owner nobody is to be waited for.
func TestExclusiveGroupThatWasMovedByHandKeepsItsNode(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	begin(t, f1.address).Close()
	eventually(t, "the group is released", func() bool { return c.Resource(groupA).Owner == "" && len(c.clients()) == 0 })
	c.Assign(t, groupA, "fep1")
	eventually(t, "fep2 listens", func() bool { return reachable(f2.address) })
	began := time.Now()
	refused(t, f2.address)
	if took := time.Since(began); took >= aliveWithin {
		t.Errorf("refused after %v", took)
	}
}

// The main link is cut where nobody is told: the standby one takes over, though t1 and t3 are far away.
func TestSilentMainLinkGivesWayToAStandbyThatAnswers(t *testing.T) {
	const check = 500 * time.Millisecond
	c, one, two := mainAndStandby(t, check)
	eventually(t, "an idle client that answers is asked, and stays", func() bool { return one.tests.Load() >= 3 })
	if one.gone() || c.Resource(groupA).Owner != "fep1" {
		t.Fatal("the main link was left although its client answers")
	}
	one.cut.Store(true)
	began := time.Now()
	eventually(t, "the main link is left", one.gone)
	took := time.Since(began)
	if took < aliveWithin {
		t.Errorf("left after %v, before it had %v to answer", took, aliveWithin)
	}
	eventually(t, "the standby link is promoted", func() bool { return c.Resource(groupA).Owner == "fep2" })
	t.Logf("left after %v, promoted after %v", took, time.Since(began))
	if two.gone() {
		t.Error("the standby link has ended")
	}
}

// While both are silent nothing moves; the one that answers first gets the group.
func TestNothingMovesWhileBothLinksAreSilent(t *testing.T) {
	c, one, two := mainAndStandby(t, 200*time.Millisecond)
	asked := two.tests.Load()
	one.cut.Store(true)
	two.cut.Store(true)
	doubted := func() bool {
		return slices.ContainsFunc(c.clients(), func(cl fsm.Client) bool { return cl.Role == "main" && cl.Doubted })
	}
	eventually(t, "the main link is doubted", doubted)
	time.Sleep(2*aliveWithin + askAgain) // nothing to wait for: that nothing happens
	if one.gone() || two.gone() || c.Resource(groupA).Owner != "fep1" || !doubted() || two.tests.Load() != asked {
		t.Fatalf("main gone %t, standby gone %t, owner %q, doubted %t", one.gone(), two.gone(), c.Resource(groupA).Owner, doubted())
	}
	two.cut.Store(false)
	// The TESTFR that is outstanding was read while the cable was cut; TCP would bring it again.
	if _, err := two.conn.Write(iec104.AppendU(nil, iec104.TestFRCon)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the standby link is promoted", func() bool { return c.Resource(groupA).Owner == "fep2" && one.gone() })
}

// A client that answers again is not doubted any more.
func TestDoubtEndsWithAnAnswer(t *testing.T) {
	c, one, two := mainAndStandby(t, 200*time.Millisecond)
	two.cut.Store(true)
	one.cut.Store(true)
	doubted := func(want bool) func() bool {
		return func() bool {
			return slices.ContainsFunc(c.clients(), func(cl fsm.Client) bool { return cl.Role == "main" && cl.Doubted == want })
		}
	}
	eventually(t, "the main link is doubted", doubted(true))
	one.cut.Store(false)
	if _, err := one.conn.Write(iec104.AppendU(nil, iec104.TestFRCon)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it isn't any more", doubted(false))
	if one.gone() || c.Resource(groupA).Owner != "fep1" {
		t.Error("the main link was left")
	}
}

// The cable to the control centre is pulled, and the node sees that: its links end at once.
func TestLinksEndWithTheirCarrier(t *testing.T) {
	for _, mode := range []fsm.Mode{fsm.Exclusive, fsm.MainStandby} {
		t.Run(string(mode), func(t *testing.T) {
			c := startStation(t, mode.Proto(), "a")
			var mu sync.Mutex
			watched := map[*func(error)]netip.Addr{}
			f := c.startWith(t, "fep1", Uplink{Mode: mode}, func(cfg *Config) {
				cfg.OnCarrierLoss = func(local netip.Addr, lost func(error)) func() {
					mu.Lock()
					defer mu.Unlock()
					watched[&lost] = local
					return func() {
						mu.Lock()
						defer mu.Unlock()
						delete(watched, &lost)
					}
				}
			})
			startTestee(t, f.address).conn.Close()
			eventually(t, "nothing is watched for who has gone", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(watched) == 0
			})
			one := startTestee(t, f.address)
			mu.Lock()
			for lost, local := range watched {
				if want := netip.MustParseAddrPort(f.address).Addr(); local != want {
					t.Errorf("watched for %v, want the uplink's %v", local, want)
				}
				go (*lost)(fmt.Errorf("%w at interface eth2", carrier.ErrLost))
			}
			mu.Unlock()
			eventually(t, "the link ends", one.gone)
			eventually(t, "the group is released", func() bool { return c.Resource(groupA).Owner == "" })
		})
	}
}

func TestConfirmedSince(t *testing.T) {
	at := func(address string, started bool, confirmed uint64) fsm.Client {
		return fsm.Client{Node: "fep2", Address: address, Started: started, Confirmed: confirmed}
	}
	for i, c := range []struct {
		before, now []fsm.Client
		want        bool
	}{
		{nil, nil, false},
		{[]fsm.Client{at("a", true, 3)}, []fsm.Client{at("a", true, 3)}, false},
		{[]fsm.Client{at("a", true, 3)}, []fsm.Client{at("a", true, 4)}, true},
		{[]fsm.Client{at("a", true, 3)}, []fsm.Client{at("a", false, 4)}, false},
		{[]fsm.Client{at("a", true, 3)}, []fsm.Client{at("b", true, 0)}, false},
		{[]fsm.Client{at("a", true, 3)}, []fsm.Client{at("b", true, 1)}, true},
		{[]fsm.Client{at("a", true, 3)}, nil, false},
	} {
		if got := confirmedSince(c.before, c.now); got != c.want {
			t.Errorf("%d: %t", i, got)
		}
	}
}
