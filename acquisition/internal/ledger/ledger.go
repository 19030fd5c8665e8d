// Package ledger keeps which ASDUs of a session aren't acknowledged yet, where several sectors commit what they bring.
package ledger

import "sync"

// Ledger is that of one session. An acknowledgement tells the device that everything up to an ASDU is committed, and each
// sector's values are committed on their own. Its methods may be called from any goroutine.
type Ledger struct {
	mu           sync.Mutex
	open         []received // in the order in which they came
	acknowledged uint64     // index of the newest one acknowledged
}

// received is an ASDU that waits.
type received struct {
	index     uint64
	sector    int
	committed bool
}

// Receive notes an ASDU for a sector, and returns how many are open with it.
func (l *Ledger) Receive(index uint64, sector int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, received{index: index, sector: sector})
	return index - l.acknowledged
}

// Commit notes that everything for a sector is committed up to an ASDU. ack is told up to which one everything is, if that
// is more than before; it must not call the Ledger.
func (l *Ledger) Commit(sector int, upTo uint64, ack func(uint64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone, whole := 0, true
	for i := range l.open {
		o := &l.open[i]
		if o.index > upTo && !whole {
			break
		}
		o.committed = o.committed || o.sector == sector && o.index <= upTo
		if whole = whole && o.committed; whole {
			gone, l.acknowledged = i+1, o.index
		} else if o.index > upTo {
			break
		}
	}
	if gone > 0 {
		l.open = l.open[:copy(l.open, l.open[gone:])]
		ack(l.acknowledged)
	}
}
