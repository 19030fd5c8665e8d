package exports

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Proto is an export as it stands in a snapshot.
func (e *Export) Proto() *fsmpb.ExportState {
	p := &fsmpb.ExportState{Name: e.Name, Cursor: e.Cursor, High: e.High, Dropped: e.Dropped, LostTo: e.LostTo, Replays: e.Replays, Paused: e.Paused}
	for _, node := range slices.Sorted(maps.Keys(e.Reach)) {
		r := e.Reach[node]
		p.Reach = append(p.Reach, &fsmpb.ExportState_Reach{Node: node, Ok: r.OK, Reason: r.Reason, SinceMs: r.SinceMs})
	}
	for _, s := range e.Spans {
		p.Spans = append(p.Spans, &fsmpb.ExportState_Span{Epoch: s.Epoch, After: s.After})
	}
	return p
}

// Restore takes over an export from a snapshot whose newest record is last. It must be configured.
func (x *Exports) Restore(p *fsmpb.ExportState, last uint64) error {
	e := x.Get(Resource(p.Name))
	if e == nil {
		return fmt.Errorf("export %q is not in the configuration", p.Name)
	}
	if p.Cursor > p.High || p.High > last || len(p.Spans) > maxSpans {
		return fmt.Errorf("export %q: cursor %d, %d at most, of %d records; %d spans", p.Name, p.Cursor, p.High, last, len(p.Spans))
	}
	e.Cursor, e.High, e.Dropped, e.Replays, e.Paused = p.Cursor, p.High, p.Dropped, p.Replays, p.Paused
	e.LostTo = p.LostTo
	e.Reach, e.Spans = map[string]Reach{}, nil
	for _, r := range p.Reach {
		e.Reach[r.Node] = Reach{OK: r.Ok, Reason: r.Reason, SinceMs: r.SinceMs}
	}
	for _, s := range p.Spans {
		e.Spans = append(e.Spans, Span{Epoch: s.Epoch, After: s.After})
	}
	return nil
}
