package server

import (
	"maps"
	"net/http"
	"slices"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// ExportInfo is what the configuration says of an export.
type ExportInfo struct{ Kind, Target string }

func (s *Server) listExports(w http.ResponseWriter, _ *http.Request) error {
	list := []api.ExportStatus{}
	quorum := s.cfg.Node.Info().Quorum
	s.cfg.Node.View(func(state *fsm.State) {
		for _, e := range state.Exports() {
			list = append(list, s.exportStatus(state, e, quorum))
		}
	})
	return s.json.Reply(w, list)
}

func (s *Server) exportStatus(state *fsm.State, e fsm.Export, quorum bool) api.ExportStatus {
	r, _ := state.Resource(e.Resource)
	info := s.cfg.Exports[e.Name]
	out := api.ExportStatus{
		Name: e.Name, Kind: info.Kind, Target: info.Target, Owner: r.Owner, Epoch: r.Epoch, Phase: r.Phase.String(), SinceMs: r.SinceMs,
		Reason: r.Reason, Events: e.Events, Audit: e.Audit, Cursor: e.Cursor, Backlog: e.Backlog, Dropped: e.Dropped, Paused: e.Paused,
		Reach: []api.ExportReach{}, Stale: !quorum,
	}
	for _, node := range slices.Sorted(maps.Keys(e.Reach)) {
		reach := e.Reach[node]
		out.Reach = append(out.Reach, api.ExportReach{Node: node, OK: reach.OK, Reason: reach.Reason, SinceMs: reach.SinceMs})
	}
	return out
}

func (s *Server) pauseExport(w http.ResponseWriter, r *http.Request) error {
	return s.changeExport(w, r, func(resource string, _ api.ExportRequest) *fsmpb.Command {
		return &fsmpb.Command{Op: &fsmpb.Command_ExportPause{ExportPause: &fsmpb.ExportPause{Resource: resource, On: true, Origin: access.OriginOf(r)}}}
	})
}

func (s *Server) resumeExport(w http.ResponseWriter, r *http.Request) error {
	return s.changeExport(w, r, func(resource string, _ api.ExportRequest) *fsmpb.Command {
		return &fsmpb.Command{Op: &fsmpb.Command_ExportPause{ExportPause: &fsmpb.ExportPause{Resource: resource, Origin: access.OriginOf(r)}}}
	})
}

func (s *Server) replayExport(w http.ResponseWriter, r *http.Request) error {
	return s.changeExport(w, r, func(resource string, req api.ExportRequest) *fsmpb.Command {
		return &fsmpb.Command{Op: &fsmpb.Command_ExportReplay{ExportReplay: &fsmpb.ExportReplay{Resource: resource, From: req.From, Origin: access.OriginOf(r)}}}
	})
}

// changeExport has a command about an export committed, and answers with what became of the export.
func (s *Server) changeExport(w http.ResponseWriter, r *http.Request, command func(resource string, req api.ExportRequest) *fsmpb.Command) error {
	var req api.ExportRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	resource := fsm.ExportResource(r.PathValue("name"))
	if err := rest.Propose(r.Context(), s.cfg.Node, command(resource, req)); err != nil {
		return err
	}
	var out api.ExportStatus
	quorum := s.cfg.Node.Info().Quorum
	s.cfg.Node.View(func(state *fsm.State) {
		if e, ok := state.Export(resource); ok {
			out = s.exportStatus(state, e, quorum)
		}
	})
	return s.json.Reply(w, out)
}
