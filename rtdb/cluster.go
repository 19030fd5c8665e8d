package rtdb

import (
	"context"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Node is what this package needs of the cluster; [cluster.Node] says what the methods promise. It is an interface so
// that tests can do without a group.
type Node interface {
	ID() string
	View(read func(s *fsm.State))
	Applied() (index uint64, grown <-chan struct{})
	WaitApplied(ctx context.Context, index uint64) error
	Propose(ctx context.Context, command *fsmpb.Command) (cluster.Result, error)
	// CaughtUp tells whether View shows what the group had committed a moment ago. A node that has just started shows an
	// old state until then, which must not be put over a newer view.
	CaughtUp() bool
}

// FromNode makes a Raft node a [Node].
func FromNode(n *cluster.Node) Node { return node{n} }

type node struct{ *cluster.Node }

func (n node) CaughtUp() bool {
	if n.IsLeader() {
		return true
	}
	info := n.Info()
	for _, p := range info.Peers {
		if info.Quorum && p.State == "leader" {
			return info.AppliedIndex >= p.AppliedIndex
		}
	}
	return false
}
