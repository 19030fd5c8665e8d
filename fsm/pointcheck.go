package fsm

import (
	"fmt"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/pointcheck"
)

// The check of points. What it keeps is in package pointcheck; here it sees what happens.

// Of the check of points; see the pointcheck package for their fields.
type (
	PointCheck  = pointcheck.Check
	CheckItem   = pointcheck.Item
	CheckSample = pointcheck.Sample
)

// MaxCheckPoints is how many points all checks may have together.
const MaxCheckPoints = pointcheck.MaxPoints

// CheckedRTUs are the numbers of the RTUs that have a check, ascending.
func (s *State) CheckedRTUs() []uint32 { return s.checks.RTUs() }

// PointCheck returns the check of an RTU's points.
func (s *State) PointCheck(rtu uint32) (PointCheck, bool) { return s.checks.Of(rtu) }

func (s *State) startCheck(at command.Stamp, op *fsmpb.CheckStart) *fsmpb.Result {
	r := s.resources[RTUResource(op.Rtu)]
	switch {
	case r == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	case op.Resource != "" && s.group(op.Resource) == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no uplink group %q", op.Resource)
	}
	res := s.checks.Start(at, op)
	if res.Code == fsmpb.Result_OK {
		s.note(at, &Note{Kind: NoteAction, Resource: r.ID, To: "start the check of points", Origin: command.Clip(op.Origin), OK: true})
	}
	return res
}

func (s *State) endCheck(at command.Stamp, op *fsmpb.CheckEnd) *fsmpb.Result {
	res := s.checks.End(at, op)
	if res.Code == fsmpb.Result_OK {
		what := "end the check of points"
		if op.Discard {
			what = "discard the check of points"
		}
		s.note(at, &Note{Kind: NoteAction, Resource: RTUResource(op.Rtu), To: what, Origin: command.Clip(op.Origin), OK: true})
	}
	return res
}

// appendSeen appends an event that comes from a device, for checks to see.
func (s *State) appendSeen(e Event) (seq uint64) {
	seq = s.append(e)
	s.saw(e, seq)
	return seq
}

func (s *State) saw(e Event, seq uint64) {
	s.checks.Saw(e.RTU, e.Kind.Proto(), e.Point, CheckSample{Value: e.Value, Quality: e.Quality, Type: e.Type, TimeMs: e.TimeMs, Seq: seq})
}

// operated has a check see that a control was done, and that the device has returned it.
func (s *State) operated(at command.Stamp, c *Control) {
	if c.Stage == Done && c.OK && c.Phase != Select && c.Phase != Cancel {
		s.checks.Saw(c.RTU, c.Kind.Proto(), c.Point, CheckSample{Value: c.Value, Type: c.Type, TimeMs: c.SubmittedMs, AckedMs: at.Ms, Origin: c.Origin})
	}
}

func (in *restorer) takeCheck(p *fsmpb.CheckState) error {
	if in.s.rtus[p.Rtu] == nil {
		return fmt.Errorf("check of RTU %d, which is not in the configuration", p.Rtu)
	}
	return in.s.checks.Restore(p)
}
