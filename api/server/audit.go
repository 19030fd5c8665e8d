package server

import (
	"encoding/hex"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// listAudit answers ?after=N&limit=N with the entries of the audit after N, oldest first; without after with the newest ones.
func (s *Server) listAudit(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := pageOf(r, 0)
	if err != nil {
		return err
	}
	var entries []fsm.AuditEntry
	page := api.AuditPage{Entries: []api.AuditEntry{}}
	s.cfg.Node.View(func(state *fsm.State) {
		page.Last = state.AuditLast()
		if r.URL.Query().Has("after") {
			entries = state.ReadAudit(after, int(limit))
		} else {
			entries = state.AuditBefore(page.Last+1, int(limit))
		}
	})
	for i := range entries {
		e := &entries[i]
		said := s.auditEvent(e)
		page.Entries = append(page.Entries, api.AuditEntry{
			Number: e.Number, Seq: e.Seq, TimeMs: e.TimeMs, Chain: e.Chain.String(), Text: said.Text, TextZH: said.TextZH, Content: string(e.Content()),
			Before: hex.EncodeToString(e.Before[:]), Hash: hex.EncodeToString(e.Hash[:]),
		})
	}
	return s.reply(w, page)
}

// audited makes the audit tell who asked for what h does, before it's done: for what has no command of its own, and for what
// shows what not everybody is to see.
func (s *Server) audited(action string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s.cfg.Node.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Audit{Audit: &fsmpb.Audit{
			Action: action, Origin: originOf(r), Resource: clip(r.URL.EscapedPath(), maxOrigin), Ok: true,
		}}})
		return h(w, r)
	}
}
