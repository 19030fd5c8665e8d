package cluster

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// A control whose submitter and executor are gone gets its one answer all the same, whichever node leads by then.
func TestLeaderEndsOverdueControls(t *testing.T) {
	s := newStation(t, nil)
	s.owned("fep1", rtu1).Close() // what's declared is known
	first := s.leader()
	submitter := s.others(first.cfg.ID)[0]
	deadline := time.Now().Add(500 * time.Millisecond)
	for _, id := range []string{"a", "b"} {
		s.propose(submitter, &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: &fsmpb.ControlSubmit{
			Id: id, Origin: "occ", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 1, Type: 45, Value: 1, DeadlineMs: deadline.UnixMilli(),
		}}})
	}
	s.stop(first.cfg.ID)
	next := s.leader(s.others(first.cfg.ID)...)
	for _, id := range []string{"a", "b"} {
		var c fsm.Control
		until(t, "the end of control "+id, func() bool {
			next.View(func(st *fsm.State) { c, _ = st.Control(id) })
			return c.Stage == fsm.Done
		})
		if early := deadline.Sub(time.UnixMilli(c.DoneMs)); c.OK || c.Reason != "deadline" || early > 0 {
			t.Errorf("control %s: ok %t, reason %q, ended %v before its deadline", id, c.OK, c.Reason, early)
		}
	}
}
