package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
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

// filesOf reads of which RTU files are asked for.
func (s *Server) filesOf(r *http.Request) (rtu uint32, err error) {
	rtu, err = rest.PathNumber(r, "number", "RTU")
	if err == nil {
		err = rest.CheckQuery(r)
	}
	if err != nil {
		return 0, err
	}
	var known bool
	s.cfg.Node.View(func(state *fsm.State) { _, known = state.RTU(rtu) })
	switch {
	case !known:
		return 0, rest.NotFound("no RTU %d", rtu)
	case s.cfg.Files == nil:
		return 0, rest.NotFound("%s keeps no files of devices: ask a FEP", s.cfg.Node.Info().ID)
	}
	return rtu, nil
}

// listFiles answers with the copies of an RTU's files that this node has.
func (s *Server) listFiles(w http.ResponseWriter, r *http.Request) error {
	rtu, err := s.filesOf(r)
	if err != nil {
		return err
	}
	list := api.FileList{Node: s.cfg.Node.Info().ID, Files: []api.File{}}
	for _, i := range s.cfg.Files.List(rtu) {
		list.Files = append(list.Files, api.File{
			Name: i.Key.String(), Address: uint32(i.Address), NOF: i.Name, Length: i.Length, Time: asdu.UnpackCP56Time2a(i.Time).String(),
			SHA256: i.SHA256, FetchedMs: i.FetchedMs, Node: i.Node,
		})
	}
	return s.json.Reply(w, list)
}

// getFile answers with the content of a copy.
func (s *Server) getFile(w http.ResponseWriter, r *http.Request) error {
	rtu, err := s.filesOf(r)
	if err != nil {
		return err
	}
	k, err := filetransfer.ParseKey(r.PathValue("name"))
	if err != nil {
		return rest.Invalid("%v", err)
	}
	f, i, err := s.cfg.Files.Open(filestore.ID{RTU: rtu, Key: k})
	switch {
	case errors.Is(err, filestore.ErrNone), errors.Is(err, filestore.ErrDamaged):
		return rest.NotFound("%v", err)
	case err != nil:
		return err
	}
	defer f.Close()
	if err := rest.TakesLong(w, api.SnapshotTimeout); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="rtu%d-%v"`, rtu, k))
	w.Header().Set("Content-Length", strconv.FormatUint(uint64(i.Length), 10))
	w.Header().Set(api.FileSum, i.SHA256)
	if _, err := io.Copy(w, f); err != nil {
		panic(http.ErrAbortHandler) // so that the client sees that it is cut short
	}
	return nil
}
