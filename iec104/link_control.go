package iec104

import (
	"fmt"
	"time"
)

// receiveU acts on a U-frame (104, clauses 5.2 and 5.3). One with no function
// bit or several comes here only where OddFrames are tolerated, to be ignored.
func (l *link) receiveU(now time.Duration, f Function) {
	switch f {
	case TestFRAct:
		l.sendU(TestFRCon)
	case TestFRCon:
		if l.testing {
			l.testing = false
			l.event(event{kind: testConfirmed})
		}
	case StartDTAct, StopDTAct, StartDTCon, StopDTCon:
		if l.controlling {
			l.receiveConfirmation(now, f)
		} else {
			l.receiveActivation(now, f)
		}
	}
}

// receiveActivation is the controlled station's part.
func (l *link) receiveActivation(now time.Duration, f Function) {
	switch f {
	case StartDTAct:
		switch l.state {
		case Stopped:
			l.state = Starting
			l.event(event{kind: startRequested})
		case Started:
			l.sendU(StartDTCon)
		case Stopping:
			l.close(fmt.Errorf("%w: %v before STOPDT con", ErrRole, f))
		}
	case StopDTAct:
		switch l.state {
		case Stopped:
			l.sendU(StopDTCon)
		case Starting:
			l.stopped()
			l.sendU(StopDTCon)
		case Started:
			l.state, l.askedAt = Stopping, now
			if l.taken != l.confirmed {
				l.sendS()
			}
			l.confirmStop(now)
		}
	default:
		l.close(fmt.Errorf("%w: %v from a controlling station", ErrRole, f))
	}
}

// confirmStart confirms STARTDT act, after the owner has allowed it. It does
// nothing and returns false if the peer has changed its mind.
func (l *link) confirmStart() bool {
	if l.state != Starting || l.controlling {
		return false
	}
	l.state = Started
	l.sendU(StartDTCon)
	l.event(event{kind: linkStarted})
	return true
}

// confirmStop confirms STOPDT act as soon as everything is acknowledged, both
// ways; confirmed earlier, frames would be lost without either side knowing.
func (l *link) confirmStop(now time.Duration) {
	if l.acked != l.sent || l.confirmed != l.received {
		return
	}
	l.stopped()
	l.sendU(StopDTCon)
}

// receiveConfirmation is the controlling station's part. A confirmation that
// came twice changes nothing.
func (l *link) receiveConfirmation(now time.Duration, f Function) {
	switch f {
	case StartDTCon:
		if l.state == Starting {
			l.state = Started
			l.event(event{kind: linkStarted})
			l.ack(now, l.taken) // of what was early
		}
	case StopDTCon:
		switch {
		case l.state == Stopping && l.acked != l.sent:
			l.close(fmt.Errorf("%w: %v with %d I-frames unacknowledged", ErrStopped, f, l.sent-l.acked))
		case l.state == Stopping:
			l.stopped()
		case l.state == Started:
			l.close(fmt.Errorf("%w: %v without an act", ErrRole, f))
		}
	default:
		l.close(fmt.Errorf("%w: %v from a controlled station", ErrRole, f))
	}
}

// start asks the controlled station to start (STARTDT act).
func (l *link) start(now time.Duration) {
	if l.state != Stopped {
		return
	}
	l.state, l.askedAt = Starting, now
	l.sendU(StartDTAct)
}

// stop asks the controlled station to stop (STOPDT act).
func (l *link) stop(now time.Duration) {
	if l.state != Started {
		return
	}
	l.state, l.askedAt = Stopping, now
	if l.taken != l.confirmed {
		l.sendS()
	}
	l.sendU(StopDTAct)
}

// test sends TESTFR act, unless one is waiting for its confirmation.
func (l *link) test(now time.Duration) {
	if l.testing || l.state == Closed {
		return
	}
	l.testing, l.testAt = true, now
	l.sendU(TestFRAct)
}

func (l *link) stopped() {
	l.state = Stopped
	l.event(event{kind: linkStopped})
}

func (l *link) sendU(f Function) {
	l.out = AppendU(l.out, f)
	l.live = l.live || f == StartDTAct || f == StartDTCon
	l.counters.SentU++
	l.counters.SentOctets += 2 + apciLength
}
