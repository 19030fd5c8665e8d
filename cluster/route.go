package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// enqueueTimeout is how long an entry may wait for Raft's main loop to take it. It says nothing of its commit.
const enqueueTimeout = time.Second

// router finds ways to the leader.
type router struct {
	ctx   context.Context
	raft  *raft.Raft
	group *group
	peers *raftio.Peers
	note  func(err error) // what became of each entry that this node's Raft was given
}

var errLeaderUnknown = fmt.Errorf("%w known", replica.ErrNoLeader)

// open is a way to the leader.
func (r *router) open() (*route, error) {
	leader := r.group.leader()
	switch leader {
	case "":
		return nil, errLeaderUnknown
	case r.group.self.ID:
		return localRoute(r.ctx, r.pipeline(), leader), nil
	}
	client, err := r.peers.Bulk(leader)
	if err != nil {
		return nil, err
	}
	return remoteRoute(r.ctx, client, leader)
}

// pipeline hands entries to this node's Raft, several under way at once, and their outcomes back in order.
type pipeline struct {
	raft    *raft.Raft
	note    func(err error)
	futures chan raft.ApplyFuture
}

func (r *router) pipeline() *pipeline {
	return &pipeline{raft: r.raft, futures: make(chan raft.ApplyFuture, maxInFlight), note: r.note}
}

// send blocks while Raft's main loop is busy, or enough entries are under way. An entry that isn't taken has an outcome
// too; the error is the context's.
func (p *pipeline) send(ctx context.Context, entry []byte) error {
	var future raft.ApplyFuture = refused{raft.ErrNotLeader}
	if p.raft.State() == raft.Leader {
		future = p.raft.ApplyLog(raft.Log{Data: entry}, enqueueTimeout)
	}
	select {
	case p.futures <- future:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// each calls f with the outcome of each entry sent, in order, until an error or f says to stop, and returns when no
// more will be sent. Raft answers every entry that it took: when it's applied, when leadership is lost, or when it's
// shut down.
func (p *pipeline) each(f func(a answer) (more bool)) {
	more := true
	for future := range p.futures {
		err := future.Error()
		p.note(err)
		if !more {
			continue
		}
		a := answer{outcome: outcome{err: err}}
		if err == nil {
			a.index = future.Index()
			a.outcome, _ = future.Response().(outcome)
		}
		more = f(a) && a.err == nil
	}
}

// refused is the future of an entry that Raft wasn't given.
type refused struct{ err error }

func (r refused) Error() error  { return r.err }
func (r refused) Index() uint64 { return 0 }
func (r refused) Response() any { return nil }

// localRoute is a way to the leader that this node itself is.
func localRoute(parent context.Context, p *pipeline, id string) *route {
	ctx, cancel := context.WithCancel(parent)
	answers := make(chan answer)
	go func() {
		defer close(answers)
		p.each(func(a answer) bool {
			answers <- a
			return true
		})
	}()
	return &route{
		leader: id, answers: answers,
		send:   func(entry []byte) error { return p.send(ctx, entry) },
		stop:   cancel,
		finish: func() { cancel(); close(p.futures) },
	}
}

// remoteRoute is a way to a leader elsewhere.
func remoteRoute(parent context.Context, client clusterpb.PeerClient, id string) (*route, error) {
	ctx, cancel := context.WithCancel(parent)
	stream, err := client.Propose(ctx)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("proposing to %s: %w", id, err)
	}
	answers := make(chan answer)
	go func() {
		defer close(answers)
		for {
			a := receive(stream)
			answers <- a
			if a.err != nil {
				return
			}
		}
	}()
	return &route{
		leader: id, answers: answers,
		send:   func(entry []byte) error { return stream.Send(&clusterpb.ProposeRequest{Entry: entry}) },
		stop:   cancel,
		finish: cancel,
	}, nil
}

func receive(stream grpc.BidiStreamingClient[clusterpb.ProposeRequest, clusterpb.ProposeResponse]) answer {
	resp, err := stream.Recv()
	if err != nil {
		return answer{outcome: outcome{err: err}}
	}
	if resp.Refused != "" {
		return answer{outcome: outcome{err: fmt.Errorf("refused: %s", resp.Refused)}}
	}
	a := answer{index: resp.Index}
	for _, data := range resp.Results {
		r := new(fsmpb.Result)
		if err := proto.Unmarshal(data, r); err != nil {
			return answer{outcome: outcome{err: err}}
		}
		a.results = append(a.results, r)
	}
	return a
}

// serve is the leader's end of a remoteRoute.
func (r *router) serve(stream grpc.BidiStreamingServer[clusterpb.ProposeRequest, clusterpb.ProposeResponse]) error {
	p := r.pipeline()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.each(func(a answer) bool { return stream.Send(reply(a)) == nil })
	}()
	defer func() {
		close(p.futures)
		<-ended
	}()
	for {
		req, err := stream.Recv()
		if err != nil {
			return nil // the node that proposes has gone; it proposes again what it has no answer to
		}
		if err := p.send(stream.Context(), req.Entry); err != nil {
			return nil
		}
	}
}

func reply(a answer) *clusterpb.ProposeResponse {
	resp := &clusterpb.ProposeResponse{Index: a.index}
	for _, r := range a.results {
		data, err := proto.Marshal(r)
		if err != nil {
			a.err = err
			break
		}
		resp.Results = append(resp.Results, data)
	}
	if a.err != nil {
		resp.Results, resp.Refused = nil, a.err.Error()
	}
	return resp
}
