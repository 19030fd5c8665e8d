package cluster

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/replica"
)

// service answers the other nodes.
type service struct {
	clusterpb.UnimplementedPeerServer
	node *Node
}

func newServer(n *Node) *grpc.Server {
	s := grpc.NewServer(
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(256),
	)
	clusterpb.RegisterPeerServer(s, &service{node: n})
	return s
}

// Lease is the leader's answer to a node that asks for a lease or says that it's alive.
func (s *service) Lease(ctx context.Context, req *clusterpb.LeaseRequest) (*clusterpb.LeaseResponse, error) {
	received := s.node.clock()
	if r := s.node.reign.Load(); r != nil && !s.node.transport.muted.Load() {
		return r.lease(ctx, req, received), nil
	}
	return &clusterpb.LeaseResponse{Term: s.node.raft.CurrentTerm(), Refused: fmt.Sprintf("%v: %s is", replica.ErrNotLeader, s.node.cfg.ID)}, nil
}

// Probe vouches for a leader's term.
func (s *service) Probe(_ context.Context, req *clusterpb.ProbeRequest) (*clusterpb.ProbeResponse, error) {
	n := s.node
	ok := time.Duration(req.Lease) == n.timing.wait && !n.disk.stalled() && n.keeper.vouch(req.Term)
	return &clusterpb.ProbeResponse{Term: n.raft.CurrentTerm(), Vouched: ok, Applied: n.machine.applied.Load()}, nil
}

// Elapsed is a voter's proof for a new leader.
func (s *service) Elapsed(_ context.Context, req *clusterpb.ElapsedRequest) (*clusterpb.ElapsedResponse, error) {
	p, ok := s.node.keeper.elapsed(req.Term)
	return &clusterpb.ElapsedResponse{
		Known: ok && time.Duration(req.Lease) == s.node.timing.wait, Elapsed: int64(p.others), Own: int64(p.own),
	}, nil
}
