package acquisition

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What callers and logs tell apart. Each is wrapped with what was being done.
var (
	// ErrConfig: an RTU's configuration can't be used. The message names the RTU and what was expected.
	ErrConfig = errors.New("acquisition: bad configuration")

	// ErrEnded: this node may not use the link any more, since its tenure has ended.
	ErrEnded = errors.New("acquisition: tenure ended")

	// ErrRejected: the state refused a batch of values; the device will send them again.
	ErrRejected = errors.New("acquisition: values refused")

	// ErrOverrun: the device sends on although nothing was acknowledged for long.
	ErrOverrun = errors.New("acquisition: device ignores its window")
)

// deviceFault is a way in which a device, or the path to it, isn't as it should be.
type deviceFault int

const (
	malformed deviceFault = iota // can't be parsed
	badCause                     // says by its cause that it's no data
	unknownType
	unknownCommonAddress
	unknownAddress
	mismatched
	badTime
	notNumber // a NaN
	testData
	linkFailed // no connection
	linkLost   // a connection ended against this node's will
	badInterrogation
	badClockSync
	disturbing
	controlFailed
	rejected // the state refused what was proposed
	chattering
	braked
	earlyData
	unconfirmed
	badTest
	badFile

	deviceFaultKinds
)

var deviceFaultNames = [deviceFaultKinds]string{
	malformed:            "malformed ASDU",
	badCause:             "cause or P/N of no data",
	unknownType:          "unknown type",
	unknownCommonAddress: "unknown common address",
	unknownAddress:       "unknown object address",
	mismatched:           "type unfit for the point",
	badTime:              "time tag names no instant",
	notNumber:            "value is not a number",
	testData:             "test data",
	linkFailed:           "no connection",
	linkLost:             "connection lost",
	badInterrogation:     "interrogation failed",
	badClockSync:         "clock synchronization failed",
	disturbing:           "drops its client when probed, so not probed for a while",
	controlFailed:        "control failed",
	rejected:             "values refused by the state",
	chattering:           "chatters",
	braked:               "sends more than its part",
	earlyData:            "data before STARTDT con",
	unconfirmed:          "STARTDT not confirmed",
	badTest:              "test command failed",
	badFile:              "file not fetched",
}

// faultsEvery is how often one RTU may complain.
const faultsEvery = time.Minute

// deviceFaults counts what is wrong with an RTU and logs it, in one line a minute at most: the first one at once, what
// comes after it when the minute has passed.
type deviceFaults struct {
	log    *slog.Logger
	counts [deviceFaultKinds]atomic.Uint64

	mu      sync.Mutex
	told    time.Time
	waiting [deviceFaultKinds]struct {
		count   uint64
		example string // the first one since told
	}
	any bool // whether something waits
}

// note counts n cases of a deviceFault, with an example that names values and bounds.
func (t *deviceFaults) note(what deviceFault, n uint64, format string, args ...any) {
	t.counts[what].Add(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.waiting[what]
	if w.count == 0 {
		w.example = fmt.Sprintf(format, args...)
	}
	w.count += n
	t.any = true
	t.tell(time.Now())
}

// deadline is when tell has something to say; zero: not before the next note.
func (t *deviceFaults) deadline() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.any {
		return time.Time{}
	}
	return t.told.Add(faultsEvery)
}

// tick logs what waits if its time has come.
func (t *deviceFaults) tick(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(now)
}

func (t *deviceFaults) tell(now time.Time) {
	if !t.any || now.Sub(t.told) < faultsEvery {
		return
	}
	var words []string
	for what := range t.waiting {
		w := &t.waiting[what]
		switch {
		case w.count == 1:
			words = append(words, fmt.Sprintf("%s: %s", deviceFaultNames[what], w.example))
		case w.count > 1:
			words = append(words, fmt.Sprintf("%s, %d times: %s", deviceFaultNames[what], w.count, w.example))
		}
		w.count, w.example = 0, ""
	}
	t.any, t.told = false, now
	t.log.Warn("device fault", "what", strings.Join(words, "; "))
}

// Counters are what was counted of an RTU since the process started.
type Counters struct {
	RTU uint32

	Connected      uint64 // connections made for use or to be held
	Failed         uint64 // attempts that made none
	Started        uint64 // STARTDT confirmed
	Lost           uint64 // connections that ended against this node's will
	Interrogations uint64 // that ended well; others are in Faults

	ASDUs uint64 // received from started links
	Items uint64 // values proposed

	Controls        uint64 // taken on
	ControlsRefused uint64 // that ended with a negative answer

	Faults map[string]uint64 // by kind; only those that occurred
}

// counts are the counters as they are counted.
type counts struct {
	answers atomic.Uint64 // ASDUs that came in answer to an interrogation

	connected, started, interrogations, asdus, items, controls, controlsRefused atomic.Uint64
}

// counters reads them.
func (s *sector) counters() Counters {
	c := Counters{
		RTU:             s.rtu.Number,
		Connected:       s.counts.connected.Load(),
		Failed:          s.faults.counts[linkFailed].Load(),
		Started:         s.counts.started.Load(),
		Lost:            s.faults.counts[linkLost].Load(),
		Interrogations:  s.counts.interrogations.Load(),
		ASDUs:           s.counts.asdus.Load(),
		Items:           s.counts.items.Load(),
		Controls:        s.counts.controls.Load(),
		ControlsRefused: s.counts.controlsRefused.Load(),
		Faults:          map[string]uint64{},
	}
	for what, name := range deviceFaultNames {
		if n := s.faults.counts[what].Load(); n > 0 {
			c.Faults[name] = n
		}
	}
	return c
}
