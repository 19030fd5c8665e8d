package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// ID implements [replica.Replica].
func (n *Node) ID() string { return n.cfg.ID }

// View implements [replica.Replica].
func (n *Node) View(read func(s *fsm.State)) { n.state.view(read) }

// Applied implements [replica.Replica].
func (n *Node) Applied() (index uint64, grown <-chan struct{}) {
	grown = n.state.grown.wait()
	return n.state.applied.Load(), grown
}

// WaitApplied implements [replica.Replica].
func (n *Node) WaitApplied(ctx context.Context, index uint64) error {
	return n.state.waitApplied(ctx, index, n.ctx.Done())
}

// Propose implements [replica.Replica].
func (n *Node) Propose(ctx context.Context, command *fsmpb.Command) (replica.Result, error) {
	if err := n.state.understood(command); err != nil {
		return replica.Result{}, err
	}
	return n.proposer.propose(ctx, command)
}

// ProposeAsync implements [replica.Replica].
func (n *Node) ProposeAsync(command *fsmpb.Command) replica.Proposal {
	if err := n.state.understood(command); err != nil {
		return failed(err)
	}
	return n.proposer.proposeAsync(command)
}

// WaitTenure implements [replica.Owner]. Once every tenure of a resource is closed, the node says so to the others by
// itself.
func (n *Node) WaitTenure(ctx context.Context, resource string) (replica.Tenure, error) {
	t, err := n.tenures.await(ctx, resource, n.ctx.Done())
	if err != nil {
		return nil, err
	}
	return t, nil
}

// CheckLease implements [replica.Owner].
func (n *Node) CheckLease() error { return n.tenures.checkLease() }

// Leader is the id of the leader this node knows of, "" if none.
func (n *Node) Leader() string { return n.group.leader() }

// IsLeader tells whether this node leads and has applied everything that earlier leaders committed.
func (n *Node) IsLeader() bool { return n.leadership.ready() }

// LeaderChanged returns a channel that's closed when there's another leader, or none. Ask for it before Leader.
func (n *Node) LeaderChanged() <-chan struct{} { return n.leaderChanged.wait() }

// Runs says that the node runs another configuration from now on. Members and lease stay what Start got.
func (n *Node) Runs(c *fsmpb.Configure) { n.own.run(c) }

// Keeps says that the node goes on with its own configuration although the group has the files of another one, with that digest
// (fsm.State.FilesInForce): it differs in what a running node can't change. owns tells whether the node may own something all the
// same. Until it has said Runs or Keeps of the one in force, a node that owns nothing begins to own nothing.
func (n *Node) Keeps(inForce string, owns bool) { n.own.keep(inForce, owns) }

// Transfer moves leadership to the node with that id, or to the most up-to-date FEP if to is "". It may be asked of any
// node. Errors are ErrNoLeader, ErrUnknownNode, or why Raft couldn't.
func (n *Node) Transfer(ctx context.Context, to string) error {
	return n.admin.do(ctx, &clusterpb.AdminRequest{Op: &clusterpb.AdminRequest_Transfer_{Transfer: &clusterpb.AdminRequest_Transfer{To: to}}})
}

// AddPeer makes a node a voter. It must be in the configuration, with that address. It may be asked of any node.
func (n *Node) AddPeer(ctx context.Context, id, address string) error {
	return n.admin.do(ctx, &clusterpb.AdminRequest{Op: &clusterpb.AdminRequest_AddVoter_{AddVoter: &clusterpb.AdminRequest_AddVoter{Id: id, Address: address}}})
}

// RemovePeer takes a node out of the group. It may be asked of any node.
func (n *Node) RemovePeer(ctx context.Context, id string) error {
	return n.admin.do(ctx, &clusterpb.AdminRequest{Op: &clusterpb.AdminRequest_Remove_{Remove: &clusterpb.AdminRequest_Remove{Id: id}}})
}

// PeerFiles lists the copies of devices' files that another node has.
func (n *Node) PeerFiles(ctx context.Context, id string) ([]*clusterpb.CopiedFile, error) {
	client, err := n.peers.Bulk(id)
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", id, err)
	}
	resp, err := client.Files(ctx, &clusterpb.FilesRequest{})
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", id, err)
	}
	return resp.Files, nil
}

// ReadPeerFile reads some of a copy that another node has, from an offset on; empty at its end, and if it has none any more.
func (n *Node) ReadPeerFile(ctx context.Context, id string, f *clusterpb.CopiedFile, offset int64) ([]byte, error) {
	client, err := n.peers.Bulk(id)
	if err != nil {
		return nil, fmt.Errorf("%s's file %d.%d of RTU %d: %w", id, f.Address, f.Name, f.Rtu, err)
	}
	resp, err := client.FileData(ctx, &clusterpb.FileDataRequest{File: f, Offset: offset})
	if err != nil {
		return nil, fmt.Errorf("%s's file %d.%d of RTU %d: %w", id, f.Address, f.Name, f.Rtu, err)
	}
	return resp.Data, nil
}

// Snapshot makes this node write a snapshot now and cut its log. It returns the snapshot's index.
func (n *Node) Snapshot(ctx context.Context) (index uint64, err error) {
	if err := n.folder.Room.Check(0); err != nil {
		return 0, fmt.Errorf("taking a snapshot: %w", err)
	}
	f := n.raft.Snapshot()
	if err := n.admin.calls.await(ctx, f, "taking a snapshot"); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return 0, err
	}
	list, err := n.folder.Snapshots.List()
	if err != nil {
		return 0, fmt.Errorf("taking a snapshot: %w", err)
	}
	if len(list) == 0 {
		return 0, fmt.Errorf("taking a snapshot: %w", raft.ErrNothingNewToSnapshot)
	}
	return list[0].Index, nil
}

// WriteSnapshot writes the replicated state as it is to w, in the form that Restore reads.
func (n *Node) WriteSnapshot(w io.Writer) (index uint64, err error) { return n.state.writeTo(w) }

// Restore replaces the state of the whole group by a snapshot that WriteSnapshot wrote: events, owners and epochs are
// then as they were. Only the leader can (ErrNotLeader). All leases are let run out first, since nodes take over the new
// state one after the other and it may name other owners: so it takes the time of a lease, and links are opened anew.
func (n *Node) Restore(ctx context.Context, snapshot io.Reader) error {
	t := n.leadership.current()
	if t == nil || !t.ready() {
		return fmt.Errorf("restoring a snapshot: %w: %s is", replica.ErrNotLeader, n.group.leader())
	}
	f, size, done, err := n.folder.Spool(snapshot, func(r io.Reader) error { // Raft can't go back once it has begun
		_, err := fsm.Restore(r)
		return err
	})
	if err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	defer done()
	if err := t.restore(ctx, f, size); err != nil {
		return fmt.Errorf("restoring a snapshot: %w", err)
	}
	return nil
}

// Recover rewrites the group's membership in the data folder of a stopped node, as the way out of the loss of a
// majority: start from the survivor with the longest log, list the members that go on, and start it. What only the lost
// nodes had committed is gone. cfg is the node's own; members are those of the new group.
func Recover(cfg Config, members []Member) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(members, func(m Member) bool { return m.ID == cfg.ID }) {
		return fmt.Errorf("recovering: %w: node %s isn't among the new members", ErrConfig, cfg.ID)
	}
	if err := raftio.Recover(cfg.folder(nil), newStateMachine(), asServers(members)); err != nil {
		return fmt.Errorf("recovering: %w", err)
	}
	return nil
}
