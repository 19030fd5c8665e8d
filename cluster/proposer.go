package cluster

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fepha/fepha/replica"
)

// Bounds of what a node has proposed and not seen applied.
const (
	maxWaiting      = 32768    // proposals
	maxWaitingBytes = 32 << 20 // octets
	maxBatch        = 512      // proposals in one entry
	maxBatchBytes   = 64 << 10 // octets in one entry, unless one proposal alone is larger
	maxFlying       = 8        // entries handed to the leader and not answered
	eagerFlying     = 2        // so many leave at once; beyond that an entry is sent when it's full, so that a busy disk gets larger ones
)

// proposer carries a node's proposals to the leader, wherever that is: in entries, in order, again if need be.
type proposer struct {
	clock     clock
	open      func() (*route, error)   // a way to the current leader; an error if there's none
	leader    func() string            // its id; "" if there's none
	changed   *broadcast               // another leader, or none
	late      time.Duration            // an entry that isn't answered in this time is proposed again
	committed func(took time.Duration) // see Config.OnCommit
	done      chan struct{}
	wg        sync.WaitGroup
	wake      chan struct{}

	mu      sync.Mutex
	closed  bool
	waiting []*proposal // not in an entry yet
	bytes   int         // of all that's waiting or flying
	count   int
	flying  []*batch // in the order of sending

	commands, entries, retried uint64 // since the start
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
	stop    func() // has send fail from now on; at any time
	finish  func() // after the last send: answers is closed soon after
}

func newProposer(clock clock, open func() (*route, error), leader func() string, changed *broadcast, late time.Duration, committed func(took time.Duration)) *proposer {
	p := &proposer{
		clock: clock, open: open, leader: leader, changed: changed, late: late, committed: committed,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	p.wg.Go(p.run)
	return p
}

func (p *proposer) add(q *proposal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.proposer = p
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
	p.commands++
	p.nudge()
}

func (p *proposer) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
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
		if !p.ride(r) {
			return
		}
		select {
		case <-time.After(leaderRetry / 4): // a leader on its way out may refuse many times a millisecond
		case <-p.done:
			return
		}
	}
}

// ride uses one route until it ends; false if the proposer is closed.
func (p *proposer) ride(r *route) bool {
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
	again := slices.Clone(p.flying)
	p.retried += uint64(len(again))
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

// next takes the next entry to be sent, nil if there's none or enough are flying.
func (p *proposer) next() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(q *proposal) bool {
		if q.abandoned {
			p.forget(q)
		}
		return q.abandoned
	})
	if len(p.waiting) == 0 || len(p.flying) >= maxFlying {
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
	if len(p.flying) >= eagerFlying && !full {
		return nil
	}
	b := &batch{proposals: slices.Clone(p.waiting[:n]), entry: make([]byte, 0, size+n*4), sent: p.clock()}
	p.waiting = slices.Delete(p.waiting, 0, n)
	for _, q := range b.proposals {
		q.sent = true
		b.entry = protowire.AppendTag(b.entry, entryCommands, protowire.BytesType)
		b.entry = protowire.AppendBytes(b.entry, q.data)
	}
	p.flying = append(p.flying, b)
	p.entries++
	return b
}

// entryCommands is the field number of fsmpb.Entry.commands: an entry is its commands' encodings, one after the other.
const entryCommands = 1

// answered takes the answer to the oldest entry under way. It's false if the answer makes no sense.
func (p *proposer) answered(a answer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flying) == 0 || len(a.results) != len(p.flying[0].proposals) {
		return false
	}
	b := p.flying[0]
	p.flying = slices.Delete(p.flying, 0, 1)
	if p.committed != nil {
		p.committed(p.clock() - b.sent)
	}
	for i, q := range b.proposals {
		p.forget(q)
		q.finish(replica.Result{Result: a.results[i], Index: a.index}, nil)
	}
	p.nudge()
	return true
}

func (p *proposer) forget(q *proposal) {
	p.count--
	p.bytes -= len(q.data)
}

func (p *proposer) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.flying) > 0 && p.clock()-p.flying[0].sent > p.late
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
	for _, b := range p.flying {
		p.waiting = append(p.waiting, b.proposals...)
	}
	for _, q := range p.waiting {
		q.finish(replica.Result{}, fmt.Errorf("proposing: %w", replica.ErrClosed))
	}
	p.waiting, p.flying, p.count, p.bytes = nil, nil, 0, 0
}

func (p *proposer) read(m *Metrics) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.ProposalsWaiting = p.count
	m.CommandsProposed, m.EntriesProposed, m.EntriesRetried = p.commands, p.entries, p.retried
}
