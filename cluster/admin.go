package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/replica"
)

// Transfer moves leadership to the node with that id, or to the most up-to-date FEP if to is "". It may be asked of any
// node. Errors are ErrNoLeader, ErrUnknownNode, or why Raft couldn't.
func (n *Node) Transfer(ctx context.Context, to string) error {
	return n.admin(ctx, &clusterpb.AdminRequest{Op: &clusterpb.AdminRequest_Transfer_{Transfer: &clusterpb.AdminRequest_Transfer{To: to}}})
}

// AddPeer makes a node a voter. It must be in the configuration, with that address. It may be asked of any node.
func (n *Node) AddPeer(ctx context.Context, id, address string) error {
	return n.admin(ctx, &clusterpb.AdminRequest{Op: &clusterpb.AdminRequest_AddVoter_{AddVoter: &clusterpb.AdminRequest_AddVoter{Id: id, Address: address}}})
}

// RemovePeer takes a node out of the group. It may be asked of any node.
func (n *Node) RemovePeer(ctx context.Context, id string) error {
	return n.admin(ctx, &clusterpb.AdminRequest{Op: &clusterpb.AdminRequest_Remove_{Remove: &clusterpb.AdminRequest_Remove{Id: id}}})
}

// admin has the leader change the group.
func (n *Node) admin(ctx context.Context, req *clusterpb.AdminRequest) error {
	leader := n.leaderID()
	if leader == "" {
		return fmt.Errorf("changing the group: %w", replica.ErrNoLeader)
	}
	if leader == n.cfg.ID {
		return n.change(ctx, req)
	}
	client, err := n.peers.bulk(leader)
	if err != nil {
		return fmt.Errorf("changing the group: asking %s: %w", leader, err)
	}
	resp, err := client.Admin(ctx, req)
	switch {
	case status.Code(err) == codes.Unavailable:
		return fmt.Errorf("changing the group: %w: %s doesn't answer: %w", replica.ErrNoLeader, leader, err)
	case err != nil:
		return fmt.Errorf("changing the group: asking %s: %w", leader, err)
	case resp.NotLeader:
		return fmt.Errorf("changing the group: %w: %s has just lost the leadership", replica.ErrNoLeader, leader)
	case resp.Error != "":
		return errors.New(resp.Error)
	}
	return nil
}

// Admin does at the leader what another node was asked for.
func (s *service) Admin(ctx context.Context, req *clusterpb.AdminRequest) (*clusterpb.AdminResponse, error) {
	err := s.node.change(ctx, req)
	switch {
	case errors.Is(err, replica.ErrNotLeader):
		return &clusterpb.AdminResponse{NotLeader: true}, nil
	case err != nil:
		return &clusterpb.AdminResponse{Error: err.Error()}, nil
	}
	return &clusterpb.AdminResponse{}, nil
}

func (n *Node) change(ctx context.Context, req *clusterpb.AdminRequest) error {
	if n.raft.State() != raft.Leader {
		return fmt.Errorf("%w: %s is", replica.ErrNotLeader, n.leaderID())
	}
	switch op := req.Op.(type) {
	case *clusterpb.AdminRequest_Transfer_:
		return n.transfer(ctx, op.Transfer.To)
	case *clusterpb.AdminRequest_AddVoter_:
		m, ok := n.member(op.AddVoter.Id)
		switch {
		case !ok:
			return fmt.Errorf("adding node %q: %w: it isn't in the configuration", op.AddVoter.Id, replica.ErrUnknownNode)
		case m.Address != op.AddVoter.Address:
			return fmt.Errorf("adding node %s: its address is %s in the configuration, not %q", m.ID, m.Address, op.AddVoter.Address)
		}
		return n.addVoter(ctx, m)
	case *clusterpb.AdminRequest_Remove_:
		if !n.isVoter(op.Remove.Id) {
			return fmt.Errorf("removing node %q: %w", op.Remove.Id, replica.ErrUnknownNode)
		}
		return n.changeMembers(ctx, "removing node "+op.Remove.Id, func() raft.Future {
			return n.raft.RemoveServer(raft.ServerID(op.Remove.Id), 0, enqueueTimeout)
		})
	}
	return fmt.Errorf("changing the group: nothing asked for")
}

// addVoter first has a node learn all that's committed, and then gives it its vote. Were it to vote at once, a group of two
// would be without a leader until it has learned, and for good if the leader loses patience meanwhile: a node that knows
// nothing gives its vote to no one who has entries (amnesia.go).
func (n *Node) addVoter(ctx context.Context, m Member) error {
	what := "adding node " + m.ID
	id, address := raft.ServerID(m.ID), raft.ServerAddress(m.Address)
	if n.isVoter(m.ID) {
		return nil
	}
	if err := n.await(ctx, n.raft.AddNonvoter(id, address, 0, enqueueTimeout), what); err != nil {
		return err
	}
	if err := n.awaitCaughtUp(ctx, m.ID); err != nil {
		return fmt.Errorf("%s: it doesn't catch up, and has no vote yet: %w", what, err)
	}
	return n.changeMembers(ctx, what, func() raft.Future { return n.raft.AddVoter(id, address, 0, enqueueTimeout) })
}

// awaitCaughtUp waits until a node has applied what's committed now.
func (n *Node) awaitCaughtUp(ctx context.Context, id string) error {
	target := n.machine.applied.Load()
	client, err := n.peers.control(id)
	if err != nil {
		return err
	}
	for {
		r := n.reign.Load()
		if r == nil {
			return fmt.Errorf("%w any more", replica.ErrNotLeader)
		}
		once, cancel := context.WithTimeout(ctx, n.timing.lease)
		resp, err := client.Probe(once, &clusterpb.ProbeRequest{Leader: n.cfg.ID, Term: r.term, Lease: int64(n.timing.wait)})
		cancel()
		if err == nil && resp.Term == r.term && resp.Applied >= target {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it's at entry %d of %d", resp.Applied, target)
		}
		if over := r.pause(ctx, catchUpCheck); over != nil {
			return fmt.Errorf("%w: %w", over, err)
		}
	}
}

// catchUpCheck is how often it's looked whether a node has caught up.
const catchUpCheck = 20 * time.Millisecond

// changeMembers makes one change of the group, once all leases of groups before the present one are over. Proof that leases
// are over comes from a quorum of the group as it is; it has a member in common with a quorum of the group before the
// last change, but not with one of two changes ago.
func (n *Node) changeMembers(ctx context.Context, what string, change func() raft.Future) error {
	r := n.reign.Load()
	if r == nil {
		return fmt.Errorf("%s: %w", what, replica.ErrNotLeader)
	}
	if err := r.waitUnchanged(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return n.await(ctx, change(), what)
}

// transfer hands on leadership. Nothing need be waited for: leases are of the old term, and the new leader asks for
// proof of how old they are as any new leader does.
func (n *Node) transfer(ctx context.Context, to string) error {
	if to == "" {
		to = n.heir()
	}
	if to == n.cfg.ID {
		return nil
	}
	address, ok := n.address(to)
	if !ok || !n.isVoter(to) {
		return fmt.Errorf("transferring leadership to %q: %w", to, replica.ErrUnknownNode)
	}
	return n.handOn(ctx, to, address)
}

// handOn has Raft transfer leadership, and waits until it's known who has it. Raft's future isn't asked: shutting down
// leaves it without an answer.
func (n *Node) handOn(ctx context.Context, to, address string) error {
	n.raft.LeadershipTransferToServer(raft.ServerID(to), raft.ServerAddress(address))
	limit := time.NewTimer(2 * n.timing.election) // Raft gives up after one
	defer limit.Stop()
	for {
		changed := n.leaderChanged.wait()
		if n.leaderID() == to {
			return nil
		}
		select {
		case <-changed:
		case <-limit.C:
			return fmt.Errorf("transferring leadership to %s: it didn't take it within %v", to, 2*n.timing.election)
		case <-ctx.Done():
			return fmt.Errorf("transferring leadership to %s: %w: %w", to, replica.ErrUnknownOutcome, ctx.Err())
		case <-n.done:
			return fmt.Errorf("transferring leadership to %s: %w", to, replica.ErrClosed)
		}
	}
}

// heir is the FEP, other than this node, whose state is newest.
func (n *Node) heir() string {
	r := n.reign.Load()
	if r == nil {
		return ""
	}
	best := ""
	var applied uint64
	for _, p := range peersOf(r.peerTable()) {
		if p.Role == replica.RoleFEP && p.Alive && p.Voter && p.ID != n.cfg.ID && (best == "" || p.AppliedIndex > applied) {
			best, applied = p.ID, p.AppliedIndex
		}
	}
	return best
}

func (n *Node) isVoter(id string) bool {
	for _, v := range n.voters() {
		if v == id {
			return true
		}
	}
	return false
}

// await waits for one of Raft's futures, but not longer than ctx: their own timeouts cover the queueing only.
func (n *Node) await(ctx context.Context, f raft.Future, what string) error {
	failed := make(chan error, 1)
	n.wg.Go(func() { failed <- f.Error() })
	select {
	case err := <-failed:
		switch {
		case errors.Is(err, raft.ErrNotLeader):
			return fmt.Errorf("%s: %w any more", what, replica.ErrNotLeader)
		case errors.Is(err, raft.ErrLeadershipLost):
			return fmt.Errorf("%s: %w: %w", what, replica.ErrUnknownOutcome, err)
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w: %w", what, replica.ErrUnknownOutcome, ctx.Err())
	case <-n.done:
		return fmt.Errorf("%s: %w", what, replica.ErrClosed)
	}
}

// Snapshot has this node write a snapshot now and cut its log. It returns the snapshot's index.
func (n *Node) Snapshot(ctx context.Context) (index uint64, err error) {
	f := n.raft.Snapshot()
	if err := n.await(ctx, f, "taking a snapshot"); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return 0, err
	}
	list, err := n.stores.snapshots.List()
	if err != nil {
		return 0, fmt.Errorf("taking a snapshot: %w", err)
	}
	if len(list) == 0 {
		return 0, fmt.Errorf("taking a snapshot: %w", raft.ErrNothingNewToSnapshot)
	}
	return list[0].Index, nil
}

// WriteSnapshot writes the replicated state as it is to w, in the form that Restore reads.
func (n *Node) WriteSnapshot(w io.Writer) (index uint64, err error) {
	n.machine.mu.Lock()
	snapshot, index := n.machine.state.Snapshot(), n.machine.state.Index()
	n.machine.mu.Unlock()
	if _, err := snapshot.WriteTo(w); err != nil {
		return 0, fmt.Errorf("writing the state at entry %d: %w", index, err)
	}
	return index, nil
}

// Recover rewrites the group's membership in the data folder of a stopped node, as the way out of the loss of a
// majority: start from the survivor with the longest log, list the members that go on, and start it. What only the lost
// nodes had committed is gone. cfg is the node's own; members are those of the new group.
func Recover(cfg Config, members []Member) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if !exists(filepath.Join(cfg.DataDir, boltFile)) {
		return fmt.Errorf("recovering: %w: nothing of a node in %s", ErrDataDir, cfg.DataDir)
	}
	var servers []raft.Server
	for _, m := range members {
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address)})
	}
	if !slices.ContainsFunc(members, func(m Member) bool { return m.ID == cfg.ID }) {
		return fmt.Errorf("recovering: %w: node %s isn't among the new members", ErrConfig, cfg.ID)
	}
	s, err := openStores(cfg.DataDir, cfg.LogStore, cfg.Logger)
	if err != nil {
		return err
	}
	err = s.recover(cfg, raft.Configuration{Servers: servers})
	return errors.Join(err, s.close())
}

func (s *stores) recover(cfg Config, to raft.Configuration) error {
	if err := s.settle(cfg); err != nil {
		return err
	}
	disk := newDiskWatch(newClock(), time.Hour)
	ignore := func(error) {} // errors are returned, too
	conf := raft.DefaultConfig()
	conf.LocalID, conf.Logger = raft.ServerID(cfg.ID), newRaftLog(cfg.Logger, "raft", slog.LevelError)
	_, transport := raft.NewInmemTransport("")
	err := raft.RecoverCluster(conf, newMachine(func() {}, func(uint64) {}), &checkedLog{s.log, disk, ignore},
		&checkedStable{s.stable, disk, ignore}, s.snapshots, transport, to)
	if err != nil {
		return fmt.Errorf("recovering: %w", err)
	}
	return nil
}
