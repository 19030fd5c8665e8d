package replica

import (
	"context"
	"iter"
	"time"
)

// Pace says how often [Follow] yields. The zero Pace: whenever the state has grown.
type Pace struct {
	Least time.Duration // from the begin of a round to the next: what the state gains meanwhile is one round's
	Most  time.Duration // from the end of a round to the next, even if the state hasn't grown; 0: no bound

	// Also, if not nil, returns a channel that makes a round due when it's closed or has something to receive. It's asked
	// before each round, as Replica.Applied is.
	Also func() <-chan struct{}
}

// Follow yields the index of the newest entry that View shows: at once, then each time the state has grown, until ctx
// ends. What changes while the loop's body runs makes another round, so a body that looks at the state misses nothing.
func Follow(ctx context.Context, r Replica, pace Pace) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		var also <-chan struct{}
		var idle <-chan time.Time
		for ctx.Err() == nil {
			began := time.Now()
			if pace.Also != nil {
				also = pace.Also()
			}
			index, grown := r.Applied()
			if !yield(index) {
				return
			}
			if pace.Most > 0 {
				idle = time.After(pace.Most)
			}
			select {
			case <-grown:
			case <-also:
			case <-idle:
			case <-ctx.Done():
				return
			}
			if left := time.Until(began.Add(pace.Least)); left > 0 {
				select {
				case <-time.After(left):
				case <-ctx.Done():
				}
			}
		}
	}
}
