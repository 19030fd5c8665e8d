package core

import (
	"net/netip"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Bounds of what waits to be proposed.
const (
	maxBatch  = 256
	maxWishes = 4096
)

// claims is the leader's part in the table's rules: what stations ask, what their silence means, what is proposed.
type claims struct {
	heard  map[chantable.ID]time.Time // last grant, of those online
	rivals map[chantable.ID]time.Time // last claim of a station that was refused for a clash

	queue    []*wish // one for each station at most, in order
	queued   map[chantable.ID]*wish
	adopting []chantable.Entry // of a higher centre that has gone; nobody is answered before they are in the table
	adopts   int               // of them, those not yet in the table
	inFlight []*wish           // proposed, and not yet answered
	flying   map[chantable.ID]bool

	judged  time.Time
	removed time.Time
	renewed time.Time
}

// wish is a change to propose, and who is to be answered.
type wish struct {
	change chantable.Change
	by     *asker // nil: nobody
}

// asker is a station whose request is being dealt with.
type asker struct {
	station *served
	id      chantable.ID
	session uint64
	counter uint64
	route   route
}

func newClaims() claims {
	return claims{
		heard: map[chantable.ID]time.Time{}, rivals: map[chantable.ID]time.Time{},
		queued: map[chantable.ID]*wish{}, flying: map[chantable.ID]bool{},
	}
}

// busy reports whether a change for the station is under way, so that the table as it is can't be relied on.
func (q *claims) busy(id chantable.ID) bool { return q.queued[id] != nil || q.flying[id] }

// drop forgets what has not been proposed. The stations ask again.
func (q *claims) drop() {
	q.queue, q.adopting, q.adopts = nil, nil, 0
	clear(q.queued)
}

// restart forgets all but what is proposed and not yet answered: another leader has been in between.
func (q *claims) restart() {
	q.drop()
	clear(q.heard)
	clear(q.rivals)
}

// wish queues a change for a station, in place of one that waits for the same.
func (q *claims) wish(id chantable.ID, w *wish) {
	if held, ok := q.queued[id]; ok {
		*held = *w
		return
	}
	if len(q.queue) < maxWishes {
		q.queue = append(q.queue, w)
		q.queued[id] = w
	}
}

// register deals with a claim: it is answered at once if the table need not change, else when it has.
func (c *Centre) register(now time.Time, by *asker, r wire.Register) {
	claim := chantable.Claim{
		CN: r.CN, ID: by.id, Address: r.Address, Level: r.Level, Name: r.Name, Instance: r.Instance, Epoch: r.Epoch,
	}
	if !claim.Address.IsValid() || claim.Address.Addr().IsUnspecified() {
		port := claim.Address.Port()
		if port == 0 {
			port = by.route.to.Port()
		}
		claim.Address = netip.AddrPortFrom(by.route.to.Addr().Unmap().WithZone(""), port)
	}
	by.station.unicast = r.Unicast || !c.multicasts
	by.station.granted = false
	c.noteFloor(by.station, r.Table, r.Floor)

	if c.Higher.Deferring {
		c.answer(by, wire.Deferred, 0)
		return
	}
	if c.copy.Table() == 0 || c.rewound || c.claims.adopts > 0 {
		return // the table is about to be made anew, or to be taken over
	}
	if r.Table == c.copy.Table() && r.Floor > c.copy.Version() {
		c.renew(now, c.Timing.Silence) // the table has lost what this station's copy still has
		return
	}
	held, _ := c.copy.ByID(claim.ID)
	outcome := chantable.Judge(held, claim)
	switch {
	case claim.Validate() != nil || claim.ID == c.id:
		c.answer(by, wire.Invalid, 0)
	case c.claims.busy(claim.ID) || outcome == chantable.Done && !held.Settled(claim):
		c.claims.wish(claim.ID, &wish{chantable.Change{Kind: chantable.Register, Claim: claim}, by})
		c.propose(now)
	case outcome == chantable.Done:
		c.claims.heard[claim.ID] = now
		by.station.granted = true
		c.answer(by, wire.Granted, held.CN)
	case outcome == chantable.Superseded:
		c.answer(by, wire.Superseded, held.CN)
	case outcome == chantable.Clash && held.Refused(claim):
		c.claims.rivals[claim.ID] = now
		c.answer(by, wire.Clash, held.CN)
	default: // a clash that the table does not show yet
		c.claims.wish(claim.ID, &wish{chantable.Change{Kind: chantable.Register, Claim: claim}, by})
		c.propose(now)
	}
}

// leave deals with a clean leave.
func (c *Centre) leave(now time.Time, by *asker, l wire.Leave) {
	by.station.granted = false
	held, _ := c.copy.ByID(by.id)
	switch {
	case c.Higher.Deferring:
		c.answer(by, wire.Deferred, 0)
	case l.Instance == 0:
		c.answer(by, wire.Invalid, 0)
	case !c.claims.busy(by.id) && !held.Leaves(l.Instance, l.Epoch):
		c.answer(by, wire.Stale, held.CN)
	case !c.claims.busy(by.id) && !held.Online:
		c.answer(by, wire.Granted, held.CN)
	default:
		claim := chantable.Claim{ID: by.id, Instance: l.Instance, Epoch: l.Epoch}
		c.claims.wish(by.id, &wish{chantable.Change{Kind: chantable.Leave, Claim: claim}, by})
		c.propose(now)
	}
}

// answer tells a station what has become of its request.
func (c *Centre) answer(by *asker, o wire.Outcome, cn chantable.CN) {
	a := wire.Answer{
		EchoSession: by.session, EchoCounter: by.counter, Outcome: o, Level: c.level, CN: cn, Multicast: c.multicasts,
		Table: c.copy.Table(), Version: c.copy.Version(), Every: uint32(c.Timing.RegisterEvery.Milliseconds()),
	}
	if o == wire.Deferred {
		a.Centre = c.Higher.Address
	}
	c.send(by.route, wire.Datagram{To: by.id, Body: a})
}

// tickClaims judges who is silent, clears the table of what is long gone, and proposes.
func (c *Centre) tickClaims(now time.Time) {
	if c.copy.Table() == 0 || c.rewound {
		c.renew(now, time.Second)
	}
	if now.Sub(c.claims.judged) >= time.Second {
		c.claims.judged = now
		c.judge(now)
	}
	if now.Sub(c.claims.removed) >= time.Minute {
		c.claims.removed = now
		for _, ch := range c.copy.Removable(now.UnixMilli(), maxBatch) {
			c.claims.wish(ch.ID, &wish{change: ch})
		}
	}
	c.propose(now)
}

// judge finds the stations whose clock has stood still.
func (c *Centre) judge(now time.Time) {
	for e := range c.copy.All() {
		if !e.Online && !e.Contested || c.claims.busy(e.ID) {
			continue
		}
		change := chantable.Change{CN: e.CN, ID: e.ID, Changed: e.Changed}
		if e.Online {
			heard, known := c.claims.heard[e.ID]
			if now.Sub(later(heard, c.ledSince)) >= c.Timing.Silence {
				if !known {
					heard = c.ledSince
				}
				change.Kind, change.Heard = chantable.Expire, heard.UnixMilli()
				c.claims.wish(e.ID, &wish{change: change})
				continue
			}
		}
		if e.Contested && now.Sub(later(c.claims.rivals[e.ID], c.ledSince)) >= c.Timing.Silence {
			change.Kind = chantable.RivalGone
			c.claims.wish(e.ID, &wish{change: change})
		}
	}
}

// renew gives the table another identity, if it has not done so for a while.
func (c *Centre) renew(now time.Time, after time.Duration) {
	if now.Sub(c.claims.renewed) >= after {
		c.claims.renewed = now
		c.claims.wish(0, &wish{change: chantable.Change{Kind: chantable.Renew, Table: c.rand.Uint64() | 1}})
		c.propose(now)
	}
}

// propose proposes what waits, one batch at a time: while one is under way the next one gathers.
func (c *Centre) propose(now time.Time) {
	q := &c.claims
	if len(q.inFlight) > 0 || len(q.queue)+len(q.adopting) == 0 || !c.Leader.Self {
		return
	}
	for len(q.adopting) > 0 && len(q.inFlight) < maxBatch {
		q.inFlight = append(q.inFlight, &wish{change: chantable.Change{Kind: chantable.Adopt, Entry: q.adopting[0]}})
		q.adopting = q.adopting[1:]
	}
	n := min(len(q.queue), maxBatch-len(q.inFlight))
	q.inFlight = append(q.inFlight, q.queue[:n]...)
	q.queue = q.queue[n:]
	c.Proposal = &chantable.Command{At: now.UnixMilli()}
	for _, w := range q.inFlight {
		delete(q.queued, w.id())
		q.flying[w.id()] = true
		c.Proposal.Changes = append(c.Proposal.Changes, w.change)
	}
}

func (w *wish) id() chantable.ID {
	switch w.change.Kind {
	case chantable.Register, chantable.Leave:
		return w.change.Claim.ID
	case chantable.Adopt:
		return w.change.Entry.ID
	}
	return w.change.ID
}

// Proposed takes in what has become of the proposal. With an error nobody is answered: they ask again.
func (c *Centre) Proposed(now time.Time, results []chantable.Result, err error) {
	wishes := c.claims.inFlight
	c.claims.inFlight = nil
	clear(c.claims.flying)
	c.Changed(now)
	for i, w := range wishes {
		switch {
		case w.change.Kind == chantable.Adopt && c.claims.adopts > 0:
			if c.claims.adopts--; err != nil {
				c.adopt(w.change.Entry)
			}
		case err == nil:
			c.done(now, w, results[i])
		}
	}
	c.propose(now)
}

// adopt queues an entry of another centre's table.
func (c *Centre) adopt(e chantable.Entry) {
	c.claims.adopting = append(c.claims.adopting, e)
	c.claims.adopts++
}

func (c *Centre) done(now time.Time, w *wish, r chantable.Result) {
	id := w.id()
	switch w.change.Kind {
	case chantable.Register:
		switch r.Outcome {
		case chantable.Done:
			c.claims.heard[id] = now
		case chantable.Clash:
			c.claims.rivals[id] = now
		}
	case chantable.Leave, chantable.Expire:
		if r.Outcome == chantable.Done {
			delete(c.claims.heard, id)
		}
	case chantable.RivalGone:
		delete(c.claims.rivals, id)
	}
	if w.by != nil {
		c.answer(w.by, wire.Outcome(r.Outcome), r.CN)
		w.by.station.granted = r.Outcome == chantable.Done && w.change.Kind == chantable.Register
	}
}
