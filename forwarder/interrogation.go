package forwarder

import (
	"slices"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

const (
	// maxJobs is how many interrogations of a sector may be under way on a link; another is refused.
	maxJobs = 4

	// Groups as DL/T 634.5101 divides them: 1 to 8 are digital and 9 to 14 are analog. The uplink has one of each, and
	// the others are empty. Counters are all in their group 1.
	digitalGroup = asdu.QOIGroup1
	analogGroup  = asdu.QOIGroup1 + 8
)

// job is an interrogation under way.
type job struct {
	request asdu.ASDU // with this station's common address
	entries []int32   // that are still to be sent
	cause   asdu.CauseOfTransmission
	frozen  map[fsm.PointKey]fsm.Point // instead of the image; may be nil
}

// interrogate answers C_IC (101, clause 7.4.5).
func (l *link) interrogate(f *feed, c *iec104.Call) error {
	qoi := c.Object.Qualifier
	switch {
	case c.Object.Address != 0:
		return c.Reject(asdu.UnknownObjectAddress)
	case c.ASDU.Cause == asdu.Deactivation:
		f.cancel(asdu.C_IC_NA_1, c.CommonAddress)
		return c.Confirm()
	case c.ASDU.Len() != 1 || qoi < asdu.QOIStation || qoi > asdu.QOIGroup16 || !f.room(c.CommonAddress):
		return c.Negative()
	}
	t := l.g.u.table.Load()
	j := &job{request: c.ASDU, cause: asdu.CauseOfTransmission(qoi)}
	switch qoi {
	case asdu.QOIStation:
		j.entries = t.sectors[c.CommonAddress].interrogated
	case digitalGroup:
		j.entries = t.ofKind(c.CommonAddress, fsm.DI, fsm.Bitstring)
	case analogGroup:
		j.entries = t.ofKind(c.CommonAddress, fsm.AI)
	}
	if err := c.Confirm(); err != nil {
		return err
	}
	f.start(j)
	return nil
}

// interrogateCounters answers C_CI (101, clause 7.4.8). A freeze alone sends no data.
func (l *link) interrogateCounters(f *feed, c *iec104.Call) error {
	rqt, frz := c.Object.Qualifier&0x3f, c.Object.Qualifier&^0x3f
	switch {
	case c.Object.Address != 0:
		return c.Reject(asdu.UnknownObjectAddress)
	case c.ASDU.Cause == asdu.Deactivation:
		f.cancel(asdu.C_CI_NA_1, c.CommonAddress)
		return c.Confirm()
	case c.ASDU.Len() != 1 || rqt < asdu.RQTGroup1 || rqt > asdu.RQTGeneral || !f.room(c.CommonAddress):
		return c.Negative()
	}
	j := &job{request: c.ASDU, cause: asdu.CounterGeneral, entries: l.g.u.table.Load().counterGroup(c.CommonAddress, rqt)}
	l.g.u.replica.View(func(s *fsm.State) { j.frozen = s.FrozenCounters(l.g.resource) })
	if rqt != asdu.RQTGeneral {
		j.cause += asdu.CauseOfTransmission(rqt)
	}
	if frz != asdu.FreezeRead {
		if c.ASDU.Test || l.g.freeze(c.CommonAddress, rqt, frz) != nil {
			return c.Negative()
		}
		j.entries = nil
	}
	if err := c.Confirm(); err != nil {
		return err
	}
	f.start(j)
	return nil
}

func (f *feed) room(sector asdu.CommonAddress) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, j := range f.jobs {
		if j.request.CommonAddress == sector {
			n++
		}
	}
	return n < maxJobs
}

func (f *feed) start(j *job) {
	f.mu.Lock()
	f.jobs = append(f.jobs, j)
	f.mu.Unlock()
	f.wake()
}

// cancel ends the interrogations of a kind in a sector.
func (f *feed) cancel(kind asdu.TypeID, sector asdu.CommonAddress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs = slices.DeleteFunc(f.jobs, func(j *job) bool { return j.request.Type == kind && j.request.CommonAddress == sector })
}

// nextInterrogated packs the next values of the oldest interrogation, or ends it.
func (f *feed) nextInterrogated(a *asdu.ASDU) bool {
	if len(f.jobs) == 0 {
		return false
	}
	j := f.jobs[0]
	if len(j.entries) == 0 {
		*a = j.request.Mirror(asdu.ActivationTermination, false)
		f.jobs = f.jobs[1:]
		return true
	}
	typeID := f.table.entries[j.entries[0]].typeID.Untimed()
	f.resetHeader(asdu.Header{Type: typeID, Cause: j.cause, Test: j.request.Test,
		Originator: j.request.Originator, CommonAddress: j.request.CommonAddress})
	f.view(func(s *fsm.State) {
		for len(j.entries) > 0 {
			e := &f.table.entries[j.entries[0]]
			if e.typeID.Untimed() != typeID {
				return
			}
			if err := f.builder.Add(f.interrogated(s, j, e)); err == asdu.ErrFull {
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
func (f *feed) interrogated(s *fsm.State, j *job, e *entry) asdu.Object {
	if e.role {
		return f.role()
	}
	if p, ok := j.frozen[e.key]; ok {
		return e.point(&p, &f.table.tags)
	}
	return e.value(s, &f.table.tags)
}
