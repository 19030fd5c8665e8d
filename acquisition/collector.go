package acquisition

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// collector does what a worker does in one tenure: it has the sessions that were started, their values, and the controls.
type collector struct {
	w       *worker
	tenure  replica.Tenure
	beganAt time.Duration // by the worker's clock
	parts   []*part       // by place of the sector

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything that runs for it

	// Of the worker's loop.
	sessions  []*session    // starting or started
	started   []*session    // STARTDT was confirmed
	startedAt time.Duration // by the worker's clock, when the first one was

	fail      sync.Once
	failure   chan struct{} // closed when values can't be committed
	err       error         // why
	firstData chan time.Duration

	controls controls
}

// part is what a collector does for one sector.
type part struct {
	*sector
	col      *collector
	pipeline *pipeline
	ready    bool // a device was interrogated; of the worker's loop
}

// newCollector begins to collect in a tenure.
func (w *worker) newCollector(t replica.Tenure) *collector {
	col := &collector{w: w, tenure: t, beganAt: w.now(), failure: make(chan struct{}), firstData: make(chan time.Duration, 1)}
	col.ctx, col.cancel = context.WithCancel(w.ctx)
	col.controls.init()
	var first sync.Once
	numbers := &batches{}
	for _, sector := range w.sectors {
		p := &part{sector: sector, col: col}
		p.pipeline = &pipeline{
			replica:   w.env.Replica,
			rtu:       sector.rtu.Number,
			sector:    sector.place,
			epoch:     t.Epoch(),
			batches:   numbers,
			half:      max(1, w.rtu.Protocol.W/2),
			limit:     uint64(max(leastLimit, 4*w.rtu.Protocol.K)),
			wake:      make(chan struct{}, 1),
			intake:    newIntake(sector.table, clock{location: sector.location, station: w.env.Location}, sector.rtu.CommonAddress, sector.faults, sector.findings),
			counts:    &sector.counts,
			committed: func() { first.Do(func() { col.firstData <- w.now() }) },
			failed: func(err error) {
				col.fail.Do(func() {
					col.err = err
					close(col.failure)
				})
			},
		}
		p.pipeline.intake.configured = w.addresses()
		col.parts = append(col.parts, p)
		sector.findings.State(condition.Chattering, false) // a former owner's
		sector.findings.State(condition.Braked, false)
		col.wg.Go(func() { p.pipeline.run(col.ctx) })
		col.wg.Go(p.prune)
	}
	return col
}

// start starts a session that is held, and serves it.
func (col *collector) start(s *session) {
	col.sessions = append(col.sessions, s)
	s.collector.Store(col)
	col.wg.Go(func() {
		// The tenure's watchdog closes the socket by itself, whatever hangs here.
		defer col.tenure.OnEnd(func() { s.client.Abort(ErrEnded) })()
		backlogs := make([]backlog, len(col.parts))
		for i, p := range col.parts {
			backlogs[i] = backlog{part: p, s: s}
			backlogs[i].begin() // what comes before the interrogation may be of the backlog already
			p.pipeline.forget()
			p.pipeline.expectRepeats()
		}
		var serving sync.WaitGroup
		if err := col.awaitStart(s); err != nil {
			s.client.Abort(err)
		} else {
			col.w.post(startedEvent{s})
			col.wg.Go(func() { col.w.checkAlive(col.ctx, s) })
			for i, p := range col.parts {
				ctx, cancel := context.WithCancel(col.ctx)
				serving.Go(func() {
					defer cancel()
					p.serve(s, &backlogs[i])
				})
				if p.files != nil {
					serving.Go(func() { p.files.Run(ctx, s, s.client.Send) })
				}
			}
		}
		serving.Wait()
		<-s.client.Done()
		for i := range backlogs {
			backlogs[i].end(false)
		}
	})
}

// awaitStart starts a session. One that isn't confirmed for a while is told to the loop, and waited for: see sequencer.waiting.
func (col *collector) awaitStart(s *session) error {
	ctx, cancel := context.WithTimeout(col.ctx, col.w.rtu.Retry)
	defer cancel()
	err := s.client.StartDT(ctx)
	if err == nil || col.ctx.Err() != nil || s.client.Err() != nil {
		return err
	}
	col.w.post(waitingEvent{s})
	return s.client.StartDT(col.ctx)
}

// end closes the sessions and gives the tenure back once they're closed and nothing runs for it any more.
// done is closed then.
func (col *collector) end(done chan<- struct{}) {
	for _, s := range col.sessions {
		s.client.Abort(ErrEnded)
	}
	col.cancel()
	col.w.wg.Go(func() {
		col.wg.Wait()
		col.tenure.Close()
		close(done)
	})
}

// confirmed notes that a session is started, and tells whether it's the first one.
func (col *collector) confirmed(s *session) (first bool) {
	if first = col.startedAt == 0; first {
		col.startedAt = col.w.now()
	}
	col.started = append(col.started, s)
	return first
}

// lost forgets a session that is gone.
func (col *collector) lost(k linkKey) {
	gone := func(s *session) bool { return s.key == k }
	col.sessions = slices.DeleteFunc(col.sessions, gone)
	col.started = slices.DeleteFunc(col.started, gone)
}

// askAgain has all started devices interrogated.
func (col *collector) askAgain() {
	if col == nil {
		return
	}
	for _, s := range col.started {
		s.askAll()
	}
}

// over, failed and first are what the loop waits for; there's nothing to wait for without a tenure.
func (col *collector) over() <-chan struct{} {
	if col == nil {
		return nil
	}
	return col.tenure.Done()
}

func (col *collector) failed() <-chan struct{} {
	if col == nil {
		return nil
	}
	return col.failure
}

func (col *collector) first() <-chan time.Duration {
	if col == nil {
		return nil
	}
	return col.firstData
}

const (
	// pruneAfter is how long a tenure lasts before the image is looked through: a takeover has more urgent things to do.
	pruneAfter = 5 * time.Second

	// pruneAtOnce bounds a command.
	pruneAtOnce = 1000
)

// prune takes out of the image what the RTU's table no longer has: points that were removed from the configuration.
func (p *part) prune() {
	w, ctx := p.col.w, p.col.ctx
	timer := time.NewTimer(pruneAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	for {
		gone := p.unknown()
		if len(gone) == 0 {
			return
		}
		result, err := w.env.Replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Forget{Forget: &fsmpb.Forget{
			Rtu: p.rtu.Number, Epoch: p.col.tenure.Epoch(), Points: gone,
		}}})
		if err != nil || result.Code != fsmpb.Result_OK {
			return // the tenure is over, or nothing of it is there: the next one looks again
		}
		w.log.Info("points that are no longer configured were removed", "rtu", p.rtu.Number, "points", len(gone), "first", gone[0].Point)
		if w.env.Replica.WaitApplied(ctx, result.Index) != nil {
			return
		}
	}
}

// unknown are points of the image that the table doesn't have, not all of them if they are many.
func (p *part) unknown() (gone []*fsmpb.Forget_Point) {
	key := func(kind fsmpb.Kind, number uint32) uint64 { return uint64(kind)<<32 | uint64(number) }
	known := make([]uint64, 0, len(p.table.monitored))
	for i := range p.table.monitored {
		known = append(known, key(p.table.monitored[i].Kind, p.table.monitored[i].Number))
	}
	p.col.w.env.Replica.View(func(s *fsm.State) {
		for _, v := range s.Config().GetVirtual() {
			if v.Rtu == p.rtu.Number {
				known = append(known, key(fsmpb.Kind_DI, v.Point))
			}
		}
		slices.Sort(known)
		for k := range s.Points(p.rtu.Number) {
			if _, ok := slices.BinarySearch(known, key(k.Kind.Proto(), k.Point)); !ok && len(gone) < pruneAtOnce {
				gone = append(gone, &fsmpb.Forget_Point{Kind: k.Kind.Proto(), Point: k.Point})
			}
		}
	})
	return gone
}
