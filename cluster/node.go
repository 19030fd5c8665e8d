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

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

var _ replica.Owner = (*Node)(nil)

// Node is one member of a station's group. Its methods may be called from any goroutine.
type Node struct {
	cfg    Config
	self   Member
	log    *slog.Logger
	clock  clock
	timing timing

	stores    *stores
	disk      *diskWatch
	board     *switchboard
	transport *transport
	machine   *machine
	raft      *raft.Raft
	keeper    *keeper
	tenures   *tenures
	peers     *peers
	proposer  *proposer
	server    *grpc.Server

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	done   <-chan struct{} // ctx's
	wg     sync.WaitGroup

	leaderChanged broadcast             // there's another leader, or none, or this one has become ready
	reign         atomic.Pointer[reign] // nil while this node doesn't lead
	leadership    leadership
	campaigned    atomic.Int64 // clock reading at which this node last began to campaign, ns
	table         peerTable
	declarations  declarations
	refusals      refusals

	leasesGranted, leasesRefused atomic.Uint64
	started                      atomic.Pointer[raft.Raft] // raft, once it's made
	running                      atomic.Bool               // all the rest is made, too
	watched                      atomic.Int64              // clock reading at which watch looked last, ns
	stuck                        sync.Once
	closing                      sync.Once
}

// Start opens the data folder, joins (or on the very first start forms) the group, and returns at once: a leader is
// there some time later. Errors are ErrConfig, ErrDataDir, or what the listener says.
func Start(cfg Config) (*Node, error) { return start(cfg, outside{}) }

// outside is what tests put in the operating system's place.
type outside struct {
	network network
	files   func(raft.LogStore) raft.LogStore
}

func start(cfg Config, out outside) (_ *Node, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: cfg.Logger, clock: newClock()}
	n.declarations.own = newDeclaration(cfg.Station)
	if cfg.Prepared != nil {
		n.declarations.next = newDeclaration(cfg.Prepared)
	}
	n.self, _ = cfg.member(cfg.ID)
	n.timing = newTiming(cfg.Lease, n.self.Role, n.self.Host)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.done = n.ctx.Done()
	n.disk = newDiskWatch(n.clock, n.timing.stall)
	n.tenures = newTenures(n.clock, cfg.ID)
	if out.network == nil {
		out.network = tcp{n.timing.unacked}
	}
	var undo []func()
	defer func() {
		if err != nil {
			n.cancel()
			for i := len(undo) - 1; i >= 0; i-- {
				undo[i]()
			}
		}
	}()

	var sec *security
	if cfg.Security != nil {
		if sec, err = newSecurity(*cfg.Security, cfg.ID, n.memberIDs, n.log); err != nil {
			return nil, err
		}
	}
	if n.stores, err = openStores(cfg.DataDir, cfg.LogStore, n.log); err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = n.stores.close() })
	if err = n.stores.settle(cfg); err != nil {
		return nil, err
	}
	if n.stores.amnesia != nil {
		n.log.Info("the data folder is new: no vote for who has entries, until a leader has brought this node up to date")
	}
	if out.files != nil {
		n.stores.log = out.files(n.stores.log)
	}
	if n.board, err = newSwitchboard(n.self.Address, out.network, sec, n.timing.dial, n.log.Warn); err != nil {
		return nil, err
	}
	undo = append(undo, n.board.close)

	n.transport = n.newTransport()
	n.keeper = newKeeper(n.clock, n.timing.lease, n.stores.excess, n.transport.term, n.tenures.renewed)
	n.machine = newMachine(n.tenures.ownersChanged, n.keeper.appliedTo)
	n.tenures.machine = n.machine
	undo = append(undo, func() { _ = n.transport.Close() })
	notify := make(chan bool, 16)
	if err = n.newRaft(notify); err != nil {
		return nil, err
	}
	n.transport.attach(n.raft)
	n.peers = newPeers(n.board, n.address)
	n.proposer = newProposer(n.clock, n.openRoute, n.leaderID, &n.leaderChanged, n.timing.stuck, cfg.OnCommit)
	n.running.Store(true)

	n.tenures.start()
	n.server = newServer(n)
	n.wg.Go(func() { _ = n.server.Serve(newSide(n.board, n.board.grpc)) })
	n.wg.Go(func() { n.leadership.drain(notify, n.done) })
	n.wg.Go(n.rule)
	n.wg.Go(n.observe)
	n.wg.Go(n.campaignEarly)
	n.wg.Go(n.askForLease)
	n.wg.Go(n.release)
	n.wg.Go(n.watch)
	return n, nil
}

func (n *Node) newTransport() *transport {
	inner := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:                raftSide{newSide(n.board, n.board.raft), n.idOf},
		ServerAddressProvider: addressBook{n},
		MaxPool:               maxPool,
		MaxRPCsInFlight:       1, // the pipeline wedges after a follower has stalled (raft#612)
		Timeout:               n.timing.rpc,
		Logger:                newRaftLog(n.log, "raft transport", slog.LevelDebug),
	})
	var witness *campaignGuard
	if n.self.Role == replica.RoleWitness {
		witness = newCampaignGuard(newTiming(n.timing.wait, replica.RoleFEP, 1).heartbeat)
	}
	contacts := newContacts(n.clock, n.timing.heartbeat, n.log)
	return newTransport(inner, n.self.Address, n.clock, n.disk, contacts, witness, n.stores.amnesia)
}

// newRaft starts Raft. What it panics on at its start is the data folder's state.
func (n *Node) newRaft(notify chan<- bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s: starting Raft: %v", ErrDataDir, n.cfg.DataDir, r)
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
	conf.NotifyCh = notify
	conf.NoLegacyTelemetry = true
	conf.ShutdownOnRemove = false
	conf.Logger = newRaftLog(n.log, "raft", slog.LevelError)
	cache, err := raft.NewLogCache(logCache, &checkedLog{n.stores.log, n.disk, n.fail})
	if err != nil {
		return err
	}
	stable := &checkedStable{n.stores.stable, n.disk, n.fail}
	n.raft, err = raft.NewRaft(conf, n.machine, cache, stable, n.stores.snapshots, n.transport)
	if err != nil {
		return fmt.Errorf("%w: %s: starting Raft: %w", ErrDataDir, n.cfg.DataDir, err)
	}
	n.started.Store(n.raft)
	return nil
}

const (
	// maxAppendEntries bounds one message of replication to about 1 MB of full entries, which a 100 Mbit/s network
	// carries well within the transport's timeout.
	maxAppendEntries = 16

	// logCache is how many entries are kept in memory for followers that are a little behind.
	logCache = 128

	// snapshotCheck is how often Raft looks whether a snapshot is due.
	snapshotCheck = 10 * time.Second
)

// Close gives up every tenure, stops the node and returns after all its goroutines have ended. It may be called twice.
func (n *Node) Close() error {
	var err error
	n.closing.Do(func() { err = n.close() })
	return err
}

func (n *Node) close() error {
	n.keeper.drop()
	n.tenures.drop()
	n.proposer.stop()
	n.cancel()
	// Raft forgets to answer what it has handed to the state machine when it's shut down. So whoever waits for an answer
	// is waited for while the others are still heard: then each entry is committed, or leadership is lost.
	n.server.Stop()
	n.proposer.wait()
	n.wg.Wait()
	n.transport.mute()
	errRaft := n.raft.Shutdown().Error()
	n.peers.close()
	n.board.close()
	n.tenures.close()
	n.machine.grown.fire()
	return errors.Join(errRaft, n.transport.Close(), n.stores.close())
}

// ID implements [replica.Replica].
func (n *Node) ID() string { return n.cfg.ID }

// View implements [replica.Replica].
func (n *Node) View(read func(s *fsm.State)) { n.machine.view(read) }

// Applied implements [replica.Replica].
func (n *Node) Applied() (index uint64, grown <-chan struct{}) {
	grown = n.machine.grown.wait()
	return n.machine.applied.Load(), grown
}

// WaitApplied implements [replica.Replica].
func (n *Node) WaitApplied(ctx context.Context, index uint64) error {
	for {
		applied, grown := n.Applied()
		if applied >= index {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("waiting for entry %d to be applied, at %d: %w", index, applied, ctx.Err())
		case <-n.done:
			return fmt.Errorf("waiting for entry %d to be applied, at %d: %w", index, applied, replica.ErrClosed)
		}
	}
}

// leaderID is the leader that Raft knows of.
func (n *Node) leaderID() string {
	_, id := n.raft.LeaderWithID()
	return string(id)
}

var errLeaderUnknown = fmt.Errorf("%w known", replica.ErrNoLeader)

// openRoute is a way to the leader.
func (n *Node) openRoute() (*route, error) {
	leader := n.leaderID()
	if leader == "" {
		return nil, errLeaderUnknown
	}
	if leader == n.cfg.ID {
		return localRoute(n.ctx, n.newPipeline(), leader), nil
	}
	client, err := n.peers.bulk(leader)
	if err != nil {
		return nil, err
	}
	return remoteRoute(n.ctx, client, leader)
}

func released(r fsm.Resource, node string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Released{Released: &fsmpb.Released{Resource: r.ID, Epoch: r.Epoch, Node: node}}}
}
