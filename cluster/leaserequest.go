package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// leaseRequests asks the leader for leases four times a lease, and at once when there's another leader. A witness asks for
// none, and so says that it's alive.
type leaseRequests struct {
	clock   func() time.Duration
	timing  timing
	log     *slog.Logger
	build   string
	raft    *raft.Raft
	group   *group
	peers   *raftio.Peers
	disk    *raftio.DiskWatch
	state   *stateMachine
	own     *declarations
	lease   *lease.Local
	told    *peerTable // what the leader tells of the members
	counts  *leaseCounts
	changed *broadcast // another leader, or none
}

func (r *leaseRequests) run(ctx context.Context, wg *sync.WaitGroup) {
	ticker := time.NewTicker(r.timing.renew)
	defer ticker.Stop()
	for {
		changed := r.changed.wait()
		if leader := r.group.leader(); leader != "" && leader != r.group.self.ID {
			wg.Go(func() { r.ask(ctx, leader) })
		}
		select {
		case <-ticker.C:
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// ask sends one request. It lasts no longer than the lease that it may bring; the next one doesn't wait for it.
func (r *leaseRequests) ask(ctx context.Context, leader string) {
	client, err := r.peers.Control(leader)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.timing.lease)
	defer cancel()
	term := r.raft.CurrentTerm()
	req := &clusterpb.LeaseRequest{
		Node: r.group.self.ID, Term: term, Build: r.build,
		Applied: r.state.applied.Load(), Lease: int64(r.timing.wait),
		// What can't be stored must not be acted on.
		Wanted: r.group.self.Role == replica.RoleFEP && !r.disk.Stalled(),
	}
	r.state.view(func(s *fsm.State) {
		own := r.own.in(s)
		if req.Digest = own.digest; s.Config().GetDigest() != own.digest {
			for id := range own.lacks(s) {
				req.Lacks = append(req.Lacks, id)
			}
		}
	})
	sent := r.clock() // the lease counts from here
	resp, err := client.Lease(ctx, req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.peers.Reconnect(leader)
		}
		return
	}
	r.told.set(leader, r.clock(), resp.Peers)
	switch {
	case resp.Granted && resp.Term == term && r.lease.Accept(term, lease.Grant{Sent: sent, MinApplied: resp.MinApplied}):
		r.counts.granted.Add(1)
	case req.Wanted:
		r.counts.refused.Add(1)
		r.log.Debug("no lease", "leader", leader, "term", term, "why", resp.Refused)
	}
}
