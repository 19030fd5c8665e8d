package acquisition

import (
	"cmp"
	"context"
	"slices"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// Counters are frozen, by the device itself or on request, and then read (101, clause 7.4.8). Each freeze counts their sequence
// number up (7.2.6.9), so one that stays as it is tells that nobody freezes them.

// counterReader asks a started device for its counters.
type counterReader struct {
	part   *part
	s      *session
	begun  bool // they were asked for since the start
	unread bool // they were frozen with reset, and not read
}

// read asks for the counters, and freezes them before where that's configured. What was frozen with reset before the start, perhaps
// by the other FEP, is read first: a freeze would lose it.
func (r *counterReader) read(ctx context.Context) {
	rtu := &r.part.rtu
	freeze := rtu.CounterFreeze != asdu.FreezeRead
	if rtu.CounterFreeze == asdu.FreezeWithReset && (!r.begun || r.unread) {
		freeze = false
	}
	r.part.pipeline.readCounters(r.begun)
	err := r.part.ask(ctx, r.s, findings.ForCounters, func(ctx context.Context) error {
		for _, group := range rtu.counterGroups() {
			if freeze {
				r.unread = true
				if err := r.s.client.CounterInterrogate(ctx, rtu.CommonAddress, group|rtu.CounterFreeze); err != nil {
					return err
				}
			}
			if err := r.s.client.CounterInterrogate(ctx, rtu.CommonAddress, group|asdu.FreezeRead); err != nil {
				return err
			}
		}
		return nil
	})
	r.begun = true
	if err == nil {
		r.unread = false
	}
}

func (r *RTU) counterGroups() []uint8 {
	if len(r.CounterGroups) == 0 {
		return []uint8{asdu.RQTGeneral}
	}
	return r.CounterGroups
}

// stuckAfter is how many readings in a row may have a counter's sequence number as it was. The ones right after a start don't
// count: they come whenever a link does.
const stuckAfter = 3

// sequence is a counter's sequence number, and for how many readings it has stayed the same.
type sequence struct {
	number uint8
	known  bool
	same   uint8 // at most stuckAfter
}

// read takes the sequence number of a reading.
func (q *sequence) read(quality uint8) {
	number := quality & asdu.CounterSequence
	if q.known && q.number == number {
		q.same = min(q.same+1, stuckAfter)
	} else {
		q.same = 0
	}
	q.number, q.known = number, true
}

// readCounters notes that counters are asked for; counts tells whether their sequence numbers say anything.
func (p *pipeline) readCounters(counts bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intake.reading = counts
}

// stuckCounters tells of the counters that nobody freezes.
func (p *part) stuckCounters() {
	var stuck []fsm.PointKey
	p.pipeline.mu.Lock()
	for i := range p.pipeline.intake.known {
		if p.pipeline.intake.known[i].sequence.same == stuckAfter {
			stuck = append(stuck, fsm.PointKey{RTU: p.rtu.Number, Kind: fsm.Counter, Point: p.table.monitored[i].Number})
		}
	}
	p.pipeline.mu.Unlock()
	slices.SortFunc(stuck, func(a, b fsm.PointKey) int { return cmp.Compare(a.Point, b.Point) })
	p.findings.State(condition.CounterStuck, len(stuck) > 0, len(stuck), pointRanges(stuck))
}
