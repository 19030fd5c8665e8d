package mailbox

import (
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Beyond the bound the session that was silent for longest is forgotten.
func TestSessionsAreBounded(t *testing.T) {
	b := New()
	receive := func(from, session, seq uint64) {
		t.Helper()
		op := &fsmpb.FnpReceive{From: from, Session: session, Seq: seq, Base: seq}
		if res := b.Receive(command.Stamp{}, op); res.GetCode() != fsmpb.Result_OK {
			t.Fatal(res)
		}
	}
	receive(8, 80, 1)
	receive(7, 70, 1)
	for i := range maxSessions - 2 {
		receive(9, uint64(i), 1)
	}
	receive(8, 80, 2) // not silent any more
	receive(9, maxSessions, 1)
	if len(b.sessions) != maxSessions {
		t.Errorf("%d sessions, expected %d", len(b.sessions), maxSessions)
	}
	if floor, _ := b.Delivered(7, 70, 0); floor != 0 {
		t.Error("what was silent for longest is known")
	}
	if floor, _ := b.Delivered(8, 80, 0); floor != 2 {
		t.Errorf("what wasn't silent has floor %d, expected 2", floor)
	}
}
