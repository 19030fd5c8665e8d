package cluster

import (
	"log/slog"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

const (
	// overdueGrace is how long after a control's deadline the leader waits for those whose business it is to end it: its
	// submitter, who expires it, and the RTU's owner.
	overdueGrace = time.Second

	// mostOverdue controls are ended by one entry; the next follow.
	mostOverdue = 256
)

// endOverdue ends the controls and selections whose deadline has passed: who submitted them, or was to execute them, may
// have died. By this node's clock of the day, like all deadlines; one that is wrong ends a control too early or too late,
// and never executes it twice.
func endOverdue(state *stateMachine, now time.Time, propose func(...*fsmpb.Command) error, log *slog.Logger) {
	var overdue []fsm.Control
	state.view(func(s *fsm.State) { overdue = s.OverdueControls(now.Add(-overdueGrace).UnixMilli()) })
	overdue = overdue[:min(len(overdue), mostOverdue)]
	if len(overdue) == 0 {
		return
	}
	commands := make([]*fsmpb.Command, len(overdue))
	for i, c := range overdue {
		log.Info("control is overdue", "id", c.ID, "origin", c.Origin, "rtu", c.RTU, "stage", c.Stage)
		commands[i] = &fsmpb.Command{Op: &fsmpb.Command_ControlExpire{ControlExpire: &fsmpb.ControlExpire{Id: c.ID}}}
	}
	if err := propose(commands...); err != nil {
		log.Warn("overdue controls may not be ended", "controls", len(overdue), "error", err)
	}
}
