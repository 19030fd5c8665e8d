package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

// Unanswered tells which points of an RTU its device has not answered: those that never had a value, and those that had one.
// Not ok: this node has not asked the device.
type Unanswered func(rtu uint32) (never, noLonger []fsm.PointKey, ok bool)

// listTable answers with the points of an RTU as they are configured, and whether the device answers them.
func (s *Server) listTable(w http.ResponseWriter, r *http.Request) error {
	number, err := pathNumber(r, "number", "RTU")
	if err != nil {
		return err
	}
	if err := checkQuery(r); err != nil {
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
		return notFound("no RTU %d", number)
	}
	return s.reply(w, out)
}
