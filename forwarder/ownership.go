package forwarder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	proposeTimeout = 5 * time.Second        // for what run proposes; it looks again afterwards
	tenureTimeout  = 2 * time.Second        // between the commit of an ownership and the right to act on it
	retryDelay     = 200 * time.Millisecond // before run tries again what failed
	// adoptTime is how long this node keeps an exclusive group that it was given without a claim, as an operator can,
	// for the client to come here. In main-standby mode whoever has a client is better.
	adoptTime = 10 * time.Second
)

// claim takes the group for this node, unless it has it already, and waits for the right to run its live link.
func (g *group) claim(ctx context.Context, l *link) (replica.Tenure, error) {
	r, ok := g.declared()
	switch {
	case !ok:
		return nil, g.fail(ErrNotDeclared)
	case r.Phase == fsm.Owned && r.Owner == g.replica().ID():
		return g.tenure(ctx)
	case r.Phase != fsm.Unowned: // most likely still so: spare the log
		return nil, fmt.Errorf("%s: %w: %s", g.resource, ErrOwnedElsewhere, r.Owner)
	}
	result, err := g.replica().Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Claim{Claim: &fsmpb.Claim{
		Resource: g.resource, Node: g.replica().ID(), Client: l.client,
	}}})
	if err != nil {
		g.mu.Lock()
		g.unsure = true
		g.mu.Unlock()
		return nil, fmt.Errorf("%s: claim: %w", g.resource, err)
	}
	switch result.Code {
	case fsmpb.Result_OK, fsmpb.Result_DUPLICATE:
	case fsmpb.Result_CONFLICT:
		return nil, fmt.Errorf("%s: %w: %s", g.resource, ErrOwnedElsewhere, result.Owner)
	default:
		return nil, fmt.Errorf("%s: claim: %v: %s", g.resource, result.Code, result.Message)
	}
	g.mu.Lock()
	g.claimed = result.Epoch
	g.mu.Unlock()
	if err := g.replica().WaitApplied(ctx, result.Index); err != nil {
		return nil, fmt.Errorf("%s: claim: %w", g.resource, err)
	}
	return g.tenure(ctx)
}

func (g *group) tenure(ctx context.Context) (replica.Tenure, error) {
	ctx, cancel := context.WithTimeout(ctx, tenureTimeout)
	defer cancel()
	t, err := g.replica().WaitTenure(ctx, g.resource)
	if err != nil {
		return nil, fmt.Errorf("%s: waiting for tenure: %w", g.resource, err)
	}
	g.mu.Lock()
	g.claimed = t.Epoch()
	g.mu.Unlock()
	return t, nil
}

// owner is what run remembers of the group's ownership.
type owner struct {
	started bool      // the first look was taken
	first   uint64    // epoch at the first look: an ownership of this process's predecessor
	epoch   uint64    // that was seen last
	since   time.Time // when it was seen first
}

// reconcile brings the group's ownership and its links together, and returns after how long to look again; 0: when kicked.
func (g *group) reconcile(ctx context.Context, o *owner) time.Duration {
	r, ok := g.declared()
	away := g.checkService()
	if g.u.cfg.Mode == fsm.DualActive && away != nil {
		g.abortAll(away)
	}
	if !ok || g.u.cfg.Mode == fsm.DualActive {
		return 0
	}
	if !o.started {
		o.started, o.first = true, r.Epoch
	}
	if r.Epoch != o.epoch {
		o.epoch, o.since = r.Epoch, g.now()
	}
	select {
	case g.changing <- struct{}{}:
		defer func() { <-g.changing }()
	default: // a start is under way, and kicks if it fails
		return retryDelay
	}
	r, _ = g.declared() // the start before may have changed it
	g.mu.Lock()
	live, starting := g.live, g.starting
	claimed := g.unsure || r.Epoch == g.claimed
	g.mu.Unlock()
	mine := r.Owner == g.replica().ID()
	switch {
	case starting != nil:
		return 0
	case away != nil && live != nil && !(mine && live.isMain() && g.successor() != ""): // else the leader moves it, which closes the link
		g.abortAll(away)
		return 0
	case mine && r.Phase == fsm.Owned && live == nil:
		keep := adoptTime - g.now().Sub(o.since)
		if g.u.cfg.Mode == fsm.Exclusive && r.Epoch != o.first && !claimed && keep > 0 {
			return keep
		}
		return g.release(ctx, r, g.successor(), "no link")
	case mine && r.Phase == fsm.Owned && !live.isMain(), r.Phase == fsm.Unowned && live != nil && !live.isMain():
		return g.promote(ctx, live)
	case r.Phase != fsm.Unowned && !mine && g.u.cfg.Mode == fsm.Exclusive:
		g.abortAll(fmt.Errorf("%s: %w: %s", g.resource, ErrOwnedElsewhere, r.Owner))
	}
	return 0
}

// successor is another node with a started client of the group: in main-standby mode it takes over at once.
func (g *group) successor() (node string) {
	if g.u.cfg.Mode != fsm.MainStandby {
		return ""
	}
	g.replica().View(func(s *fsm.State) {
		group, _ := s.Group(g.resource)
		for _, c := range group.Clients {
			if n, ok := s.Node(c.Node); c.Started && c.Node != g.replica().ID() && ok && n.Alive {
				node = c.Node
			}
		}
	})
	return node
}

// promote makes a started standby link the main one.
func (g *group) promote(ctx context.Context, l *link) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	t, err := g.claim(ctx, l)
	if err != nil {
		g.log.Info("standby link can't be promoted", "client", l.client, "error", err)
		return retryDelay
	}
	promoted := false
	defer func() {
		if promoted {
			g.serves(l.client)
		}
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	f := l.currentFeed()
	if g.live != l || f == nil { // it was lost meanwhile
		t.Close()
		return retryDelay
	}
	l.enter(main, t)
	f.begin(g.resume())
	promoted = true
	g.log.Info("link promoted", "client", l.client)
	g.kick()
	return 0
}

// release gives up a group that has no link here: to the node whose started client waits, or to the next claim.
func (g *group) release(ctx context.Context, r fsm.Resource, to, reason string) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	// Both are applied first: the list, so that nobody believes that a client is still here and gives the group back;
	// the cursor, as long as the epoch lasts.
	g.reportClients()
	if p, ok := g.cursor.flush(); ok {
		g.replica().ProposeAsync(g.cursorCommand(p, r.Epoch))
	}
	assign := g.replica().ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: g.resource, ExpectEpoch: r.Epoch, Owner: to, Reason: reason,
	}}})
	select {
	case <-assign.Done():
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			g.log.Warn("group can't be released yet: nothing is committed", "after", proposeTimeout)
		}
		return retryDelay
	}
	result, err := assign.Result()
	if err != nil {
		g.log.Warn("group can't be released", "error", err)
		return retryDelay
	}
	g.log.Info("group released", "to", to, "result", result.Code)
	g.mu.Lock()
	g.unsure = false
	g.mu.Unlock()
	if err := g.replica().WaitApplied(ctx, result.Index); err != nil {
		return retryDelay
	}
	return 0
}

func (g *group) abortAll(reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.links {
		s.Abort(reason)
	}
}
