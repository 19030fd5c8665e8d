package iec104

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// Station answers what a control centre asks of a controlled station, as the
// standard wants it: mirrors for what is unknown, interrogations, counters,
// clock, tests, and commands with select and execute. Its methods Handle and
// Started are made for Group. A function that is nil is a service that the
// station does not offer.
//
// The functions are called from Handle, so one at a time for a session, but
// for several sessions at once; Read also while an answer is being sent. A
// Station must not be copied or altered after its first use.
type Station struct {
	CommonAddresses []asdu.CommonAddress
	Location        *time.Location // of the time tags in commands; nil: UTC
	COI             uint8          // cause of initialization, for Started

	// Read returns an object's value now. Before an event is handed to the
	// Source, Read must already return it: then no interrogated value that is
	// sent after the event is older. A type with a time tag is sent as the one
	// without. ok is false if there is no such object.
	Read func(ca asdu.CommonAddress, ioa asdu.InformationObjectAddress) (t asdu.TypeID, o asdu.Object, ok bool)

	// Interrogation names the objects of a group, QOI 20 for all or 21 to 36, in
	// the order to be sent. It is drawn from and Read as the window opens. ok is
	// false if there is no such group. Objects of one type in a row share ASDUs.
	Interrogation func(ca asdu.CommonAddress, qoi uint8) (objects iter.Seq[asdu.InformationObjectAddress], ok bool)

	// Counters names the counters of a group, RQT 5 for all or 1 to 4.
	Counters func(ca asdu.CommonAddress, rqt uint8) (objects iter.Seq[asdu.InformationObjectAddress], ok bool)

	// Freeze acts on the counters of a group: frz is Freeze, FreezeWithReset or
	// CounterReset. An error refuses.
	Freeze func(ca asdu.CommonAddress, rqt, frz uint8) error

	// SetClock sets the clock to a valid time. An error refuses.
	SetClock func(ca asdu.CommonAddress, t asdu.CP56Time2a) error

	// Reset resets the station's process (QRP 1; all others are refused). It
	// comes before the confirmation. An error refuses.
	Reset func(ca asdu.CommonAddress) error

	// Has reports whether there is an object for this type of command; nil: for
	// any type that Command is called for.
	Has func(ca asdu.CommonAddress, t asdu.TypeID, ioa asdu.InformationObjectAddress) bool

	// Select may refuse a selection. nil: none is refused.
	Select func(c *Call) error

	// SelectRequired reports whether an object must be selected before it is
	// operated. nil: none must, but a selection that was made has to be kept.
	SelectRequired func(ca asdu.CommonAddress, t asdu.TypeID, ioa asdu.InformationObjectAddress) bool

	// SelectTimeout is how long a selection holds; 30 s.
	SelectTimeout time.Duration

	// CommandAge is how old a command's time tag may be, or how far ahead; 30 s.
	// Negative: any. A command that is refused for it is answered negatively,
	// or with SilentStale not at all.
	CommandAge  time.Duration
	SilentStale bool

	// Command operates: an execute command (types 45 to 51, 58 to 64) that
	// passed all checks, its selection included. It answers with the verbs of c:
	// Confirm or Negative, then perhaps Return, then Terminate; at once or later,
	// from any goroutine.
	Command func(c *Call)

	// Files are what the station lets be read: types 122, 124 and 127.
	Files FileSource

	// Other takes over whole types, checked for their common address only:
	// such as C_TS_NA_1, C_CD_NA_1 and the parameters 110 to 113, which are
	// unknown otherwise, or C_IC_NA_1 for a station that answers by itself.
	// With BroadcastAddress it is called for each common address.
	Other map[asdu.TypeID]func(c *Call)

	// Respond sends an answer. nil: Session.Send.
	Respond func(s *Session, a asdu.ASDU) error

	mu         sync.Mutex
	epoch      time.Time // of the first command
	selections selections
	announced  map[string]announcement // by group
}

// announcement is an end of initialization that was sent.
type announcement struct {
	session *Session
	frames  uint64 // it has reached the client when so many are acknowledged
}

// Started announces the end of initialization for each common address: once a
// group, and again if the link was lost before the client had it. It is made
// for Group.Started.
func (st *Station) Started(s *Session) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if last, ok := st.announced[s.Group()]; ok && last.session.acknowledged() >= last.frames {
		return
	}
	if st.announced == nil {
		st.announced = make(map[string]announcement)
	}
	st.announced[s.Group()] = announcement{s, s.counted() + uint64(len(st.CommonAddresses))}
	for _, ca := range st.CommonAddresses {
		a, err := s.cfg.Profile.New(asdu.Header{Type: asdu.M_EI_NA_1, Cause: asdu.Initialized, CommonAddress: ca}, asdu.Object{Qualifier: st.COI})
		if err == nil {
			err = st.respond(s, a)
		}
		if err != nil {
			s.log.Warn("end of initialization not sent", "common address", ca, "error", err)
		}
	}
}

// Handle answers an ASDU. It is made for Group.Handle. It waits while too many
// answers wait to be sent, which makes the client wait.
func (st *Station) Handle(s *Session, a asdu.ASDU, _ uint64) {
	c := Call{Session: s, ASDU: a.Clone(), station: st, turn: s.turnNow()}
	serve := st.service(a.Type)
	switch {
	case serve == nil:
		st.finish(c.Reject(asdu.UnknownType), &c)
	case a.CommonAddress == asdu.BroadcastAddress && toAll(a.Type):
		for _, ca := range st.CommonAddresses {
			c := c
			c.ASDU.CommonAddress = ca
			st.serve(serve, &c)
		}
	case !slices.Contains(st.CommonAddresses, a.CommonAddress):
		st.finish(c.Reject(asdu.UnknownCommonAddress), &c)
	default:
		st.serve(serve, &c)
	}
}

func (st *Station) serve(serve func(c *Call) error, c *Call) {
	c.CommonAddress = c.ASDU.CommonAddress
	if c.ASDU.Len() > 0 {
		c.Object = c.ASDU.Object(0)
	}
	// An error means that the link is not started any more, which serve finds
	// out as well.
	_ = c.Session.await(context.Background(), func() bool {
		return len(c.Session.outbox.asdus) < maxOutgoing/2 || c.Session.link.state != Started
	})
	st.finish(serve(c), c)
}

// finish notes an answer that could not be given.
func (st *Station) finish(err error, c *Call) {
	if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrNotStarted) {
		c.Session.log.Warn("no answer", "type", c.ASDU.Type, "common address", c.ASDU.CommonAddress, "error", err)
	}
}

// toAll reports whether a type may be sent to all stations at once.
func toAll(t asdu.TypeID) bool {
	return t == asdu.C_IC_NA_1 || t == asdu.C_CI_NA_1 || t == asdu.C_CS_NA_1 || t == asdu.C_RP_NA_1
}

// service is what answers a type, nil if nothing does.
func (st *Station) service(t asdu.TypeID) func(c *Call) error {
	if other := st.Other[t]; other != nil {
		return func(c *Call) error { other(c); return nil }
	}
	switch {
	case t == asdu.C_IC_NA_1 && st.Interrogation != nil && st.Read != nil:
		return st.interrogate
	case t == asdu.C_CI_NA_1 && st.Counters != nil && st.Read != nil:
		return st.countersAsked
	case t == asdu.C_RD_NA_1 && st.Read != nil:
		return st.read
	case t == asdu.C_CS_NA_1:
		return st.setClock
	case t == asdu.C_TS_TA_1:
		return st.test
	case t == asdu.C_RP_NA_1:
		return st.reset
	case st.Files != nil && (t == asdu.F_SC_NA_1 || t == asdu.F_AF_NA_1 || t == asdu.F_SC_NB_1):
		return st.file
	case t.IsCommand() && t.Known() && st.Command != nil:
		return st.command
	}
	return nil
}

// respond sends an answer.
func (st *Station) respond(s *Session, a asdu.ASDU) error {
	if st.Respond != nil {
		return st.Respond(s, a)
	}
	return s.Send(a)
}

// setClock answers C_CS (101, clause 7.4.6). The confirmation goes behind the
// events that wait, whose time tags are of the clock before.
func (st *Station) setClock(c *Call) error {
	if ok, err := c.allowed(asdu.Activation); !ok {
		return err
	}
	t := c.Object.Time
	if !c.single() || c.ASDU.Test || st.SetClock == nil || t.Check() != nil || t.Invalid() || st.SetClock(c.CommonAddress, t) != nil {
		return c.Negative()
	}
	if st.Respond != nil {
		return c.Confirm()
	}
	return c.Session.Stream(once(c.ASDU.Mirror(asdu.ActivationCon, false)))
}

// once is a series of one.
func once(a asdu.ASDU) iter.Seq[asdu.ASDU] { return func(yield func(asdu.ASDU) bool) { yield(a) } }

// test answers C_TS_TA_1 with the same counter.
func (st *Station) test(c *Call) error {
	if ok, err := c.allowed(asdu.Activation); !ok {
		return err
	}
	if !c.single() {
		return c.Negative()
	}
	return c.Confirm()
}

// reset answers C_RP (101, clause 7.4.7).
func (st *Station) reset(c *Call) error {
	if ok, err := c.allowed(asdu.Activation); !ok {
		return err
	}
	if !c.single() || c.ASDU.Test || c.Object.Qualifier != asdu.QRPProcess || st.Reset == nil || st.Reset(c.CommonAddress) != nil {
		return c.Negative()
	}
	return c.Confirm()
}
