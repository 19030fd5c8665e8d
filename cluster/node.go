package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/replica"
)

// Node is one member of a station's group. Its methods may be called from any goroutine.
type Node struct {
	cfg    Config
	clock  func() time.Duration
	timing timing

	// What it stands on.
	group     *group
	folder    *raftio.Folder
	disk      *raftio.DiskWatch
	mux       *raftio.Mux
	transport *raftio.Transport
	raft      *raft.Raft
	began     uint64 // index of the newest command in the log when the node was started
	peers     *raftio.Peers
	server    *grpc.Server

	// What it does.
	state         *stateMachine
	own           *declarations
	lease         *lease.Local
	tenures       *tenures
	proposer      *proposer
	election      *election
	leadership    *leadership
	admin         *administration
	watchdog      *watchdog
	failStop      *failStop
	told          peerTable
	known         knownApplied
	outside       atomic.Bool // see replica.Info
	leases        leaseCounts
	leaderChanged broadcast // there's another leader, or none, or this one has become ready

	ctx     context.Context // ends when Close begins
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	closing sync.Once
}

var (
	_ replica.Owner  = (*Node)(nil)
	_ replica.Member = (*Node)(nil)
)

// Start opens the data folder, joins (or on the very first start forms) the group, and returns at once: a leader is
// there some time later. Errors are ErrConfig, ErrDataDir, or what the listener says.
func Start(cfg Config) (*Node, error) { return start(cfg, outside{}) }

// outside is what tests put in the operating system's place.
type outside struct {
	network raftio.Network
	files   func(raft.LogStore) raft.LogStore
}

func start(cfg Config, out outside) (_ *Node, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	self, _ := cfg.member(cfg.ID)
	n := &Node{cfg: cfg, clock: newClock(), timing: newTiming(cfg.Lease, self.Role, self.Host), group: newGroup(self, cfg.Members)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.failStop = &failStop{silence: n.fallSilent, log: cfg.Logger, onStuck: cfg.OnStuck}
	var undo []func()
	defer func() {
		if err != nil {
			n.cancel()
			for i := len(undo) - 1; i >= 0; i-- {
				undo[i]()
			}
		}
	}()

	n.state = newStateMachine()
	if err = n.openOutside(out); err != nil {
		return nil, err
	}
	n.state.raised = n.levelRaised
	undo = append(undo, n.closeOutside)
	n.own = newDeclarations(n.state, cfg.Station)
	n.tenures = newTenures(n.clock, cfg.ID, n.state)
	undo = append(undo, n.tenures.close)
	n.lease = lease.NewLocal(n.clock, n.timing.lease, n.folder.Excess, n.transport.Term, n.tenures.renewed)
	n.state.notify(n.tenures.ownersChanged, n.lease.AppliedTo)
	n.peers = raftio.NewPeers(n.mux, n.group.address)
	undo = append(undo, n.peers.Close)
	if err = n.checkKnown(); err != nil {
		return nil, err
	}
	leads := make(chan bool, 16)
	if err = n.newRaft(leads); err != nil {
		return nil, err
	}
	n.transport.Attach(n.raft)
	n.group.attach(n.raft)
	n.failStop.armed.Store(true)
	n.run(leads)
	return n, nil
}

// openOutside opens what the node has of the operating system: the data folder and the port.
func (n *Node) openOutside(out outside) (err error) {
	var tls *raftio.TLS
	if n.cfg.Security != nil {
		if tls, err = raftio.NewTLS(certs.Files(*n.cfg.Security), n.cfg.ID, n.group.ids, (&revocation{n.state}).check, n.cfg.Logger); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	n.disk = raftio.NewDiskWatch(n.clock, n.timing.stall)
	if n.folder, err = raftio.OpenFolder(n.cfg.folder(out.files)); err != nil {
		return err
	}
	if n.folder.FreshDisk != nil {
		n.cfg.Logger.Info("the data folder is new: no vote for who has entries, until a leader has brought this node up to date")
	}
	if out.network == nil {
		out.network = raftio.TCP(n.timing.unacked)
	}
	n.mux, err = raftio.NewMux(raftio.MuxConfig{
		Address: n.group.self.Address, Network: out.network, TLS: tls, Timeout: n.timing.dial, Log: n.cfg.Logger,
		IsMember: n.group.isMemberAt,
	})
	if err != nil {
		return errors.Join(err, n.folder.Close())
	}
	c := raftio.TransportConfig{
		Address: n.group.self.Address, Clock: n.clock, Heartbeat: n.timing.heartbeat, Log: n.cfg.Logger,
		Disk: n.disk, FreshDisk: n.folder.FreshDisk,
	}
	if n.group.self.Role == replica.RoleWitness {
		c.FEPHeartbeat = newTiming(n.timing.wait, replica.RoleFEP, 1).heartbeat
	}
	n.transport = raftio.NewTransport(raftio.NewNetwork(n.mux, n.group.idAt, n.group, n.timing.rpc, n.cfg.Logger), c)
	return nil
}

func (n *Node) closeOutside() {
	_ = n.transport.Close()
	n.mux.Close()
	_ = n.folder.Close()
}

// newRaft starts Raft. What it panics on at its start is the data folder's state.
func (n *Node) newRaft(leads chan<- bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s: %v", ErrDataDir, n.cfg.DataDir, r)
		}
	}()
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(n.cfg.ID)
	conf.HeartbeatTimeout = n.timing.heartbeat
	conf.ElectionTimeout = n.timing.election
	conf.LeaderLeaseTimeout = n.timing.heartbeat
	conf.CommitTimeout = n.timing.commit
	conf.MaxAppendEntries = maxAppendEntries
	conf.SnapshotThreshold = n.cfg.SnapshotEvery
	conf.SnapshotInterval = snapshotCheck
	conf.TrailingLogs = n.cfg.TrailingLogs
	conf.NotifyCh = leads
	conf.NoLegacyTelemetry = true
	conf.ShutdownOnRemove = false
	conf.Logger = raftio.NewRaftLog(n.cfg.Logger, "raft", slog.LevelError)
	cache, err := raft.NewLogCache(logCache, n.folder.SealedLog(n.disk, n.failStop.diskFailed))
	if err != nil {
		return err
	}
	if n.began, err = lastCommand(cache); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDataDir, n.cfg.DataDir, err)
	}
	stable := n.folder.SealedStable(n.disk, n.failStop.diskFailed)
	n.raft, err = raft.NewRaft(conf, n.state, cache, stable, n.folder.Snapshots, n.transport)
	if err != nil {
		return fmt.Errorf("%w: %s: starting Raft: %w", ErrDataDir, n.cfg.DataDir, err)
	}
	return nil
}

// lastCommand is the index of the newest command in a log, 0 if there is none.
func lastCommand(log raft.LogStore) (uint64, error) {
	first, err := log.FirstIndex()
	if err != nil {
		return 0, err
	}
	last, err := log.LastIndex()
	if err != nil {
		return 0, err
	}
	for i := last; i >= max(first, 1); i-- {
		var entry raft.Log
		if err := log.GetLog(i, &entry); err != nil {
			return 0, err
		}
		if entry.Type == raft.LogCommand {
			return i, nil
		}
	}
	return 0, nil
}

// askKnown is for how long a node that starts waits for the others' answers: those that aren't there refuse at once.
const askKnown = 2 * time.Second

// checkKnown refuses to go on with a log that ends before what the others know of this node. A node that has begun with an empty
// folder, and knows that, is no concern of this: it doesn't vote until it's up to date.
func (n *Node) checkKnown() error {
	if n.folder.FreshDisk != nil {
		return nil
	}
	last, err := n.folder.LastIndex()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if list, err := n.folder.Snapshots.List(); err == nil && len(list) > 0 {
		last = max(last, list[0].Index)
	}
	var errs []error
	n.askOthers(func(id string, resp *clusterpb.KnownResponse) {
		errs = append(errs, n.checkFolder(last, id, resp.Applied))
	})
	return errors.Join(errs...)
}

// askOthers asks all others at once what they know of this node. heard is called for each answer, one after the other.
func (n *Node) askOthers(heard func(id string, resp *clusterpb.KnownResponse)) {
	ctx, cancel := context.WithTimeout(n.ctx, askKnown)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range n.cfg.Members {
		if m.ID == n.cfg.ID {
			continue
		}
		wg.Go(func() {
			client, err := n.peers.Control(m.ID)
			if err != nil {
				return
			}
			if resp, err := client.Known(ctx, &clusterpb.KnownRequest{Node: n.cfg.ID}); err == nil {
				mu.Lock()
				defer mu.Unlock()
				heard(m.ID, resp)
			}
		})
	}
	wg.Wait()
}

// checkFolder compares the newest entry that this node has with what another one knows of it.
func (n *Node) checkFolder(last uint64, witness string, known uint64) error {
	if last >= known {
		return nil
	}
	return fmt.Errorf("%w: %s is older than this node was: it ends at entry %d, and %s has seen it at %d, so it's from a backup or a copy: %s",
		ErrDataDir, n.cfg.DataDir, last, witness, known, raftio.HowToRejoin)
}

// older is checkFolder for a node that takes part already.
func (n *Node) older(last uint64, leader string, known uint64) error {
	if !n.folder.FreshDisk.Recovered() {
		return nil
	}
	return n.checkFolder(last, leader, known)
}

const (
	// maxAppendEntries bounds one message of replication to about 1 MB of full entries, which a 100 Mbit/s network
	// carries well within the transport's timeout.
	maxAppendEntries = 16

	// logCache is how many entries are kept in memory for followers that are a little behind.
	logCache = 128

	// snapshotCheck is how often Raft checks whether a snapshot is due.
	snapshotCheck = 10 * time.Second
)

// run makes the parts that need Raft, and starts what they do.
func (n *Node) run(leads <-chan bool) {
	done := n.ctx.Done()
	refused := &refusals{}
	note := func(err error) { refused.note(n.clock(), err) }
	calls := &raftCalls{
		raft: n.raft, group: n.group, changed: &n.leaderChanged, limit: 2 * n.timing.election, // Raft gives up after one
		done: done, wg: &n.wg,
	}
	router := &router{ctx: n.ctx, raft: n.raft, group: n.group, peers: n.peers, note: note}
	n.proposer = newProposer(n.clock, n.stamp, router.open, n.group.leader, &n.leaderChanged, n.timing.stuck, n.cfg.OnCommit)
	n.election = &election{
		clock: n.clock, timing: n.timing, log: n.cfg.Logger, raft: n.raft, group: n.group,
		contact: n.transport.Contact, changed: &n.leaderChanged,
	}
	n.leadership = &leadership{parts: &leaderParts{
		clock: n.clock, timing: n.timing, log: n.cfg.Logger, raft: n.raft, calls: calls, group: n.group, peers: n.peers,
		disk: n.disk, state: n.state, own: n.own, lease: n.lease, counts: &n.leases, known: &n.known, stamp: n.stamp, note: note,
		lastLeader: n.transport.Contact, heard: n.transport.Heard, campaigned: n.election.campaigned, upToDate: n.folder.FreshDisk.Recover,
		changed: &n.leaderChanged,
	}}
	n.admin = &administration{
		timing: n.timing, raft: n.raft, calls: calls, group: n.group, mux: n.mux, peers: n.peers, state: n.state, leadership: n.leadership,
	}
	n.server = newServer(&service{
		clock: n.clock, timing: n.timing, build: n.cfg.Build, vitals: n.cfg.Vitals, group: n.group, disk: n.disk, transport: n.transport,
		state: n.state, lease: n.lease, leadership: n.leadership, router: router, admin: n.admin, known: &n.known, files: n.cfg.Files,
	})
	requests := &leaseRequests{
		clock: n.clock, timing: n.timing, log: n.cfg.Logger, build: n.cfg.Build, vitals: n.cfg.Vitals, raft: n.raft, group: n.group, peers: n.peers,
		disk: n.disk, state: n.state, own: n.own, lease: n.lease, told: &n.told, counts: &n.leases, changed: &n.leaderChanged, known: &n.known,
		holds: func() bool { return n.clock() < n.tenures.lease.Load().Until }, older: n.older, giveUp: n.failStop.giveUp,
	}
	n.watchdog = &watchdog{
		clock: n.clock, timing: n.timing, log: n.cfg.Logger, raft: n.raft, disk: n.disk, refusals: refused,
		followed: n.leadership.followed, giveUp: n.failStop.giveUp,
	}

	n.wg.Go(func() { _ = n.server.Serve(n.mux.GRPC()) })
	n.wg.Go(func() { n.leadership.notices.drain(leads, done) })
	n.wg.Go(func() { n.leadership.run(n.ctx) })
	n.wg.Go(func() { n.election.observe(done) })
	n.wg.Go(func() { n.election.campaignEarly(done) })
	n.wg.Go(func() { requests.run(n.ctx, &n.wg) })
	n.wg.Go(func() { n.tenures.release(func(c *fsmpb.Command) { n.proposer.proposeAsync(c) }, done) })
	n.wg.Go(func() { n.watchdog.run(done) })
	n.wg.Go(func() { n.askMembership(done) })
	n.wg.Go(func() { keepRoom(n.folder.Room, done) })
	if n.cfg.Security != nil {
		n.wg.Go(func() { (&revocation{n.state}).run(n.mux, done) })
	}
}

// stamp fills in when and by whom a command was proposed.
func (n *Node) stamp(c *fsmpb.Command, now time.Time) {
	c.AtMs, c.AtCp56, c.Node = now.UnixMilli(), n.cfg.TimeTag(now), n.cfg.ID
}

// askAgain is how often a node that has no leader asks the others whether it's a member.
const askAgain = time.Second

// askMembership asks the others, while there is no leader, whether this node is a member of a group that goes on without it.
func (n *Node) askMembership(done <-chan struct{}) {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		outside := false
		if n.group.leader() == "" {
			n.askOthers(func(_ string, resp *clusterpb.KnownResponse) { outside = outside || resp.Outside })
		}
		n.outside.Store(outside)
	}
}

// levelRaised marks the data folder before a higher feature level is taken on: from then on it may have what builds that don't
// know the level would misread. This build may be one of them.
func (n *Node) levelRaised(level uint32) error {
	var err error
	if level > fsm.Level {
		err = fmt.Errorf("%w: the group uses feature level %d, and this program understands %d at most: start the others' version here (%s)",
			ErrTooOld, level, fsm.Level, n.cfg.Build)
	} else if err = n.folder.Mark(level); err != nil {
		err = fmt.Errorf("%w: %w", ErrStuck, err)
	}
	if err != nil {
		n.failStop.giveUp(err)
	}
	return err
}

// fallSilent ends the lease, every tenure, and all messages.
func (n *Node) fallSilent() {
	n.lease.Drop()
	n.tenures.drop()
	n.transport.Mute()
}

// keepRoom looks after the room on the disk of the data folder.
func keepRoom(room *raftio.Room, done <-chan struct{}) {
	tick := time.NewTicker(roomPeriod)
	defer tick.Stop()
	for {
		room.Keep()
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

// roomPeriod is how often that is.
const roomPeriod = time.Second

// Close gives up every tenure, stops the node and returns after all its goroutines have ended. It may be called twice.
func (n *Node) Close() error {
	var err error
	n.closing.Do(func() { err = n.close() })
	return err
}

func (n *Node) close() error {
	n.lease.Drop()
	n.tenures.drop()
	n.proposer.stop()
	n.cancel()
	// Raft forgets to answer what it has handed to the state machine when it's shut down. So whoever waits for an answer
	// is waited for while the others are still heard: then each entry is committed, or leadership is lost.
	n.server.Stop()
	n.proposer.wait()
	n.wg.Wait()
	n.transport.Mute()
	errRaft := n.raft.Shutdown().Error()
	n.peers.Close()
	n.mux.Close()
	n.tenures.close()
	n.state.grown.fire()
	return errors.Join(errRaft, n.transport.Close(), n.folder.Close())
}
