package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/replica"
)

// administration changes the group and who leads it.
type administration struct {
	timing     timing
	raft       *raft.Raft
	calls      *raftCalls
	group      *group
	mux        *raftio.Mux
	peers      *raftio.Peers
	state      *stateMachine
	leadership *leadership
}

// do does what's asked for, on this node if it leads, else on the leader.
func (a *administration) do(ctx context.Context, req *clusterpb.AdminRequest) error {
	leader := a.group.leader()
	if leader == "" {
		return fmt.Errorf("changing the group: %w", replica.ErrNoLeader)
	}
	if leader == a.group.self.ID {
		return a.change(ctx, req)
	}
	client, err := a.peers.Bulk(leader)
	if err != nil {
		return fmt.Errorf("changing the group: asking %s: %w", leader, err)
	}
	resp, err := client.Admin(ctx, req)
	switch {
	case status.Code(err) == codes.Unavailable:
		return fmt.Errorf("changing the group: %w: %s doesn't answer: %w", replica.ErrNoLeader, leader, err)
	case err != nil:
		return fmt.Errorf("changing the group: asking %s: %w", leader, err)
	case resp.NotLeader:
		return fmt.Errorf("changing the group: %w: %s has just lost the leadership", replica.ErrNoLeader, leader)
	case resp.Error != "":
		return errors.New(resp.Error)
	}
	return nil
}

// serve does at the leader what another node was asked for.
func (a *administration) serve(ctx context.Context, req *clusterpb.AdminRequest) *clusterpb.AdminResponse {
	err := a.change(ctx, req)
	switch {
	case errors.Is(err, replica.ErrNotLeader):
		return &clusterpb.AdminResponse{NotLeader: true}
	case err != nil:
		return &clusterpb.AdminResponse{Error: err.Error()}
	}
	return &clusterpb.AdminResponse{}
}

func (a *administration) change(ctx context.Context, req *clusterpb.AdminRequest) error {
	if a.raft.State() != raft.Leader {
		return fmt.Errorf("%w: %s is", replica.ErrNotLeader, a.group.leader())
	}
	switch op := req.Op.(type) {
	case *clusterpb.AdminRequest_Transfer_:
		return a.transfer(ctx, op.Transfer.To)
	case *clusterpb.AdminRequest_AddVoter_:
		m, ok := a.group.member(op.AddVoter.Id)
		switch {
		case !ok:
			return fmt.Errorf("adding node %q: %w: it isn't in the configuration", op.AddVoter.Id, replica.ErrUnknownNode)
		case m.Address != op.AddVoter.Address:
			return fmt.Errorf("adding node %s: its address is %s in the configuration, not %q", m.ID, m.Address, op.AddVoter.Address)
		}
		return a.addVoter(ctx, m)
	case *clusterpb.AdminRequest_Remove_:
		if _, ok := a.group.member(op.Remove.Id); !ok && !a.group.isVoter(op.Remove.Id) {
			return fmt.Errorf("removing node %q: %w", op.Remove.Id, replica.ErrUnknownNode)
		}
		// One that is out already is no error: who couldn't learn what became of his removal asks again.
		return a.changeMembers(ctx, "removing node "+op.Remove.Id, func() raft.Future {
			return a.raft.RemoveServer(raft.ServerID(op.Remove.Id), 0, enqueueTimeout)
		})
	}
	return fmt.Errorf("changing the group: nothing asked for")
}

// addVoter first lets a node learn all that's committed, and then gives it its vote. Were it to vote at once, a group of two
// would be without a leader until it has learned, and for good if the leader loses patience meanwhile: a node that knows
// nothing gives its vote to no one who has entries (raftio.FreshDiskGuard).
func (a *administration) addVoter(ctx context.Context, m Member) error {
	what := "adding node " + m.ID
	id, address := raft.ServerID(m.ID), raft.ServerAddress(m.Address)
	if a.group.isVoter(m.ID) {
		return nil
	}
	if err := a.checkCertificate(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := a.calls.await(ctx, a.raft.AddNonvoter(id, address, 0, enqueueTimeout), what); err != nil {
		return err
	}
	if err := a.awaitCaughtUp(ctx, m); err != nil {
		return fmt.Errorf("%s: it doesn't catch up, and has no vote yet: %w", what, err)
	}
	return a.changeMembers(ctx, what, func() raft.Future { return a.raft.AddVoter(id, address, 0, enqueueTimeout) })
}

// checkCertificate refuses a node that shows a certificate which is revoked: nobody would talk to it. One that doesn't answer
// may come yet.
func (a *administration) checkCertificate(ctx context.Context, m Member) error {
	conn, err := a.mux.Dial(ctx, m.ID, m.Address)
	switch {
	case errors.Is(err, errRevoked):
		return fmt.Errorf("%w: give it a new one ('fepha tls init --renew' where the CA's key is)", err)
	case err == nil:
		_ = conn.Close()
	}
	return nil
}

// awaitCaughtUp waits until a node has applied what's committed now.
func (a *administration) awaitCaughtUp(ctx context.Context, m Member) error {
	target := a.state.applied.Load()
	client, err := a.peers.Control(m.ID)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		t := a.leadership.current()
		if t == nil {
			return fmt.Errorf("%w any more", replica.ErrNotLeader)
		}
		once, cancel := context.WithTimeout(ctx, a.timing.lease)
		resp, err := client.Probe(once, &clusterpb.ProbeRequest{Leader: a.group.self.ID, Term: t.term, Lease: int64(a.timing.wait)})
		cancel()
		if err == nil && resp.Term == t.term && resp.Applied >= target {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it's at entry %d of %d", resp.Applied, target)
		} else if try%50 == 0 { // it may have started meanwhile, with a certificate that is out of force
			if revoked := a.checkCertificate(ctx, m); revoked != nil {
				return revoked
			}
		}
		if over := t.pause(ctx, catchUpCheck); over != nil {
			return fmt.Errorf("%w: %w", over, err)
		}
	}
}

// catchUpCheck is how often it's checked whether a node has caught up.
const catchUpCheck = 20 * time.Millisecond

// changeMembers makes one change of the group, once all leases of groups before the present one are over. Proof that leases
// are over comes from a quorum of the group as it is; it has a member in common with a quorum of the group before the
// last change, but not with one of two changes ago.
func (a *administration) changeMembers(ctx context.Context, what string, change func() raft.Future) error {
	t := a.leadership.current()
	if t == nil {
		return fmt.Errorf("%s: %w", what, replica.ErrNotLeader)
	}
	if err := t.waitUnchanged(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return a.calls.await(ctx, change(), what)
}

// transfer hands on leadership. Nothing need be waited for: leases are of the old term, and the new leader asks for
// proof of how old they are as any new leader does.
func (a *administration) transfer(ctx context.Context, to string) error {
	if to == "" {
		to = a.transferTarget()
	}
	if to == a.group.self.ID {
		return nil
	}
	if !a.group.isVoter(to) {
		return fmt.Errorf("transferring leadership to %q: %w", to, replica.ErrUnknownNode)
	}
	return a.calls.transfer(ctx, to)
}

// transferTarget is the FEP, other than this node, whose state is newest.
func (a *administration) transferTarget() string {
	t := a.leadership.current()
	if t == nil {
		return ""
	}
	best := ""
	var applied uint64
	for _, p := range peersOf(peerTableOf(t, "", nil)) {
		if p.Role == replica.RoleFEP && p.Alive && p.Voter && p.ID != a.group.self.ID && (best == "" || p.AppliedIndex > applied) {
			best, applied = p.ID, p.AppliedIndex
		}
	}
	return best
}
