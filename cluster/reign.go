package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// reign is what a node does while it leads, in one term: it grants leases and has decided who owns what. It begins when
// Raft says that leadership was won and ends when Raft says that it was lost; in between it may be wrong about still
// leading, which the rules of grantor and the fence on its entries make harmless.
type reign struct {
	node   *Node
	term   uint64
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kick   chan struct{} // look again what's to be decided
	ask    chan struct{} // probe now
	news   broadcast     // evidence has come in

	mu     sync.Mutex // taken after machine.mu
	regent *regent

	proposed string // digest that was proposed in this reign; govern's
}

func newReign(n *Node, term uint64) *reign {
	ctx, cancel := context.WithCancel(n.ctx)
	r := &reign{
		node: n, term: term, ctx: ctx, cancel: cancel,
		kick: make(chan struct{}, 1), ask: make(chan struct{}, 1),
		regent: newRegent(n.self, n.members(), n.timing.lease, n.clock()-n.transport.silence(), time.Duration(n.campaigned.Load())),
	}
	if d, ok := n.keeper.elapsed(term); ok {
		r.noteElapsed(n.cfg.ID, n.clock(), d)
	}
	r.wg.Go(r.prepare)
	r.wg.Go(r.probe)
	for _, id := range n.others() {
		r.wg.Go(func() { r.askElapsed(id) })
	}
	return r
}

// end waits until the reign has.
func (r *reign) end() {
	r.cancel()
	r.wg.Wait()
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// prepare waits until everything that earlier leaders committed is applied, then governs.
func (r *reign) prepare() {
	for {
		// Not Raft's Barrier: an entry of our own is answered even while Raft is being shut down, see Node.drain.
		_, err := r.mark()
		if err == nil {
			break
		}
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(retryElapsed):
		}
	}
	r.node.transport.amnesia.recover() // who commits in its own term has all that ever was (Raft, section 5.4)
	r.mu.Lock()
	r.regent.open(r.node.clock(), r.node.machine.owners.Load())
	r.mu.Unlock()
	r.node.log.Info("leading", "term", r.term, "since the last one was heard", r.node.clock()-r.regent.cause)
	r.node.leaderChanged.fire()
	nudge(r.ask)
	r.govern()
}

func (r *reign) ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.regent.readyAt != 0
}

// retryElapsed is short: right after an election the voters may not have heard of the new term.
const retryElapsed = 10 * time.Millisecond

// askElapsed gets a voter's proof of how old the leases of earlier terms are.
func (r *reign) askElapsed(id string) {
	for {
		client, err := r.node.peers.control(id)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(r.ctx, r.node.timing.heartbeat)
		resp, err := client.Elapsed(ctx, &clusterpb.ElapsedRequest{Leader: r.node.cfg.ID, Term: r.term, Lease: int64(r.node.timing.lease)})
		cancel()
		if err == nil && resp.Known {
			r.noteElapsed(id, r.node.clock(), time.Duration(resp.Elapsed))
			return
		}
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(retryElapsed):
		}
	}
}

func (r *reign) noteElapsed(voter string, received, elapsed time.Duration) {
	r.mu.Lock()
	r.regent.grantor.noteElapsed(voter, received, elapsed)
	r.mu.Unlock()
	nudge(r.kick)
}

// probe has the voters vouch for this leader's term, again and again: that's this node's own lease, and evidence for
// others'.
func (r *reign) probe() {
	ticker := time.NewTicker(r.node.timing.renew)
	defer ticker.Stop()
	for {
		if !r.node.disk.stalled() {
			r.probeAll()
		}
		select {
		case <-ticker.C:
		case <-r.ask:
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *reign) probeAll() {
	sent := r.node.clock()
	r.grantSelf(sent) // a group of one needs no answers
	for _, id := range r.node.others() {
		r.wg.Go(func() { r.probeOne(id, sent) })
	}
}

// probeOne lasts no longer than what it may prove.
func (r *reign) probeOne(id string, sent time.Duration) {
	client, err := r.node.peers.control(id)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.node.timing.lease)
	defer cancel()
	resp, err := client.Probe(ctx, &clusterpb.ProbeRequest{Leader: r.node.cfg.ID, Term: r.term, Lease: int64(r.node.timing.lease)})
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.node.peers.hangUp(id)
		}
		return
	}
	r.mu.Lock()
	r.regent.hear(r.node.clock(), id, resp.Applied)
	if resp.Vouched && resp.Term == r.term {
		r.regent.grantor.noteVouched(id, sent)
	}
	r.mu.Unlock()
	r.news.fire()
	r.grantSelf(sent)
}

// grantSelf takes this node's own lease if the evidence since sent is enough.
func (r *reign) grantSelf(sent time.Duration) {
	n := r.node
	voters := n.voters()
	r.mu.Lock()
	now := n.clock()
	first := !r.regent.grantor.fresh(now, n.cfg.ID)
	g, ok := r.regent.grantSelf(now, sent, voters, n.machine.owners.Load())
	r.mu.Unlock()
	if ok && n.keeper.accept(r.term, g) {
		n.leasesGranted.Add(1)
		if first {
			nudge(r.kick)
		}
	}
}

// lease answers a request that arrived at received.
func (r *reign) lease(ctx context.Context, req *clusterpb.LeaseRequest, received time.Duration) *clusterpb.LeaseResponse {
	r.hear(req, received)
	resp := &clusterpb.LeaseResponse{Term: r.term}
	if req.Wanted {
		var err error
		if resp.MinApplied, err = r.grant(ctx, req, received); err != nil {
			resp.Refused = err.Error()
		} else {
			resp.Granted = true
		}
	}
	resp.Peers = r.peerTable()
	return resp
}

func (r *reign) hear(req *clusterpb.LeaseRequest, received time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.regent.hear(received, req.Node, req.Applied)
	if m.digest != req.Digest || len(m.lacks) != len(req.Lacks) {
		nudge(r.kick)
	}
	m.digest, m.build = req.Digest, req.Build
	m.lacks = make(map[string]bool, len(req.Lacks))
	for _, id := range req.Lacks {
		m.lacks[id] = true
	}
}

func (r *reign) grant(ctx context.Context, req *clusterpb.LeaseRequest, received time.Duration) (minApplied uint64, err error) {
	n := r.node
	voters := n.voters()
	m, known := n.member(req.Node)
	switch {
	case req.Term != r.term:
		return 0, fmt.Errorf("it's in term %d, the leader in %d", req.Term, r.term)
	case !known || m.Role != RoleFEP || !slices.Contains(voters, req.Node):
		return 0, fmt.Errorf("%w: %s is no FEP of this group", ErrUnknownNode, req.Node)
	case time.Duration(req.Lease) != n.timing.lease:
		return 0, fmt.Errorf("its lease is %v, the leader's %v", time.Duration(req.Lease), n.timing.lease)
	case n.disk.stalled():
		return 0, errStalled
	}
	if err := r.waitEvident(ctx, received, req.Node, voters); err != nil {
		return 0, err
	}
	if !n.keeper.vouch(r.term) {
		return 0, fmt.Errorf("%w any more", ErrNotLeader)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if why := r.regent.grantor.refusal(req.Node); why != "" {
		return 0, fmt.Errorf("not now: %s", why)
	}
	now := n.clock()
	if !r.regent.grantor.fresh(now, req.Node) {
		nudge(r.kick) // there's one more that may own something
	}
	return r.regent.grantor.grant(now, req.Node, n.machine.owners.Load()), nil
}

// waitEvident waits until a quorum has vouched for the term since the request came in. Leader and requester are a quorum
// of three; larger groups need probes.
func (r *reign) waitEvident(ctx context.Context, since time.Duration, requester string, voters []string) error {
	for {
		news := r.news.wait()
		r.mu.Lock()
		ok := r.regent.grantor.evident(since, requester, voters)
		r.mu.Unlock()
		if ok {
			return nil
		}
		nudge(r.ask)
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("no quorum vouched for term %d: %w", r.term, ctx.Err())
		case <-r.ctx.Done():
			return fmt.Errorf("%w any more", ErrNotLeader)
		}
	}
}

// followed tells whether a quorum vouches for this leader's term.
func (r *reign) followed() bool {
	voters := r.node.voters()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.regent.grantor.evident(r.node.clock()-r.node.timing.lease, r.node.cfg.ID, voters)
}

// govern decides, until the reign ends: when something that the policy looks at has changed, and a few times a lease.
func (r *reign) govern() {
	tick := r.node.timing.renew / 2
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var seen fsm.Revisions
	for {
		grown := r.node.machine.grown.wait()
		select {
		case <-timer.C:
		case <-r.kick:
		case <-grown:
			var now fsm.Revisions
			r.node.machine.view(func(s *fsm.State) { now = s.Revisions() })
			if now.Resources == seen.Resources && now.Links == seen.Links && now.Clients == seen.Clients &&
				now.Nodes == seen.Nodes && now.Config == seen.Config {
				continue
			}
			seen = now
		case <-r.ctx.Done():
			return
		}
		r.declare()
		wait := tick
		if again := r.decide(); again > 0 { // a lease may end between two ticks
			wait = min(tick, max(again-r.node.clock(), time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// declare has the station's configuration applied when most members have it: a member that was restarted with another
// one, or isn't restarted yet, doesn't impose its own.
func (r *reign) declare() {
	var digest string
	r.node.machine.view(func(s *fsm.State) { digest = s.Config().GetDigest() })
	own := r.node.cfg.Station.GetDigest()
	if digest == own || r.proposed == own {
		return
	}
	voters := r.node.voters()
	same := 0
	r.mu.Lock()
	for _, v := range voters {
		if v == r.node.cfg.ID || r.regent.member(v).digest == own {
			same++
		}
	}
	r.mu.Unlock()
	if same < quorum(len(voters)) {
		return
	}
	if err := r.propose(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: r.node.cfg.Station}}); err == nil {
		r.proposed = own
	}
}

// decide has the policy's decisions committed, and says when to decide again if nothing happens; 0 for whenever.
func (r *reign) decide() (again time.Duration) {
	n := r.node
	voters, commit := n.voters(), n.raft.CommitIndex()
	var p plan
	n.machine.view(func(s *fsm.State) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.regent.member(n.cfg.ID).lacks = n.lacks(s)
		p = r.regent.decide(n.clock(), s, voters, commit)
	})
	if p.handOn != "" {
		r.handOn(p.handOn)
	}
	if len(p.decisions) == 0 {
		return p.again
	}
	commands := make([]*fsmpb.Command, len(p.decisions))
	for i, d := range p.decisions {
		n.log.Info("decided", "what", d)
		commands[i] = d.command()
	}
	err := r.propose(commands...)
	if err != nil {
		n.log.Warn("a decision may not be committed", "error", err)
		_, err = r.mark() // once this is applied, what was under way is, or never will be
	}
	if err == nil {
		r.mu.Lock()
		r.regent.settle(p, n.machine.owners.Load())
		r.mu.Unlock()
	}
	return p.again
}

// propose commits commands in this reign's term or not at all.
func (r *reign) propose(commands ...*fsmpb.Command) error {
	now := time.Now()
	for _, c := range commands {
		r.node.stamp(c, now)
	}
	data, err := proto.Marshal(&fsmpb.Entry{Commands: commands})
	if err != nil {
		return fmt.Errorf("encoding a decision: %w", err)
	}
	o, _, err := r.apply(data)
	for i, res := range o.results {
		if res.GetCode() > fsmpb.Result_DUPLICATE {
			r.node.log.Debug("a decision was overtaken", "command", commands[i], "result", res)
		}
	}
	return err
}

// mark commits an entry that says nothing. Once it's applied, so is everything before it.
func (r *reign) mark() (index uint64, err error) {
	_, index, err = r.apply(nil)
	return index, err
}

func (r *reign) apply(entry []byte) (outcome, uint64, error) {
	future := r.node.raft.ApplyLog(raft.Log{Data: entry, Extensions: fence(r.term)}, enqueueTimeout)
	err := future.Error()
	r.node.refusals.note(r.node.clock(), err)
	if err != nil {
		return outcome{}, 0, fmt.Errorf("committing a decision: %w", err)
	}
	o, _ := future.Response().(outcome)
	return o, future.Index(), o.err
}

// handOn gives leadership to a FEP. Leases go on: they're of this term, and its proof is asked for in the next.
func (r *reign) handOn(to string) {
	address, ok := r.node.address(to)
	if !ok {
		return
	}
	r.node.log.Info("handing on leadership", "to", to)
	r.wg.Go(func() {
		if err := r.node.handOn(r.ctx, to, address); err != nil && r.ctx.Err() == nil {
			r.node.log.Warn("handing on leadership failed", "error", err)
		}
	})
}
