package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// leaders is a proposer's outside: a leader that commits entries, or loses them, as a test says.
type leaders struct {
	mu      sync.Mutex
	id      string // "" : none
	changed broadcast
	entries [][]string // what was committed: the pins of each entry
	hold    chan struct{}
	lose    int // answers to lose: their entries are committed, and the proposer isn't told
}

func (l *leaders) leader() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

func (l *leaders) elect(id string) {
	l.mu.Lock()
	l.id = id
	l.mu.Unlock()
	l.changed.fire()
}

func (l *leaders) open() (*route, error) {
	id := l.leader()
	if id == "" {
		return nil, errLeaderUnknown
	}
	ctx, cancel := context.WithCancel(context.Background())
	in, out := make(chan []byte, maxInFlight), make(chan answer)
	go func() {
		defer close(out)
		for data := range in {
			out <- l.commit(ctx, data)
		}
	}()
	return &route{
		leader: id, answers: out,
		send: func(entry []byte) error {
			select {
			case in <- entry:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		stop: cancel, finish: func() { cancel(); close(in) },
	}, nil
}

func (l *leaders) commit(ctx context.Context, data []byte) answer {
	l.mu.Lock()
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return answer{outcome: outcome{err: ctx.Err()}}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var e fsmpb.Entry
	if err := proto.Unmarshal(data, &e); err != nil {
		return answer{outcome: outcome{err: err}}
	}
	var names []string
	a := answer{index: uint64(len(l.entries) + 1)}
	for _, c := range e.Commands {
		names = append(names, c.GetPin().GetResource())
		a.results = append(a.results, &fsmpb.Result{Message: c.GetPin().GetResource()})
	}
	l.entries = append(l.entries, names)
	if l.lose > 0 {
		l.lose--
		return answer{outcome: outcome{err: raft.ErrLeadershipLost}}
	}
	return a
}

func newTestProposer(t *testing.T, l *leaders) *proposer {
	p := newProposer(newClock(), func(*fsmpb.Command, time.Time) {}, l.open, l.leader, &l.changed, time.Second, nil)
	t.Cleanup(func() {
		l.mu.Lock()
		if l.hold != nil {
			close(l.hold)
			l.hold = nil
		}
		l.mu.Unlock()
		p.stop()
		p.wait()
	})
	return p
}

// flat is every command committed, in order.
func (l *leaders) flat() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.entries...)
}

// TestProposalsKeepTheirOrder proposes while answers are lost: each command is applied at least once, its first time after
// the first time of every earlier one, and gets its own result.
func TestProposalsKeepTheirOrder(t *testing.T) {
	l := &leaders{id: "fep2", lose: 7}
	n := newTestProposer(t, l)
	var ps []replica.Proposal
	for i := range 3000 {
		ps = append(ps, n.proposeAsync(clustertest.Pin(fmt.Sprint(i), "")))
		if rand.IntN(100) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for i, p := range ps {
		r, err := p.Result()
		if err != nil || r.GetMessage() != fmt.Sprint(i) {
			t.Fatalf("command %d: %v, %v", i, r, err)
		}
	}
	seen := map[string]bool{}
	next := 0
	for _, name := range l.flat() {
		if !seen[name] {
			if name != fmt.Sprint(next) {
				t.Fatalf("command %s was first applied where %d was expected", name, next)
			}
			next++
		}
		seen[name] = true
	}
	if stats, waiting := n.read(); stats.commands != 3000 || stats.retried == 0 || waiting != 0 {
		t.Errorf("%d commands, %d entries sent again, %d waiting", stats.commands, stats.retried, waiting)
	}
}

// TestProposalsAreBatched: what's proposed while entries are under way leaves together, in entries of bounded size.
func TestProposalsAreBatched(t *testing.T) {
	l := &leaders{id: "fep2", hold: make(chan struct{})}
	n := newTestProposer(t, l)
	var ps []replica.Proposal
	for i := range 2000 {
		ps = append(ps, n.proposeAsync(clustertest.Pin(fmt.Sprint(i), "")))
	}
	l.mu.Lock()
	close(l.hold)
	l.hold = nil
	l.mu.Unlock()
	for _, p := range ps {
		if _, err := p.Result(); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) > 12 {
		t.Errorf("2000 commands in %d entries", len(l.entries))
	}
	for _, e := range l.entries {
		if len(e) > maxBatch {
			t.Errorf("%d commands in an entry", len(e))
		}
	}
}

func TestProposalsWaitForALeader(t *testing.T) {
	l := &leaders{}
	n := newTestProposer(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
	defer cancel()
	if _, err := n.propose(ctx, clustertest.Pin("never", "")); !errors.Is(err, replica.ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, expected %v and the context's", err, replica.ErrNoLeader)
	}
	p := n.proposeAsync(clustertest.Pin("then", ""))
	l.elect("fep2")
	if _, err := p.Result(); err != nil {
		t.Error(err)
	}
	if got := l.flat(); !slices.Equal(got, []string{"then"}) {
		t.Errorf("%v was committed; what no one waits for isn't sent", got)
	}
}

func TestProposalsMoveToTheNextLeader(t *testing.T) {
	l := &leaders{id: "fep2", hold: make(chan struct{})}
	n := newTestProposer(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
	defer cancel()
	if _, err := n.propose(ctx, clustertest.Pin("a", "")); !errors.Is(err, replica.ErrUnknownOutcome) {
		t.Errorf("%v, expected %v", err, replica.ErrUnknownOutcome)
	}
	p := n.proposeAsync(clustertest.Pin("b", ""))
	l.mu.Lock()
	l.hold = nil // the old leader never answers
	l.mu.Unlock()
	l.elect("wit")
	if _, err := p.Result(); err != nil {
		t.Error(err)
	}
}

func TestProposalsAreBounded(t *testing.T) {
	l := &leaders{}
	n := newTestProposer(t, l)
	large := clustertest.Pin(string(make([]byte, MaxCommand)), "")
	if _, err := n.proposeAsync(large).Result(); !errors.Is(err, replica.ErrTooLarge) {
		t.Errorf("%v, expected %v", err, replica.ErrTooLarge)
	}
	big := clustertest.Pin(string(make([]byte, MaxCommand-100)), "")
	var refused error
	for range maxWaitingBytes/MaxCommand + 1 {
		if p := n.proposeAsync(proto.Clone(big).(*fsmpb.Command)); refused == nil {
			select {
			case <-p.Done():
				_, refused = p.Result()
			default:
			}
		}
	}
	if !errors.Is(refused, replica.ErrOverloaded) {
		t.Errorf("%v, expected %v", refused, replica.ErrOverloaded)
	}
}

func TestProposalsOfAClosedNode(t *testing.T) {
	l := &leaders{}
	n := newTestProposer(t, l)
	waits := n.proposeAsync(clustertest.Pin("a", ""))
	n.stop()
	n.wait()
	for _, p := range []replica.Proposal{waits, n.proposeAsync(clustertest.Pin("b", ""))} {
		if _, err := p.Result(); !errors.Is(err, replica.ErrClosed) {
			t.Errorf("%v, expected %v", err, replica.ErrClosed)
		}
	}
}

// TestProposalsSurviveLeaders proposes numbered batches of events from a follower while leadership moves around: the state
// has each once.
func TestProposalsSurviveLeaders(t *testing.T) {
	s := newStation(t, nil)
	s.lead("fep1")
	s.move(rtu1, "fep2")
	tenure := s.owned("fep2", rtu1)
	defer tenure.Close()
	const batches = 400
	var ps []replica.Proposal
	for i := range batches {
		ps = append(ps, s.nodes["fep2"].ProposeAsync(events(tenure.epoch, uint64(i+1))))
		if i%100 == 50 {
			l := s.leader()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_ = l.Transfer(ctx, map[string]string{"fep1": "wit", "wit": "fep1", "fep2": "fep1"}[l.ID()])
			cancel()
		}
	}
	var last uint64
	for i, p := range ps {
		r, err := p.Result()
		if err != nil {
			t.Fatalf("batch %d: %v", i+1, err)
		}
		for r.GetCode() == fsmpb.Result_GAP { // it overtook an earlier one, which was proposed again
			r = s.propose("fep2", events(tenure.epoch, uint64(i+1)))
		}
		if r.GetCode() > fsmpb.Result_DUPLICATE {
			t.Fatalf("batch %d: %v", i+1, r)
		}
		last = r.Index
	}
	until(t, "it's applied here", func() bool { at, _ := s.nodes["fep2"].Applied(); return at >= last })
	s.nodes["fep2"].View(func(st *fsm.State) {
		n, want := 0, float64(1)
		for _, e := range st.ReadJournal(0, make([]fsm.Event, 10000)) {
			if e.RTU == 1 && e.Point == 7 {
				if e.Value != want {
					t.Errorf("event %d has value %v, expected %v", e.Seq, e.Value, want)
				}
				n, want = n+1, want+1
			}
		}
		if n != batches {
			t.Errorf("%d events, expected %d", n, batches)
		}
	})
}

func events(epoch, batch uint64) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: epoch, Batch: batch, Items: []*fsmpb.Item{
		{Kind: fsmpb.Kind_DI, Point: 7, Type: 30, Value: float64(batch), TimeMs: 1, Mode: fsmpb.Item_EVENT},
	}}}}
}
