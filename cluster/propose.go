package cluster

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Result is what the state machine made of a command. A command that was refused (code STALE_EPOCH, GAP and so on) has
// a Result too, not an error.
type Result struct {
	*fsmpb.Result
	Index uint64 // of the log entry; see Node.WaitApplied
}

// MaxCommand is the size, in octets of its encoding, that a command may have.
const MaxCommand = 1 << 20

// Propose has command committed and returns what the state machine made of it. It fills in the command's time and node.
//
// While there's no leader, or when a leader was lost before it answered, the command is proposed again until ctx ends:
// so it may be applied twice, which the state machine's own rules (epoch, batch number, id) make harmless. Errors are
// ErrNoLeader or ErrUnknownOutcome (both with ctx's), ErrTooLarge, ErrOverloaded, ErrClosed. Result.Index may not be
// applied on this node yet.
func (n *Node) Propose(ctx context.Context, command *fsmpb.Command) (Result, error) {
	p := n.ProposeAsync(command)
	select {
	case <-p.Done():
		return p.Result()
	case <-ctx.Done():
		return p.abandon(ctx.Err())
	}
}

// ProposeAsync is Propose without the wait: commands of one node are batched, several batches are under way at once,
// and they are applied in the order of the calls. The command must not be changed afterwards. It's proposed until it
// has a result or the node is closed.
//
// A leader that's lost while several batches are under way may leave a later one applied and an earlier one not; both
// are proposed again, in order. Where order matters, number the commands as Events are.
func (n *Node) ProposeAsync(command *fsmpb.Command) *Proposal {
	n.stamp(command, time.Now())
	p := &Proposal{done: make(chan struct{})}
	data, err := proto.Marshal(command)
	switch {
	case err != nil:
		p.finish(Result{}, fmt.Errorf("proposing: encoding the command: %w", err))
	case len(data) > MaxCommand:
		p.finish(Result{}, fmt.Errorf("proposing: %w: %d octets, at most %d", ErrTooLarge, len(data), MaxCommand))
	default:
		p.data = data
		n.proposer.add(p)
	}
	return p
}

// stamp fills in when and by whom a command was proposed.
func (n *Node) stamp(c *fsmpb.Command, now time.Time) {
	c.AtMs, c.AtCp56, c.Node = now.UnixMilli(), cp56(now.In(n.cfg.Zone)), n.cfg.ID
}

// Proposal is a command on its way.
type Proposal struct {
	data []byte // the command, encoded
	done chan struct{}

	result Result // set before done is closed
	err    error

	proposer  *proposer
	sent      bool // it was handed to a leader; guarded by proposer.mu, as is the next
	abandoned bool // no one waits for it: it isn't sent if it wasn't yet
}

// Done is closed when Result has something to say.
func (p *Proposal) Done() <-chan struct{} { return p.done }

// Result waits for Done. Errors are ErrTooLarge, ErrOverloaded and ErrClosed.
func (p *Proposal) Result() (Result, error) {
	<-p.done
	return p.result, p.err
}

func (p *Proposal) finish(r Result, err error) {
	p.result, p.err = r, err
	close(p.done)
}

// abandon is for a caller that no longer waits.
func (p *Proposal) abandon(why error) (Result, error) {
	p.proposer.mu.Lock()
	defer p.proposer.mu.Unlock()
	select {
	case <-p.done:
		return p.result, p.err
	default:
	}
	p.abandoned = true
	if p.sent {
		return Result{}, fmt.Errorf("proposing: %w: %w", ErrUnknownOutcome, why)
	}
	return Result{}, fmt.Errorf("proposing: %w: %w", ErrNoLeader, why)
}
