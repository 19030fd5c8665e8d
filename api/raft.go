package api

import "net/http"

// RaftStatus is the group as this node sees it.
type RaftStatus struct {
	Node         string     `json:"node"`
	State        string     `json:"state"`
	Leader       string     `json:"leader"`
	Term         uint64     `json:"term"`
	CommitIndex  uint64     `json:"commit_index"`
	AppliedIndex uint64     `json:"applied_index"`
	LastIndex    uint64     `json:"last_index"`
	Quorum       bool       `json:"quorum"`
	Lease        bool       `json:"lease"`
	LeaseLeftMs  int64      `json:"lease_left_ms"`
	CommitP50Us  int64      `json:"commit_p50_us"` // of this node's newest proposals; 0: none yet
	CommitP99Us  int64      `json:"commit_p99_us"`
	Peers        []RaftPeer `json:"peers"`
}

// RaftPeer is a member as the leader knows it.
type RaftPeer struct {
	NodeStatus
	Address       string `json:"address"`
	Voter         bool   `json:"voter"`
	AppliedIndex  uint64 `json:"applied_index"`
	LastContactMs int64  `json:"last_contact_ms"`
}

func (s *Server) raftStatus(w http.ResponseWriter, _ *http.Request) error {
	info, metrics := s.cfg.Node.Info(), s.cfg.Node.Metrics()
	out := RaftStatus{
		Node: info.ID, State: info.State, Leader: info.Leader, Term: info.Term,
		CommitIndex: info.CommitIndex, AppliedIndex: info.AppliedIndex, LastIndex: info.LastIndex,
		Quorum: info.Quorum, Lease: info.Lease, LeaseLeftMs: info.LeaseLeft.Milliseconds(),
		CommitP50Us: metrics.CommitLatencyP50.Microseconds(), CommitP99Us: metrics.CommitLatencyP99.Microseconds(),
	}
	for _, p := range info.Peers {
		out.Peers = append(out.Peers, RaftPeer{
			NodeStatus: nodeStatus(p), Address: p.Address, Voter: p.Voter,
			AppliedIndex: p.AppliedIndex, LastContactMs: p.LastContact.Milliseconds(),
		})
	}
	return reply(w, out)
}
