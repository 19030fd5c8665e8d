package forwarder

import (
	"context"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Node is what the forwarder needs of the cluster; its methods are those of [cluster.Node]. [Cluster] makes one.
type Node interface {
	ID() string
	View(read func(s *fsm.State))
	Applied() (index uint64, grown <-chan struct{})
	WaitApplied(ctx context.Context, index uint64) error
	Propose(ctx context.Context, command *fsmpb.Command) (cluster.Result, error)
	ProposeAsync(command *fsmpb.Command) Proposal
	WaitTenure(ctx context.Context, resource string) (Tenure, error)
	// CheckLease is nil while this node's lease is valid. It is called before each write to a link that has no tenure.
	CheckLease() error
}

// Proposal is a command on its way; see [cluster.Proposal].
type Proposal interface {
	Done() <-chan struct{}
	Result() (cluster.Result, error)
}

// Tenure is the right to run the live link of a group in one epoch; see [cluster.Tenure].
type Tenure interface {
	Epoch() uint64
	Check() error
	OnEnd(closeNow func()) (cancel func())
	Close()
}

// Cluster makes a node of the cluster into what the forwarder needs.
func Cluster(n *cluster.Node) Node { return clusterNode{n} }

type clusterNode struct{ *cluster.Node }

func (n clusterNode) ProposeAsync(command *fsmpb.Command) Proposal {
	return n.Node.ProposeAsync(command)
}

func (n clusterNode) WaitTenure(ctx context.Context, resource string) (Tenure, error) {
	t, err := n.Node.WaitTenure(ctx, resource)
	if err != nil {
		return nil, err
	}
	return clusterTenure{t}, nil
}

type clusterTenure struct{ *cluster.Tenure }

func (t clusterTenure) Epoch() uint64 { return t.Tenure.Epoch }
