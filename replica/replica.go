package replica

import (
	"context"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Replica is the replicated state as one node has it. Its methods may be called from any goroutine.
type Replica interface {
	// ID is this node's id.
	ID() string

	// View runs read with the state as this node has applied it. No command is applied meanwhile, so read must be short,
	// must not block, and must keep no reference to the state.
	View(read func(s *fsm.State))

	// Applied is the index of the newest log entry that View shows, and a channel that is closed when it has grown, or
	// when the node closes. Ask for the channel first, then look: what changes after the look closes it.
	Applied() (index uint64, grown <-chan struct{})

	// WaitApplied waits until View shows the entry at index. Errors are ctx's, or ErrClosed.
	WaitApplied(ctx context.Context, index uint64) error

	// Propose has a command committed by a quorum and returns what the state made of it. It fills in the command's time and
	// node.
	//
	// While there is no leader, or when a leader was lost before it answered, the command is proposed again until ctx
	// ends: so it may be applied twice, which the state's own rules (epoch, batch number, id) make harmless. Errors are
	// ErrNoLeader or ErrUnknownOutcome (both with ctx's), ErrTooLarge, ErrOverloaded, ErrClosed. Result.Index may not be
	// applied on this node yet.
	Propose(ctx context.Context, command *fsmpb.Command) (Result, error)

	// ProposeAsync is Propose without the wait: commands of one node are batched, several batches are under way at once,
	// and they are applied in the order of the calls. The command must not be changed afterwards. It is proposed until it
	// has a result or the node is closed.
	//
	// A leader that is lost while several batches are under way may leave a later one applied and an earlier one not; both
	// are proposed again, in order. Where order matters, number the commands as Events are.
	ProposeAsync(command *fsmpb.Command) Proposal
}

// Result is what the state made of a command. A command that was refused (code STALE_EPOCH, GAP and so on) has a Result
// too, not an error.
type Result struct {
	*fsmpb.Result
	Index uint64 // of the log entry; see Replica.WaitApplied
}

// Proposal is a command on its way.
type Proposal interface {
	// Done is closed when Result has something to say.
	Done() <-chan struct{}

	// Result waits for Done. Errors are ErrTooLarge, ErrOverloaded and ErrClosed.
	Result() (Result, error)
}
