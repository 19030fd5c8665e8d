package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
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
	vitals  func() *replica.Vitals
	raft    *raft.Raft
	group   *group
	peers   *raftio.Peers
	disk    *raftio.DiskWatch
	state   *stateMachine
	own     *declarations
	lease   *lease.Local
	told    *peerTable // what the leader tells of the members
	counts  *leaseCounts
	known   *knownApplied
	offset  atomic.Pointer[clusterpb.ClockOffset]                // of this node's wall clock, measured last
	older   func(last uint64, leader string, known uint64) error // why this node's log is too old; nil: it isn't
	giveUp  func(error)
	changed *broadcast  // another leader, or none
	holds   func() bool // a lease
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
		Level:  fsm.Level, Clock: r.offset.Load(), Vitals: clusterpb.VitalsOf(r.vitals()),
	}
	r.state.view(func(s *fsm.State) {
		if !r.holds() && !r.own.mayOwn(s) { // one that owns goes on while it takes another configuration up
			req.Wanted = false
		}
		own := r.own.now()
		if req.Digest = own.digest; s.Config().GetDigest() != own.digest {
			for id := range own.lacks(s) {
				req.Lacks = append(req.Lacks, id)
			}
		}
	})
	sent, sentWall := r.clock(), time.Now() // the lease counts from here
	resp, err := client.Lease(ctx, req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.peers.Reconnect(leader)
		}
		return
	}
	r.told.set(leader, r.clock(), resp.Peers)
	r.compareClocks(leader, sentWall, time.Now(), resp)
	for _, p := range resp.Peers {
		r.known.note(p.Id, p.Applied)
	}
	if err := r.older(r.raft.LastIndex(), leader, resp.Known); err != nil {
		r.giveUp(err)
		return
	}
	switch {
	case resp.Granted && resp.Term == term && r.lease.Accept(term, lease.Grant{Sent: sent, MinApplied: resp.MinApplied}):
		r.counts.granted.Add(1)
	case req.Wanted:
		r.counts.refused.Add(1)
		r.log.Debug("no lease", "leader", leader, "term", term, "why", resp.Refused)
	}
}

// compareClocks measures how far this node's wall clock is ahead of the leader's, as NTP does (RFC 5905, section 8). The time on
// the way bounds the error.
func (r *leaseRequests) compareClocks(leader string, sent, received time.Time, resp *clusterpb.LeaseResponse) {
	if resp.SentWall == 0 {
		return // a former build's
	}
	onTheWay := received.Sub(sent) - time.Duration(resp.SentWall-resp.ReceivedWall)
	r.offset.Store(&clusterpb.ClockOffset{
		Leader: leader, Error: int64(max(0, onTheWay) / 2),
		Offset: ((sent.UnixNano() - resp.ReceivedWall) + (received.UnixNano() - resp.SentWall)) / 2,
	})
}
