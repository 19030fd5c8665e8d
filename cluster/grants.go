package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// leaderParts is what a node that leads needs of the rest of the node, in any term.
type leaderParts struct {
	clock  func() time.Duration
	timing timing
	log    *slog.Logger
	raft   *raft.Raft
	calls  *raftCalls
	group  *group
	peers  *raftio.Peers
	disk   *raftio.DiskWatch
	state  *stateMachine
	own    *declarations
	lease  *lease.Local
	counts *leaseCounts
	known  *knownApplied

	stamp      func(c *fsmpb.Command, now time.Time) // fills in when and by whom a command was proposed
	note       func(err error)                       // what became of each entry
	lastLeader func() time.Duration                  // clock reading at which a leader was last heard
	heard      func() bool                           // one was, since this process began
	campaigned func() time.Duration                  // clock reading at which this node last began to campaign
	upToDate   func()                                // this node has all that was ever committed
	changed    *broadcast                            // fires when the term has become ready
}

// leaseCounts count this node's own leases.
type leaseCounts struct{ granted, refused atomic.Uint64 }

// grants is what a leader gathers as evidence in one term, and the leases that it grants on it.
type grants struct {
	*leaderParts
	term      uint64
	ctx       context.Context // ends with the term
	wg        *sync.WaitGroup
	decideNow chan struct{} // something that decisions depend on has changed
	probeNow  chan struct{}
	evidence  broadcast // more of it has come in

	mu      sync.Mutex // taken after stateMachine.mu; guards all that follows
	core    *lease.LeaderCore
	probing lease.Probes
}

func newGrants(ctx context.Context, wg *sync.WaitGroup, p *leaderParts, term uint64) *grants {
	var members []lease.Member
	for _, m := range p.group.members {
		members = append(members, leaseMember(m))
	}
	g := &grants{
		leaderParts: p, term: term, ctx: ctx, wg: wg,
		decideNow: make(chan struct{}, 1), probeNow: make(chan struct{}, 1), probing: lease.Probes{},
		core: lease.NewLeaderCore(leaseMember(p.group.self), members, p.timing.wait, p.lastLeader(), p.campaigned()),
	}
	if p, ok := g.lease.Elapsed(term); ok {
		g.noteElapsed(g.group.self.ID, g.clock(), p)
	}
	return g
}

func leaseMember(m Member) lease.Member {
	return lease.Member{ID: m.ID, FEP: m.Role == replica.RoleFEP}
}

// retryElapsed is short: right after an election the voters may not have heard of the new term.
const retryElapsed = 10 * time.Millisecond

// askElapsed gets a voter's proof of how old the leases of earlier terms are.
func (g *grants) askElapsed(id string) {
	for {
		client, err := g.peers.Control(id)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(g.ctx, g.timing.heartbeat)
		resp, err := client.Elapsed(ctx, &clusterpb.ElapsedRequest{Leader: g.group.self.ID, Term: g.term, Lease: int64(g.timing.wait)})
		cancel()
		if err == nil && resp.Known {
			g.noteElapsed(id, g.clock(), proofOf(resp))
			return
		}
		if g.pause(g.ctx, retryElapsed) != nil {
			return
		}
	}
}

func proofOf(resp *clusterpb.ElapsedResponse) lease.Proof {
	p := lease.Proof{Others: time.Duration(resp.Elapsed), Own: time.Duration(resp.Own)}
	if len(resp.Holders) > 0 {
		p.Others, p.Holders = time.Duration(resp.Unbound), map[string]time.Duration{}
		for id, elapsed := range resp.Holders {
			p.Holders[id] = time.Duration(elapsed)
		}
	}
	return p
}

func (g *grants) noteElapsed(voter string, received time.Duration, p lease.Proof) {
	g.mu.Lock()
	g.core.NoteElapsed(voter, received, p)
	g.mu.Unlock()
	nudge(g.decideNow)
}

// probe asks the voters to support this leader's term, again and again: that's this node's own lease, and evidence for
// others'.
func (g *grants) probe() {
	ticker := time.NewTicker(g.timing.renew)
	defer ticker.Stop()
	for {
		if !g.disk.Stalled() {
			g.probeAll()
		}
		select {
		case <-ticker.C:
		case <-g.probeNow:
		case <-g.ctx.Done():
			return
		}
	}
}

func (g *grants) probeAll() {
	sent := g.clock()
	g.grantSelf(sent) // a group of one needs no answers
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range g.group.others() {
		if !g.probing.Begin(id) {
			continue
		}
		g.wg.Go(func() {
			g.probeOne(id, sent)
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.probing.End(id) {
				nudge(g.probeNow)
			}
		})
	}
}

// probeOne lasts no longer than what it may prove.
func (g *grants) probeOne(id string, sent time.Duration) {
	client, err := g.peers.Control(id)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(g.ctx, g.timing.lease)
	defer cancel()
	holder := g.core.ProbeFor(g.group.voters())
	resp, err := client.Probe(ctx, &clusterpb.ProbeRequest{Leader: g.group.self.ID, Term: g.term, Lease: int64(g.timing.wait), Holder: holder})
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			g.peers.Reconnect(id)
		}
		return
	}
	g.mu.Lock()
	g.core.Hear(g.clock(), id, resp.Applied)
	if resp.Supported && resp.Term == g.term {
		g.core.NoteSupport(id, holder, sent)
	}
	g.mu.Unlock()
	g.evidence.fire()
	g.grantSelf(sent)
}

// grantSelf takes this node's own lease if the evidence since sent is enough.
func (g *grants) grantSelf(sent time.Duration) {
	voters := g.group.voters()
	g.mu.Lock()
	now := g.clock()
	first := !g.core.Fresh(now, g.group.self.ID)
	grant, ok := g.core.GrantSelf(now, sent, voters, g.state.owners.Load())
	g.mu.Unlock()
	if ok && g.lease.Accept(g.term, grant) {
		g.counts.granted.Add(1)
		if first {
			nudge(g.decideNow)
		}
	}
}

// answer answers a request for a lease that arrived at received.
func (g *grants) answer(ctx context.Context, req *clusterpb.LeaseRequest, received time.Duration) *clusterpb.LeaseResponse {
	g.hear(req, received)
	resp := &clusterpb.LeaseResponse{Term: g.term}
	if req.Wanted {
		var err error
		if resp.MinApplied, err = g.grant(ctx, req, received); err != nil {
			resp.Refused = err.Error()
		} else {
			resp.Granted = true
		}
	}
	return resp
}

func (g *grants) hear(req *clusterpb.LeaseRequest, received time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.core.Hear(received, req.Node, req.Applied)
	if m.Digest != req.Digest || len(m.Lacks) != len(req.Lacks) {
		nudge(g.decideNow)
	}
	m.Digest, m.Build, m.Level, m.Vitals = req.Digest, req.Build, req.Level, req.Vitals.Told()
	if c := req.Clock; c != nil && c.Leader == g.group.self.ID {
		m.Clock = lease.Clock{Known: true, Offset: time.Duration(c.Offset), Error: time.Duration(c.Error)}
	}
	g.known.note(req.Node, req.Applied)
	m.Lacks = make(map[string]bool, len(req.Lacks))
	for _, id := range req.Lacks {
		m.Lacks[id] = true
	}
}

func (g *grants) grant(ctx context.Context, req *clusterpb.LeaseRequest, received time.Duration) (minApplied uint64, err error) {
	voters := g.group.voters()
	m, known := g.group.member(req.Node)
	switch {
	case req.Term != g.term:
		return 0, fmt.Errorf("it's in term %d, the leader in %d", req.Term, g.term)
	case !known || m.Role != replica.RoleFEP || !slices.Contains(voters, req.Node):
		return 0, fmt.Errorf("%w: %s is no FEP of this group", replica.ErrUnknownNode, req.Node)
	case time.Duration(req.Lease) != g.timing.wait:
		return 0, fmt.Errorf("its lease is %v, the leader's %v", time.Duration(req.Lease), g.timing.wait)
	case g.disk.Stalled():
		return 0, raftio.ErrStalled
	}
	if err := g.waitEvident(ctx, received, req.Node, voters); err != nil {
		return 0, err
	}
	if !g.lease.Support(g.term, req.Node) {
		return 0, fmt.Errorf("%w any more", replica.ErrNotLeader)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if why := g.core.Refusal(req.Node); why != "" {
		return 0, fmt.Errorf("not now: %s", why)
	}
	now := g.clock()
	if !g.core.Fresh(now, req.Node) {
		nudge(g.decideNow) // there's one more that may own something
	}
	return g.core.Grant(now, req.Node, g.state.owners.Load()), nil
}

// waitEvident waits until a quorum has supported the term since the request came in. Leader and requester are a quorum of
// three; larger groups need probes.
func (g *grants) waitEvident(ctx context.Context, since time.Duration, requester string, voters []string) error {
	for {
		more := g.evidence.wait()
		g.mu.Lock()
		ok := g.core.Evident(since, requester, voters)
		g.mu.Unlock()
		if ok {
			return nil
		}
		nudge(g.probeNow)
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("no quorum supports term %d: %w", g.term, ctx.Err())
		case <-g.ctx.Done():
			return fmt.Errorf("%w any more", replica.ErrNotLeader)
		}
	}
}

// followed tells whether a quorum supports this leader's term.
func (g *grants) followed() bool {
	voters := g.group.voters()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.core.Evident(g.clock()-g.timing.lease, g.group.self.ID, voters)
}

// pause waits, but not longer than ctx or the term.
func (g *grants) pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-g.ctx.Done():
		return fmt.Errorf("%w any more", replica.ErrNotLeader)
	}
}
