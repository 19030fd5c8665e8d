package cluster

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

var (
	errMuted   = errors.New("this node has fallen silent")
	errStalled = errors.New("this node's disk hangs")
)

// transport is Raft's network transport behind this package's guards. It sees every message in and out, so it's where
// the library's known defects are kept from doing harm; each guard names its issue.
type transport struct {
	*raft.NetworkTransport
	address raft.ServerAddress
	clock   clock
	inbound chan raft.RPC // what Raft's main loop gets
	done    chan struct{}
	wg      sync.WaitGroup

	muted   atomic.Bool  // nothing goes out or in any more (watch.go)
	contact atomic.Int64 // clock reading of the last message of a current leader, ns; of the start until then
	queued  atomic.Uint64

	raft     atomic.Pointer[raft.Raft] // set right after it's made
	disk     *diskWatch
	contacts *contacts
	witness  *campaignGuard // nil on FEPs
	amnesia  *amnesiaGuard  // nil unless this node began with an empty data folder
}

// inboundBuffer lets a few heartbeats wait in order behind a message that's being stored.
const inboundBuffer = 16

func newTransport(inner *raft.NetworkTransport, address string, clock clock, disk *diskWatch, contacts *contacts, witness *campaignGuard, amnesia *amnesiaGuard) *transport {
	t := &transport{
		NetworkTransport: inner, address: raft.ServerAddress(address), clock: clock, disk: disk, contacts: contacts,
		witness: witness, amnesia: amnesia,
		inbound: make(chan raft.RPC, inboundBuffer), done: make(chan struct{}),
	}
	t.contact.Store(int64(clock()))
	inner.SetHeartbeatHandler(t.heartbeat)
	t.wg.Go(t.receive)
	return t
}

// attach tells the transport whose it is. Messages that come before are answered by Raft's main loop alone.
func (t *transport) attach(r *raft.Raft) { t.raft.Store(r) }

// term is Raft's current term; 0 before it's attached.
func (t *transport) term() uint64 {
	if r := t.raft.Load(); r != nil {
		return r.CurrentTerm()
	}
	return 0
}

// LocalAddr is the address under which the others know this node, which needn't be the one that it listens on.
func (t *transport) LocalAddr() raft.ServerAddress { return t.address }

// Consumer is where Raft's main loop gets messages from.
func (t *transport) Consumer() <-chan raft.RPC { return t.inbound }

// SetHeartbeatHandler keeps Raft's fast path for heartbeats out: it runs Raft's own handler beside the main loop, and
// that may raise or lower the term there (raft#695). See heartbeat.
func (t *transport) SetHeartbeatHandler(func(raft.RPC)) {}

// heartbeat answers for a main loop that may be busy storing entries, so that the leader doesn't take a slow disk for a
// dead node. It only states what's so: this node follows that leader in that term. Everything else, a new term above
// all, is the main loop's to handle, and it gets a copy, if it has room, to know that the leader lives.
func (t *transport) heartbeat(rpc raft.RPC) {
	req, ok := rpc.Command.(*raft.AppendEntriesRequest)
	r := t.raft.Load()
	if !ok || r == nil || req.Term != r.CurrentTerm() || r.State() != raft.Follower || !isLeader(r, req) {
		t.queued.Add(1)
		t.deliver(rpc)
		return
	}
	if t.muted.Load() {
		rpc.Respond(nil, errMuted)
		return
	}
	t.noteContact(req)
	rpc.Respond(&raft.AppendEntriesResponse{
		RPCHeader: raft.RPCHeader{ProtocolVersion: req.ProtocolVersion},
		Term:      req.Term, LastLog: r.LastIndex(), Success: true,
	}, nil)
	select {
	case t.inbound <- raft.RPC{Command: req, RespChan: make(chan raft.RPCResponse, 1)}:
	default:
	}
}

func isLeader(r *raft.Raft, req *raft.AppendEntriesRequest) bool {
	_, id := r.LeaderWithID()
	return id != "" && string(id) == string(req.ID)
}

// receive passes messages on to Raft.
func (t *transport) receive() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			t.deliver(rpc)
		case <-t.done:
			return
		}
	}
}

func (t *transport) deliver(rpc raft.RPC) {
	if err := t.inspect(rpc.Command); err != nil {
		if rpc.Reader != nil {
			_, _ = io.Copy(io.Discard, rpc.Reader) // the stream is used on (raft#212)
		}
		rpc.Respond(nil, err)
		return
	}
	select {
	case t.inbound <- t.amnesia.listen(rpc, t.done):
	case <-t.done:
	}
}

// inspect looks at a message before Raft does, and may refuse it.
func (t *transport) inspect(command any) error {
	if t.muted.Load() {
		return errMuted
	}
	switch req := command.(type) {
	case *raft.AppendEntriesRequest:
		t.noteContact(req)
	case *raft.InstallSnapshotRequest:
		t.contact.Store(int64(t.clock()))
	case *raft.RequestVoteRequest:
		t.amnesia.asked(req.LastLogIndex)
		return t.amnesia.refuse(req.LastLogIndex, string(req.ID))
	case *raft.RequestPreVoteRequest:
		t.noteBehind(req)
		return t.amnesia.refuse(req.LastLogIndex, string(req.ID))
	}
	return nil
}

func (t *transport) noteContact(req *raft.AppendEntriesRequest) {
	if r := t.raft.Load(); r == nil || req.Term >= r.CurrentTerm() {
		t.contact.Store(int64(t.clock()))
	}
}

// noteBehind tells the witness's guard of a candidate that can't win against this node's log (Raft, section 5.4.1).
func (t *transport) noteBehind(req *raft.RequestPreVoteRequest) {
	r := t.raft.Load()
	if t.witness == nil || r == nil {
		return
	}
	// Only the statistics tell the last term. A pre-vote is rare enough.
	lastTerm, err := strconv.ParseUint(r.Stats()["last_log_term"], 10, 64)
	if err == nil && (req.LastLogTerm < lastTerm || req.LastLogTerm == lastTerm && req.LastLogIndex < r.LastIndex()) {
		t.witness.noteBehind(t.clock())
	}
}

// silence is for how long no leader has been heard.
func (t *transport) silence() time.Duration { return t.clock() - time.Duration(t.contact.Load()) }

// appendRetry is how long a failed AppendEntries waits for the next try.
const appendRetry = 20 * time.Millisecond

// AppendEntries sends entries or a heartbeat. Entries are tried until they arrive or this node no longer leads: told of
// each failure, Raft doubles its pause up to 10 s, and a follower that was away for long would get its first entries
// so late. Heartbeats have a limit of their own, half the heartbeat timeout, and pass.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	for {
		if t.muted.Load() {
			return errMuted
		}
		// A leader that can't store must not keep others from leading (raft#503, #666). Its replication does so as well as
		// its heartbeats: it tells each follower the commit index every few milliseconds.
		err := errStalled
		if !t.disk.stalled() {
			err = t.NetworkTransport.AppendEntries(id, target, req, resp)
			t.contacts.note(string(id), err)
		}
		if err == nil || isHeartbeat(req) || !t.leads(id, target, req.Term) {
			return err
		}
		select {
		case <-time.After(appendRetry):
		case <-t.done:
			return err
		}
	}
}

// isHeartbeat tells Raft's heartbeats, which carry nothing, from its replication, which always states what precedes.
func isHeartbeat(req *raft.AppendEntriesRequest) bool {
	return req.PrevLogEntry == 0 && req.PrevLogTerm == 0 && len(req.Entries) == 0 && req.LeaderCommitIndex == 0
}

// leads tells whether this node still leads in term and that peer is still one of its followers.
func (t *transport) leads(id raft.ServerID, target raft.ServerAddress, term uint64) bool {
	r := t.raft.Load()
	if r == nil || r.State() != raft.Leader || r.CurrentTerm() != term {
		return false
	}
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if s.ID == id {
			return s.Address == target
		}
	}
	return false
}

// RequestVote asks for a vote.
func (t *transport) RequestVote(id raft.ServerID, target raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if t.muted.Load() {
		return errMuted
	}
	return t.onFresh(id, func() error { return t.NetworkTransport.RequestVote(id, target, req, resp) })
}

// RequestPreVote asks whether a vote would be given.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if t.muted.Load() {
		return errMuted
	}
	if t.witness != nil {
		if err := t.witness.await(t.clock, func() time.Duration { return time.Duration(t.contact.Load()) }, t.done); err != nil {
			return err
		}
	}
	return t.onFresh(id, func() error { return t.NetworkTransport.RequestPreVote(id, target, req, resp) })
}

// maxPool is how many connections to a peer Raft's transport keeps.
const maxPool = 3

// onFresh asks again while the connection turns out to be one that the peer has long closed: those in the pool are found
// out by being used, and a vote that's lost for that costs a whole round.
func (t *transport) onFresh(id raft.ServerID, ask func() error) error {
	err := ask()
	for range maxPool {
		if !isStale(err) {
			break
		}
		err = ask()
	}
	t.contacts.note(string(id), err)
	return err
}

func isStale(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// mute makes this node silent for its peers, and them for it.
func (t *transport) mute() { t.muted.Store(true) }

// Close ends the transport and its goroutines.
func (t *transport) Close() error {
	err := t.NetworkTransport.Close()
	t.CloseStreams()
	select {
	case <-t.done:
	default:
		close(t.done)
	}
	t.wg.Wait()
	if err != nil {
		return fmt.Errorf("closing Raft's transport: %w", err)
	}
	return nil
}
