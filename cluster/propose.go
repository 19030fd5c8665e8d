package cluster

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// MaxCommand is the size, in octets of its encoding, that a command may have.
const MaxCommand = 1 << 20

// Propose implements [replica.Replica].
func (n *Node) Propose(ctx context.Context, command *fsmpb.Command) (replica.Result, error) {
	p := n.propose(command)
	select {
	case <-p.Done():
		return p.Result()
	case <-ctx.Done():
		return p.abandon(ctx.Err())
	}
}

// ProposeAsync implements [replica.Replica].
func (n *Node) ProposeAsync(command *fsmpb.Command) replica.Proposal { return n.propose(command) }

func (n *Node) propose(command *fsmpb.Command) *proposal {
	n.stamp(command, time.Now())
	p := &proposal{done: make(chan struct{})}
	data, err := proto.Marshal(command)
	switch {
	case err != nil:
		p.finish(replica.Result{}, fmt.Errorf("proposing: encoding the command: %w", err))
	case len(data) > MaxCommand:
		p.finish(replica.Result{}, fmt.Errorf("proposing: %w: %d octets, at most %d", replica.ErrTooLarge, len(data), MaxCommand))
	default:
		p.data = data
		n.proposer.add(p)
	}
	return p
}

// stamp fills in when and by whom a command was proposed.
func (n *Node) stamp(c *fsmpb.Command, now time.Time) {
	c.AtMs, c.AtCp56, c.Node = now.UnixMilli(), n.cfg.TimeTag(now), n.cfg.ID
}

// proposal is a command on its way.
type proposal struct {
	data []byte // the command, encoded
	done chan struct{}

	result replica.Result // set before done is closed
	err    error

	proposer  *proposer
	sent      bool // it was handed to a leader; guarded by proposer.mu, as is the next
	abandoned bool // no one waits for it: it isn't sent if it wasn't yet
}

// Done implements [replica.Proposal].
func (p *proposal) Done() <-chan struct{} { return p.done }

// Result implements [replica.Proposal].
func (p *proposal) Result() (replica.Result, error) {
	<-p.done
	return p.result, p.err
}

func (p *proposal) finish(r replica.Result, err error) {
	p.result, p.err = r, err
	close(p.done)
}

// abandon is for a caller that no longer waits.
func (p *proposal) abandon(why error) (replica.Result, error) {
	p.proposer.mu.Lock()
	defer p.proposer.mu.Unlock()
	select {
	case <-p.done:
		return p.result, p.err
	default:
	}
	p.abandoned = true
	if p.sent {
		return replica.Result{}, fmt.Errorf("proposing: %w: %w", replica.ErrUnknownOutcome, why)
	}
	return replica.Result{}, fmt.Errorf("proposing: %w: %w", replica.ErrNoLeader, why)
}
