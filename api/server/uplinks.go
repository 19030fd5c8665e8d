package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
)

func (s *Server) listUplinks(w http.ResponseWriter, _ *http.Request) error {
	var uplinks []api.UplinkStatus
	quorum := s.cfg.Node.Info().Quorum
	s.cfg.Node.View(func(state *fsm.State) { uplinks = s.uplinkStatuses(state, quorum) })
	return s.json.Reply(w, uplinks)
}

func (s *Server) showUplink(w http.ResponseWriter, r *http.Request) error {
	var out api.UplinkStatus
	quorum := s.cfg.Node.Info().Quorum
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) {
		var g fsm.Group
		if g, ok = state.Group(uplinkResource(r)); ok {
			out = s.uplinkStatus(state, g, quorum)
		}
	})
	if !ok {
		return rest.NotFound("no uplink %s with a group %s", r.PathValue("name"), r.PathValue("group"))
	}
	return s.json.Reply(w, out)
}

func uplinkResource(r *http.Request) string {
	return fsm.UplinkResource(r.PathValue("name"), r.PathValue("group"))
}

// releaseUplink takes a group from its owner, whose links close, so that the
// control centre starts anew.
//
// It is a planned move to the other FEP, which waits a moment for a client and
// then gives the group up to whoever claims it next. To just declare that nobody
// owns it would be wrong: the next claim could be granted while the former
// owner, not having heard of it, still runs a live link.
func (s *Server) releaseUplink(w http.ResponseWriter, r *http.Request) error {
	res, to, err := s.moveRequest(r, uplinkResource(r))
	if err != nil {
		return err
	}
	var group fsm.Group
	s.cfg.Node.View(func(state *fsm.State) { group, _ = state.Group(res.ID) })
	switch {
	case group.Mode == fsm.DualActive:
		return rest.Invalid("%s: each FEP serves the clients of a dual-active group, so there is nothing to release", res.ID)
	case res.Phase == fsm.Unowned:
		return rest.Conflict("%s: nobody owns it, so the next claim has it anyway", res.ID)
	}
	return s.move(w, r, res, to)
}
