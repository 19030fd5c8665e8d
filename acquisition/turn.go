package acquisition

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/replica"
)

// turn is what a worker does in one tenure: the sessions that it has started, their values, and the controls.
type turn struct {
	w        *worker
	tenure   replica.Tenure
	beganAt  time.Duration // by the worker's clock
	pipeline *pipeline

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything that runs for this turn

	// Of the worker's loop.
	sessions  []*session    // starting or started
	started   []*session    // STARTDT was confirmed
	startedAt time.Duration // by the worker's clock, when the first one was
	ready     bool          // a device was interrogated

	failure   chan struct{} // closed when values can't be committed
	err       error         // why
	firstData chan time.Duration

	controls controls
}

// newTurn begins a turn.
func (w *worker) newTurn(t replica.Tenure) *turn {
	u := &turn{w: w, tenure: t, beganAt: w.now(), failure: make(chan struct{}), firstData: make(chan time.Duration, 1)}
	u.ctx, u.cancel = context.WithCancel(w.ctx)
	u.controls.init()
	u.pipeline = &pipeline{
		replica:   w.env.Replica,
		rtu:       w.rtu.Number,
		epoch:     t.Epoch(),
		half:      max(1, w.rtu.Protocol.W/2),
		limit:     uint64(max(leastLimit, 4*w.rtu.Protocol.K)),
		wake:      make(chan struct{}, 1),
		intake:    newIntake(w.table, clock{location: w.env.Location}, w.rtu.CommonAddress, w.troubles),
		counts:    &w.counts,
		committed: func() { u.firstData <- w.now() },
		failed: func(err error) {
			u.err = err
			close(u.failure)
		},
	}
	u.wg.Go(func() { u.pipeline.run(u.ctx) })
	u.wg.Go(u.prune)
	return u
}

// start starts a session that is held, and serves it.
func (u *turn) start(s *session) {
	u.sessions = append(u.sessions, s)
	s.turn.Store(u)
	u.wg.Go(func() {
		// The tenure's watchdog closes the socket by itself, whatever hangs here.
		defer u.tenure.OnEnd(func() { s.client.Abort(ErrEnded) })()
		u.pipeline.forget()
		if err := s.client.StartDT(u.ctx); err != nil {
			s.client.Abort(err)
		} else {
			u.w.post(startedEvent{s})
			u.serve(s)
		}
		<-s.client.Done()
	})
}

// end closes the sessions and gives the tenure back once they're closed and nothing runs for the turn any more.
// done is closed then.
func (u *turn) end(done chan<- struct{}) {
	for _, s := range u.sessions {
		s.client.Abort(ErrEnded)
	}
	u.cancel()
	u.w.wg.Go(func() {
		u.wg.Wait()
		u.tenure.Close()
		close(done)
	})
}

// confirmed notes that a session is started, and tells whether it's the first one.
func (u *turn) confirmed(s *session) (first bool) {
	if first = u.startedAt == 0; first {
		u.startedAt = u.w.now()
	}
	u.started = append(u.started, s)
	return first
}

// lost forgets a session that is gone.
func (u *turn) lost(k linkKey) {
	gone := func(s *session) bool { return s.key == k }
	u.sessions = slices.DeleteFunc(u.sessions, gone)
	u.started = slices.DeleteFunc(u.started, gone)
}

// over, failed and first are what the loop waits for; there's nothing to wait for without a turn.
func (u *turn) over() <-chan struct{} {
	if u == nil {
		return nil
	}
	return u.tenure.Done()
}

func (u *turn) failed() <-chan struct{} {
	if u == nil {
		return nil
	}
	return u.failure
}

func (u *turn) first() <-chan time.Duration {
	if u == nil {
		return nil
	}
	return u.firstData
}
