package acquisition

import (
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
)

// The brake acknowledges a device more slowly while its events take more than their part of a journal that the control centres
// don't come to empty. The device's window fills, and it keeps what it has to say: nothing is lost by that, and what it
// takes from the other RTUs is the less.

const (
	brakedRate = 1000                   // events a second that a device gets acknowledged at most
	maxBrake   = 3 * time.Second        // for one acknowledgement; far below any t1
	brakeEvery = 200 * time.Millisecond // between two looks at the journal
)

type brake struct {
	looked  time.Time
	on      bool
	free    time.Time // what was acknowledged is paid for by then
	held    []receipt
	release time.Time // when held goes out; zero: nothing is held
}

// hold takes receipts of a batch that brought so many events, and returns what is to be acknowledged now.
func (b *brake) hold(receipts []receipt, events uint64, now time.Time) []receipt {
	if b.on {
		if b.free.Before(now) {
			b.free = now
		}
		b.free = b.free.Add(time.Duration(events) * time.Second / brakedRate)
	}
	if wait := min(b.free.Sub(now), maxBrake); b.on && wait > 0 || !b.release.IsZero() {
		for _, r := range receipts {
			b.held = receipted(b.held, r)
		}
		if b.release.IsZero() {
			b.release = now.Add(wait)
		}
		return nil
	}
	return receipts
}

// due returns what was held for long enough.
func (b *brake) due(now time.Time) []receipt {
	if b.release.IsZero() || now.Before(b.release) {
		return nil
	}
	receipts := b.held
	b.held, b.release = nil, time.Time{}
	return receipts
}

// look asks the state whether an RTU is to be braked, now and then, and returns when to ask again; zero: when it sends more.
func (p *pipeline) look(now time.Time) (again time.Time) {
	b := &p.brake
	if now.Sub(b.looked) >= brakeEvery {
		b.looked = now
		var part, held uint64
		before := b.on
		p.replica.View(func(s *fsm.State) {
			b.on, part, held = s.OverPart(p.rtu), s.JournalPart(), s.JournalShare(p.rtu)
		})
		if b.on && !before {
			p.intake.faults.note(braked, 1, "%d events of it wait in the journal, its part is %d: acknowledged at %d events a second", held, part, brakedRate)
		}
		if b.on != before {
			p.intake.findings.State(condition.Braked, b.on, held, part, brakedRate)
		}
	}
	if !b.on {
		return time.Time{}
	}
	return b.looked.Add(brakeEvery)
}
