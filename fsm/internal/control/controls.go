package control

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/resource"
)

// How many are remembered.
const (
	KeepDone    = 1000   // that are done
	MaxControls = 20_000 // whatever their stage
)

// Controls remembers controls by id and by when they last changed. It is a part of the replicated state; see package fsm for
// who may call what when.
//
// A control that is done is forgotten when a thousand newer ones are and its deadline has passed: so a late copy of a
// request is refused either as known or as late, and never executed again.
type Controls struct {
	station  Station
	byID     map[string]*list.Element
	recent   *list.List             // of *Control, by Revision
	byRTU    map[uint32]*queue      // of the RTUs that ever had one
	accounts map[account][]*Control // see quota.go
	done     int
	number   uint64 // of the newest
	revision uint64
}

// queue is an RTU's controls that matter to it.
type queue struct {
	pending  []*Control // not done, in order of submission
	selected []*Control // selections that an execute may use, in order of confirmation
}

// Station is what controls need of the state around them.
type Station struct {
	// Resource is that of an RTU; nil: there is no such RTU.
	Resource func(rtu uint32) *resource.Resource
	// Audit makes an entry of the stage that a control has reached, and returns its place in the journal.
	Audit func(at command.Stamp, c *Control) (seq uint64)
	// Refused notes that a requester was refused a control.
	Refused func(at command.Stamp, c *Control, reason string)
}

// New returns no controls, whose numbers and changes are counted on from these.
func New(number, revision uint64, station Station) *Controls {
	return &Controls{
		station: station, byID: map[string]*list.Element{}, recent: list.New(), byRTU: map[uint32]*queue{},
		accounts: map[account][]*Control{}, number: number, revision: revision,
	}
}

// Number is that of the newest control; 0: there never was one.
func (cs *Controls) Number() uint64 { return cs.number }

// Revision counts the changes.
func (cs *Controls) Revision() uint64 { return cs.revision }

// Control returns a control by its id.
func (cs *Controls) Control(id string) (Control, bool) {
	if c := cs.get(id); c != nil {
		return *c, true
	}
	return Control{}, false
}

// All returns all controls that are remembered, in order of submission.
func (cs *Controls) All() []Control {
	all := cs.After(0)
	slices.SortFunc(all, func(a, b Control) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// After returns the controls that changed after this revision, in order of change.
func (cs *Controls) After(revision uint64) []Control {
	var all []Control
	for e := cs.recent.Back(); e != nil; e = e.Prev() {
		c := e.Value.(*Control)
		if c.Revision <= revision {
			break
		}
		all = append(all, *c)
	}
	slices.Reverse(all)
	return all
}

// Pending returns the controls of an RTU that are not done, in order of submission.
func (cs *Controls) Pending(rtu uint32) []Control {
	q := cs.byRTU[rtu]
	if q == nil {
		return nil
	}
	all := make([]Control, len(q.pending))
	for i, c := range q.pending {
		all[i] = *c
	}
	return all
}

// Overdue returns the controls that are not done, and the selections, whose deadline is at this time or before it, in order
// of deadline.
func (cs *Controls) Overdue(nowMs int64) (all []Control) {
	for _, q := range cs.byRTU {
		for _, list := range [][]*Control{q.pending, q.selected} {
			for _, c := range list {
				if c.DeadlineMs <= nowMs {
					all = append(all, *c)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Control) int {
		return cmp.Or(cmp.Compare(a.DeadlineMs, b.DeadlineMs), cmp.Compare(a.Number, b.Number))
	})
	return all
}

// OwnerChanged ends what can't go on under another owner: controls that may have been sent are never sent again, and
// selections that only the former owner's link knew are void. What was only submitted waits for the new owner.
func (cs *Controls) OwnerChanged(at command.Stamp, rtu uint32) {
	cs.end(at, rtu, "owner changed", func(c *Control) bool {
		return c.Stage != Submitted || c.Phase == Execute || c.Phase == Cancel
	})
}

// Removed ends all controls of an RTU that is no longer configured.
func (cs *Controls) Removed(at command.Stamp, rtu uint32) {
	cs.end(at, rtu, "RTU removed", func(*Control) bool { return true })
	delete(cs.byRTU, rtu)
}

// end ends the controls of an RTU that are not done and for which ends is true, and all its selections.
func (cs *Controls) end(at command.Stamp, rtu uint32, reason string, ends func(*Control) bool) {
	q := cs.of(rtu)
	for _, c := range slices.Clone(q.pending) {
		if ends(c) {
			cs.finish(at, c, false, reason)
		}
	}
	for _, c := range slices.Clone(q.selected) {
		cs.endSelection(at, c, reason)
	}
}

func (cs *Controls) get(id string) *Control {
	if e := cs.byID[id]; e != nil {
		return e.Value.(*Control)
	}
	return nil
}

// of is the queue of an RTU.
func (cs *Controls) of(rtu uint32) *queue {
	q := cs.byRTU[rtu]
	if q == nil {
		q = &queue{}
		cs.byRTU[rtu] = q
	}
	return q
}

func (cs *Controls) add(c *Control) {
	cs.byID[c.ID] = cs.recent.PushBack(c)
	cs.charge(c)
}

// forget drops what need not be remembered at this time.
func (cs *Controls) forget(nowMs int64) {
	for e := cs.recent.Front(); e != nil && cs.done > KeepDone; {
		c, next := e.Value.(*Control), e.Next()
		if c.Stage == Done && c.DeadlineMs < nowMs {
			cs.recent.Remove(e)
			delete(cs.byID, c.ID)
			cs.discharge(c)
			cs.done--
			if c.IsSelection() {
				q := cs.of(c.RTU)
				q.selected = without(q.selected, c)
			}
		}
		e = next
	}
}

// changed notes that a control has changed, and makes the entry of its stage in the audit.
func (cs *Controls) changed(at command.Stamp, c *Control) {
	cs.revise(c)
	seq := cs.station.Audit(at, c)
	if c.AnsweredSeq == 0 && c.Stage >= Confirmed {
		c.AnsweredSeq = seq
	}
}

// revise makes readers of changes see a control.
func (cs *Controls) revise(c *Control) {
	cs.revision++
	c.Revision = cs.revision
	cs.recent.MoveToBack(cs.byID[c.ID])
}

// reject ends a request that can't be granted: it is remembered as done, and told with others that were refused.
func (cs *Controls) reject(at command.Stamp, c *Control, reason string) {
	c.Stage, c.Reason, c.DoneMs = Done, command.Clip(reason), at.Ms
	cs.done++
	cs.revise(c)
	cs.station.Refused(at, c, reason)
}

// finish ends a control.
func (cs *Controls) finish(at command.Stamp, c *Control, ok bool, reason string) {
	c.Stage, c.OK, c.Reason, c.DoneMs = Done, ok, command.Clip(reason), at.Ms
	cs.done++
	q := cs.of(c.RTU)
	q.pending = without(q.pending, c)
	if c.IsSelection() {
		q.selected = append(q.selected, c)
	}
	cs.changed(at, c)
}

// endSelection makes a selection useless.
func (cs *Controls) endSelection(at command.Stamp, c *Control, reason string) {
	q := cs.of(c.RTU)
	q.selected = without(q.selected, c)
	c.Used, c.Reason = true, command.Clip(reason)
	cs.changed(at, c)
}

func without(list []*Control, c *Control) []*Control {
	return slices.DeleteFunc(list, func(x *Control) bool { return x == c })
}
