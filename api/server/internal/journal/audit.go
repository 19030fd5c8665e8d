package journal

import (
	"encoding/hex"
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
)

// ListAudit answers ?after=N&limit=N with the entries of the audit after N, oldest first; without after with the newest ones.
func (j *Journal) ListAudit(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := rest.PageOf(r, 0)
	if err != nil {
		return err
	}
	var entries []fsm.AuditEntry
	page := api.AuditPage{Entries: []api.AuditEntry{}}
	j.Node.View(func(state *fsm.State) {
		page.Last = state.AuditLast()
		if r.URL.Query().Has("after") {
			entries = state.ReadAudit(after, int(limit))
		} else {
			entries = state.AuditBefore(page.Last+1, int(limit))
		}
	})
	for i := range entries {
		e := &entries[i]
		said := j.entry(e)
		page.Entries = append(page.Entries, api.AuditEntry{
			Number: e.Number, Seq: e.Seq, TimeMs: e.TimeMs, Chain: e.Chain.String(), Text: said.Text, TextZH: said.TextZH, Content: string(e.Content()),
			Before: hex.EncodeToString(e.Before[:]), Hash: hex.EncodeToString(e.Hash[:]),
		})
	}
	return j.Streams.Reply(w, page)
}
