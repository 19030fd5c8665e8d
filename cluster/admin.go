package cluster

import (
	"context"
	"io"
)

// Transfer moves leadership to the node with that id, or to the most up-to-date FEP if to is "". It may be asked of any
// node. Errors are ErrNoLeader, ErrUnknownNode, or why Raft couldn't.
func (n *Node) Transfer(ctx context.Context, to string) error { return errNotYet }

// Snapshot has this node write a snapshot now and cut its log. It returns the snapshot's index.
func (n *Node) Snapshot(ctx context.Context) (index uint64, err error) { return 0, errNotYet }

// WriteSnapshot writes the replicated state as it is to w, in the form that Restore reads.
func (n *Node) WriteSnapshot(w io.Writer) (index uint64, err error) { return 0, errNotYet }

// Restore replaces the state of the whole group by a snapshot that WriteSnapshot wrote. Only the leader can
// (ErrNotLeader). Every resource is unowned afterwards, with a higher epoch than before.
func (n *Node) Restore(ctx context.Context, r io.Reader) error { return errNotYet }

// AddPeer makes a node a voter, or changes a voter's address. It may be asked of any node.
func (n *Node) AddPeer(ctx context.Context, id, address string) error { return errNotYet }

// RemovePeer takes a node out of the group. It may be asked of any node.
func (n *Node) RemovePeer(ctx context.Context, id string) error { return errNotYet }

// Recover rewrites the group's membership in the data folder of a stopped node, as the way out of the loss of a
// majority: start from the survivor with the longest log, list the members that go on, and start it. What only the lost
// nodes had committed is gone. cfg is the node's own; members are those of the new group.
func Recover(cfg Config, members []Member) error { return errNotYet }
