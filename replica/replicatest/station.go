// Package replicatest is a station in memory for the tests of those who live from the replicated state: one log and the
// real state machine, and nodes on which a test makes happen what takes months in the field. A commit takes time or doesn't
// come, a node lags behind, a leader is lost, a lease ends, a watchdog sleeps, a process is killed and started again.
//
// It runs in real time and in testing/synctest, and starts no goroutine that outlives a commit.
package replicatest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Station stands for the group. Its methods may be called from any goroutine.
type Station struct {
	mu         sync.RWMutex
	state      *fsm.State // the newest
	entries    []*fsmpb.Entry
	grown      chan struct{} // closed when the state has grown
	queue      []*Proposal
	committing bool // a commit is under way, or its time is set
	delay      time.Duration
	clock      func() time.Time
	onCommit   func(s *fsm.State, c *fsmpb.Command)
	refusal    error
	leader     string // "": none
	lastLeader string
	term       uint64
	elected    chan struct{} // closed at the next change of the leader
	nodes      map[string]*Node
	batches    map[string]batch

	resources uint64        // their revision, when tenures were looked at last
	changed   chan struct{} // closed when a tenure may have begun or ended
}

// batch is the newest batch of values of an RTU.
type batch struct{ epoch, number uint64 }

// New makes a station with a configuration in force, whose nodes are alive, have a lease and have applied everything. The
// first one leads. Commits take no time until SetDelay says so.
func New(t testing.TB, c *fsmpb.Configure) *Station {
	t.Helper()
	s := &Station{
		state: fsm.New(), grown: make(chan struct{}), clock: time.Now, leader: c.Nodes[0].Id, lastLeader: c.Nodes[0].Id, term: 1, elected: make(chan struct{}),
		changed: make(chan struct{}), nodes: map[string]*Node{}, batches: map[string]batch{},
	}
	s.Do(t, s.leader, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: c}})
	for _, n := range c.Nodes {
		s.Start(n.Id)
		s.SetAlive(t, n.Id, true)
	}
	return s
}

// SetDelay makes each commit take this long from the first of its commands on.
func (s *Station) SetDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// SetClock replaces the clock by which commands are stamped.
func (s *Station) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = now
}

// OnCommit calls f for each command once its entry is applied. f must not call the station.
func (s *Station) OnCommit(f func(s *fsm.State, c *fsmpb.Command)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCommit = f
}

// Refuse makes Propose fail at once with err, until err is nil.
func (s *Station) Refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// SetLeader takes the leader away, so that nothing is committed, or gives it back.
func (s *Station) SetLeader(there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case there && s.leader == "":
		s.elect(s.lastLeader)
	case !there && s.leader != "":
		s.elect("")
	}
}

// Elect makes a node the leader in a term.
func (s *Station) Elect(leader string, term uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.term, s.lastLeader = term, leader
	s.elect(leader)
}

func (s *Station) elect(leader string) {
	s.leader = leader
	close(s.elected)
	s.elected = make(chan struct{})
	s.schedule()
}

// Restore puts another state in the place of the newest, as a restored snapshot does. Nodes must not lag.
func (s *Station) Restore(state *fsm.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
	s.entries = append(s.entries, &fsmpb.Entry{})
	s.state.Apply(uint64(len(s.entries)), s.entries[len(s.entries)-1])
	close(s.grown)
	s.grown = make(chan struct{})
	s.checkTenures()
}

// View runs read with the newest state.
func (s *Station) View(read func(s *fsm.State)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	read(s.state)
}

// Committed are all commands that were committed, in order.
func (s *Station) Committed() (all []*fsmpb.Command) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.entries {
		all = append(all, e.Commands...)
	}
	return all
}

// Proposal is a command on its way.
type Proposal struct {
	Command *fsmpb.Command
	done    chan struct{}
	result  replica.Result
	err     error
}

var _ replica.Proposal = (*Proposal)(nil)

// Done implements [replica.Proposal].
func (p *Proposal) Done() <-chan struct{} { return p.done }

// Result implements [replica.Proposal].
func (p *Proposal) Result() (replica.Result, error) {
	<-p.done
	return p.result, p.err
}

// Withhold takes what is on its way to the log off it; Deliver puts it there again.
func (s *Station) Withhold() []*Proposal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take()
}

// Deliver puts what was withheld behind what is on its way now.
func (s *Station) Deliver(late []*Proposal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, late...)
	s.schedule()
}

func newProposal(node string, c *fsmpb.Command) *Proposal {
	c = proto.CloneOf(c)
	c.Node = node
	return &Proposal{Command: c, done: make(chan struct{})}
}

// propose puts a command on its way. mu is held.
func (s *Station) propose(node string, c *fsmpb.Command) *Proposal {
	p := newProposal(node, c)
	s.queue = append(s.queue, p)
	s.schedule()
	return p
}

// schedule commits what is on its way, or sets the time. mu is held.
func (s *Station) schedule() {
	switch {
	case s.leader == "" || s.committing || len(s.queue) == 0:
	case s.delay == 0:
		s.commit(s.take())
	default:
		s.committing = true
		time.AfterFunc(s.delay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.committing = false
			if s.leader != "" {
				s.commit(s.take())
			}
		})
	}
}

// take returns what is on its way. mu is held.
func (s *Station) take() []*Proposal {
	batch := s.queue
	s.queue = nil
	return batch
}

// commit applies proposals as one entry. mu is held.
func (s *Station) commit(batch []*Proposal) {
	if len(batch) == 0 {
		return
	}
	before := s.committing
	s.committing = true
	e := &fsmpb.Entry{}
	for _, p := range batch {
		now := s.clock()
		p.Command.AtMs, p.Command.AtCp56 = now.UnixMilli(), cp56(now.UTC())
		e.Commands = append(e.Commands, p.Command)
	}
	s.entries = append(s.entries, e)
	index := uint64(len(s.entries))
	results := s.state.Apply(index, e)
	close(s.grown)
	s.grown = make(chan struct{})
	if rev := s.state.Revisions().Resources; rev != s.resources {
		s.resources = rev
		s.checkTenures()
	}
	for i, p := range batch {
		p.result = replica.Result{Result: results[i], Index: index}
		close(p.done)
		if s.onCommit != nil {
			s.onCommit(s.state, p.Command)
		}
	}
	s.committing = before
	s.schedule() // of what came because of it
}

// checkTenures ends the tenures that hold no longer, and lets those begin that may. mu is held.
func (s *Station) checkTenures() {
	for _, n := range s.nodes {
		for _, t := range slices.Clone(n.tenures) {
			if err := n.holds(t.resource, t.epoch); err != nil {
				t.end(err)
			}
		}
		for _, r := range n.state().Resources() {
			n.release(r)
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// cp56 is t as a CP56Time2a, first octet in the lowest byte.
func cp56(t time.Time) uint64 {
	ms := uint64(t.Second()*1000 + t.Nanosecond()/1e6)
	weekday := (uint64(t.Weekday())+6)%7 + 1 // Monday is 1
	return ms | uint64(t.Minute())<<16 | uint64(t.Hour())<<24 | (uint64(t.Day())|weekday<<5)<<32 |
		uint64(t.Month())<<40 | uint64(t.Year()%100)<<48
}
