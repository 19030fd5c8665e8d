package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/replica"
)

const (
	// startTimeout is how long a client may wait for its STARTDT con while the start is committed. It's less than the
	// usual t1 of 15 s, so that the client hears of a failure before it has to guess.
	startTimeout = 8 * time.Second
)

// group is a redundancy group of clients as this node serves it. Its methods that iec104 calls are those of
// iec104.Group; run keeps the replicated state in step with its links.
type group struct {
	u        *uplink
	name     string
	resource string // id
	slot     string // of the replicated cursor: this node's id in dual-active mode
	cursor   cursor
	log      *slog.Logger

	kicked chan struct{} // capacity 1: run has to look at the links or the resource
	asked  chan struct{} // capacity 1: checkAlive has to look at the clients, here and on other nodes
	acked  chan struct{} // capacity 1: run has to look at the cursor
	// changing is held by who changes the group's ownership: a start or run, one at a time. Capacity 1.
	changing chan struct{}

	strangers      atomic.Uint64 // requests for another common address
	unacknowledged atomic.Uint64 // links that were closed by t1 although the client was there

	report replica.Proposal // run's: the list of clients that is under way; nil: none

	mu          sync.Mutex // guards what follows; may be held while a link's mu is taken, never the other way round
	links       map[*iec104.Session]*link
	starting    *link // STARTDT is granted, its feed not begun
	live        *link // started
	challenging bool
	waiting     string // client that is let in if the one on the other node is gone; "": none
	claimed     uint64 // the newest epoch that this node claimed, or had a link in
	unsure      bool   // a claim has failed that may be committed all the same
	starts      uint64
	rivals      rivals
	ended       feedCounters // of links that have stopped
}

func newGroup(u *uplink, name string) *group {
	g := &group{
		u: u, name: name, resource: fsm.UplinkResource(u.cfg.Name, name),
		log:    u.log.With("group", name),
		kicked: make(chan struct{}, 1), asked: make(chan struct{}, 1), acked: make(chan struct{}, 1), changing: make(chan struct{}, 1),
		links: map[*iec104.Session]*link{}, cursor: cursor{window: u.config.K},
	}
	if u.cfg.Mode == fsm.DualActive {
		g.slot = u.replica.ID()
	}
	return g
}

func (g *group) replica() replica.Owner   { return g.u.replica }
func (g *group) location() *time.Location { return g.u.location }
func (g *group) now() time.Time           { return time.Now() }

func (g *group) checkLease() error {
	if err := g.replica().CheckLease(); err != nil {
		return fmt.Errorf("%s: %w: %w", g.resource, ErrNoLease, err)
	}
	return nil
}

func (g *group) fail(err error) error { return fmt.Errorf("%s: %w", g.resource, err) }

func (g *group) kick() {
	poke(g.kicked)
	poke(g.asked)
}

// poke makes the owner of a channel of capacity 1 look, now or when it's back.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (g *group) link(s *iec104.Session) *link {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.links[s]
}

// declared is the group's resource in the replicated state.
func (g *group) declared() (r fsm.Resource, ok bool) {
	g.replica().View(func(s *fsm.State) { r, ok = s.Resource(g.resource) })
	return r, ok
}

// checkService is an error while this node is to serve nobody.
func (g *group) checkService() (err error) {
	g.replica().View(func(s *fsm.State) {
		if n, _ := s.Node(g.replica().ID()); n.Away() {
			err = g.fail(ErrAway)
		}
	})
	return err
}

// allowConnect is asked before any exchange. Without a lease the client had better try the other FEP.
func (g *group) allowConnect(s *iec104.Session) error {
	if err := g.checkLease(); err != nil {
		return err
	}
	if err := g.checkService(); err != nil {
		return err
	}
	if g.u.cfg.Mode == fsm.Exclusive {
		r, ok := g.declared()
		switch {
		case !ok:
			return g.fail(ErrNotDeclared)
		case r.Owner != "" && r.Owner != g.replica().ID():
			if err := g.awaitPlace(s.RemoteAddr().String(), r.Owner); err != nil {
				return err
			}
		}
		if err := g.challenge(); err != nil {
			return err
		}
	}
	l := &link{
		g: g, session: s, client: s.RemoteAddr().String(), since: g.now(),
		unwatch: g.u.onLoss(s.LocalAddr().Addr(), s.Abort),
	}
	s.SetWriteGuard(l.guard)
	g.mu.Lock()
	g.links[s] = l
	g.mu.Unlock()
	g.kick()
	return nil
}

// allowStart is asked on STARTDT: the start is a claim, and confirmed only after it's committed and this node may act
// on it.
func (g *group) allowStart(ctx context.Context, s *iec104.Session) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	l := g.link(s)
	select {
	case g.changing <- struct{}{}:
		defer func() { <-g.changing }()
	case <-ctx.Done():
		return g.fail(ctx.Err())
	}
	if err := g.checkService(); err != nil {
		return err
	}
	if err := g.keepYoung(l); err != nil {
		return err
	}
	if g.u.cfg.Mode == fsm.DualActive {
		return g.admit(l, main, nil)
	}
	if g.u.cfg.Mode == fsm.Exclusive && g.taken() {
		return g.fail(ErrTaken)
	}
	t, err := g.claim(ctx, l)
	if g.u.cfg.Mode == fsm.MainStandby && errors.Is(err, ErrOwnedElsewhere) {
		return g.admit(l, standby, nil)
	}
	if err != nil {
		g.kick() // the claim may have been committed all the same
		return err
	}
	return g.admit(l, main, t)
}

func (g *group) taken() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live != nil || g.starting != nil
}

// admit lets a link start.
func (g *group) admit(l *link, r role, t replica.Tenure) error {
	if t == nil {
		if err := g.checkLease(); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.starting = l
	l.enter(r, t)
	return nil
}

// source begins a link that was allowed to start. The older link of the group is stopped by now.
func (g *group) source(s *iec104.Session) iec104.Source {
	l := g.link(s)
	f := g.newFeed(l)
	defer func() {
		if l.isMain() {
			g.serves(l.client)
		}
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.starting, g.live = nil, l
	g.starts++
	l.mu.Lock()
	l.feed = f
	r := l.role
	l.mu.Unlock()
	f.setTable(g.u.table.Load()) // it may have changed since the feed was made
	g.u.started.add(s)
	if r == main {
		f.begin(g.resume())
	}
	if g.u.cfg.Mode == fsm.Exclusive {
		for _, other := range g.links {
			if other != l {
				other.session.Abort(g.fail(ErrTaken))
			}
		}
	}
	g.log.Info("link started", "client", l.client, "role", r)
	g.kick()
	return f
}

// retable gives the started link the uplink's table.
func (g *group) retable() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live == nil {
		return
	}
	if f := g.live.currentFeed(); f != nil {
		f.setTable(g.u.table.Load())
	}
}

// resume is where the group's events go on.
func (g *group) resume() (after uint64) {
	g.replica().View(func(s *fsm.State) {
		after = g.cursor.resume(g.now(), s.Cursor(g.resource, g.slot), s.JournalLast())
	})
	return after
}

func (g *group) newFeed(l *link) *feed {
	f := &feed{
		table: g.u.table.Load(), config: g.u.config, sectors: g.u.cfg.stations(),
		view: g.replica().View, now: g.now, wake: l.session.Wake,
		cursor: &g.cursor, acked: func() { poke(g.acked) },
		dropped: func(s *fsm.State) uint64 { return s.Dropped(g.resource, g.slot) },
		role:    l.currentRole, stopped: func(err error) { g.stopped(l, err) }, log: g.log,
	}
	g.replica().View(func(s *fsm.State) { f.version = s.Version() })
	return f
}

// stopped ends a started link: the connection may go on, held.
func (g *group) stopped(l *link, err error) {
	g.mu.Lock()
	if g.live == l {
		g.live = nil
	}
	g.u.started.remove(l.session)
	g.ended.add(l.currentFeed().counters())
	g.mu.Unlock()
	g.log.Info("link stopped", "client", l.client, "reason", err)
	g.judgeEnd(err, l.session.Silent(), l.session.RemoteAddr())
	l.cancelSelections()
	l.leave()
	g.kick()
}

func (g *group) closed(s *iec104.Session, err error) {
	g.mu.Lock()
	l := g.links[s]
	delete(g.links, s)
	g.mu.Unlock()
	l.unwatch()
	g.kick()
}

func (g *group) started(s *iec104.Session) {
	if l := g.link(s); l != nil {
		l.started()
	}
}
