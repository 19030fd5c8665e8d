package server

import (
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
