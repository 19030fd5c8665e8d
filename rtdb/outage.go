package rtdb

import (
	"log/slog"
	"sync"
	"time"
)

// outage logs one line when something fails and one when it is well again, however often it was tried between.
type outage struct {
	log  *slog.Logger
	what string // fails, for people

	mu    sync.Mutex
	since time.Time // zero: all is well
	err   string    // the newest reason
}

// fail says that a try has failed. It tells whether that is the first one of an outage.
func (o *outage) fail(err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.since.IsZero()
	o.err = err.Error()
	if first {
		o.since = time.Now()
		o.log.Error(o.what, "error", err)
	}
	return first
}

// end says that all is well. It tells whether there was an outage, and how long.
func (o *outage) end() (lasted time.Duration, was bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0, false
	}
	lasted = time.Since(o.since)
	o.since, o.err = time.Time{}, ""
	return lasted, true
}

// reason is the newest reason of the outage that goes on, "" if there is none.
func (o *outage) reason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
