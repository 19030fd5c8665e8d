package server

import (
	"fmt"
	"net/http"

	"github.com/fepha/fepha/api"
)

// live says that the process answers. A node that hangs ends itself.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	// A page of another node asks whether this one is there, and is told no more than that something answers.
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return s.json.Reply(w, api.Health{OK: true})
}

// readyLag is how many entries a node may be behind what is committed and still
// be ready.
const readyLag = 1000

// ready says that the node takes part: it follows a leader that a quorum
// follows, and has about all that is committed. Otherwise the status is 503.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	health := api.Health{OK: true}
	switch info := s.cfg.Node.Info(); {
	case !info.Quorum:
		health = api.Health{Reason: "no quorum"}
	case info.AppliedIndex+readyLag < info.CommitIndex:
		health = api.Health{Reason: fmt.Sprintf("%d entries behind", info.CommitIndex-info.AppliedIndex)}
	}
	if !health.OK {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return s.json.Reply(w, health)
}
