package cluster

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/replica"
)

// service answers the other nodes.
type service struct {
	clusterpb.UnimplementedPeerServer

	clock      func() time.Duration
	timing     timing
	build      string
	vitals     func() *replica.Vitals
	group      *group
	disk       *raftio.DiskWatch
	transport  *raftio.Transport
	state      *stateMachine
	lease      *lease.Local
	leadership *leadership
	router     *router
	admin      *administration
	known      *knownApplied
	files      Files // nil: none
}

func newServer(s *service) *grpc.Server {
	server := grpc.NewServer(
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(raftio.MaxMessage), grpc.MaxSendMsgSize(raftio.MaxMessage),
		grpc.MaxConcurrentStreams(256),
	)
	clusterpb.RegisterPeerServer(server, s)
	return server
}

// Lease is the leader's answer to a node that asks for a lease or says that it's alive.
func (s *service) Lease(ctx context.Context, req *clusterpb.LeaseRequest) (*clusterpb.LeaseResponse, error) {
	received, receivedWall := s.clock(), time.Now()
	if t := s.leadership.current(); t != nil && !s.transport.Muted() {
		known := s.known.get(req.Node)
		resp := t.answer(ctx, req, received)
		resp.Known = known
		resp.Peers = peerTableOf(t, s.build, s.vitals)
		resp.ReceivedWall, resp.SentWall = receivedWall.UnixNano(), time.Now().UnixNano()
		return resp, nil
	}
	return &clusterpb.LeaseResponse{Term: s.transport.Term(), Refused: fmt.Sprintf("%v: %s is", replica.ErrNotLeader, s.group.self.ID)}, nil
}

// Known tells a node that starts how far it was, and one without a leader whether it's a member.
func (s *service) Known(_ context.Context, req *clusterpb.KnownRequest) (*clusterpb.KnownResponse, error) {
	return &clusterpb.KnownResponse{
		Applied: s.known.get(req.Node), Outside: s.group.leader() != "" && !s.group.isVoter(req.Node),
	}, nil
}

// Probe supports a leader's term.
func (s *service) Probe(_ context.Context, req *clusterpb.ProbeRequest) (*clusterpb.ProbeResponse, error) {
	holder := req.Holder
	if _, known := s.group.member(holder); !known {
		holder = lease.AnyNode // covers whomever it is
	}
	ok := time.Duration(req.Lease) == s.timing.wait && !s.disk.Stalled() && s.lease.Support(req.Term, holder)
	return &clusterpb.ProbeResponse{Term: s.transport.Term(), Supported: ok, Applied: s.state.applied.Load()}, nil
}

// Elapsed is a voter's proof for a new leader.
func (s *service) Elapsed(_ context.Context, req *clusterpb.ElapsedRequest) (*clusterpb.ElapsedResponse, error) {
	p, ok := s.lease.Elapsed(req.Term)
	resp := &clusterpb.ElapsedResponse{
		Known: ok && time.Duration(req.Lease) == s.timing.wait, Elapsed: int64(p.Others), Own: int64(p.Own),
		Unbound: int64(p.Others), Holders: map[string]int64{},
	}
	for id, elapsed := range p.Holders {
		resp.Holders[id] = int64(elapsed)
		resp.Elapsed = min(resp.Elapsed, int64(elapsed))
	}
	return resp, nil
}

// Propose commits the entries of another node.
func (s *service) Propose(stream grpc.BidiStreamingServer[clusterpb.ProposeRequest, clusterpb.ProposeResponse]) error {
	return s.router.serve(stream)
}

// Admin does at the leader what another node was asked for.
func (s *service) Admin(ctx context.Context, req *clusterpb.AdminRequest) (*clusterpb.AdminResponse, error) {
	return s.admin.serve(ctx, req), nil
}

// Files lists the copies of devices' files that this node has.
func (s *service) Files(context.Context, *clusterpb.FilesRequest) (*clusterpb.FilesResponse, error) {
	if s.files == nil {
		return &clusterpb.FilesResponse{}, nil
	}
	return &clusterpb.FilesResponse{Files: s.files.List()}, nil
}

// FileData reads some of one.
func (s *service) FileData(_ context.Context, req *clusterpb.FileDataRequest) (*clusterpb.FileDataResponse, error) {
	if s.files == nil || req.File == nil {
		return &clusterpb.FileDataResponse{}, nil
	}
	return &clusterpb.FileDataResponse{Data: s.files.Read(req.File, req.Offset)}, nil
}
