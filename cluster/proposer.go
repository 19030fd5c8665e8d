package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// MaxCommand is the size, in octets of its encoding, that a command may have.
const MaxCommand = 1 << 20

// Bounds of what a node has proposed and not seen applied.
const (
	maxWaiting      = 32768    // proposals
	maxWaitingBytes = 32 << 20 // octets
	maxBatch        = 512      // proposals in one entry
	maxBatchBytes   = 64 << 10 // octets in one entry, unless one proposal alone is larger
	maxInFlight     = 8        // entries handed to the leader and not answered
	eagerInFlight   = 2        // so many leave at once; beyond that an entry is sent when it's full, so that a busy disk gets larger ones
)

// proposer carries a node's proposals to the leader, wherever that is: in entries, in order, again if need be.
type proposer struct {
	clock     func() time.Duration
	stamp     func(c *fsmpb.Command, now time.Time) // fills in when and by whom a command was proposed
	open      func() (*route, error)                // a way to the current leader; an error if there's none
	leader    func() string                         // its id; "" if there's none
	changed   *broadcast                            // another leader, or none
	late      time.Duration                         // an entry that isn't answered in this time is proposed again
	committed func(took time.Duration)              // see Config.OnCommit
	done      chan struct{}
	wg        sync.WaitGroup
	wake      chan struct{}

	mu       sync.Mutex
	closed   bool
	waiting  []*proposal // not in an entry yet
	bytes    int         // of all that's waiting or in flight
	count    int
	inFlight []*batch // in the order of sending

	counts proposerCounts
}

// proposal is a command on its way.
type proposal struct {
	data []byte // the command, encoded
	done chan struct{}

	result replica.Result // set before done is closed
	err    error

	sent      bool // it was handed to a leader; guarded by proposer.mu, as is the next
	abandoned bool // no one waits for it: it isn't sent if it wasn't yet
}

// Done implements [replica.Proposal].
func (p *proposal) Done() <-chan struct{} { return p.done }

// Result implements [replica.Proposal].
func (p *proposal) Result() (replica.Result, error) {
	<-p.done
	return p.result, p.err
}

func (p *proposal) finish(r replica.Result, err error) {
	p.result, p.err = r, err
	close(p.done)
}

// failed is a proposal that never was.
func failed(err error) *proposal {
	p := &proposal{done: make(chan struct{})}
	p.finish(replica.Result{}, err)
	return p
}

// batch is one entry.
type batch struct {
	proposals []*proposal
	entry     []byte
	sent      time.Duration
}

// answer is what a leader says of an entry.
type answer struct {
	index uint64
	outcome
}

// route is a way to a leader. What's sent is answered in order; after the first error nothing more is.
type route struct {
	leader  string
	send    func(entry []byte) error // blocks while the leader is busy
	answers <-chan answer
	stop    func() // makes send fail from now on; at any time
	finish  func() // after the last send: answers is closed soon after
}

func newProposer(clock func() time.Duration, stamp func(*fsmpb.Command, time.Time), open func() (*route, error), leader func() string, changed *broadcast, late time.Duration, committed func(took time.Duration)) *proposer {
	p := &proposer{
		clock: clock, stamp: stamp, open: open, leader: leader, changed: changed, late: late, committed: committed,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	p.wg.Go(p.run)
	return p
}

// propose is [replica.Replica.Propose].
func (p *proposer) propose(ctx context.Context, command *fsmpb.Command) (replica.Result, error) {
	q := p.proposeAsync(command)
	select {
	case <-q.done:
		return q.Result()
	case <-ctx.Done():
		return p.abandon(q, ctx.Err())
	}
}

// proposeAsync is [replica.Replica.ProposeAsync].
func (p *proposer) proposeAsync(command *fsmpb.Command) *proposal {
	p.stamp(command, time.Now())
	q := &proposal{done: make(chan struct{})}
	data, err := proto.Marshal(command)
	switch {
	case err != nil:
		q.finish(replica.Result{}, fmt.Errorf("proposing: encoding the command: %w", err))
	case len(data) > MaxCommand:
		q.finish(replica.Result{}, fmt.Errorf("proposing: %w: %d octets, at most %d", replica.ErrTooLarge, len(data), MaxCommand))
	default:
		q.data = data
		p.add(q)
	}
	return q
}

func (p *proposer) add(q *proposal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		q.finish(replica.Result{}, fmt.Errorf("proposing: %w", replica.ErrClosed))
		return
	case p.count >= maxWaiting || p.bytes+len(q.data) > maxWaitingBytes:
		q.finish(replica.Result{}, fmt.Errorf("proposing: %w: %d commands of %d octets in all", replica.ErrOverloaded, p.count, p.bytes))
		return
	}
	p.waiting = append(p.waiting, q)
	p.count++
	p.bytes += len(q.data)
	p.counts.commands++
	nudge(p.wake)
}

// abandon is for a caller that no longer waits.
func (p *proposer) abandon(q *proposal, why error) (replica.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-q.done:
		return q.result, q.err
	default:
	}
	q.abandoned = true
	if q.sent {
		return replica.Result{}, fmt.Errorf("proposing: %w: %w", replica.ErrUnknownOutcome, why)
	}
	return replica.Result{}, fmt.Errorf("proposing: %w: %w", replica.ErrNoLeader, why)
}

// leaderRetry is how long to wait for news of a leader before looking again.
const leaderRetry = 20 * time.Millisecond

func (p *proposer) run() {
	for {
		changed := p.changed.wait()
		r, err := p.open()
		if err != nil {
			select {
			case <-changed:
			case <-time.After(leaderRetry):
			case <-p.done:
				return
			}
			continue
		}
		if !p.use(r) {
			return
		}
		select {
		case <-time.After(leaderRetry / 4): // a leader on its way out may refuse many times a millisecond
		case <-p.done:
			return
		}
	}
}

// use sends over one route until it ends; false if the proposer is closed.
func (p *proposer) use(r *route) bool {
	broken := make(chan struct{})
	p.wg.Go(func() {
		ok := true
		for a := range r.answers {
			if ok = ok && a.err == nil && p.answered(a); !ok {
				r.stop()
				closeOnce(broken)
			}
		}
		closeOnce(broken)
	})
	defer r.finish()

	p.mu.Lock()
	again := slices.Clone(p.inFlight)
	p.counts.retried += uint64(len(again))
	for _, b := range again {
		b.sent = p.clock()
	}
	p.mu.Unlock()
	for _, b := range again {
		if r.send(b.entry) != nil {
			return true
		}
	}
	check := time.NewTicker(p.late / 4)
	defer check.Stop()
	for {
		changed := p.changed.wait()
		if p.leader() != r.leader {
			return true
		}
		for b := p.next(); b != nil; b = p.next() {
			if r.send(b.entry) != nil {
				return true
			}
		}
		select {
		case <-p.wake:
		case <-changed:
		case <-broken:
			return true
		case <-check.C:
			if p.overdue() {
				return true
			}
		case <-p.done:
			return false
		}
	}
}

// next takes the next entry to be sent, nil if there's none or enough are inFlight.
func (p *proposer) next() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(q *proposal) bool {
		if q.abandoned {
			p.forget(q)
		}
		return q.abandoned
	})
	if len(p.waiting) == 0 || len(p.inFlight) >= maxInFlight {
		return nil
	}
	n, size := 0, 0
	for _, q := range p.waiting {
		if n == maxBatch || n > 0 && size+len(q.data) > maxBatchBytes {
			break
		}
		n++
		size += len(q.data)
	}
	full := n < len(p.waiting) || n == maxBatch
	if len(p.inFlight) >= eagerInFlight && !full {
		return nil
	}
	b := &batch{proposals: slices.Clone(p.waiting[:n]), entry: make([]byte, 0, size+n*4), sent: p.clock()}
	p.waiting = slices.Delete(p.waiting, 0, n)
	for _, q := range b.proposals {
		q.sent = true
		b.entry = protowire.AppendTag(b.entry, entryCommands, protowire.BytesType)
		b.entry = protowire.AppendBytes(b.entry, q.data)
	}
	p.inFlight = append(p.inFlight, b)
	p.counts.entries++
	return b
}

// entryCommands is the field number of fsmpb.Entry.commands: an entry is its commands' encodings, one after the other.
const entryCommands = 1

// answered takes the answer to the oldest entry under way. It's false if the answer makes no sense.
func (p *proposer) answered(a answer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inFlight) == 0 || len(a.results) != len(p.inFlight[0].proposals) {
		return false
	}
	b := p.inFlight[0]
	p.inFlight = slices.Delete(p.inFlight, 0, 1)
	if p.committed != nil {
		p.committed(p.clock() - b.sent)
	}
	for i, q := range b.proposals {
		p.forget(q)
		q.finish(replica.Result{Result: a.results[i], Index: a.index}, nil)
	}
	nudge(p.wake)
	return true
}

func (p *proposer) forget(q *proposal) {
	p.count--
	p.bytes -= len(q.data)
}

func (p *proposer) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.inFlight) > 0 && p.clock()-p.inFlight[0].sent > p.late
}

// stop ends the sending. Answers are taken until the routes end by themselves, or with Raft and the connections.
func (p *proposer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
}

// wait waits for the end after stop, and fails what has no result.
func (p *proposer) wait() {
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.inFlight {
		p.waiting = append(p.waiting, b.proposals...)
	}
	for _, q := range p.waiting {
		q.finish(replica.Result{}, fmt.Errorf("proposing: %w", replica.ErrClosed))
	}
	p.waiting, p.inFlight, p.count, p.bytes = nil, nil, 0, 0
}

// proposerCounts count since the start.
type proposerCounts struct{ commands, entries, retried uint64 }

// read gives the counts, and how many proposals have no result yet.
func (p *proposer) read() (counts proposerCounts, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts, p.count
}
