package server

import (
	"testing"

	"github.com/fepha/fepha/fsm"
)

// Who moves or pins by hand stands in the journal.
func TestMovesAndPinsSayWhoAsked(t *testing.T) {
	s := serve(t)
	if _, err := s.Pin(t.Context(), 1, "fep1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unpin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Failover(t.Context(), 1, "fep2"); err != nil {
		t.Fatal(err)
	}
	told := map[fsm.NoteKind]int{}
	s.node.View(func(st *fsm.State) {
		for _, e := range st.ReadAudit(0, 1000) {
			if e.Note.Kind != fsm.NotePin && e.Note.Kind != fsm.NoteMoving {
				continue
			}
			told[e.Note.Kind]++
			if e.Note.Origin != "api:local" {
				t.Errorf("%+v", e.Note)
			}
		}
	})
	if told[fsm.NotePin] != 2 || told[fsm.NoteMoving] != 1 {
		t.Errorf("%v", told)
	}
}
