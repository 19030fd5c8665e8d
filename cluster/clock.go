package cluster

import "time"

// clock reads this process's monotonic clock, as the time since an arbitrary origin. It never goes back and no step of
// the wall clock moves it.
type clock func() time.Duration

func newClock() clock {
	origin := time.Now()
	return func() time.Duration { return time.Since(origin) }
}
