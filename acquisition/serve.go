package acquisition

import (
	"context"
	"errors"
	"time"

	"github.com/fepha/fepha/condition"
)

const (
	// interrogationTime is how long a device may take to answer an interrogation. Its values are taken over as they
	// come; this only bounds the wait for the termination, which some devices never send.
	interrogationTime = time.Minute

	// clockTime is how long a device may take to confirm its clock.
	clockTime = 15 * time.Second
)

// interrogatedEvent tells the worker that a device has answered its first interrogation, or won't.
type interrogatedEvent struct{ collector *collector }

// serve asks a started device for what it doesn't send by itself, until the link is lost or the tenure ends: everything
// after the start, then each on its own period, and all values again when the device says that it has restarted.
func (col *collector) serve(s *session) {
	w := col.w
	tasks := []task{{do: col.interrogate, cycle: w.cycles.interrogation}}
	if w.table.counters {
		tasks = append(tasks, task{do: col.interrogateCounters, cycle: w.cycles.counters})
	}
	tasks = append(tasks, task{do: col.setClock, cycle: w.cycles.clock})
	for i := range tasks {
		tasks[i].at, tasks[i].due = w.now(), true
	}
	interrogation := &tasks[0]
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for first := true; ; first = false {
		for i := range tasks {
			t := &tasks[i]
			if !t.due || t.at > w.now() {
				continue
			}
			t.do(col.ctx, s)
			if col.ctx.Err() != nil || s.client.Err() != nil {
				return
			}
			t.at, t.due = t.cycle.next(w.now())
			if first && t == interrogation {
				w.post(interrogatedEvent{col})
			}
		}
		if at, ok := earliest(tasks); ok {
			timer.Reset(at - w.now())
		}
		select {
		case <-timer.C:
		case <-s.again:
			interrogation.at, interrogation.due = w.now(), true
		case <-s.client.Done():
			return
		case <-col.ctx.Done():
			return
		}
	}
}

// task is something that is asked of a device again and again.
type task struct {
	do    func(context.Context, *session)
	cycle cycle
	at    time.Duration
	due   bool // false: not again
}

func earliest(tasks []task) (at time.Duration, ok bool) {
	for _, t := range tasks {
		if t.due && (!ok || t.at < at) {
			at, ok = t.at, true
		}
	}
	return at, ok
}

// setClock gives the device the time.
func (col *collector) setClock(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	err := s.client.SetClock(ctx, col.w.rtu.CommonAddress, time.Now().In(col.w.env.Location))
	switch {
	case err == nil:
		col.w.findings.State(condition.ClockRefused, false)
	case s.client.Err() == nil && col.ctx.Err() == nil:
		col.w.faults.note(badClockSync, 1, "%v: %v", s, answer(err))
		col.w.findings.State(condition.ClockRefused, true, refusalWords(err))
	}
}

// answer is err in the words of someone who waits for a device.
func answer(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer, or not all of it, in time")
	}
	return err
}
