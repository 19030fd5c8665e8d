package audit

import (
	"maps"
	"math"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Refusals are told in bulk: the first one to a party at once, those that follow within a minute as one entry with their
// count. So whoever asks in a loop for what he may not have fills neither the log nor the audit.

const (
	refusalsEvery = 60_000 // ms
	maxRefusals   = 256    // parties; those beyond are told as one
	controlAction = "control"
)

// refusal is what was refused to a party of late.
type refusal struct {
	action, origin string
	resource       string
	reason         string // of the newest
	count          uint64 // since it was told last
	toldMs         int64
}

type refusalKey struct{ action, origin string }

type refusals struct {
	by  map[refusalKey]*refusal
	due int64 // ms; when the first of them is to be told again or forgotten
}

func newRefusals() refusals { return refusals{by: map[refusalKey]*refusal{}, due: math.MaxInt64} }

// Refused counts requests that were refused.
func (a *Audit) Refused(at command.Stamp, action, origin, resource, reason string, count uint64) {
	k := refusalKey{action, origin}
	if a.refusals.by[k] == nil && len(a.refusals.by) >= maxRefusals {
		k = refusalKey{action, "others"}
	}
	r := a.refusals.by[k]
	if r == nil {
		r = &refusal{action: k.action, origin: k.origin}
		a.refusals.by[k] = r
	}
	r.resource, r.reason, r.count = resource, command.Clip(reason), r.count+count
	if r.toldMs == 0 {
		a.tell(at, r)
		a.refusals.due = min(a.refusals.due, at.Ms+refusalsEvery)
	}
}

func (a *Audit) tell(at command.Stamp, r *refusal) {
	a.Note(at, &Note{Kind: NoteRefused, To: r.action, Origin: r.origin, Resource: r.resource, Reason: r.reason, Count: r.count})
	r.count, r.toldMs = 0, at.Ms
}

// TellRefusals tells what was refused for a minute, and forgets who has asked for nothing since.
func (a *Audit) TellRefusals(at command.Stamp) {
	if at.Ms < a.refusals.due {
		return
	}
	for _, k := range a.refusals.keys() {
		switch r := a.refusals.by[k]; {
		case at.Ms < r.toldMs+refusalsEvery:
		case r.count > 0:
			a.tell(at, r)
		default:
			delete(a.refusals.by, k)
		}
	}
	a.refusals.schedule()
}

func (r *refusals) schedule() {
	r.due = math.MaxInt64
	for _, x := range r.by {
		r.due = min(r.due, x.toldMs+refusalsEvery)
	}
}

func (r *refusals) keys() []refusalKey {
	return slices.SortedFunc(maps.Keys(r.by), func(a, b refusalKey) int {
		return slices.Compare([]string{a.action, a.origin}, []string{b.action, b.origin})
	})
}

const maxAction = 64 // octets

// action takes what a node tells of itself.
func (a *Audit) action(at command.Stamp, op *fsmpb.Audit) *fsmpb.Result {
	if op.Action == "" || len(op.Action) > maxAction {
		return command.Refuse(fsmpb.Result_INVALID, "action %.64q: expected 1 to %d octets", op.Action, maxAction)
	}
	if !op.Ok {
		a.Refused(at, op.Action, command.Clip(op.Origin), command.Clip(op.Resource), op.Reason, max(1, op.Count))
		return command.Done()
	}
	a.Note(at, &Note{Kind: NoteAction, To: op.Action, Origin: command.Clip(op.Origin), Resource: command.Clip(op.Resource), Reason: command.Clip(op.Reason), OK: true, Count: op.Count})
	return command.Done()
}

// RefusedControl counts a control that was refused to a requester.
func (a *Audit) RefusedControl(at command.Stamp, requester, point, reason string) {
	a.Refused(at, controlAction, requester, point, reason, 1)
}
