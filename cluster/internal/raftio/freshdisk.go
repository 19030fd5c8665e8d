package raftio

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// FreshDiskGuard is for a node that began with an empty data folder. If the group is older than that, the node has
// forgotten what it voted and stored: its vote could elect a leader that lacks what it had helped to commit. So it votes
// only for those who have nothing either, as at the station's first start, until it knows that it has forgotten nothing:
// a leader has brought it up to date, or the group is being formed just now, or it leads itself.
type FreshDiskGuard struct {
	bootstrap uint64 // last index of the log that every node begins with
	recovered atomic.Bool
	once      sync.Once
	remember  func() // writes to disk that the node is up to date
}

// refuse says why a candidate with that log gets no vote. A nil guard refuses no one.
func (g *FreshDiskGuard) refuse(lastIndex uint64, candidate string) error {
	if g == nil || g.recovered.Load() || lastIndex <= g.bootstrap {
		return nil
	}
	return fmt.Errorf("no vote for %s: this node began with an empty data folder, and no leader has brought it up to date since", candidate)
}

// asked notes a candidate's request for a vote. One without entries has the pre-votes of a majority that has none either:
// the group is being formed. Without that, a group whose first leader died at once could be without one for good.
func (g *FreshDiskGuard) asked(lastIndex uint64) {
	if g != nil && lastIndex <= g.bootstrap {
		g.Recover()
	}
}

// Recover notes that this node has forgotten nothing that counts.
func (g *FreshDiskGuard) Recover() {
	if g == nil {
		return
	}
	g.once.Do(func() {
		g.remember()
		g.recovered.Store(true)
	})
}

// listen notes what comes of a leader's message: the node is up to date once it has taken all that was committed.
func (g *FreshDiskGuard) listen(rpc raft.RPC, done <-chan struct{}) raft.RPC {
	req, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if g == nil || !ok || g.recovered.Load() || req.LeaderCommitIndex <= g.bootstrap ||
		req.PrevLogEntry+uint64(len(req.Entries)) < req.LeaderCommitIndex {
		return rpc
	}
	to := rpc.RespChan
	answer := make(chan raft.RPCResponse, 1)
	rpc.RespChan = answer
	go func() {
		select {
		case a := <-answer:
			if resp, ok := a.Response.(*raft.AppendEntriesResponse); ok && resp.Success {
				g.Recover()
			}
			to <- a
		case <-done:
		}
	}()
	return rpc
}

// Recovered tells whether the node is up to date. A nil guard's is.
func (g *FreshDiskGuard) Recovered() bool { return g == nil || g.recovered.Load() }
