package server

import (
	"encoding/hex"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
)

func (s *Server) listRTUs(w http.ResponseWriter, _ *http.Request) error {
	var rtus []api.RTUStatus
	quorum := s.cfg.Node.Info().Quorum
	s.cfg.Node.View(func(state *fsm.State) { rtus = s.rtuStatuses(state, quorum) })
	return s.json.Reply(w, rtus)
}

func (s *Server) showRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
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
		return rest.NotFound("no RTU %d", number)
	}
	return s.json.Reply(w, out)
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
		return rest.Conflict("%s has no owner: say where to pin it", res.ID)
	}
	return s.pin(w, r, res, to)
}

func (s *Server) unpinRTU(w http.ResponseWriter, r *http.Request) error {
	res, to, err := s.rtuRequest(r)
	if err != nil {
		return err
	}
	if to != "" {
		return rest.Invalid("to: expected none, since a pin is only taken back")
	}
	return s.pin(w, r, res, "")
}

// rtuRequest reads which RTU a request is about, and which node.
func (s *Server) rtuRequest(r *http.Request) (res fsm.Resource, to string, err error) {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return res, "", err
	}
	return s.moveRequest(r, fsm.RTUResource(number))
}

// Unanswered tells which points of an RTU its device has not answered: those that never had a value, and those that had one.
// Not ok: this node has not asked the device.
type Unanswered func(rtu uint32) (never, noLonger []fsm.PointKey, ok bool)

// listTable answers with the points of an RTU as they are configured, and whether the device answers them.
func (s *Server) listTable(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	out := api.TableReply{RTU: number, Points: []api.TablePoint{}}
	never, noLonger, asked := s.cfg.Unanswered(number)
	out.Asked = asked
	states := map[fsm.PointKey]string{}
	for _, k := range never {
		states[k] = api.StateNever
	}
	for _, k := range noLonger {
		states[k] = api.StateNoLonger
	}
	keys := s.cfg.Table(number)
	var known bool
	s.cfg.Node.View(func(state *fsm.State) {
		_, known = state.RTU(number)
		res, _ := state.Resource(fsm.RTUResource(number))
		out.Owner = res.Owner
		for _, k := range keys {
			p, has := state.Point(k)
			row := api.TablePoint{Point: s.point(rowOf(state, k, p)), State: states[k]}
			switch {
			case row.State != "":
			case has:
				row.State = api.StateAnswered
			case asked:
				row.State = api.StateNever
			default:
				row.State = api.StateNotAsked
			}
			out.Points = append(out.Points, row)
		}
	})
	if !known {
		return rest.NotFound("no RTU %d", number)
	}
	return s.json.Reply(w, out)
}

// maxStrays is how many strays an answer has at most: as many as are kept of an RTU.
const maxStrays = 1000

// listStrays answers ?limit=N with an RTU's newest strays.
func (s *Server) listStrays(w http.ResponseWriter, r *http.Request) error {
	number, err := rest.PathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	if err := rest.CheckQuery(r, "limit"); err != nil {
		return err
	}
	limit, err := rest.QueryNumber(r, "limit", rest.DefaultPage, maxStrays)
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
		return rest.NotFound("no RTU %d", number)
	}
	for i := range strays {
		list.Strays = append(list.Strays, stray(&strays[i]))
	}
	return s.json.Reply(w, list)
}

func stray(x *fsm.Stray) api.Stray {
	return api.Stray{Number: x.Number, TimeMs: x.TimeMs, Reason: x.Reason, ASDU: hex.EncodeToString(x.ASDU)}
}
