package iec104

import (
	"fmt"
	"math"
	"time"
)

// never is a deadline that does not come.
const never = time.Duration(math.MaxInt64)

// deadline is when tick has to be called next, if nothing happens before.
func (l *link) deadline() time.Duration {
	if l.state == Closed {
		return never
	}
	return min(l.testDue(), l.answerDue(), l.ackDue(), l.confirmDue())
}

// tick acts on the timers that have ended.
func (l *link) tick(now time.Duration) {
	if l.state == Closed {
		return
	}
	switch {
	case now >= l.answerDue() && l.state == Starting && l.cfg.RepeatStart:
		l.askedAt = now
		l.sendU(StartDTAct)
	case now >= l.answerDue():
		l.close(fmt.Errorf("%w: no confirmation within %v while %v", ErrT1, l.cfg.T1, l.state))
		return
	case now >= l.ackDue():
		l.close(fmt.Errorf("%w: %w within %v: N(S) %d", ErrT1, ErrNotAcknowledged, l.cfg.T1, l.acked%SequenceModulus))
		return
	case l.testing && now >= l.testDue():
		l.close(fmt.Errorf("%w: no TESTFR con within %v", ErrT1, l.cfg.T1))
		return
	}
	if now >= l.confirmDue() {
		l.sendS()
	}
	if now >= l.testDue() {
		l.test(now)
	}
}

// testDue: t3 after the last frame TESTFR act is sent, t1 later it must be confirmed.
func (l *link) testDue() time.Duration {
	if l.testing {
		return l.testAt + l.cfg.T1
	}
	return l.heard + l.cfg.T3
}

// answerDue: STARTDT and STOPDT act must be confirmed within t1. How long a
// controlled station may take for STARTDT is the controlling one's affair.
func (l *link) answerDue() time.Duration {
	if l.state == Stopping || l.state == Starting && l.controlling {
		return l.askedAt + l.cfg.T1
	}
	return never
}

// ackDue: t1 after the oldest I-frame that is not acknowledged.
func (l *link) ackDue() time.Duration {
	if l.acked == l.sent || l.state != Started && l.state != Stopping {
		return never
	}
	return l.sentAt[l.acked%uint64(len(l.sentAt))] + l.cfg.T1
}

// confirmDue: t2 after the oldest I-frame came that the application has taken
// and the peer was not told of.
func (l *link) confirmDue() time.Duration {
	if l.taken == l.confirmed || l.state != Started && l.state != Stopping {
		return never
	}
	return l.receivedAt[l.confirmed%uint64(len(l.receivedAt))] + l.cfg.T2
}
