package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// Why a service of the station is refused.
var (
	errResetCounters = errors.New("the counters are the devices' own: they can be frozen, not reset")
	errResetProcess  = errors.New("a control centre does not reset the FEP")
)

// newStation answers clients. What concerns the order of the feed, the role of the link or the replicated state is done
// here; the rest (what is unknown, clock, test, end of initialization) is iec104's.
func newStation(u *uplink) *iec104.Station {
	st := &iec104.Station{
		CommonAddresses: u.cfg.stations(),
		Location:        u.location,
		SetClock:        u.setClock,
		Reset:           func(asdu.CommonAddress) error { return errResetProcess },
		Respond:         u.respond,
		Other: map[asdu.TypeID]func(*iec104.Call){
			asdu.C_IC_NA_1: u.serve((*link).interrogate, asdu.Activation, asdu.Deactivation),
			asdu.C_CI_NA_1: u.serve((*link).interrogateCounters, asdu.Activation, asdu.Deactivation),
			asdu.C_RD_NA_1: u.serve((*link).read, asdu.Request),
			asdu.C_CD_NA_1: u.serve((*link).delay, asdu.Activation),
		},
	}
	if u.files.copies != nil && len(u.cfg.Files) > 0 {
		st.Files = &u.files
	}
	if u.cfg.Controls {
		for _, kind := range []fsm.Kind{fsm.DO, fsm.AO} {
			for _, t := range kindTypes[kind] {
				serve := u.serve((*link).command, asdu.Activation, asdu.Deactivation)
				if t.IsParameter() {
					serve = u.parameter(t)
				}
				st.Other[t], st.Other[t.WithCP56()] = serve, serve
			}
		}
	}
	return st
}

// fileSource lets control centres read the copies of devices' files that this node has (101, clause 7.4.11).
type fileSource struct {
	copies   *filestore.Store // nil: none are kept
	rtus     map[asdu.CommonAddress]uint32
	from, to *time.Location // the station's zone, and the uplink's
	log      *slog.Logger
}

// Directory lists the copies of the RTU that a common address stands for, whether or not its device still has the file.
func (s *fileSource) Directory(ca asdu.CommonAddress) (entries []asdu.DirectoryEntry, ok bool) {
	rtu, ok := s.rtus[ca]
	if !ok {
		return nil, false
	}
	for _, i := range s.copies.List(rtu) {
		entries = append(entries, asdu.DirectoryEntry{Address: i.Address, Name: i.Name, Length: i.Length, Time: s.made(i)})
	}
	return entries, true
}

// Open opens a copy. A damaged one is none: it's fetched again.
func (s *fileSource) Open(ca asdu.CommonAddress, k filetransfer.Key) (filetransfer.File, bool) {
	f, i, err := s.copies.Open(filestore.ID{RTU: s.rtus[ca], Key: k})
	if err != nil {
		return filetransfer.File{}, false
	}
	s.log.Info("a device's file is read by a control centre", "file", i.ID, "octets", i.Length)
	return filetransfer.File{Content: f, Length: i.Length, Sections: i.Sections, Time: s.made(i), Close: func() { f.Close() }}, true
}

// made is when a file was made, in the uplink's zone.
func (s *fileSource) made(i filestore.Info) asdu.CP56Time2a {
	return asdu.UnpackCP56Time2a(i.Time).In(s.from, s.to)
}

// serve calls do for what a started link asks with one of the causes, and rejects it otherwise.
func (u *uplink) serve(do func(l *link, f *feed, c *iec104.Call) error, causes ...asdu.CauseOfTransmission) func(*iec104.Call) {
	return func(c *iec104.Call) {
		l := u.groups[c.Session.Group()].link(c.Session)
		if l == nil {
			return
		}
		f := l.currentFeed()
		if f == nil { // it stopped meanwhile
			return
		}
		if !slices.Contains(causes, c.ASDU.Cause) {
			l.answered(c.Reject(asdu.UnknownCause))
			return
		}
		l.answered(do(l, f, c))
	}
}

// parameter relays a parameter. A type that no row has is unknown.
func (u *uplink) parameter(t asdu.TypeID) func(*iec104.Call) {
	causes := []asdu.CauseOfTransmission{asdu.Activation}
	if t == asdu.P_AC_NA_1 { // what is loaded can't be taken back
		causes = append(causes, asdu.Deactivation)
	}
	known := u.serve((*link).command, causes...)
	return func(c *iec104.Call) {
		if u.table.Load().parameters[t] {
			known(c)
		} else if l := u.groups[c.Session.Group()].link(c.Session); l != nil {
			l.answered(c.Reject(asdu.UnknownType))
		}
	}
}

// answered closes the link if an answer had no room: none is dropped on a link that lives.
func (l *link) answered(err error) {
	if errors.Is(err, iec104.ErrNoRoom) {
		l.session.Abort(err)
	}
}

// read answers C_RD with a monitored object as it is in the image.
func (l *link) read(f *feed, c *iec104.Call) error {
	table := l.g.u.table.Load()
	e, ok := table.find(object{c.CommonAddress, c.Object.Address}, false)
	if !ok || c.ASDU.Len() != 1 || e.onlyEvents() {
		return c.Reject(asdu.UnknownObjectAddress)
	}
	var o asdu.Object
	if e.role {
		o = l.currentRole()
	} else {
		l.g.u.replica.View(func(s *fsm.State) { o = e.value(s, &table.tags) })
	}
	h := asdu.Header{Type: e.typeID.Untimed(), Cause: asdu.Request, Test: c.ASDU.Test,
		Originator: c.ASDU.Originator, CommonAddress: c.CommonAddress}
	a, err := f.config.Profile.New(h, o)
	if err != nil {
		return err
	}
	return l.session.Send(a)
}

// delay confirms a delay acquisition with the time that it came with: what passes here before it's sent back is less than
// the millisecond in which it's counted (101, clause 7.4.8). 104 itself has no use for it, but some control centres ask.
func (l *link) delay(_ *feed, c *iec104.Call) error { return c.Confirm() }

// setClock hands the time of a clock synchronization on where that's configured. It's confirmed whatever comes of it, since
// the control centre has done its part; only a time that is none is refused.
func (u *uplink) setClock(_ asdu.CommonAddress, t asdu.CP56Time2a) error {
	at, err := t.Time(u.location)
	if err != nil || u.cfg.SetClock == nil {
		return err
	}
	if err := u.cfg.SetClock(at); err != nil {
		u.log.Error("the control centre's time was not taken over", "time", at, "error", err)
		return nil
	}
	u.log.Info("the control centre's time was taken over", "time", at)
	return nil
}

// respond sends an answer of the station's. The confirmation of a clock synchronization goes after the events whose tags
// are of the old time (101, clause 7.4.6).
func (u *uplink) respond(s *iec104.Session, a asdu.ASDU) error {
	if a.Type == asdu.C_CS_NA_1 && !a.Negative {
		if l := u.groups[s.Group()].link(s); l != nil {
			if f := l.currentFeed(); f != nil {
				return f.answer(a, f.lastEvent(), math.MaxUint64)
			}
		}
	}
	return s.Send(a)
}

// freezeWithin is how long a freeze may take to be committed.
const freezeWithin = 5 * time.Second

// freeze has the state keep the counters' values for the interrogations that follow, on whichever FEP. The client's other requests
// wait for it, since the next one may be to read them.
func (g *group) freeze(sector asdu.CommonAddress, rqt, frz uint8) error {
	if frz != asdu.Freeze {
		return errResetCounters
	}
	op := &fsmpb.CounterFreeze{Resource: g.resource}
	t := g.u.table.Load()
	for _, i := range t.counterGroup(sector, rqt) {
		k := t.entries[i].key
		op.Points = append(op.Points, &fsmpb.CounterFreeze_Point{Rtu: k.RTU, Point: k.Point})
	}
	ctx, cancel := context.WithTimeout(g.u.ctx, freezeWithin)
	defer cancel()
	r, err := g.u.replica.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_CounterFreeze{CounterFreeze: op}})
	switch {
	case err != nil:
		return err
	case r.Code != fsmpb.Result_OK:
		return fmt.Errorf("counters not frozen: %s", r.Message)
	}
	return g.u.replica.WaitApplied(ctx, r.Index)
}
