package cluster

import (
	"context"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Result is what the state machine made of a command. A command that was refused (code STALE_EPOCH, GAP and so on) has
// a Result too, not an error.
type Result struct {
	*fsmpb.Result
	Index uint64 // of the log entry; see Node.WaitApplied
}

// Propose has command committed and returns what the state machine made of it. It fills in the command's time and node.
//
// While there's no leader, or when a leader was lost before it answered, the command is proposed again until ctx ends:
// so it may be applied twice, which the state machine's own rules (epoch, batch number, id) make harmless. Errors are
// ErrNoLeader or ErrUnknownOutcome (both with ctx's), ErrTooLarge, ErrOverloaded, ErrClosed. Result.Index may not be applied
// on this node yet.
func (n *Node) Propose(ctx context.Context, command *fsmpb.Command) (Result, error) {
	return Result{}, errNotYet
}

// ProposeAsync is Propose without the wait: commands of one node are batched, several batches are under way at once,
// and they are applied in the order of the calls. The command must not be changed afterwards. It's proposed until it
// has a result or the node is closed.
func (n *Node) ProposeAsync(command *fsmpb.Command) *Proposal { return nil }

// Proposal is a command on its way.
type Proposal struct{}

// Done is closed when Result has something to say.
func (p *Proposal) Done() <-chan struct{} { return nil }

// Result waits for Done. Errors are ErrTooLarge, ErrOverloaded and ErrClosed.
func (p *Proposal) Result() (Result, error) { return Result{}, errNotYet }
