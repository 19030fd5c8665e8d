package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

// What the API shows of the audit proves itself, on pages of any size.
func TestAuditProvesItself(t *testing.T) {
	s := serve(t)
	if _, err := s.Pin(t.Context(), 1, "fep1"); err != nil {
		t.Fatal(err)
	}
	var last uint64
	s.node.View(func(st *fsm.State) { last = st.AuditLast() })
	var all []api.AuditEntry
	var check api.AuditCheck
	if err := s.EachAudit(t.Context(), 0, func(e api.AuditEntry) error {
		all = append(all, e)
		return check.Add(e)
	}); err != nil {
		t.Fatal(err)
	}
	if r := check.Report(); r.Entries != last || r.Chains["station"].Last != last || len(all) < 5 {
		t.Fatalf("%+v of %d entries", r, last)
	}
	page, err := s.Audit(t.Context(), last-3, 2)
	if err != nil || len(page.Entries) != 2 || page.Entries[0] != all[len(all)-3] || page.Last != last {
		t.Fatalf("page %+v: %v", page, err)
	}
	if newest, err := s.NewestAudit(t.Context(), 3); err != nil || len(newest.Entries) != 3 || newest.Entries[0] != page.Entries[0] {
		t.Fatalf("newest %+v: %v", newest, err)
	}
	if e := all[len(all)-1]; !strings.Contains(e.Text, "pinned to fep1 by api:local") || !strings.Contains(e.Content, `"kind":"pin"`) {
		t.Errorf("%+v", e)
	}

	for what, spoil := range map[string]func([]api.AuditEntry) []api.AuditEntry{
		"was changed": func(l []api.AuditEntry) []api.AuditEntry {
			l[2].Content = strings.Replace(l[2].Content, "kind", "KIND", 1)
			return l
		},
		"are missing":      func(l []api.AuditEntry) []api.AuditEntry { return append(l[:2], l[3:]...) },
		"in order":         func(l []api.AuditEntry) []api.AuditEntry { return append(l, l[0]) },
		"its content is":   func(l []api.AuditEntry) []api.AuditEntry { l[1].TimeMs++; return l },
		"hexadecimal digi": func(l []api.AuditEntry) []api.AuditEntry { l[1].Before = "00"; return l },
	} {
		var check api.AuditCheck
		var err error
		for _, e := range spoil(append([]api.AuditEntry(nil), all...)) {
			err = errors.Join(err, check.Add(e))
		}
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Who asks for what not everybody is to see, or changes what has no command of its own, is in the audit by name.
func TestAuditTellsOfActions(t *testing.T) {
	s := serveSecured(t)
	if err := s.as(t, s.ca.issue(t, "alice")).Trace(t.Context(), "rtu/99", 0, func(api.TraceLine) error { return nil }); err == nil {
		t.Fatal("there is no RTU 99")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, grown := s.node.Applied()
		var told []string
		s.node.View(func(st *fsm.State) {
			for _, e := range st.ReadAudit(0, 1000) {
				if e.Note.Kind == fsm.NoteAction {
					told = append(told, e.Note.To+" "+e.Note.Resource+" by "+e.Note.Origin)
				}
			}
		})
		if len(told) > 0 {
			if len(told) != 1 || told[0] != "trace /v1/trace/rtu/99 by api:alice" {
				t.Errorf("%q", told)
			}
			return
		}
		select {
		case <-grown:
		case <-ctx.Done():
			t.Fatal("nobody was told")
		}
	}
}
