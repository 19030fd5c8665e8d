package fsm

import (
	"errors"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/frame"
	"github.com/fepha/fepha/fsm/internal/mailbox"
)

// The channel table of FNP. Its rules are in package chantable; here it is given its place in the log and in snapshots.

// ChannelTable is the FNP channel table, empty in a station without FNP. It is for reading only, and only while the state
// does not change.
func (s *State) ChannelTable() *chantable.Table { return s.table }

// changeTable applies changes to the channel table. It needs no epoch: a change names the version of the entry that it
// was decided on.
func (s *State) changeTable(at command.Stamp, op *fsmpb.Fnp) *fsmpb.Result {
	r := s.resources[FNPResource()]
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "the station has no FNP")
	}
	var c chantable.Command
	if err := c.UnmarshalBinary(op.Changes); err != nil {
		return r.About(command.Refuse(fsmpb.Result_INVALID, "FNP: %v", err))
	}
	c.At = at.Ms
	id, version := s.table.ID(), s.table.Version()
	res := r.About(command.Done())
	removed := map[chantable.ID]bool{}
	for i, x := range s.table.Apply(c) {
		if c.Changes[i].Kind == chantable.Remove && x.Outcome == chantable.Done {
			removed[c.Changes[i].ID] = true
		}
		res.Fnp = append(res.Fnp, &fsmpb.FnpResult{Outcome: uint32(x.Outcome), Cn: uint32(x.CN), Version: x.Version})
	}
	if len(removed) > 0 {
		s.mailbox.Forget(removed)
	}
	if s.table.ID() != id || s.table.Version() != version {
		s.rev.FNP++
	}
	return res
}

// Mailbox is what the FNP endpoint has received, empty in a station without FNP. It is for reading only, and only while the
// state does not change.
func (s *State) Mailbox() *mailbox.Mailbox { return s.mailbox }

// receiveMessage keeps a message, for the endpoint's owner alone.
func (s *State) receiveMessage(at command.Stamp, op *fsmpb.FnpReceive) *fsmpb.Result {
	r := s.resources[FNPResource()]
	if r == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "the station has no FNP")
	}
	if bad := r.Fence(op.Epoch, at.Node); bad != nil {
		return bad
	}
	return r.About(s.mailbox.Receive(at, op))
}

func (in *restorer) takeMailbox(p *fsmpb.FnpMailbox) error {
	if in.s.resources[FNPResource()] == nil {
		return errors.New("messages without FNP")
	}
	return in.s.mailbox.Restore(p)
}

// appendTable writes the table as one frame.
func (s *State) appendTable(b []byte) []byte {
	start := len(b)
	b, _ = s.table.AppendBinary(frame.Begin(b, frame.Table)) // never fails
	return frame.End(b, start)
}

func (s *State) takeTable(payload []byte) error {
	if err := s.table.UnmarshalBinary(payload); err != nil {
		return err
	}
	s.table.Since(s.table.ID(), s.table.Version()) // puts its index in order, so that reading changes nothing from here on
	return nil
}
