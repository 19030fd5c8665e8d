package reporter

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// station is a replicated state that nodes share, without a group: a proposal is applied at once, or held.
type station struct {
	mu    sync.Mutex
	s     *fsm.State
	index uint64
	held  []func() // proposals that wait for a leader
	mute  bool     // there is no leader
}

func newStation() *station {
	st := &station{s: fsm.New()}
	st.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
		Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
		Rtus:  []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1}}},
	}}})
	return st
}

func (st *station) apply(node string, c *fsmpb.Command) replica.Result {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.index++
	c.Node, c.AtMs = node, time.Now().UnixMilli()
	r := st.s.Apply(st.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]
	return replica.Result{Result: r, Index: st.index}
}

func (st *station) assign(owner string) {
	var epoch uint64
	st.view(func(s *fsm.State) {
		r, _ := s.Resource("rtu/1")
		epoch = r.Epoch
	})
	st.apply(owner, &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "rtu/1", ExpectEpoch: epoch, Owner: owner}}})
}

func (st *station) view(read func(*fsm.State)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	read(st.s)
}

// conditions are all that there are, in one line.
func (st *station) conditions() (line string) {
	st.view(func(s *fsm.State) {
		var all []string
		for _, c := range s.Conditions() {
			text := c.ID
			for _, r := range c.Reports {
				text += fmt.Sprintf(" %s:%d%v", r.Node, r.Count, r.Values)
			}
			all = append(all, text)
		}
		line = strings.Join(all, "; ")
	})
	return line
}

func (st *station) events() (n uint64) {
	st.view(func(s *fsm.State) { n = s.JournalLast() })
	return n
}

// lead gives the group a leader, or takes it away.
func (st *station) lead(there bool) {
	st.mu.Lock()
	st.mute = !there
	held := st.held
	if there {
		st.held = nil
	}
	st.mu.Unlock()
	if there {
		for _, go_ := range held {
			go_()
		}
	}
}

// node is one node's Replica.
type node struct {
	replica.Replica
	id string
	st *station
}

func (n node) ID() string                 { return n.id }
func (n node) View(read func(*fsm.State)) { n.st.view(read) }
func (n node) Applied() (uint64, <-chan struct{}) {
	n.st.mu.Lock()
	defer n.st.mu.Unlock()
	return n.st.index, nil
}

type answer struct {
	done   chan struct{}
	result replica.Result
}

func (a *answer) Done() <-chan struct{}           { return a.done }
func (a *answer) Result() (replica.Result, error) { <-a.done; return a.result, nil }

func (n node) ProposeAsync(c *fsmpb.Command) replica.Proposal {
	a := &answer{done: make(chan struct{})}
	go_ := func() { a.result = n.st.apply(n.id, c); close(a.done) }
	n.st.mu.Lock()
	if n.st.mute {
		n.st.held = append(n.st.held, go_)
		n.st.mu.Unlock()
		return a
	}
	n.st.mu.Unlock()
	go_()
	return a
}

// run starts a node's reporter; stop waits for its end.
func (st *station) run(id string, leads *atomic.Bool) (r *Reporter, stop func()) {
	r = New(Config{Replica: node{id: id, st: st}, Leads: func() bool { return leads != nil && leads.Load() }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	return r, func() { cancel(); <-done }
}

func after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func expect(t *testing.T, st *station, want string) {
	t.Helper()
	if got := st.conditions(); got != want {
		t.Fatalf("conditions:\n got %s\nwant %s", got, want)
	}
}

func disk(free string) condition.Report {
	return condition.Report{Kind: condition.Disk, Resource: "node/fep1", Values: condition.Values(free, "/var/lib/fepha")}
}

func stray(count uint64) condition.Report {
	return condition.Report{Kind: condition.CommonAddress, Resource: "rtu/1", Values: condition.Values(5, 1), Count: count}
}

const thereDisk = "node.fep1.disk fep1:0[1 GB /var/lib/fepha]"

func TestComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		r, stop := st.run("fep1", nil)
		defer stop()
		after(10 * time.Second)
		expect(t, st, "")
		r.Set(disk("1 GB"))
		after(urgently)
		expect(t, st, thereDisk)
		r.Clear(condition.Disk, "node/fep1")
		after(linger - time.Second)
		expect(t, st, thereDisk)
		after(2 * time.Second)
		expect(t, st, "")
	})
}

// What is seen often costs an entry now and then, and no event.
func TestCountsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		st.assign("fep1")
		r, stop := st.run("fep1", nil)
		defer stop()
		r.Set(stray(1))
		after(time.Second)
		expect(t, st, "rtu.1.common_address fep1:1[5 1]")
		events, entries := st.events(), st.index
		for i := range 600 {
			r.Set(stray(uint64(2 + i)))
			after(time.Second)
		}
		after(refresh + period)
		expect(t, st, "rtu.1.common_address fep1:601[5 1]")
		if n := st.index - entries; st.events() != events || n > 22 {
			t.Fatalf("%d entries in 10 min, %d events", n, st.events()-events)
		}
	})
}

// A condition that comes and goes every few seconds for a day costs the journal a few events an hour.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		r, stop := st.run("fep1", nil)
		defer stop()
		before := st.events()
		for range 24 * 3600 / 20 {
			r.Set(disk("1 GB"))
			after(8 * time.Second)
			r.Clear(condition.Disk, "node/fep1")
			after(12 * time.Second)
		}
		if n := st.events() - before; n == 0 || n > 24 {
			t.Fatalf("%d events in a day", n)
		}
		after(maxLinger + time.Second)
		expect(t, st, "")
		after(calm)
		r.Set(disk("1 GB"))
		after(time.Second)
		r.Clear(condition.Disk, "node/fep1")
		after(linger + 2*time.Second)
		expect(t, st, "") // after calm it goes as soon as at first
	})
}

func TestHoldsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		st.assign("fep1")
		r, stop := st.run("fep1", nil)
		defer stop()
		r.Set(stray(1))
		after(30 * time.Minute)
		r.Set(stray(2))
		after(condition.CommonAddress.Hold - period)
		expect(t, st, "rtu.1.common_address fep1:2[5 1]")
		after(linger + 3*period)
		expect(t, st, "")
	})
}

// What a former run of the process reported stays until this one has had the time to look, and then goes or stays.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		r, stop := st.run("fep1", nil)
		r.Set(disk("1 GB"))
		r.Set(condition.Report{Kind: condition.Redis, Resource: "node/fep1", Values: condition.Values("x", "refused")})
		after(time.Second)
		stop()
		r, stop = st.run("fep1", nil)
		defer stop()
		after(settle - 2*period)
		expect(t, st, thereDisk+"; node.fep1.redis fep1:0[x refused]")
		r.Set(disk("1 GB"))
		after(4 * period)
		expect(t, st, thereDisk)
	})
}

func TestLostLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		r, stop := st.run("fep1", nil)
		defer stop()
		st.lead(false)
		r.Set(disk("1 GB"))
		after(time.Minute)
		expect(t, st, "")
		if h := r.Holding(); len(h) != 1 || h[0].ID() != "node.fep1.disk" {
			t.Fatal(h)
		}
		st.mu.Lock()
		if n := len(st.held); n != 1 {
			t.Errorf("%d proposals wait", n)
		}
		st.mu.Unlock()
		r.Set(disk("2 GB"))
		st.lead(true)
		after(refresh + period)
		expect(t, st, "node.fep1.disk fep1:0[2 GB /var/lib/fepha]")
	})
}

// The word about a resource is its owner's: what the former one said stays until the new one has seen, or has had the time to.
func TestOwnerChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		st.assign("fep1")
		one, stopOne := st.run("fep1", nil)
		defer stopOne()
		two, stopTwo := st.run("fep2", nil)
		defer stopTwo()
		one.Set(stray(7))
		after(time.Second)
		clock := condition.Report{Kind: condition.DeviceClock, Resource: "rtu/1", Values: condition.Values("+3s")}
		one.Set(clock)
		two.Set(clock) // it doesn't own it: nobody listens
		two.Clear(condition.CommonAddress, "rtu/1")
		after(time.Second)
		both := "rtu.1.common_address fep1:7[5 1]; rtu.1.device_clock fep1:0[+3s]"
		expect(t, st, both)

		st.assign("fep2")
		after(settle - 2*period)
		expect(t, st, both)
		two.Set(stray(1))
		after(time.Second)
		expect(t, st, "rtu.1.common_address fep2:1[5 1]; rtu.1.device_clock fep1:0[+3s]")
		after(3 * period)
		expect(t, st, "rtu.1.common_address fep2:1[5 1]")

		st.assign("fep1")
		after(time.Second)
		expect(t, st, "rtu.1.common_address fep2:1[5 1]") // what fep1 had seen before isn't news
		one.Clear(condition.CommonAddress, "rtu/1")
		after(2 * period)
		expect(t, st, "")
	})
}

func TestLeaderChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		var oneLeads, twoLeads atomic.Bool
		oneLeads.Store(true)
		one, stopOne := st.run("fep1", &oneLeads)
		defer stopOne()
		two, stopTwo := st.run("fep2", &twoLeads)
		defer stopTwo()
		dead := condition.Report{Kind: condition.NodeDead, Resource: "node/fep2"}
		one.Set(dead)
		after(time.Second)
		expect(t, st, "node.fep2.dead fep1:0[]")
		oneLeads.Store(false)
		twoLeads.Store(true)
		after(10 * time.Second)
		expect(t, st, "node.fep2.dead fep1:0[]")
		two.Clear(condition.NodeDead, "node/fep2")
		after(2 * period)
		expect(t, st, "")
	})
}

// What can't be committed is nobody's but this node's.
func TestLocalStaysLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStation()
		r, stop := st.run("fep1", nil)
		defer stop()
		r.Set(condition.Report{Kind: condition.QuorumLost, Resource: "station"})
		after(time.Minute)
		expect(t, st, "")
		if len(r.Holding()) != 1 {
			t.Fatal("it isn't held")
		}
	})
}
