package iec104

import (
	"iter"
	"sync/atomic"

	"github.com/fepha/fepha/iec104/asdu"
)

// interrogate answers C_IC (101, clause 7.4.5): confirmation, the values as the
// window opens, termination.
func (st *Station) interrogate(c *Call) error {
	if ok, err := c.allowed(asdu.Activation, asdu.Deactivation); !ok {
		return err
	}
	key := answerKey{asdu.C_IC_NA_1, c.CommonAddress}
	if c.ASDU.Cause == asdu.Deactivation {
		c.Session.stopAnswers(key)
		return c.Confirm()
	}
	qoi := c.Object.Qualifier
	if !c.single() || qoi < asdu.QOIStation || qoi > asdu.QOIGroup16 {
		return c.Negative()
	}
	objects, ok := st.Interrogation(c.CommonAddress, qoi)
	if !ok {
		return c.Negative()
	}
	if err := c.Confirm(); err != nil {
		return err
	}
	return c.Session.Stream(st.answers(c, key, asdu.CauseOfTransmission(qoi), objects))
}

// countersAsked answers C_CI (101, clause 7.4.8): a freeze is confirmed and
// terminated without data.
func (st *Station) countersAsked(c *Call) error {
	if ok, err := c.allowed(asdu.Activation, asdu.Deactivation); !ok {
		return err
	}
	key := answerKey{asdu.C_CI_NA_1, c.CommonAddress}
	if c.ASDU.Cause == asdu.Deactivation {
		c.Session.stopAnswers(key)
		return c.Confirm()
	}
	rqt, frz := c.Object.Qualifier&0x3f, c.Object.Qualifier&^0x3f
	if !c.single() || rqt < asdu.RQTGroup1 || rqt > asdu.RQTGeneral {
		return c.Negative()
	}
	if frz != asdu.FreezeRead {
		if st.Freeze == nil || c.ASDU.Test || st.Freeze(c.CommonAddress, rqt, frz) != nil {
			return c.Negative()
		}
		if err := c.Confirm(); err != nil {
			return err
		}
		return c.Terminate()
	}
	objects, ok := st.Counters(c.CommonAddress, rqt)
	if !ok {
		return c.Negative()
	}
	if err := c.Confirm(); err != nil {
		return err
	}
	cause := asdu.CounterGeneral
	if rqt != asdu.RQTGeneral {
		cause = asdu.CounterGroup1 + asdu.CauseOfTransmission(rqt-asdu.RQTGroup1)
	}
	return c.Session.Stream(st.answers(c, key, cause, objects))
}

// read answers C_RD (101, clause 7.4.3): the value, without a confirmation.
func (st *Station) read(c *Call) error {
	if ok, err := c.allowed(asdu.Request); !ok {
		return err
	}
	t, o, ok := st.Read(c.CommonAddress, c.Object.Address)
	if !ok || !c.single() {
		return c.Reject(asdu.UnknownObjectAddress)
	}
	o.Address = c.Object.Address
	a, err := c.Session.cfg.Profile.New(st.answerHeader(c, t, asdu.Request), o)
	if err != nil {
		return err
	}
	return st.respond(c.Session, a)
}

// answerKey tells answers that are under way apart.
type answerKey struct {
	t  asdu.TypeID
	ca asdu.CommonAddress
}

// stopAnswers ends the answers of this kind that are under way. Like startAnswer
// it is only called from Handle, so by the dispatcher.
func (s *Session) stopAnswers(key answerKey) {
	if stopped := s.answering[key]; stopped != nil {
		stopped.Store(true)
		delete(s.answering, key)
	}
}

// startAnswer returns what stopAnswers will set.
func (s *Session) startAnswer(key answerKey) *atomic.Bool {
	if s.answering == nil {
		s.answering = make(map[answerKey]*atomic.Bool)
	}
	if s.answering[key] == nil {
		s.answering[key] = new(atomic.Bool)
	}
	return s.answering[key]
}

func (st *Station) answerHeader(c *Call, t asdu.TypeID, cause asdu.CauseOfTransmission) asdu.Header {
	return asdu.Header{Type: t.Untimed(), Cause: cause, Test: c.ASDU.Test, Originator: c.ASDU.Originator, CommonAddress: c.CommonAddress}
}

// answers is the series of ASDUs that answers an interrogation, ended by the
// termination.
//
// An object is read right before the ASDU that bears it is sent: were one that
// did not fit carried over to the next ASDU, an event might go between them,
// and be followed by an older value.
func (st *Station) answers(c *Call, key answerKey, cause asdu.CauseOfTransmission, objects iter.Seq[asdu.InformationObjectAddress]) iter.Seq[asdu.ASDU] {
	stopped := c.Session.startAnswer(key)
	return func(yield func(asdu.ASDU) bool) {
		var b asdu.Builder
		for ioa := range objects {
			for {
				if stopped.Load() {
					return
				}
				t, o, ok := st.Read(c.CommonAddress, ioa)
				if !ok {
					break
				}
				o.Address = ioa
				h := st.answerHeader(c, t, cause)
				if b.Len() == 0 {
					if err := b.Reset(c.Session.cfg.Profile, h); err != nil {
						c.Session.log.Warn("object left out of the answer", "object", ioa, "error", err)
						break
					}
				}
				if b.ASDU().Type == h.Type {
					err := b.Add(o)
					if err == nil {
						break
					}
					if err != asdu.ErrFull {
						c.Session.log.Warn("object left out of the answer", "object", ioa, "error", err)
						break
					}
				}
				if !yield(b.ASDU()) {
					return
				}
				_ = b.Reset(c.Session.cfg.Profile, h) // and read the object anew
			}
		}
		if b.Len() > 0 && !stopped.Load() && !yield(b.ASDU()) {
			return
		}
		if !stopped.Load() {
			yield(c.ASDU.Mirror(asdu.ActivationTermination, false))
		}
	}
}
