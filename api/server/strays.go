package server

import (
	"encoding/hex"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

// maxStrays is how many strays an answer has at most: as many as are kept of an RTU.
const maxStrays = 1000

// listStrays answers ?limit=N with an RTU's newest strays.
func (s *Server) listStrays(w http.ResponseWriter, r *http.Request) error {
	number, err := pathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	if err := checkQuery(r, "limit"); err != nil {
		return err
	}
	limit, err := queryNumber(r, "limit", defaultPage, maxStrays)
	if err != nil {
		return err
	}
	list := api.StrayList{Strays: []api.Stray{}}
	var strays []fsm.Stray
	var known bool
	s.cfg.Node.View(func(state *fsm.State) {
		_, known = state.RTU(number)
		strays, list.Total = state.Strays(number, int(limit))
	})
	if !known {
		return notFound("no RTU %d", number)
	}
	for i := range strays {
		list.Strays = append(list.Strays, stray(&strays[i]))
	}
	return s.reply(w, list)
}

func stray(x *fsm.Stray) api.Stray {
	return api.Stray{Number: x.Number, TimeMs: x.TimeMs, Reason: x.Reason, ASDU: hex.EncodeToString(x.ASDU)}
}
