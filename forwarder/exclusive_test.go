package forwarder

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
)

const groupA = "uplink/occ/a"

// settled tells whether all events of points were acknowledged, as far as the state knows.
func (c station) settled(slot string) bool {
	left := 0
	c.View(func(s *fsm.State) {
		left = len(s.ReadJournal(s.Cursor(groupA, slot), make([]fsm.Event, 1)))
	})
	return left == 0
}

// pair is both FEPs with the same uplink.
func pair(t *testing.T, mode fsm.Mode, u Uplink) (c station, f1, f2 *fep) {
	t.Helper()
	names := []string{"a"}
	if u.Groups != nil {
		names = names[:0]
		for _, g := range u.Groups {
			names = append(names, g.Name)
		}
	}
	c = startStation(t, mode.Proto(), names...)
	u.Mode = mode
	return c, c.start(t, "fep1", u), c.start(t, "fep2", u)
}

func TestExclusiveStartIsAClaimAndEventsGoOnFromTheCursor(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	for n := range uint64(10) {
		c.Values(t, 1, di(1, float64(n%2), n))
	}
	one := begin(t, f1.address)
	if got := c.Resource(groupA).Owner; got != "fep1" {
		t.Fatalf("owner is %q, want fep1", got)
	}
	eventually(t, "ten events", func() bool { return slices.Equal(one.numbers(), []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) })
	refused(t, f2.address)
	eventually(t, "the cursor is replicated", func() bool { return c.settled("") })
	one.Close()
	two := begin(t, f2.address)
	if got := c.Resource(groupA).Owner; got != "fep2" {
		t.Fatalf("owner is %q, want fep2", got)
	}
	c.Values(t, 1, di(2, 1, 10))
	eventually(t, "the next event, and no other", func() bool { return slices.Equal(two.numbers(), []uint64{10}) })
}

func TestExclusiveStopReleasesTheGroup(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	one := begin(t, f1.address)
	if err := one.StopDT(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group is released", func() bool { return c.Resource(groupA).Owner == "" })
	begin(t, f2.address)
	if got := c.Resource(groupA).Owner; got != "fep2" {
		t.Errorf("owner is %q, want fep2", got)
	}
}

// Two control centres, or one with two minds, start on both FEPs at once: the claim decides, each time.
func TestExclusiveRaceForTheClaim(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	c.SetDelay(5 * time.Millisecond) // so that neither sees the other's claim before its own is decided
	for range 30 {
		eventually(t, "both listen", func() bool {
			return c.Resource(groupA).Owner == "" && reachable(f1.address) && reachable(f2.address)
		})
		clients := []*centre{connect(t, f1.address, false), connect(t, f2.address, false)}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, cl := range clients {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
				defer cancel()
				errs[i] = cl.StartDT(ctx)
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("STARTDT on fep1: %v, on fep2: %v, want exactly one confirmed", errs[0], errs[1])
		}
		winner := []string{"fep1", "fep2"}[slices.Index([]bool{errs[0] == nil, errs[1] == nil}, true)]
		if got := c.Resource(groupA).Owner; got != winner {
			t.Fatalf("owner is %q, but %s confirmed", got, winner)
		}
		clients[0].Close()
		clients[1].Close()
	}
}

func TestExclusiveSecondConnectionIsClosedWhileTheFirstAnswers(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{})
	one := begin(t, f1.address)
	refused(t, f1.address)
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "the live link goes on", func() bool { return len(one.numbers()) == 1 })
}

// refused wants a connection to be closed before any exchange.
func refused(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 10)); n != 0 || isTimeout(err) {
		t.Fatalf("connection to %s: read %d octets, %v, want closed before any exchange", address, n, err)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func TestExclusiveNewClientTakesOverFromADeadOne(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{})
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "fep1 listens", func() bool { return reachable(f1.address) })
	dead, err := net.Dial("tcp", f1.address) // answers nothing after STARTDT, as a host that lost power
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	began := time.Now() // a challenge comes later than this, whichever connection it is for
	if _, err := dead.Write(iec104.AppendU(nil, iec104.StartDTAct)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "fep1 owns the group", func() bool { return c.Resource(groupA).Owner == "fep1" })
	two := begin(t, f1.address)
	if took := time.Since(began); took < aliveWithin || took > 4*aliveWithin {
		t.Errorf("took over after %v, want a little more than the challenge's %v", took, aliveWithin)
	}
	eventually(t, "the event that the dead one didn't acknowledge", func() bool { return slices.Equal(two.numbers(), []uint64{1}) })
}

func TestStartIsNotConfirmedWithoutACommit(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{})
	one := connect(t, f1.address, false)
	c.SetLeader(false)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := one.StartDT(ctx); err == nil {
		t.Fatal("STARTDT was confirmed while nothing could be committed")
	}
	one.Close()
	c.SetLeader(true)
	begin(t, f1.address)
}

func TestLinkIsSilentWithoutALease(t *testing.T) {
	for _, mode := range []fsm.Mode{fsm.Exclusive, fsm.MainStandby, fsm.DualActive} {
		t.Run(string(mode), func(t *testing.T) {
			c, f1, _ := pair(t, mode, Uplink{})
			one := begin(t, f1.address)
			f1.SetLease(false)
			c.Values(t, 1, di(1, 1, 1))
			eventually(t, "the link is closed", func() bool { return one.Err() != nil })
			if got := one.numbers(); len(got) != 0 {
				t.Errorf("event %v was sent without a lease", got)
			}
			conn, err := net.Dial("tcp", f1.address)
			if err == nil {
				_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
				if _, err := conn.Read(make([]byte, 1)); isTimeout(err) {
					t.Error("a connection is let in without a lease")
				}
				conn.Close()
			}
			f1.SetLease(true)
			two := begin(t, f1.address)
			eventually(t, "the event, after the lease is back", func() bool { return slices.Equal(two.numbers(), []uint64{1}) })
		})
	}
}

// The watchdog may be late, as when the machine stood still: what is written is checked against the tenure all the same.
func TestNothingIsWrittenAfterTheTenureThoughTheWatchdogSleeps(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{})
	one := begin(t, f1.address)
	f1.SetAsleep(true)
	f1.SetLease(false)
	c.Values(t, 1, di(1, 1, 1))
	eventually(t, "the link is closed", func() bool { return one.Err() != nil })
	if got := one.numbers(); len(got) != 0 {
		t.Errorf("event %v was sent without a tenure", got)
	}
}

// A group that nobody owns must not seem to have a started client: the leader would give it to the node where that was,
// and the control centre could not choose.
func TestReleasedGroupHasNoStartedClient(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	var wrong []fsm.Client
	var mu sync.Mutex
	c.OnCommit(func(s *fsm.State, _ *fsmpb.Command) {
		mu.Lock()
		defer mu.Unlock()
		r, _ := s.Resource(groupA)
		g, _ := s.Group(groupA)
		if i := slices.IndexFunc(g.Clients, func(cl fsm.Client) bool { return cl.Started }); i >= 0 && r.Owner == "" {
			wrong = append(wrong, g.Clients[i])
		}
	})
	for _, f := range []*fep{f1, f2, f1} {
		one := begin(t, f.address)
		eventually(t, "the client is known", func() bool {
			return slices.ContainsFunc(c.clients(), func(cl fsm.Client) bool { return cl.Started })
		})
		one.Close()
		eventually(t, "the group is released", func() bool { return c.Resource(groupA).Owner == "" })
	}
	mu.Lock()
	defer mu.Unlock()
	if len(wrong) > 0 {
		t.Errorf("nobody owned the group, but %v seemed started", wrong[0])
	}
}

// A process that is started again finds itself the owner of a group whose client is long gone.
func TestOwnershipOfAnEarlierProcessIsReleased(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Claim{Claim: &fsmpb.Claim{Resource: groupA, Node: "fep1", Client: "x"}}})
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Clients{Clients: &fsmpb.Clients{Resource: groupA, Node: "fep1",
		Clients: []*fsmpb.Clients_Client{{Address: "x", Started: true, Role: "main"}}}}})
	c.start(t, "fep1", Uplink{Mode: fsm.Exclusive})
	eventually(t, "the group is released", func() bool { return c.Resource(groupA).Owner == "" })
	eventually(t, "the client is gone", func() bool { return len(c.clients()) == 0 })
}

func (c station) clients() (all []fsm.Client) {
	c.View(func(s *fsm.State) {
		g, _ := s.Group(groupA)
		all = g.Clients
	})
	return all
}

func TestPlannedMoveClosesTheLinkAndOpensTheOtherNode(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	one := begin(t, f1.address)
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{
		Resource: groupA, ExpectEpoch: c.Resource(groupA).Epoch, To: "fep2", Reason: "operator"}}})
	eventually(t, "the link is closed", func() bool { return one.Err() != nil })
	eventually(t, "fep2 owns the group", func() bool { return c.Resource(groupA).Owner == "fep2" })
	begin(t, f2.address)
	if r := c.Resource(groupA); r.Owner != "fep2" || r.Reason != "operator" {
		t.Errorf("owner %q, reason %q, want what the operator ordered to be kept until the client came", r.Owner, r.Reason)
	}
}

func TestStopGivesUpTheGroup(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{})
	c.Values(t, 1, di(1, 1, 1))
	one := begin(t, f1.address)
	eventually(t, "the event", func() bool { return len(one.numbers()) == 1 })
	var last uint64
	c.View(func(s *fsm.State) { last = s.JournalLast() })
	eventually(t, "its acknowledgement", func() bool { return f1.Stats()[0].Groups[0].Position >= last })
	f1.stop()
	if r := c.Resource(groupA); r.Owner != "" {
		t.Errorf("owner is %q after a clean stop, want none", r.Owner)
	}
	if got := c.clients(); len(got) != 0 {
		t.Errorf("clients %v after a clean stop, want none", got)
	}
	if !c.settled("") {
		t.Error("the cursor was not replicated before the stop")
	}
}

func TestClientsAreTold(t *testing.T) {
	c, f1, _ := pair(t, fsm.MainStandby, Uplink{})
	held := connect(t, f1.address, false)
	want := func(role string, started bool) func() bool {
		return func() bool {
			got := c.clients()
			return len(got) == 1 && got[0].Node == "fep1" && got[0].Role == role && got[0].Started == started
		}
	}
	eventually(t, "a held client", want("held", false))
	if err := held.StartDT(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a main client", want("main", true))
	c.Do(t, "fep2", &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: "fep1"}}})
	eventually(t, "the list again, after the node was thought dead", want("main", true))
	held.Close()
	eventually(t, "no client", func() bool { return len(c.clients()) == 0 })
}
