package acquisition

import "time"

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
