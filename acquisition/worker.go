package acquisition

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/acquisition/internal/filefetch"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/carrier"
	"github.com/fepha/fepha/replica"
)

// worker looks after the links of one RTU, or of several that share them: its sectors. Its loop owns the sequencer and
// everything that says what is under way; all that takes time runs beside it and posts what became of it.
type worker struct {
	*sector           // the first one, whose number the links and their resource bear
	sectors []*sector // all of them

	env   *Config
	log   *slog.Logger
	start time.Time // readings of the worker's clock count from here

	ctx    context.Context
	wg     sync.WaitGroup // everything but the loop
	events chan any
	marked chan uint64 // index of the first command that this worker got committed

	// Of the loop.
	seq       *sequencer
	sessions  map[linkKey]*session
	cancels   map[linkKey]context.CancelFunc
	collector *collector    // nil: no tenure
	ended     chan struct{} // closed when the collector's tenure is given back
	reports   reports

	// What the replicated state says, as the manager saw it last; kick tells that it's new.
	seen atomic.Pointer[seen]
	kick chan struct{} // 1 long
}

// newWorker makes the worker of the i-th of n links, behind which these RTUs are.
func newWorker(env *Config, rtus []RTU, i, n int) *worker {
	w := &worker{
		env:      env,
		log:      env.Log.With("rtu", rtus[0].Number),
		start:    time.Now(),
		events:   make(chan any),
		marked:   make(chan uint64, 1),
		sessions: map[linkKey]*session{},
		cancels:  map[linkKey]context.CancelFunc{},
		kick:     make(chan struct{}, 1),
	}
	for place, rtu := range rtus {
		w.sectors = append(w.sectors, newSector(env, rtu, place, i, n, w.rouse))
	}
	w.sector = w.sectors[0]
	begin := staggered(min(w.rtu.Retry, time.Second), i, n).phase
	w.seq = newSequencer(w.rtu.Channels, w.rtu.Retry, w.rtu.StandbyProbe, begin)
	return w
}

// rouse makes the loop look again.
func (w *worker) rouse() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// now is the worker's clock.
func (w *worker) now() time.Duration { return time.Since(w.start) }

// post hands an event to the loop.
func (w *worker) post(e any) { w.events <- e }

// tenureEvent brings a tenure. ended is to be closed once it was given back.
type tenureEvent struct {
	tenure replica.Tenure
	ended  chan struct{}
}

// run works until ctx ends.
func (w *worker) run(ctx context.Context) error {
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	closed := make(chan error, 1)
	w.wg.Go(func() { closed <- w.tenures() })
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer func() {
		for _, s := range w.sectors {
			if s.files != nil {
				s.files.Close()
			}
		}
	}()
	for {
		w.report()
		w.takeControls()
		w.perform()
		w.arm(timer)
		select {
		case e := <-w.events:
			w.on(e)
		case <-w.collector.over():
			w.endCollecting()
		case <-w.collector.failed():
			w.faults.note(rejected, 1, "%v", w.collector.err)
			w.endCollecting()
		case at := <-w.collector.first():
			w.activated(at)
		case <-w.reports.done():
			w.reported()
		case <-w.kick:
		case <-timer.C:
			w.seq.tick(w.now())
			for _, s := range w.sectors {
				s.faults.tick(time.Now())
				s.findings.Tick(time.Now())
			}
		case err := <-closed:
			cancel()
			w.drain()
			return err
		}
	}
}

// drain ends everything that the worker has begun, and returns when nothing of it is left.
func (w *worker) drain() {
	if w.collector != nil {
		w.endCollecting()
	}
	gone := make(chan struct{})
	go func() {
		w.wg.Wait()
		close(gone)
	}()
	for {
		select {
		case e := <-w.events:
			if t, ok := e.(tenureEvent); ok {
				t.tenure.Close()
			}
		case <-gone:
			return
		}
	}
}

// perform does what the sequencer asks for, before anything else happens: an action is for the state of things that it
// was decided on.
func (w *worker) perform() {
	for _, a := range w.seq.takeActions() {
		switch a.verb {
		case dialLink:
			w.connect(a.linkKey)
		case checkLink:
			w.check(a.linkKey)
		case closeLink:
			w.cancels[a.linkKey]()
		case startLink:
			w.collector.start(w.sessions[a.linkKey])
		}
	}
}

// on takes note of what became of something.
func (w *worker) on(e any) {
	now := w.now()
	switch e := e.(type) {
	case tenureEvent:
		w.collector, w.ended = w.newCollector(e.tenure), e.ended
		w.seq.own(now, true)
	case connectedEvent:
		w.counts.connected.Add(1)
		w.sessions[e.session.key] = e.session
		w.seq.connected(now, e.session.key)
	case startedEvent:
		if w.collector == nil || e.session.collector.Load() != w.collector {
			return
		}
		w.counts.started.Add(1)
		if n := e.session.client.Counters().Early; n > 0 {
			w.faults.note(earlyData, n, "%v: data before STARTDT con, taken over", e.session)
		}
		if w.collector.confirmed(e.session) {
			w.log.Info("collecting", "link", e.session, "epoch", w.collector.tenure.Epoch(), "after", (now - w.collector.beganAt).Round(time.Microsecond))
		}
		w.seq.started(now, e.session.key)
		w.tellUnconfirmed()
	case waitingEvent:
		if w.collector == nil || e.session.collector.Load() != w.collector {
			return
		}
		w.faults.note(unconfirmed, 1, "%v, waiting", e.session)
		w.seq.waiting(now, e.session.key)
		w.tellUnconfirmed()
	case interrogatedEvent:
		e.part.ready = true
	case lostEvent:
		w.lost(e)
	case doubtEvent:
		if w.sessions[e.session.key] == e.session {
			e.session.silent = e.silent
			w.seq.doubt(e.session.key, e.doubted)
			if e.doubted && !e.silent {
				w.examine(now)
			}
		}
	case checkedEvent:
		if e.err != nil {
			w.faults.note(linkFailed, 1, "%s: %v", w.describe(e.key), e.err)
		}
		w.seq.checked(now, e.key, e.err == nil)
	}
}

// lost takes note that a link has no connection.
func (w *worker) lost(e lostEvent) {
	if errors.Is(e.err, carrier.ErrLost) {
		w.seq.doubt(e.key, true)
		w.examine(w.now()) // first, so that no other link over the same cable is taken for reachable
	}
	if w.collector != nil && w.collector.tenure.Check() != nil {
		w.endCollecting() // so it was closed, and has not failed
	}
	switch conn := w.seq.link(e.key).conn; {
	case conn == closing, w.ctx.Err() != nil:
	case conn == dialing:
		w.faults.note(linkFailed, 1, "%s: %v", w.describe(e.key), e.err)
	default:
		w.faults.note(linkLost, 1, "%s: %v", w.describe(e.key), e.err)
		if t := iec104.Tolerated(e.err); t != 0 && w.collector != nil {
			w.findings.Saw(condition.Protocol, 1, condition.BrokenRule(t.String()))
		}
		if s, p := w.sessions[e.key], w.rtu.Protocol; errors.Is(e.err, iec104.ErrNotAcknowledged) && s.client.Silent() < p.T1-p.T2 {
			w.findings.Saw(condition.DeviceTimer, 1, p.T1.Seconds(), s, condition.LargeT2) // it was there longer than a good t2 after the frame
		}
	}
	delete(w.sessions, e.key)
	delete(w.cancels, e.key)
	if w.collector != nil {
		w.collector.lost(e.key)
	}
	w.seq.lost(w.now(), e.key)
	w.tellUnconfirmed()
}

// tellUnconfirmed tells which links are waited for.
func (w *worker) tellUnconfirmed() {
	if w.collector == nil {
		return
	}
	var links []string
	for c, states := range w.seq.links {
		for i := range states {
			if states[i].unconfirmed {
				links = append(links, fmt.Sprintf("%d:%d", c+1, i+1))
			}
		}
	}
	w.findings.State(condition.StartUnconfirmed, len(links) > 0, strings.Join(links, ", "))
}

// endCollecting closes what the tenure's end forbids, and gives the tenure back when it is closed.
func (w *worker) endCollecting() {
	for _, s := range w.sectors {
		s.answers.forget()
	}
	w.log.Info("tenure over", "epoch", w.collector.tenure.Epoch(), "reason", w.collector.tenure.Check())
	w.collector.end(w.ended)
	w.collector, w.ended = nil, nil
	w.seq.own(w.now(), false)
	w.perform()
}

func (w *worker) describe(k linkKey) string {
	return (&session{key: k, address: w.address(k)}).String()
}

// arm sets the timer for what comes next.
func (w *worker) arm(timer *time.Timer) {
	now := w.now()
	wait := time.Hour
	sooner := func(at time.Duration) { wait = min(wait, max(0, at-now)) }
	if at, ok := w.seq.deadline(now); ok {
		sooner(at)
	}
	for _, s := range w.sectors {
		if at := s.faults.deadline(); !at.IsZero() {
			sooner(at.Sub(w.start))
		}
		if at := s.findings.Deadline(); !at.IsZero() {
			sooner(at.Sub(w.start))
		}
	}
	if at, ok := w.reports.deadline(); ok {
		sooner(at)
	}
	timer.Reset(wait)
}

// sector is an RTU behind a worker's links: a common address with its table. Mostly there is one. A concentrator has
// several behind one connection (101, clause 7.2.4: the common address tells them apart).
type sector struct {
	place    int            // in worker.sectors
	rtu      RTU            // without Points: see table
	location *time.Location // of the device's clock
	table    *table
	cycles   struct{ interrogation, counters, clock cycle }

	faults   *deviceFaults
	findings *findings.Findings
	counts   counts
	answers  answers
	files    *filefetch.Fetcher // nil: its files aren't fetched

	onlineTold time.Duration // when Online was proposed last, if ever; of the worker's loop
}

// newSector makes a sector of the i-th of n workers.
func newSector(env *Config, rtu RTU, place, i, n int, rouse func()) *sector {
	s := &sector{place: place, rtu: rtu.withDefaults(), location: cmp.Or(rtu.Location, env.Location), table: newTable(rtu.Points), faults: &deviceFaults{log: env.Log.With("rtu", rtu.Number)}}
	if rtu.Files && env.Files != nil {
		s.files = filefetch.New(filefetch.Config{
			Store: env.Files, RTU: rtu.Number, CommonAddress: rtu.CommonAddress, Profile: profile(rtu.Protocol), Device: s.location, Station: env.Location,
			Node: env.Replica.ID(), Log: env.Log,
			Fault: func(format string, args ...any) { s.faults.note(badFile, 1, format, args...) },
		})
	}
	s.findings = findings.New(env.Conditions, fsm.RTUResource(rtu.Number), rouse)
	s.cycles.interrogation = staggered(rtu.Interrogation, i, n)
	s.cycles.counters = staggered(rtu.CounterInterrogation, i, n)
	s.cycles.clock = staggered(rtu.ClockSync, i, n)
	return s
}

// sectorOf is the sector with a common address. What nobody's is goes to the first, which keeps it as a stray.
func (w *worker) sectorOf(a asdu.CommonAddress) (place int, known bool) {
	for i, s := range w.sectors {
		if s.rtu.CommonAddress == a {
			return i, true
		}
	}
	return 0, false
}

// profile is that of a link.
func profile(c iec104.Config) asdu.Profile {
	if c.Profile == (asdu.Profile{}) {
		return iec104.DefaultConfig().Profile
	}
	return c.Profile
}

// sectorOfOctets is the sector of an ASDU that can't be parsed, as far as it can be told.
func (w *worker) sectorOfOctets(octets []byte) int {
	p := profile(w.rtu.Protocol)
	at := 2 + p.CauseSize
	if len(octets) < at+p.CommonAddressSize {
		return 0
	}
	address := uint16(octets[at])
	if p.CommonAddressSize == 2 {
		address = binary.LittleEndian.Uint16(octets[at:])
	}
	place, _ := w.sectorOf(asdu.CommonAddress(address))
	return place
}

// addresses are the common addresses behind the links, for people.
func (w *worker) addresses() string {
	var all []string
	for _, s := range w.sectors {
		all = append(all, fmt.Sprint(s.rtu.CommonAddress))
	}
	return strings.Join(all, ", ")
}
