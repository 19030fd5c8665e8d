package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

func (s *Server) raftStatus(w http.ResponseWriter, _ *http.Request) error {
	info := s.cfg.Node.Info()
	p50, p99 := s.cfg.CommitLatency()
	var level uint32
	s.cfg.Node.View(func(st *fsm.State) { level = st.Level() })
	return s.json.Reply(w, api.RaftStatus{
		Outside: info.Outside, Level: level, Newest: fsm.Level,
		Node: info.ID, State: info.State, Leader: info.Leader, Term: info.Term,
		CommitIndex: info.CommitIndex, AppliedIndex: info.AppliedIndex, LastIndex: info.LastIndex,
		Quorum: info.Quorum, Lease: info.Lease, LeaseLeftMs: info.LeaseLeft.Milliseconds(),
		CommitP50Us: p50.Microseconds(), CommitP99Us: p99.Microseconds(),
		Peers: s.peers(info),
	})
}

func (s *Server) raftPeers(w http.ResponseWriter, _ *http.Request) error {
	return s.json.Reply(w, s.peers(s.cfg.Node.Info()))
}

func (s *Server) peers(info replica.Info) []api.RaftPeer {
	peers := make([]api.RaftPeer, 0, len(info.Peers))
	s.cfg.Node.View(func(state *fsm.State) {
		for _, p := range info.Peers {
			peers = append(peers, api.RaftPeer{
				NodeStatus: s.nodeStatus(state, p), Address: p.Address, Voter: p.Voter,
				AppliedIndex: p.AppliedIndex, LastContactMs: p.LastContact.Milliseconds(), Level: p.Level,
				Digest: p.Digest, Vitals: vitals(p.Vitals),
			})
		}
	})
	return peers
}

func vitals(v *replica.Vitals) *api.Vitals {
	if v == nil {
		return nil
	}
	out := &api.Vitals{
		Memory: v.Memory, CPU: v.CPU, FsyncUs: v.Fsync.Microseconds(), DiskFree: v.DiskFree, DiskSize: v.DiskSize,
		Reaches: append([]string{}, v.Reaches...), Misses: append([]string{}, v.Misses...),
	}
	if !v.CertificateEnds.IsZero() {
		out.CertificateEndsMs = v.CertificateEnds.UnixMilli()
	}
	if v.ClockKnown {
		out.ClockSynchronised = &v.ClockSynchronised
	}
	return out
}

func (s *Server) transferLeadership(w http.ResponseWriter, r *http.Request) error {
	return s.changeGroup(w, r, func(req api.PeerRequest) error {
		if req.Address != "" {
			return rest.Invalid("address: expected none")
		}
		return s.cfg.Node.Transfer(r.Context(), req.ID)
	})
}

func (s *Server) addPeer(w http.ResponseWriter, r *http.Request) error {
	return s.changeGroup(w, r, func(req api.PeerRequest) error {
		if req.ID == "" || req.Address == "" {
			return rest.Invalid("id %q, address %q: expected a node's id and its host:port", req.ID, req.Address)
		}
		return s.cfg.Node.AddPeer(r.Context(), req.ID, req.Address)
	})
}

func (s *Server) removePeer(w http.ResponseWriter, r *http.Request) error {
	return s.changeGroup(w, r, func(req api.PeerRequest) error {
		if req.ID == "" || req.Address != "" {
			return rest.Invalid("id %q, address %q: expected a node's id alone", req.ID, req.Address)
		}
		if err := s.cfg.Node.RemovePeer(r.Context(), req.ID); err != nil {
			return err
		}
		if req.KeepCertificate {
			return nil
		}
		return s.guard.RevokeMember(r, req.ID)
	})
}

// changeGroup reads a PeerRequest and does what it asks for.
func (s *Server) changeGroup(w http.ResponseWriter, r *http.Request, change func(api.PeerRequest) error) error {
	var req api.PeerRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	if err := change(req); err != nil {
		return err
	}
	return s.json.Reply(w, api.Done{Done: true})
}

// takeSnapshot makes this node write a snapshot to its disk and cut its log.
func (s *Server) takeSnapshot(w http.ResponseWriter, r *http.Request) error {
	if err := rest.TakesLong(w, api.SnapshotTimeout); err != nil {
		return err
	}
	index, err := s.cfg.Node.Snapshot(r.Context())
	if err != nil {
		return err
	}
	return s.json.Reply(w, api.Done{Done: true, Index: index})
}

// downloadSnapshot answers with the replicated state as this node has it, in the
// form that restoreSnapshot reads. It carries its own checksum, which shows
// whether it was cut short.
func (s *Server) downloadSnapshot(w http.ResponseWriter, _ *http.Request) error {
	if err := rest.TakesLong(w, api.SnapshotTimeout); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="fepha.snapshot"`)
	if _, err := s.cfg.Node.WriteSnapshot(w); err != nil {
		panic(http.ErrAbortHandler) // so that the client sees that it is cut short
	}
	return nil
}

// restoreSnapshot replaces the state of the whole station by the body. Only the
// leader can.
func (s *Server) restoreSnapshot(w http.ResponseWriter, r *http.Request) error {
	switch info := s.cfg.Node.Info(); {
	case info.Leader == "":
		return replica.ErrNoLeader
	case info.Leader != info.ID:
		return rest.Conflict("only the leader can restore a snapshot: ask %s", info.Leader)
	}
	if err := rest.TakesLong(w, api.SnapshotTimeout); err != nil {
		return err
	}
	if err := s.cfg.Node.Restore(r.Context(), r.Body); err != nil {
		return err
	}
	return s.json.Reply(w, api.Done{Done: true})
}
