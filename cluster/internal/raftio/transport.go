package raftio

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

var (
	errMuted = errors.New("this node has fallen silent")

	// ErrStalled: this node's disk hangs, so it must not act on what it can't store.
	ErrStalled = errors.New("this node's disk hangs")
)

// Transport is Raft's network transport behind this package's guards. It sees every message in and out, so it's where
// the library's known defects are kept from doing harm; each guard names its issue.
type Transport struct {
	*raft.NetworkTransport
	address raft.ServerAddress
	clock   func() time.Duration
	inbound chan raft.RPC // what Raft's main loop gets
	done    chan struct{}
	wg      sync.WaitGroup

	muted   atomic.Bool   // nothing goes out or in any more
	heard   atomic.Bool   // a leader was, since the start
	contact atomic.Int64  // clock reading of the last message of a current leader, ns; of the start until then
	queued  atomic.Uint64 // heartbeats kept off the fast path

	raft      atomic.Pointer[raft.Raft] // set right after it's made
	disk      *DiskWatch
	contacts  *contacts
	witness   *campaignGuard  // nil on FEPs
	freshDisk *FreshDiskGuard // nil unless this node began with an empty data folder
}

// inboundBuffer lets a few heartbeats wait in order behind a message that's being stored.
const inboundBuffer = 16

// TransportConfig is what a Transport needs to know.
type TransportConfig struct {
	Address   string               // under which the others know this node, which needn't be the one that it listens on
	Clock     func() time.Duration // monotonic
	Heartbeat time.Duration        // a peer that has failed for less isn't worth a word in the log
	Log       *slog.Logger

	Disk         *DiskWatch
	FreshDisk    *FreshDiskGuard // nil unless this node began with an empty data folder
	FEPHeartbeat time.Duration   // on a witness: the FEPs' HeartbeatTimeout; 0 on a FEP
}

// NewNetwork is Raft's own transport over the mux. id gives the member that listens at an address, whose certificate is
// expected there; addresses the address of a member.
func NewNetwork(mux *Mux, id func(raft.ServerAddress) string, addresses raft.ServerAddressProvider, timeout time.Duration, log *slog.Logger) *raft.NetworkTransport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                raftSide{newSide(mux, mux.raft), id},
		ServerAddressProvider: addresses,
		MaxPool:               maxPool,
		MaxRPCsInFlight:       1, // the pipeline wedges after a follower has stalled (raft#612)
		Timeout:               timeout,
		Logger:                NewRaftLog(log, "raft transport", slog.LevelDebug),
	})
}

// NewTransport guards inner, and closes it when it's closed.
func NewTransport(inner *raft.NetworkTransport, c TransportConfig) *Transport {
	t := &Transport{
		NetworkTransport: inner, address: raft.ServerAddress(c.Address), clock: c.Clock,
		inbound: make(chan raft.RPC, inboundBuffer), done: make(chan struct{}),
		disk: c.Disk, contacts: newContacts(c.Clock, c.Heartbeat, c.Log), freshDisk: c.FreshDisk,
	}
	if c.FEPHeartbeat > 0 {
		t.witness = newCampaignGuard(c.FEPHeartbeat)
	}
	t.contact.Store(int64(t.clock()))
	inner.SetHeartbeatHandler(t.heartbeat)
	t.wg.Go(t.receive)
	return t
}

// Attach tells the transport whose it is. Messages that come before are answered by Raft's main loop alone.
func (t *Transport) Attach(r *raft.Raft) { t.raft.Store(r) }

// Term is Raft's current term; 0 before it's attached.
func (t *Transport) Term() uint64 {
	if r := t.raft.Load(); r != nil {
		return r.CurrentTerm()
	}
	return 0
}

// LocalAddr is the address under which the others know this node, which needn't be the one that it listens on.
func (t *Transport) LocalAddr() raft.ServerAddress { return t.address }

// Consumer is where Raft's main loop gets messages from.
func (t *Transport) Consumer() <-chan raft.RPC { return t.inbound }

// SetHeartbeatHandler keeps Raft's fast path for heartbeats out: it runs Raft's own handler beside the main loop, and
// that may raise or lower the term there (raft#695). See heartbeat.
func (t *Transport) SetHeartbeatHandler(func(raft.RPC)) {}

// heartbeat answers for a main loop that may be busy storing entries, so that the leader doesn't take a slow disk for a
// dead node. It only states what's so: this node follows that leader in that term. Everything else, a new term above
// all, is the main loop's to handle, and it gets a copy, if it has room, to know that the leader lives.
func (t *Transport) heartbeat(rpc raft.RPC) {
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
func (t *Transport) receive() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			t.deliver(rpc)
		case <-t.done:
			return
		}
	}
}

func (t *Transport) deliver(rpc raft.RPC) {
	if err := t.inspect(rpc.Command); err != nil {
		if rpc.Reader != nil {
			_, _ = io.Copy(io.Discard, rpc.Reader) // the stream is used on (raft#212)
		}
		rpc.Respond(nil, err)
		return
	}
	select {
	case t.inbound <- t.freshDisk.listen(rpc, t.done):
	case <-t.done:
	}
}

// inspect sees a message before Raft does, and may refuse it.
func (t *Transport) inspect(command any) error {
	if t.muted.Load() {
		return errMuted
	}
	switch req := command.(type) {
	case *raft.AppendEntriesRequest:
		t.noteContact(req)
	case *raft.InstallSnapshotRequest:
		t.contact.Store(int64(t.clock()))
	case *raft.RequestVoteRequest:
		t.freshDisk.asked(req.LastLogIndex)
		return t.freshDisk.refuse(req.LastLogIndex, string(req.ID))
	case *raft.RequestPreVoteRequest:
		t.noteBehind(req)
		return t.freshDisk.refuse(req.LastLogIndex, string(req.ID))
	}
	return nil
}

func (t *Transport) noteContact(req *raft.AppendEntriesRequest) {
	if r := t.raft.Load(); r == nil || req.Term >= r.CurrentTerm() {
		t.heard.Store(true)
		t.contact.Store(int64(t.clock()))
	}
}

// noteBehind tells the witness's guard of a candidate that can't win against this node's log (Raft, section 5.4.1).
func (t *Transport) noteBehind(req *raft.RequestPreVoteRequest) {
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

// Contact is the clock reading at which a leader was last heard; of the start until then.
func (t *Transport) Contact() time.Duration { return time.Duration(t.contact.Load()) }

// Heard tells whether a leader was heard since the start.
func (t *Transport) Heard() bool { return t.heard.Load() }

// appendRetry is how long a failed AppendEntries waits for the next try.
const appendRetry = 20 * time.Millisecond

// AppendEntries sends entries or a heartbeat. Entries are tried until they arrive or this node no longer leads: told of
// each failure, Raft doubles its pause up to 10 s, and a follower that was away for long would get its first entries
// so late. Heartbeats have a limit of their own, half the heartbeat timeout, and pass.
func (t *Transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	for {
		if t.muted.Load() {
			return errMuted
		}
		// A leader that can't store must not keep others from leading (raft#503, #666). Its replication does so as well as
		// its heartbeats: it tells each follower the commit index every few milliseconds.
		err := ErrStalled
		if !t.disk.Stalled() {
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
func (t *Transport) leads(id raft.ServerID, target raft.ServerAddress, term uint64) bool {
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
func (t *Transport) RequestVote(id raft.ServerID, target raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if t.muted.Load() {
		return errMuted
	}
	return t.onFresh(id, func() error { return t.NetworkTransport.RequestVote(id, target, req, resp) })
}

// RequestPreVote asks whether a vote would be given.
func (t *Transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if t.muted.Load() {
		return errMuted
	}
	if t.witness != nil {
		if err := t.witness.await(t.clock, t.Contact, t.done); err != nil {
			return err
		}
	}
	return t.onFresh(id, func() error { return t.NetworkTransport.RequestPreVote(id, target, req, resp) })
}

// maxPool is how many connections to a peer Raft's transport keeps.
const maxPool = 3

// onFresh asks again while the connection turns out to be one that the peer has long closed: those in the pool are found
// out by being used, and a vote that's lost for that costs a whole round.
func (t *Transport) onFresh(id raft.ServerID, ask func() error) error {
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

// Mute makes this node silent for its peers, and them for it.
func (t *Transport) Mute() { t.muted.Store(true) }

// Muted tells whether Mute was called.
func (t *Transport) Muted() bool { return t.muted.Load() }

// Queued counts the heartbeats that were kept off the fast path (raft#695).
func (t *Transport) Queued() uint64 { return t.queued.Load() }

// Close ends the transport and its goroutines.
func (t *Transport) Close() error {
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
