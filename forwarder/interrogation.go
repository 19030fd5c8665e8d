package forwarder

import (
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

const (
	// maxJobs is how many interrogations of a link may be under way; another is refused.
	maxJobs = 4

	// Groups as DL/T 634.5101 divides them: 1 to 8 are digital and 9 to 14 are analog. The uplink has one of each, and
	// the others are empty. Counters are all in their group 1.
	digitalGroup = iec104.QOIGroup1
	analogGroup  = iec104.QOIGroup1 + 8
)

// job is an interrogation under way.
type job struct {
	request iec104.ASDU // with this station's common address
	entries []int32     // that are still to be sent
	cause   iec104.CauseOfTransmission
	frozen  map[int32]iec104.Object // instead of the image; may be nil
}

// interrogate answers a (counter) interrogation that is well formed and for this station. It returns false for any
// other ASDU, which is to be rejected as usual.
func (l *link) interrogate(a iec104.ASDU) bool {
	counters := a.Type == iec104.C_CI_NA_1
	if a.Type != iec104.C_IC_NA_1 && !counters || a.Len() != 1 || a.Object(0).Address != 0 ||
		a.CommonAddress != l.g.u.cfg.CommonAddress && a.CommonAddress != iec104.BroadcastAddress ||
		a.Cause != iec104.Activation && a.Cause != iec104.Deactivation {
		return false
	}
	q := a.Object(0).Qualifier
	if counters && (q < iec104.RQTGroup1 || q > iec104.RQTGeneral) || // a freeze has no data: q has its bits then
		!counters && (q < iec104.QOIStation || q > iec104.QOIGroup16) {
		return false
	}
	a.CommonAddress = l.g.u.cfg.CommonAddress // a broadcast is answered with one's own (101, clause 7.2.4)
	f := l.currentFeed()
	if f == nil {
		return true // it stopped meanwhile
	}
	if a.Cause == iec104.Deactivation {
		f.cancel(a)
		l.send(a.Mirror(iec104.DeactivationCon, false))
		return true
	}
	j := &job{request: a.Clone()}
	switch t := l.g.u.table; {
	case counters:
		j.cause, j.frozen = counterCause(q), l.g.u.frozen.get()
		if q == iec104.RQTGeneral || q == iec104.RQTGroup1 {
			j.entries = t.counters
		}
	case q == iec104.QOIStation:
		j.cause, j.entries = iec104.InterrogatedStation, t.interrogated
	default:
		j.cause = iec104.CauseOfTransmission(q)
		switch q {
		case digitalGroup:
			j.entries = t.ofKind(fsm.DI)
		case analogGroup:
			j.entries = t.ofKind(fsm.AI)
		}
	}
	if !f.room() {
		l.send(a.Mirror(iec104.ActivationCon, true))
		return true
	}
	l.send(a.Mirror(iec104.ActivationCon, false))
	f.start(j)
	return true
}

// counterCause is 37 for all counters, 38 to 41 for group 1 to 4.
func counterCause(rqt uint8) iec104.CauseOfTransmission {
	if rqt == iec104.RQTGeneral {
		return iec104.CounterGeneral
	}
	return iec104.CounterGeneral + iec104.CauseOfTransmission(rqt)
}

func (f *feed) room() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.jobs) < maxJobs
}

func (f *feed) start(j *job) {
	f.mu.Lock()
	f.jobs = append(f.jobs, j)
	f.mu.Unlock()
	f.wake()
}

// cancel ends the interrogations that a deactivation is about.
func (f *feed) cancel(a iec104.ASDU) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.jobs[:0]
	for _, j := range f.jobs {
		if j.request.Type != a.Type || j.request.Object(0).Qualifier != a.Object(0).Qualifier {
			kept = append(kept, j)
		}
	}
	f.jobs = kept
}

// nextInterrogated packs the next values of the oldest interrogation, or ends it.
func (f *feed) nextInterrogated(a *iec104.ASDU) bool {
	if len(f.jobs) == 0 {
		return false
	}
	j := f.jobs[0]
	if len(j.entries) == 0 {
		*a = j.request.Mirror(iec104.ActivationTermination, false)
		f.jobs = f.jobs[1:]
		return true
	}
	typeID := f.table.entries[j.entries[0]].typeID.Untimed()
	f.resetHeader(iec104.Header{Type: typeID, Cause: j.cause, Test: j.request.Test,
		Originator: j.request.Originator, CommonAddress: f.address})
	f.view(func(s *fsm.State) {
		for len(j.entries) > 0 {
			e := &f.table.entries[j.entries[0]]
			if e.typeID.Untimed() != typeID {
				return
			}
			if err := f.builder.Add(f.interrogated(s, j, e)); err == iec104.ErrFull {
				return
			} else if err != nil {
				f.log.Error("value can't be encoded", "ioa", e.address, "type", typeID, "error", err)
			}
			j.entries = j.entries[1:]
		}
	})
	if f.builder.Len() == 0 {
		return f.nextInterrogated(a)
	}
	f.sent.interrogated += uint64(f.builder.Len())
	*a = f.builder.ASDU()
	return true
}

// interrogated is the value of an entry as an interrogation shows it.
func (f *feed) interrogated(s *fsm.State, j *job, e *entry) iec104.Object {
	if e.role {
		return f.role()
	}
	if o, ok := j.frozen[j.entries[0]]; ok {
		return o
	}
	return e.value(s)
}
