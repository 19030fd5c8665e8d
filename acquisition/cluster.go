package acquisition

import (
	"context"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Cluster is what acquisition needs of the Raft node; its methods are those of [cluster.Node], whose comments hold
// here too. It is an interface so that tests can do without a group.
type Cluster interface {
	Propose(ctx context.Context, command *fsmpb.Command) (cluster.Result, error)
	ProposeAsync(command *fsmpb.Command) Proposal
	WaitTenure(ctx context.Context, resource string) (Tenure, error)
	View(read func(s *fsm.State))
	Applied() (index uint64, grown <-chan struct{})
	WaitApplied(ctx context.Context, index uint64) error
}

// Proposal is a command on its way; see [cluster.Proposal].
type Proposal interface {
	Done() <-chan struct{}
	Result() (cluster.Result, error)
}

// Tenure is the right to run the live links of one RTU in one epoch; see [cluster.Tenure].
type Tenure interface {
	Epoch() uint64
	Check() error
	Done() <-chan struct{}
	OnEnd(closeNow func()) (cancel func())
	Close()
}

// FromNode makes a Raft node a [Cluster].
func FromNode(n *cluster.Node) Cluster { return node{n} }

type node struct{ *cluster.Node }

func (n node) ProposeAsync(command *fsmpb.Command) Proposal { return n.Node.ProposeAsync(command) }

func (n node) WaitTenure(ctx context.Context, resource string) (Tenure, error) {
	t, err := n.Node.WaitTenure(ctx, resource)
	if err != nil {
		return nil, err
	}
	return tenure{t}, nil
}

type tenure struct{ *cluster.Tenure }

func (t tenure) Epoch() uint64 { return t.Tenure.Epoch }
