package export

import (
	"context"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	// probePause is how often a FEP that doesn't own an export looks whether it could reach the target.
	probePause = 10 * time.Second

	// watchPause is how often it looks what has become of the export.
	watchPause = time.Second

	proposeTimeout = 5 * time.Second
)

// watch tells the group whether this node can reach the target, puts right what a former tenure has left, and reports the
// conditions of the owner, until ctx ends.
func (e *exporter) watch(ctx context.Context) {
	var probed time.Time
	for range replica.Follow(ctx, e.cfg.Replica, replica.Pace{Least: watchPause, Most: watchPause}) {
		var x fsm.Export
		var r fsm.Resource
		var ok bool
		e.cfg.Replica.View(func(s *fsm.State) {
			x, ok = s.Export(e.resource)
			r, _ = s.Resource(e.resource)
		})
		if !ok {
			continue
		}
		if r.Owner == e.cfg.Replica.ID() {
			e.judge(x)
			e.tell(ctx, x, e.stats().Error)
			probed = time.Time{}
			continue
		}
		if time.Since(probed) >= probePause {
			// Again and again: the disk with what this node has written may come back later than the node.
			if settler, ok := e.export.Driver.(Settler); ok && r.Owner != "" {
				start := Start{Node: e.cfg.Replica.ID(), Epoch: r.Epoch, After: x.Cursor, High: x.High, Spans: x.Spans}
				if err := settler.Settle(start); err != nil {
					e.log.Warn("what this node had written can't be put right yet", "error", err)
				}
			}
			why := ""
			if err := e.export.Driver.Probe(ctx); err != nil {
				why = err.Error()
			}
			probed = time.Now()
			e.tell(ctx, x, why)
		}
	}
}

// tell has it committed whether this node can reach the target, if the state has it otherwise; why is "" if it can.
func (e *exporter) tell(ctx context.Context, x fsm.Export, why string) {
	if known, ok := x.Reach[e.cfg.Replica.ID()]; ok && known.OK == (why == "") || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	_, err := e.cfg.Replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_ExportReach{ExportReach: &fsmpb.ExportReach{
		Resource: e.resource, Node: e.cfg.Replica.ID(), Ok: why == "", Reason: why,
	}}})
	if err != nil {
		e.log.Debug("whether the target can be reached was not committed", "error", err)
	}
}
