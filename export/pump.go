package export

import (
	"context"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// pump carries records from the state to a target, for as long as the target is open.
type pump struct {
	e       *exporter
	target  Target
	epoch   uint64
	replays uint64 // of the state, when the target was taken up

	position uint64 // last record written, or passed over
	cursor   uint64 // last one of which the commit is known, or under way
	moving   replica.Proposal
	sampled  time.Time
	records  []Record // kept for its room
}

// round writes what there is, and moves the cursor after what the target has delivered.
func (p *pump) round(ctx context.Context) error {
	for {
		more, err := p.read()
		if err != nil {
			return err
		}
		if len(p.records) > 0 {
			if err := p.target.Write(ctx, p.records); err != nil {
				return err
			}
		}
		delivered := p.target.Delivered()
		if err := p.move(ctx, delivered); err != nil {
			return err
		}
		p.e.gotOn(len(p.records), 0, !more && delivered >= p.position)
		if !more {
			break
		}
	}
	if err := p.landed(ctx); err != nil {
		return err
	}
	return p.sample(ctx)
}

// read takes the next records out of the state, at most maxBatch, and tells whether there are more.
func (p *pump) read() (more bool, err error) {
	p.records = p.records[:0]
	var all []fsm.Record
	p.e.cfg.Replica.View(func(s *fsm.State) {
		x, ok := s.Export(p.e.resource)
		if !ok || x.Paused || x.Replays != p.replays {
			err = errAnew
			return
		}
		all, more = s.ReadExport(x, p.position, maxBatch)
	})
	for i := range all {
		p.records = append(p.records, p.e.cfg.record(&all[i]))
	}
	if len(all) > 0 {
		p.position = all[len(all)-1].Seq
	}
	return more, err
}

// move has the cursor committed at what the target has delivered. One such commit is under way at a time.
func (p *pump) move(ctx context.Context, delivered uint64) error {
	if delivered <= p.cursor {
		return nil
	}
	if err := p.landed(ctx); err != nil {
		return err
	}
	p.cursor = delivered
	p.moving = p.e.cfg.Replica.ProposeAsync(p.e.cursorAt(delivered, p.epoch, p.replays))
	return nil
}

// landed waits for the commit that is under way, if any, and tells the target.
func (p *pump) landed(ctx context.Context) error {
	if p.moving == nil {
		return nil
	}
	select {
	case <-p.moving.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	result, err := p.moving.Result()
	p.moving = nil
	if err != nil {
		return err
	}
	if result.Code != fsmpb.Result_OK && result.Code != fsmpb.Result_DUPLICATE {
		return errAnew // another epoch, or set back
	}
	return p.target.Committed(p.cursor)
}

// sample writes the values that have changed, when it's time to.
func (p *pump) sample(ctx context.Context) error {
	period := p.e.export.Values
	target, takes := p.target.(ValueTarget)
	if period == 0 || !takes || time.Since(p.sampled) < period {
		return nil
	}
	p.sampled = time.Now()
	for more := true; more; {
		var values []Value
		if values, more = p.e.values.next(maxBatch); len(values) == 0 {
			continue
		}
		if err := target.WriteValues(ctx, values); err != nil {
			return err
		}
		p.e.gotOn(0, len(values), false)
	}
	return nil
}
