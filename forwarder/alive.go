package forwarder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// This file finds out whether a client is still there, long before t1 or t3 would: where another one would take its place.

const (
	// aliveWithin is how long a live link may take to confirm TESTFR when its place is wanted.
	aliveWithin = time.Second

	// doubtAfter is how long a silent main link may take before the other node is to find out whether its client is there.
	doubtAfter = 300 * time.Millisecond

	// placeWithin is how long a client waits to be let in: the other node's has to be asked, and the group to be released.
	placeWithin = aliveWithin + time.Second

	// askAgain is the least time between two challenges of a client for the sake of another one.
	askAgain = time.Second
)

// answers tells whether a link's client confirms TESTFR within a time.
func (l *link) answers(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return l.session.Challenge(ctx) == nil
}

// challenge makes sure that the group has no live link that answers. A client that died without a FIN would otherwise
// block the group for as long as t3 and t1.
func (g *group) challenge() error {
	g.mu.Lock()
	l := g.live
	if g.starting != nil || g.challenging {
		g.mu.Unlock()
		return g.fail(ErrTaken)
	}
	if l == nil {
		g.mu.Unlock()
		return nil
	}
	g.challenging = true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.challenging = false
		g.mu.Unlock()
	}()
	if l.answers(context.Background(), aliveWithin) {
		return g.fail(ErrTaken)
	}
	g.log.Warn("live link does not answer: a new one takes over", "client", l.client)
	l.session.Abort(ErrUnresponsive)
	<-l.session.Done()
	return nil
}

// awaitPlace makes the node that has the live link of an exclusive group find out whether its client is there, and returns
// nil once that has released the group. A client whose way to that node was cut comes here first, and would else be sent
// away until t1 or t3 has ended there. One waits at a time.
func (g *group) awaitPlace(client, owner string) error {
	taken := fmt.Errorf("%s: %w: %s", g.resource, ErrOwnedElsewhere, owner)
	before := g.elsewhere()
	g.mu.Lock()
	if g.waiting != "" || !slices.ContainsFunc(before, func(c fsm.Client) bool { return c.Started }) {
		g.mu.Unlock()
		return taken
	}
	g.waiting = client
	g.mu.Unlock()
	g.kick()
	defer func() {
		g.mu.Lock()
		g.waiting = ""
		g.mu.Unlock()
		g.kick()
	}()
	ctx, cancel := context.WithTimeout(g.u.serving, placeWithin)
	defer cancel()
	for range replica.Follow(ctx, g.replica(), replica.Pace{}) {
		if err := g.checkService(); err != nil {
			return err
		}
		switch r, _ := g.declared(); {
		case r.Phase == fsm.Unowned, r.Owner == g.replica().ID():
			return nil
		case confirmedSince(before, g.elsewhere()):
			return taken
		}
	}
	return taken
}

// elsewhere are the group's clients on other nodes.
func (g *group) elsewhere() (clients []fsm.Client) {
	g.replica().View(func(s *fsm.State) {
		group, _ := s.Group(g.resource)
		clients = group.Clients
	})
	return slices.DeleteFunc(clients, func(c fsm.Client) bool { return c.Node == g.replica().ID() })
}

// confirmedSince tells whether a started client has confirmed TESTFR since the clients were as before.
func confirmedSince(before, now []fsm.Client) bool {
	return slices.ContainsFunc(now, func(c fsm.Client) bool {
		var confirmed uint64
		for _, b := range before {
			if b.Node == c.Node && b.Address == c.Address {
				confirmed = b.Confirmed
			}
		}
		return c.Started && c.Confirmed > confirmed
	})
}

// checkAlive asks the live link's client whether it's there, until ctx ends: when a client on another node is in question,
// and in main-standby mode, where another client could take over at once, when it has been silent for LinkCheck.
func (g *group) checkAlive(ctx context.Context) {
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.asked:
		case <-again.C:
		}
		if wait := g.ask(ctx); wait > 0 {
			again.Reset(wait)
		}
	}
}

// ask asks the live link's client if it is time to, and returns after how long to look again; 0: when something changes.
func (g *group) ask(ctx context.Context) time.Duration {
	g.mu.Lock()
	l := g.live
	g.mu.Unlock()
	others := g.elsewhere()
	switch {
	case l == nil:
		return 0
	case slices.ContainsFunc(others, fsm.Client.InQuestion):
		if left := askAgain - g.now().Sub(l.vouched); left > 0 {
			return left
		}
		l.vouched = g.now()
		g.vouch(ctx, l)
		return askAgain
	case !g.mayLeave(l, others):
		return 0
	}
	check := g.u.cfg.LinkCheck
	if left := check - l.session.Silent(); left > 0 {
		return left
	}
	if !l.answers(ctx, doubtAfter) {
		g.doubt(ctx, l, others)
	}
	return check
}

// mayLeave tells whether another client could take over from a silent link.
func (g *group) mayLeave(l *link, others []fsm.Client) bool {
	return g.u.cfg.Mode == fsm.MainStandby && g.u.cfg.LinkCheck > 0 && l.isMain() &&
		slices.ContainsFunc(others, func(c fsm.Client) bool { return c.Started })
}

// vouch tells the other nodes that this one's client is there. In exclusive mode one that isn't makes room.
func (g *group) vouch(ctx context.Context, l *link) {
	switch {
	case l.answers(ctx, aliveWithin):
		l.mu.Lock()
		l.confirmed++
		l.mu.Unlock()
		g.kick()
	case g.u.cfg.Mode == fsm.Exclusive && ctx.Err() == nil:
		g.log.Warn("live link does not answer, and a client is at the other node: the group is released", "client", l.client)
		l.session.Abort(ErrUnresponsive)
	}
}

// doubt has the other nodes ask their clients, and leaves a silent link once one of these has answered. While all are silent
// nothing moves.
func (g *group) doubt(ctx context.Context, l *link, before []fsm.Client) {
	g.setDoubted(l, true)
	defer g.setDoubted(l, false)
	for within := aliveWithin - doubtAfter; ; within = aliveWithin {
		if l.answers(ctx, within) || l.session.Err() != nil || ctx.Err() != nil {
			return
		}
		if confirmedSince(before, g.elsewhere()) {
			g.log.Warn("main link does not answer, and the client at the other node does: that one takes over", "client", l.client)
			l.session.Abort(ErrUnresponsive)
			return
		}
	}
}

func (g *group) setDoubted(l *link, doubted bool) {
	l.mu.Lock()
	l.doubted = doubted
	l.mu.Unlock()
	g.kick()
}
