// Package exports is how far each export has come with the journal and the audit, and which node can reach its target.
package exports

import (
	"maps"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// maxSpans is how many changes of owner are remembered: so long may a former owner have been away and still know which of
// what it wrote is its own.
const maxSpans = 256

// Reach is what a node last said about an export's target.
type Reach struct {
	OK      bool
	Reason  string // why not
	SinceMs int64  // ms since 1970-01-01 UTC
}

// Span is where an owner began.
type Span struct {
	Epoch uint64
	After uint64 // the newest record that the target had then
}

// Export is one export.
type Export struct {
	Resource string // id
	Name     string
	Events   bool // it takes events
	Audit    bool // it takes entries of the audit

	Cursor  uint64 // the target has what comes before, and this one
	High    uint64 // the newest record that ever was in the target; above Cursor while records are brought again
	Dropped uint64 // records that were dropped before the target had them
	LostTo  uint64 // the newest of them; 0: none was
	Replays uint64 // how often the cursor was set back
	Paused  bool   // by an operator
	Backlog uint64 // records after Cursor that are still there

	Reach map[string]Reach // by node; shared: readers must not change it
	Spans []Span           // by epoch, the newest last; shared as well
}

// Exports is a part of the replicated state; see package fsm for who may call what when.
type Exports struct {
	list []*Export // by name
	rev  uint64
}

// New returns a state without exports.
func New() *Exports { return &Exports{} }

// CountFrom makes the count of changes go on from one of a snapshot.
func (x *Exports) CountFrom(rev uint64) { x.rev = rev }

// Revision counts the changes.
func (x *Exports) Revision() uint64 { return x.rev }

// Resource is the resource id of an export.
func Resource(name string) string { return "export/" + name }

// Configure takes over which exports there are, by name; a new one begins after the record last.
func (x *Exports) Configure(configured []*fsmpb.Configure_Export, last uint64) (added, gone []string) {
	old := x.list
	x.list = nil
	for _, c := range configured {
		i := slices.IndexFunc(old, func(e *Export) bool { return e.Name == c.Name })
		e := &Export{Resource: Resource(c.Name), Name: c.Name, Cursor: last, High: last}
		if i >= 0 {
			e = old[i]
		} else {
			added = append(added, e.Resource)
		}
		e.Events, e.Audit = c.Events, c.Audit
		x.list = append(x.list, e)
	}
	for _, e := range old {
		if !slices.Contains(x.list, e) {
			gone = append(gone, e.Resource)
		}
	}
	x.rev++
	return added, gone
}

// Get returns an export by its resource id; nil if there is none.
func (x *Exports) Get(resource string) *Export {
	for _, e := range x.list {
		if e.Resource == resource {
			return e
		}
	}
	return nil
}

// All are the exports, by name.
func (x *Exports) All() []*Export { return x.list }

// Dropped counts an event, or an entry of the audit, that is gone.
func (x *Exports) Dropped(seq uint64, audit bool) {
	for _, e := range x.list {
		if seq > e.Cursor && (audit && e.Audit || !audit && e.Events) {
			e.Dropped++
			e.LostTo = max(e.LostTo, seq)
			x.rev++
		}
	}
}

// Begin notes where the owner in an epoch begins.
func (x *Exports) Begin(resource string, epoch uint64) {
	e := x.Get(resource)
	if e == nil {
		return
	}
	e.Spans = append(slices.Clip(e.Spans), Span{epoch, e.High})
	if n := len(e.Spans); n > maxSpans {
		e.Spans = e.Spans[n-maxSpans:]
	}
	x.rev++
}

// ForgetNode takes away what a node has said.
func (x *Exports) ForgetNode(node string) {
	for _, e := range x.list {
		if _, said := e.Reach[node]; said {
			e.Reach = maps.Clone(e.Reach)
			delete(e.Reach, node)
			x.rev++
		}
	}
}

// Move takes the owner's word of what the target has. That it is the owner's is for the caller to make sure of. Seq 0 asks
// for nothing: by its answer the owner knows that it has seen all that was committed before.
func (x *Exports) Move(e *Export, op *fsmpb.ExportCursor, last uint64) *fsmpb.Result {
	switch {
	case op.Seq > last:
		return command.Refuse(fsmpb.Result_INVALID, "%s: cursor %d: the newest record is %d", e.Resource, op.Seq, last)
	case op.Seq != 0 && op.Replays != e.Replays:
		return command.Refuse(fsmpb.Result_CONFLICT, "%s: the cursor was set back meanwhile", e.Resource)
	case op.Seq <= e.Cursor:
		return command.Already()
	}
	e.Cursor, e.High = op.Seq, max(e.High, op.Seq)
	x.rev++
	return command.Done()
}

// TakeReach takes a node's word about a target.
func (x *Exports) TakeReach(at command.Stamp, e *Export, op *fsmpb.ExportReach) *fsmpb.Result {
	reason := command.Clip(strings.ToValidUTF8(op.Reason, "\ufffd"))
	known, said := e.Reach[op.Node]
	if said && known.OK == op.Ok && known.Reason == reason {
		return command.Already()
	}
	since := at.Ms
	if said && known.OK == op.Ok {
		since = known.SinceMs
	}
	reach := maps.Clone(e.Reach)
	if reach == nil {
		reach = map[string]Reach{}
	}
	reach[op.Node] = Reach{OK: op.Ok, Reason: reason, SinceMs: since}
	e.Reach = reach
	x.rev++
	return command.Done()
}

// Pause has an export wait, or go on.
func (x *Exports) Pause(e *Export, on bool) *fsmpb.Result {
	if e.Paused == on {
		return command.Already()
	}
	e.Paused = on
	x.rev++
	return command.Done()
}

// Replay sets the cursor back, so that what is still there from a record on is brought again.
func (x *Exports) Replay(e *Export, from uint64) *fsmpb.Result {
	if from == 0 || from > e.Cursor {
		return command.Refuse(fsmpb.Result_INVALID, "%s: replay from %d: expected a number from 1 to %d, the newest that was exported", e.Resource, from, e.Cursor)
	}
	e.Cursor = from - 1
	e.Replays++
	x.rev++
	return command.Done()
}
