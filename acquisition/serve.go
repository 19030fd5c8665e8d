package acquisition

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/condition"
)

const (
	// interrogationTime is how long a device may take to answer an interrogation. Its values are taken over as they
	// come; this only bounds the wait for the termination, which some devices never send.
	interrogationTime = time.Minute

	// clockTime is how long a device may take to confirm its clock, or a test command.
	clockTime = 15 * time.Second
)

// interrogatedEvent tells the worker that a device has answered its first interrogation, or won't.
type interrogatedEvent struct{ part *part }

// askAgain is after how long an interrogation is repeated that the device has refused or not answered to its end.
var askAgain = []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}

// turnMost is how long a sector keeps the others from asking the device for something: most devices answer one question at
// a time, and one whose answer takes longer may never come.
const turnMost = 10 * time.Second

// inTurn does something while no other sector of a session does, for turnMost at most.
func (s *session) inTurn(ctx context.Context, do func()) {
	if len(s.slots) == 1 {
		do()
		return
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return
	case <-s.client.Done():
		return
	}
	give := sync.OnceFunc(func() { <-s.turn })
	defer give()
	defer time.AfterFunc(turnMost, give).Stop()
	do()
}

// serve asks a sector of a started device for what it doesn't send by itself, until the link is lost or the tenure ends:
// everything after the start, then each on its own period, and all values again when the device says that it has
// restarted.
func (p *part) serve(s *session, backlog *backlog) {
	w := p.col.w
	failures := 0 // of the interrogation, in a row
	counters := counterReader{part: p, s: s}
	tasks := p.tasks(w.now(), map[Step]func(context.Context){
		StepTest:     func(ctx context.Context) { p.test(ctx, s) },
		StepClock:    func(ctx context.Context) { p.setClock(ctx, s) },
		StepCounters: counters.read,
		StepInterrogation: func(ctx context.Context) {
			if p.askAll(ctx, backlog) == nil {
				failures = 0
			} else {
				failures++
			}
		},
	})
	interrogation := &tasks[slices.IndexFunc(tasks, func(t task) bool { return t.step == StepInterrogation })]
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for first := true; ; first = false {
		for i := range tasks {
			t := &tasks[i]
			if !t.due || t.at > w.now() {
				continue
			}
			s.inTurn(p.col.ctx, func() { t.do(p.col.ctx) })
			if p.col.ctx.Err() != nil || s.client.Err() != nil {
				return
			}
			t.at, t.due = t.cycle.next(w.now())
			if t == interrogation && failures > 0 {
				again := w.now() + askAgain[min(failures, len(askAgain))-1]
				if !t.due || again < t.at {
					t.at, t.due = again, true
				}
			}
			if first && t == interrogation {
				w.post(interrogatedEvent{p})
			}
		}
		if backlog.open && backlog.wait() <= 0 {
			s.inTurn(p.col.ctx, func() { backlog.over(p.col.ctx) })
		}
		wait := time.Hour
		if at, ok := earliest(tasks); ok {
			wait = at - w.now()
		}
		if backlog.open {
			wait = min(wait, backlog.wait())
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.slots[p.place].again:
			p.pipeline.forget()
			interrogation.at, interrogation.due = w.now(), true
			failures = 0
		case <-s.client.Done():
			return
		case <-p.col.ctx.Done():
			return
		}
	}
}

// tasks are what a device is asked, those that are asked after a start first, in the order that is wanted.
func (s *sector) tasks(now time.Duration, do map[Step]func(context.Context)) (tasks []task) {
	cycles := map[Step]cycle{StepInterrogation: s.cycles.interrogation, StepCounters: s.cycles.counters, StepClock: s.cycles.clock}
	add := func(step Step) *task {
		tasks = append(tasks, task{step: step, do: do[step], cycle: cycles[step]})
		return &tasks[len(tasks)-1]
	}
	for _, step := range s.rtu.Order {
		if step != StepCounters || s.table.counters {
			t := add(step)
			t.at, t.due = now, true
		}
	}
	for _, step := range []Step{StepInterrogation, StepCounters, StepClock} {
		if slices.Contains(s.rtu.Order, step) || step == StepCounters && !s.table.counters {
			continue
		}
		t := add(step)
		if t.at, t.due = t.cycle.next(now); step == StepInterrogation {
			t.at, t.due = now, true
		}
	}
	return tasks
}

// task is something that is asked of a device again and again.
type task struct {
	step  Step
	do    func(context.Context)
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

// test sends a test command. Some devices want it, and nothing else depends on it.
func (p *part) test(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	if err := s.client.Test(ctx, p.rtu.CommonAddress); err != nil && s.client.Err() == nil && p.col.ctx.Err() == nil {
		p.faults.note(badTest, 1, "%v: %v", s, answer(err))
	}
}

// setClock gives the device the time.
func (p *part) setClock(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	err := s.client.SetClock(ctx, p.rtu.CommonAddress, time.Now().In(p.sector.location))
	switch {
	case err == nil:
		p.findings.State(condition.ClockRefused, false)
	case s.client.Err() == nil && p.col.ctx.Err() == nil:
		p.faults.note(badClockSync, 1, "%v: %v", s, answer(err))
		p.findings.State(condition.ClockRefused, true, refusalWords(err))
	}
}

// answer is err in the words of someone who waits for a device.
func answer(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer, or not all of it, in time")
	}
	return err
}

// cycle is something to be done once a period, by each RTU at another moment of it, so that not all devices answer at
// the same time.
type cycle struct {
	period time.Duration // 0: never
	phase  time.Duration // within the period
}

// staggered is the cycle of the i-th of n RTUs.
func staggered(period time.Duration, i, n int) cycle {
	if period <= 0 || n <= 0 {
		return cycle{}
	}
	return cycle{period, time.Duration(float64(period) * float64(i) / float64(n))}
}

// next is when it is due after it was done at a moment: a half to one and a half periods later, so that what was done
// out of turn, after a start, isn't done again right away.
func (c cycle) next(done time.Duration) (at time.Duration, ok bool) {
	if c.period == 0 {
		return 0, false
	}
	at = done + c.period/2
	wait := (c.phase - at) % c.period
	if wait < 0 {
		wait += c.period
	}
	return at + wait, true
}
