package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/replica"
)

// What a reign gathers as evidence, and the leases that it grants on it.

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
		resp, err := client.Elapsed(ctx, &clusterpb.ElapsedRequest{Leader: r.node.cfg.ID, Term: r.term, Lease: int64(r.node.timing.wait)})
		cancel()
		if err == nil && resp.Known {
			r.noteElapsed(id, r.node.clock(), proof{time.Duration(resp.Elapsed), time.Duration(resp.Own)})
			return
		}
		if r.pause(r.ctx, retryElapsed) != nil {
			return
		}
	}
}

func (r *reign) noteElapsed(voter string, received time.Duration, p proof) {
	r.mu.Lock()
	r.regent.grantor.noteElapsed(voter, received, p)
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

// underway are the voters with a probe that has had no answer yet; true if it's time for the next one. Each has one at a
// time: a leader that's heard and doesn't hear does no good by probing on, since each voter that it reaches makes a
// successor wait longer.
type underway map[string]bool

// begin tells whether a voter may be probed now; if not, end will say that it's due.
func (u underway) begin(voter string) bool {
	_, busy := u[voter]
	u[voter] = busy
	return !busy
}

// end is told of an answer, or that there's none.
func (u underway) end(voter string) (due bool) {
	due = u[voter]
	delete(u, voter)
	return due
}

func (r *reign) probeAll() {
	sent := r.node.clock()
	r.grantSelf(sent) // a group of one needs no answers
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range r.node.others() {
		if !r.probing.begin(id) {
			continue
		}
		r.wg.Go(func() {
			r.probeOne(id, sent)
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.probing.end(id) {
				nudge(r.ask)
			}
		})
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
	resp, err := client.Probe(ctx, &clusterpb.ProbeRequest{Leader: r.node.cfg.ID, Term: r.term, Lease: int64(r.node.timing.wait)})
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
	case !known || m.Role != replica.RoleFEP || !slices.Contains(voters, req.Node):
		return 0, fmt.Errorf("%w: %s is no FEP of this group", replica.ErrUnknownNode, req.Node)
	case time.Duration(req.Lease) != n.timing.wait:
		return 0, fmt.Errorf("its lease is %v, the leader's %v", time.Duration(req.Lease), n.timing.wait)
	case n.disk.stalled():
		return 0, errStalled
	}
	if err := r.waitEvident(ctx, received, req.Node, voters); err != nil {
		return 0, err
	}
	if !n.keeper.vouch(r.term) {
		return 0, fmt.Errorf("%w any more", replica.ErrNotLeader)
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
			return fmt.Errorf("%w any more", replica.ErrNotLeader)
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
