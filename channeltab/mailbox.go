package channeltab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// Mailbox keeps what the pair's endpoint receives in the group's state, where every node, and the next owner, finds it.
type Mailbox interface {
	// Keep commits a message in an epoch of the endpoint; one that is kept already is not kept again. The error wraps
	// ErrEpochOver, the context's or the node's.
	Keep(ctx context.Context, epoch uint64, m Message) error

	// Kept tells what is kept; see [Kept]. In a tenure it knows all that was kept in the epochs before.
	Kept(from chantable.ID, session uint64, s Stream) (floor, marks uint64)
}

var _ Mailbox = (*Replicated)(nil)

// retryKeep is how long the endpoint waits before it proposes a message again that an overloaded node refused.
const retryKeep = 100 * time.Millisecond

// Keep implements Mailbox.
func (r *Replicated) Keep(ctx context.Context, epoch uint64, m Message) error {
	for {
		res, err := r.node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_FnpReceive{FnpReceive: &fsmpb.FnpReceive{
			Epoch: epoch, From: uint64(m.From), Session: m.Receipt.Session, Stream: uint32(m.Stream), Seq: m.Receipt.Seq,
			Base: m.Receipt.Base, Payload: m.Payload,
		}}})
		switch {
		case errors.Is(err, replica.ErrOverloaded):
			select {
			case <-time.After(retryKeep):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		case err != nil:
			return fmt.Errorf("channeltab: keep a message of station %d: %w", m.From, err)
		}
		switch res.GetCode() {
		case fsmpb.Result_OK, fsmpb.Result_DUPLICATE:
			return nil
		case fsmpb.Result_STALE_EPOCH:
			return fmt.Errorf("%w: %s", ErrEpochOver, res.GetMessage())
		}
		return fmt.Errorf("channeltab: keep a message of station %d: refused: %s", m.From, res.GetMessage())
	}
}

// Kept implements Mailbox.
func (r *Replicated) Kept(from chantable.ID, session uint64, stream Stream) (floor, marks uint64) {
	r.node.View(func(s *fsm.State) { floor, marks = s.Mailbox().Delivered(from, session, uint8(stream)) })
	return floor, marks
}
