package api

import (
	"net/http"

	"github.com/fepha/fepha/fsm"
)

func (s *Server) listUplinks(w http.ResponseWriter, _ *http.Request) error {
	var uplinks []UplinkStatus
	s.cfg.Node.View(func(state *fsm.State) { uplinks = uplinkStatuses(state) })
	return reply(w, uplinks)
}
