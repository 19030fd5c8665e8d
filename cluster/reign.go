package cluster

import (
	"context"
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

// reign is what a node does while it leads, in one term: it grants leases and decides who owns what. It begins when
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

	mu      sync.Mutex
	grantor *grantor
	heard   map[string]*memberState
	readyAt time.Duration // 0: not yet
	policy  *placement

	cause, campaigned time.Duration // when the former leader was last heard, and when this node began to campaign
	proposed          string        // digest that was proposed in this reign
}

// memberState is what a member has said to this leader.
type memberState struct {
	heard   time.Duration
	spoke   bool
	request *clusterpb.LeaseRequest // its last; nil if there was none
	applied uint64
}

func newReign(n *Node, term uint64, campaigned time.Duration) *reign {
	ctx, cancel := context.WithCancel(n.ctx)
	now := n.clock()
	r := &reign{
		node: n, term: term, ctx: ctx, cancel: cancel,
		kick: make(chan struct{}, 1), ask: make(chan struct{}, 1),
		grantor: newGrantor(n.cfg.ID, n.timing.lease),
		heard:   map[string]*memberState{},
		policy:  newPlacement(n.timing.lease),
		cause:   now - n.transport.silence(), campaigned: campaigned,
	}
	r.wg.Go(r.prepare)
	r.wg.Go(r.probe)
	for _, id := range n.others() {
		r.wg.Go(func() { r.askElapsed(id) })
	}
	if d, ok := n.keeper.elapsed(term); ok {
		r.noteElapsed(n.cfg.ID, n.clock(), d)
	}
	return r
}

// end waits until the reign has.
func (r *reign) end() {
	r.cancel()
	r.wg.Wait()
}

// prepare waits until everything that earlier leaders committed is applied, then governs.
func (r *reign) prepare() {
	for {
		// Not Raft's Barrier: an entry of our own is answered even while Raft is being shut down, see Node.drain.
		_, err := r.mark()
		if r.ctx.Err() != nil {
			return
		}
		if err == nil {
			break
		}
		time.Sleep(elapsedRetry)
	}
	r.mu.Lock()
	r.grantor.open(r.node.machine.owners.Load())
	r.readyAt = r.node.clock()
	r.mu.Unlock()
	r.node.log.Info("leading", "term", r.term, "after", r.node.clock()-r.cause)
	r.node.leaderChanged.fire()
	r.askNow()
	r.govern()
}

func (r *reign) ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readyAt != 0
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (r *reign) askNow() { nudge(r.ask) }

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
		case <-time.After(elapsedRetry):
		}
	}
}

// elapsedRetry is short: right after an election the voters may not have heard of the new term.
const elapsedRetry = 10 * time.Millisecond

func (r *reign) noteElapsed(voter string, received, elapsed time.Duration) {
	r.mu.Lock()
	r.grantor.noteElapsed(voter, received, elapsed)
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
	r.takeOwnLease(sent) // a group of one needs no answers
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
		if ctx.Err() == context.DeadlineExceeded {
			r.node.peers.hangUp(id)
		}
		return
	}
	r.mu.Lock()
	m := r.member(id)
	m.heard, m.spoke, m.applied = r.node.clock(), true, resp.Applied
	if resp.Vouched && resp.Term == r.term {
		r.grantor.noteVouched(id, sent)
	}
	r.mu.Unlock()
	r.news.fire()
	r.takeOwnLease(sent)
}

// takeOwnLease is the leader's lease: it's counted from before the probes that prove it were sent.
func (r *reign) takeOwnLease(sent time.Duration) {
	n := r.node
	if n.self.Role != RoleFEP {
		return
	}
	voters := n.voters()
	r.mu.Lock()
	ok := r.grantor.evident(sent, n.cfg.ID, voters) && r.grantor.refusal(n.cfg.ID) == "" && slices.Contains(voters, n.cfg.ID)
	var min uint64
	if ok {
		min = r.grantLocked(n.cfg.ID)
	}
	r.mu.Unlock()
	if ok && n.keeper.accept(r.term, grant{sent: sent, minApplied: min}) {
		n.leasesGranted.Add(1)
	}
}

func (r *reign) grantLocked(id string) (minApplied uint64) {
	now := r.node.clock()
	if !r.grantor.fresh(now, id) {
		nudge(r.kick) // there's one more that may own something
	}
	return r.grantor.grant(now, id, r.node.machine.owners.Load())
}

func (r *reign) member(id string) *memberState {
	m := r.heard[id]
	if m == nil {
		m = &memberState{}
		r.heard[id] = m
	}
	return m
}

// lease answers a request that arrived at received.
func (r *reign) lease(ctx context.Context, req *clusterpb.LeaseRequest, received time.Duration) *clusterpb.LeaseResponse {
	r.mu.Lock()
	m := r.member(req.Node)
	first := !m.spoke || m.request == nil || m.request.Digest != req.Digest
	m.heard, m.spoke, m.request, m.applied = received, true, req, req.Applied
	r.mu.Unlock()
	if first {
		nudge(r.kick)
	}
	resp := &clusterpb.LeaseResponse{Term: r.term}
	if req.Wanted {
		var err error
		if resp.MinApplied, err = r.grant(ctx, req, received); err != nil {
			resp.Refused = err.Error()
			r.node.leasesRefused.Add(1)
		} else {
			resp.Granted = true
			r.node.leasesGranted.Add(1)
		}
	}
	resp.Peers = r.peerTable()
	return resp
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
	if why := r.grantor.refusal(req.Node); why != "" {
		return 0, fmt.Errorf("not now: %s", why)
	}
	return r.grantLocked(req.Node), nil
}

// waitEvident waits until a quorum has vouched for the term since the request came in. Leader and requester are a quorum
// of three; larger groups need probes.
func (r *reign) waitEvident(ctx context.Context, since time.Duration, requester string, voters []string) error {
	for {
		news := r.news.wait()
		r.mu.Lock()
		ok := r.grantor.evident(since, requester, voters)
		r.mu.Unlock()
		if ok {
			return nil
		}
		r.askNow()
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("no quorum vouched for term %d: %w", r.term, ctx.Err())
		case <-r.ctx.Done():
			return fmt.Errorf("%w any more", ErrNotLeader)
		}
	}
}

// govern decides, until the reign ends.
func (r *reign) govern() {
	ticker := time.NewTicker(r.node.timing.renew / 2)
	defer ticker.Stop()
	var seen fsm.Revisions
	for {
		grown := r.node.machine.grown.wait()
		select {
		case <-ticker.C:
		case <-r.kick:
		case <-grown:
			var now fsm.Revisions
			r.node.machine.view(func(s *fsm.State) { now = s.Revisions() })
			if now.Resources == seen.Resources && now.Links == seen.Links && now.Clients == seen.Clients && now.Nodes == seen.Nodes && now.Config == seen.Config {
				continue
			}
			seen = now
		case <-r.ctx.Done():
			return
		}
		r.declare()
		r.decide()
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
		if m := r.heard[v]; v == r.node.cfg.ID || m != nil && m.request != nil && m.request.Digest == own {
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

// decide asks the policy and has its decisions committed. Nodes from which something is taken are given no lease
// meanwhile.
func (r *reign) decide() {
	var decisions []decision
	var handOn string
	r.node.machine.view(func(s *fsm.State) {
		v := r.view(s)
		decisions = r.policy.decide(v)
		handOn = r.policy.handOn(v)
	})
	if handOn != "" {
		r.handOn(handOn)
	}
	barred := map[string]error{}
	var commands []*fsmpb.Command
	voters := r.node.voters()
	r.mu.Lock()
	for _, d := range decisions {
		if d.takes != "" {
			err, asked := barred[d.takes]
			if !asked {
				err = r.grantor.bar(r.node.clock(), d.takes, voters)
				barred[d.takes] = err
			}
			if err != nil {
				continue
			}
		}
		commands = append(commands, r.command(d))
	}
	r.mu.Unlock()
	if len(commands) == 0 {
		return
	}
	for _, d := range decisions {
		r.node.log.Info("decided", "what", d)
	}
	err := r.propose(commands...)
	if err != nil && r.ctx.Err() == nil {
		r.node.log.Warn("a decision wasn't committed", "error", err)
		_, err = r.mark() // once this is applied, what was under way is, or never will be
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range barred {
		if e == nil && err == nil { // else it stays barred: this reign is over
			r.grantor.unbar(id, r.node.machine.owners.Load())
		}
	}
}

func (r *reign) command(d decision) *fsmpb.Command {
	switch {
	case d.assign != nil:
		if d.takes != "" {
			d.assign.Timings = r.timings(d.takes)
		}
		return &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: d.assign}}
	case d.move != nil:
		return &fsmpb.Command{Op: &fsmpb.Command_Move{Move: d.move}}
	default:
		return &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: d.node}}
	}
}

// timings are of a takeover from a lost node: in ms since it was last heard of.
func (r *reign) timings(from string) *fsmpb.Timings {
	cause, detected, elected := r.cause, r.campaigned, r.readyAt
	if m := r.heard[from]; m != nil && m.spoke { // this leader saw it go
		cause = m.heard
		detected = cause + r.node.timing.lease
		elected = detected
	}
	return &fsmpb.Timings{
		DetectedMs: (detected - cause).Milliseconds(),
		ElectedMs:  (elected - cause).Milliseconds(),
		LeasedMs:   (r.node.clock() - cause).Milliseconds(),
	}
}

// view is what the policy may know. It's called with the state locked.
func (r *reign) view(s *fsm.State) placementView {
	n := r.node
	now, voters := n.clock(), n.voters()
	v := placementView{now: now, leader: n.cfg.ID, state: s}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range n.members() {
		st, self := r.member(m.ID), m.ID == n.cfg.ID
		nv := nodeView{
			id: m.ID, host: m.Host, fep: m.Role == RoleFEP,
			usable: r.grantor.fresh(now, m.ID),
			alive:  self || r.alive(now, st),
		}
		nv.free, nv.mayBeFree = r.grantor.free(m.ID, voters)
		if _, asked := r.grantor.granted[m.ID]; !asked {
			nv.free = max(nv.free, r.readyAt+n.timing.renew) // one that lives will have asked by then
		}
		nv.caughtUp = self || st.applied+maxHandOnLag >= n.raft.CommitIndex()
		if st.request != nil && len(st.request.Lacks) > 0 {
			nv.lacks = make(map[string]bool, len(st.request.Lacks))
			for _, id := range st.request.Lacks {
				nv.lacks[id] = true
			}
		}
		if self {
			nv.lacks = n.lacks(s)
		}
		v.nodes = append(v.nodes, nv)
	}
	return v
}

// alive tells whether a member was heard of lately: for as long as it may hold a lease.
func (r *reign) alive(now time.Duration, m *memberState) bool {
	return m.spoke && now < m.heard+leaseWait(r.node.timing.lease)
}

// maxHandOnLag is how many entries a FEP may be behind when a witness hands on leadership to it. Raft itself waits for
// the rest.
const maxHandOnLag = 64

// propose commits commands in this reign's term or not at all.
func (r *reign) propose(commands ...*fsmpb.Command) error {
	e := &fsmpb.Entry{}
	now := time.Now()
	for _, c := range commands {
		c.AtMs, c.AtCp56, c.Node = now.UnixMilli(), cp56(now.In(r.node.cfg.Zone)), r.node.cfg.ID
		e.Commands = append(e.Commands, c)
	}
	data, err := proto.Marshal(e)
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

// followed tells whether a quorum vouches for this leader's term.
func (r *reign) followed() bool {
	voters := r.node.voters()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.grantor.evident(r.node.clock()-r.node.timing.lease, r.node.cfg.ID, voters)
}
