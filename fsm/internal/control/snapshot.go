package control

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Protos are the controls as they go into a snapshot, in order of their last change.
func (cs *Controls) Protos() iter.Seq[*fsmpb.ControlState] {
	return func(yield func(*fsmpb.ControlState) bool) {
		for e := cs.recent.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*Control).proto()) {
				return
			}
		}
	}
}

func (c *Control) proto() *fsmpb.ControlState {
	return &fsmpb.ControlState{
		Submit: &fsmpb.ControlSubmit{
			Id: c.ID, Origin: c.Origin, Rtu: c.RTU, Kind: c.Kind.Proto(), Point: c.Point, Type: uint32(c.Type), Value: c.Value,
			Qualifier: uint32(c.Qualifier), Phase: fsmpb.ControlSubmit_Phase(c.Phase), SelectId: c.SelectID,
			DeadlineMs: c.DeadlineMs, Category: c.Category, Requester: c.Requester,
		},
		Number: c.Number, Stage: uint32(c.Stage), Ok: c.OK, Reason: c.Reason, Cause: uint32(c.Cause), Node: c.Node, Epoch: c.Epoch,
		Used: c.Used, SubmittedMs: c.SubmittedMs, StartedMs: c.StartedMs, ConfirmedMs: c.ConfirmedMs, DoneMs: c.DoneMs,
		Revision: c.Revision, AnsweredSeq: c.AnsweredSeq,
	}
}

// Restore takes one of what Protos gave. They come in order of their last change.
func (cs *Controls) Restore(p *fsmpb.ControlState) error {
	op := p.Submit
	if op == nil {
		return errors.New("control without a request")
	}
	if last := cs.recent.Back(); last != nil && p.Revision <= last.Value.(*Control).Revision || p.Revision > cs.revision {
		return fmt.Errorf("control %q: revision %d is out of order", op.Id, p.Revision)
	}
	if why := faultOfControl(command.Stamp{Ms: op.DeadlineMs}, op); why != "" || cs.get(op.Id) != nil {
		return fmt.Errorf("control %q is there twice, or: %s", op.Id, why)
	}
	if Stage(p.Stage) < Submitted || p.Stage > uint32(Done) || p.Cause > math.MaxUint8 {
		return fmt.Errorf("control %q: stage %d, cause %d", op.Id, p.Stage, p.Cause)
	}
	c := newControl(op)
	c.Number, c.Stage, c.OK, c.Reason, c.Cause = p.Number, Stage(p.Stage), p.Ok, p.Reason, uint8(p.Cause)
	c.Node, c.Epoch, c.Used, c.Revision, c.AnsweredSeq = p.Node, p.Epoch, p.Used, p.Revision, p.AnsweredSeq
	c.SubmittedMs, c.StartedMs, c.ConfirmedMs, c.DoneMs = p.SubmittedMs, p.StartedMs, p.ConfirmedMs, p.DoneMs
	cs.add(c)
	if cs.station.Resource(c.RTU) == nil && (c.Stage != Done || c.IsSelection()) {
		return fmt.Errorf("control %q: RTU %d is not in the configuration", c.ID, c.RTU)
	}
	switch {
	case c.Stage != Done:
		q := cs.of(c.RTU)
		q.pending = append(q.pending, c)
	case c.IsSelection():
		q := cs.of(c.RTU)
		q.selected = append(q.selected, c)
	}
	if c.Stage == Done {
		cs.done++
	}
	return nil
}

// Restored puts in order what the frames of a snapshot, now complete, have brought in another.
func (cs *Controls) Restored() {
	for _, q := range cs.byRTU {
		slices.SortFunc(q.pending, func(a, b *Control) int { return cmp.Compare(a.Number, b.Number) })
	}
}

// AnsweredAt notes where in the journal a control has its first answer, in snapshots that didn't say so; with id "", for all that
// have one and of which that isn't known.
func (cs *Controls) AnsweredAt(id string, seq uint64) {
	for e := cs.recent.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Control); (id == "" || id == c.ID) && c.AnsweredSeq == 0 && c.Stage >= Confirmed {
			c.AnsweredSeq = seq
		}
	}
}
