package rtdb

import (
	"log/slog"
	"sync"
	"time"
)

// outage logs one line when something fails, however often it is tried again.
type outage struct {
	log  *slog.Logger
	what string // fails, for people

	mu    sync.Mutex
	since time.Time // zero: all is well
	told  bool
	err   string // the newest reason
}

// lost says that a connection that was well has ended. As a rule it's more telling what the next try says, and if that
// goes well nobody needs to be told. began: all was well before.
func (o *outage) lost(err error) (began bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.note(err)
}

// fail says that a try has failed. began: all was well before.
func (o *outage) fail(err error) (began bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.told {
		o.told = true
		o.log.Error(o.what, "error", err)
	}
	return o.note(err)
}

func (o *outage) note(err error) (began bool) {
	o.err = err.Error()
	if began = o.since.IsZero(); began {
		o.since = time.Now()
	}
	return began
}

// end says that all is well. It tells why it wasn't and how long; "" if it was.
func (o *outage) end() (why string, lasted time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return "", 0
	}
	why, lasted = o.err, time.Since(o.since)
	o.since, o.told, o.err = time.Time{}, false, ""
	return why, lasted
}

// reason is the newest reason of the outage that goes on, "" if there is none.
func (o *outage) reason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
