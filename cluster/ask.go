package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// askForLease asks the leader for a lease four times a lease, and at once when there's another leader. A witness asks
// for none, and so says that it's alive.
func (n *Node) askForLease() {
	ticker := time.NewTicker(n.timing.renew)
	defer ticker.Stop()
	for {
		changed := n.leaderChanged.wait()
		if leader := n.Leader(); leader != "" && leader != n.cfg.ID {
			n.wg.Go(func() { n.askOnce(leader) })
		}
		select {
		case <-ticker.C:
		case <-changed:
		case <-n.done:
			return
		}
	}
}

// askOnce sends one request. It lasts no longer than the lease that it may bring; the next one doesn't wait for it.
func (n *Node) askOnce(leader string) {
	client, err := n.peers.control(leader)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, n.timing.lease)
	defer cancel()
	term := n.raft.CurrentTerm()
	req := &clusterpb.LeaseRequest{
		Node: n.cfg.ID, Term: term, Build: n.cfg.Build,
		Applied: n.machine.applied.Load(), Lease: int64(n.timing.wait),
		// What can't be stored must not be acted on.
		Wanted: n.self.Role == replica.RoleFEP && !n.disk.stalled(),
	}
	n.machine.view(func(s *fsm.State) {
		own := n.own(s)
		if req.Digest = own.digest; s.Config().GetDigest() != own.digest {
			for id := range own.lacks(s) {
				req.Lacks = append(req.Lacks, id)
			}
		}
	})
	sent := n.clock() // the lease counts from here
	resp, err := client.Lease(ctx, req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			n.peers.hangUp(leader)
		}
		return
	}
	n.table.set(leader, n.clock(), resp)
	switch {
	case resp.Granted && resp.Term == term && n.keeper.accept(term, grant{sent: sent, minApplied: resp.MinApplied}):
		n.leasesGranted.Add(1)
	case req.Wanted:
		n.leasesRefused.Add(1)
		n.log.Debug("no lease", "leader", leader, "term", term, "why", resp.Refused)
	}
}

// release says for this node that a planned move may go on: nothing runs under any tenure of the resource any more.
func (n *Node) release() {
	told := map[string]uint64{} // epoch in which it was said
	for {
		changed := n.tenures.changed.wait()
		n.machine.view(func(s *fsm.State) {
			for _, r := range s.Resources() {
				if r.Owner != n.cfg.ID || r.Phase != fsm.Releasing || told[r.ID] == r.Epoch || !n.tenures.free(r.ID) {
					continue
				}
				told[r.ID] = r.Epoch
				n.ProposeAsync(released(r, n.cfg.ID))
			}
		})
		select {
		case <-changed:
		case <-n.done:
			return
		}
	}
}
