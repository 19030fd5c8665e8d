package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

func (s *Server) listRTUs(w http.ResponseWriter, _ *http.Request) error {
	var rtus []api.RTUStatus
	quorum := s.cfg.Node.Info().Quorum
	s.cfg.Node.View(func(state *fsm.State) { rtus = s.rtuStatuses(state, quorum) })
	return s.reply(w, rtus)
}

func (s *Server) showRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := pathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	var out api.RTUStatus
	quorum := s.cfg.Node.Info().Quorum
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) {
		var rtu fsm.RTU
		if rtu, ok = state.RTU(number); ok {
			out = s.rtuStatus(state, rtu, quorum)
		}
	})
	if !ok {
		return notFound("no RTU %d", number)
	}
	return s.reply(w, out)
}

func (s *Server) failoverRTU(w http.ResponseWriter, r *http.Request) error {
	res, to, err := s.rtuRequest(r)
	if err != nil {
		return err
	}
	return s.move(w, r, res, to)
}

func (s *Server) pinRTU(w http.ResponseWriter, r *http.Request) error {
	res, to, err := s.rtuRequest(r)
	if err != nil {
		return err
	}
	if to == "" {
		to = res.Owner
	}
	if to == "" {
		return conflict("%s has no owner: say where to pin it", res.ID)
	}
	return s.pin(w, r, res, to)
}

func (s *Server) unpinRTU(w http.ResponseWriter, r *http.Request) error {
	res, to, err := s.rtuRequest(r)
	if err != nil {
		return err
	}
	if to != "" {
		return invalid("to: expected none, since a pin is only taken back")
	}
	return s.pin(w, r, res, "")
}

// rtuRequest reads which RTU a request is about, and which node.
func (s *Server) rtuRequest(r *http.Request) (res fsm.Resource, to string, err error) {
	number, err := pathNumber(r, "number", "RTU")
	if err != nil {
		return res, "", err
	}
	return s.moveRequest(r, fsm.RTUResource(number))
}
