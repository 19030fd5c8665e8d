package forwarder

import (
	"errors"
	"iter"
	"math"
	"sync"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// Why a service of the station is refused.
var (
	errResetCounters = errors.New("the counters are the devices' own: they can be frozen, not reset")
	errResetProcess  = errors.New("a control centre does not reset the FEP")
)

type values = iter.Seq2[iec104.TypeID, iec104.Object]

// newStation answers what is no matter of the feed (interrogations) nor of the state (commands): what is unknown, read,
// clock, tests, freezes.
func newStation(u *uplink) *iec104.Station {
	st := &iec104.Station{
		CommonAddresses: []iec104.CommonAddress{u.cfg.CommonAddress},
		Location:        u.location,
		// Only malformed interrogations come here: none is of a group that exists.
		Interrogation: func(iec104.CommonAddress, uint8) (values, bool) { return nil, false },
		Counters:      func(iec104.CommonAddress, uint8) (values, bool) { return nil, false },
		Freeze:        u.freeze,
		Read:          u.read,
		Clock:         u.clock,
		Reset:         func(iec104.CommonAddress, uint8) error { return errResetProcess },
		Respond:       u.respond,
	}
	if u.cfg.Controls { // only commands to objects that don't exist come here
		st.Has = func(iec104.CommonAddress, iec104.TypeID, iec104.InformationObjectAddress) bool { return false }
		st.Command = func(c *iec104.Call) { _ = c.Reject(iec104.UnknownObjectAddress) }
	}
	return st
}

// handle takes each ASDU of a client.
func (g *group) handle(s *iec104.Session, a iec104.ASDU, index uint64) {
	l := g.link(s)
	if l == nil || l.currentFeed() == nil {
		return
	}
	if l.interrogate(a) || l.command(a) || l.readRole(a) {
		return
	}
	g.u.station.Handle(s, a, index)
}

// readRole answers C_RD for the role point, which differs from link to link.
func (l *link) readRole(a iec104.ASDU) bool {
	e := l.g.u.table.role()
	if e == nil || a.Type != iec104.C_RD_NA_1 || a.Len() != 1 || a.Object(0).Address != e.address ||
		a.Cause != iec104.Request || a.CommonAddress != l.g.u.cfg.CommonAddress {
		return false
	}
	l.sendObject(e.typeID, iec104.Request, a.Originator, l.currentRole())
	return true
}

// read returns a monitored object as it is in the image.
func (u *uplink) read(_ iec104.CommonAddress, ioa iec104.InformationObjectAddress) (t iec104.TypeID, o iec104.Object, ok bool) {
	e, ok := u.table.find(ioa)
	if !ok || e.role || e.key.Kind == fsm.DO || e.key.Kind == fsm.AO {
		return 0, iec104.Object{}, false
	}
	u.node.View(func(s *fsm.State) { o = e.value(s) })
	return e.typeID, o, true
}

// clock confirms a clock synchronization, and hands the time on where that's configured.
func (u *uplink) clock(_ iec104.CommonAddress, t iec104.CP56Time2a) error {
	at, err := t.Time(u.location)
	if err != nil || u.cfg.SetClock == nil {
		return err
	}
	return u.cfg.SetClock(at)
}

// respond sends an answer of the station's. The confirmation of a clock synchronization goes after the events whose tags
// are of the old time (101, clause 6.7).
func (u *uplink) respond(s *iec104.Session, a iec104.ASDU) error {
	if a.Type == iec104.C_CS_NA_1 && a.Cause == iec104.ActivationCon && !a.Negative {
		if g := u.groups[s.Group()]; g != nil {
			if l := g.link(s); l != nil {
				l.sendAfterEvents(a, math.MaxUint64)
				return nil
			}
		}
	}
	return s.Send(a)
}

// frozen are the counters as they were at the last freeze, for all clients of the uplink on this node.
type frozen struct {
	mu       sync.Mutex
	counters map[int32]iec104.Object // by entry; nil: never frozen
}

// freeze keeps the counters' values for the interrogations that follow. Another node has no such copy: there an
// interrogation answers the newest values until the next freeze.
func (u *uplink) freeze(_ iec104.CommonAddress, rqt, frz uint8) error {
	if frz != iec104.Freeze>>6 {
		return errResetCounters
	}
	counters := map[int32]iec104.Object{}
	if rqt == iec104.RQTGeneral || rqt == iec104.RQTGroup1 {
		u.node.View(func(s *fsm.State) {
			for _, i := range u.table.counters {
				counters[i] = u.table.entries[i].value(s)
			}
		})
	}
	u.frozen.mu.Lock()
	defer u.frozen.mu.Unlock()
	u.frozen.counters = counters
	return nil
}

// get returns the frozen counters. The map is not changed any more.
func (f *frozen) get() map[int32]iec104.Object {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counters
}
