package forwarder

import (
	"sync"
	"time"
)

// complaintsEvery is the least time between two lines of one kind that a client can cause.
const complaintsEvery = 10 * time.Second

// complaints are lines of the log that a client can cause as often as it likes: few are told, and the others counted.
type complaints struct {
	mu     sync.Mutex
	last   time.Time
	untold uint64
}

// tell says whether a line may be told now, and how many were not before it.
func (c *complaints) tell(now time.Time) (before uint64, told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.last) < complaintsEvery {
		c.untold++
		return 0, false
	}
	before, c.last, c.untold = c.untold, now, 0
	return before, true
}
