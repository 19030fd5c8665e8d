package sim

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// Key names one event: no device has two events of one point with one time
// tag and one value.
type Key struct {
	CommonAddress asdu.CommonAddress
	Address       asdu.InformationObjectAddress
	Time          asdu.CP56Time2a
	Value         float64
}

func (k Key) String() string { return k.at("15:04:05.000", time.UTC) }

// In tells the event with its instant, its tag being in a zone.
func (k Key) In(zone *time.Location) string { return k.at("2006-01-02T15:04:05.000Z07:00", zone) }

// at has the octets of a tag that names no instant.
func (k Key) at(layout string, zone *time.Location) string {
	when := fmt.Sprintf("% x", k.Time[:])
	if t, err := k.Time.Time(zone); err == nil {
		when = t.Format(layout)
	}
	return fmt.Sprintf("object %d of %d at %s value %g", k.Address, k.CommonAddress, when, k.Value)
}

// A Ledger counts events by key and remembers when a new one last came and the
// longest silence. Devices keep one of what they sent, control centres one of
// what reached them. The zero Ledger is ready; it may be used concurrently.
type Ledger struct {
	mu      sync.Mutex
	counts  map[Key]int
	repeats int
	last    time.Time
	gap     time.Duration // longest time between two new events since ResetGap
}

// Add enters an event seen at now and reports whether it is new.
func (l *Ledger) Add(k Key, now time.Time) (isNew bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[Key]int)
	}
	l.counts[k]++
	if l.counts[k] > 1 {
		l.repeats++
		return false
	}
	if !l.last.IsZero() {
		l.gap = max(l.gap, now.Sub(l.last))
	}
	l.last = now
	return true
}

// Len is the number of different events.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.counts)
}

// Repeats is how many events came more than once, each repetition counted.
func (l *Ledger) Repeats() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.repeats
}

// ResetGap forgets the longest silence; the time since the last new event
// counts toward the next.
func (l *Ledger) ResetGap() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gap = 0
}

// LongestGap is the longest time between two new events since ResetGap.
func (l *Ledger) LongestGap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gap
}

// Lacks returns those of keys that never came.
func (l *Ledger) Lacks(keys []Key) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing []Key
	for _, k := range keys {
		if l.counts[k] == 0 {
			missing = append(missing, k)
		}
	}
	return missing
}

// Missing lists the events of sent, as translate renames them, that received
// does not have, in order of time tag then address. translate may be nil.
func Missing(sent, received *Ledger, translate func(Key) Key) []Key {
	sent.mu.Lock()
	keys := make([]Key, 0, len(sent.counts))
	for k := range sent.counts {
		if translate != nil {
			k = translate(k)
		}
		keys = append(keys, k)
	}
	sent.mu.Unlock()

	missing := received.Lacks(keys)
	slices.SortFunc(missing, func(a, b Key) int {
		for i := len(a.Time) - 1; i >= 0; i-- {
			if c := cmp.Compare(a.Time[i], b.Time[i]); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.CommonAddress, b.CommonAddress), cmp.Compare(a.Address, b.Address))
	})
	return missing
}
