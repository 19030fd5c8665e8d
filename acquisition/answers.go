package acquisition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// interrogated takes note of how a device has answered an interrogation. answers is how many ASDUs came in answer.
func (p *part) interrogated(s *session, what findings.Asked, answers uint64, err error) {
	switch {
	case err == nil:
		p.counts.interrogations.Add(1)
		p.findings.Interrogation(what, nil, "")
		if what == findings.ForValues {
			p.findings.Answered()
		} else {
			p.stuckCounters()
		}
		p.missing(what)
		p.pipeline.vouched(what)
	case s.client.Err() != nil || p.col.ctx.Err() != nil: // it is the link's end, or the tenure's
	default:
		p.faults.note(badInterrogation, 1, "%v: %s: %v", s, what, answer(err))
		p.findings.Interrogation(what, unansweredKind(err, answers), refusalWords(err))
		if !p.distinctDevices() {
			p.notTopical(p.pipeline.unheard(what))
		}
	}
}

func unansweredKind(err error, answers uint64) *condition.Kind {
	switch {
	case isRefusal(err):
		return condition.InterrogationRefused
	case answers > 0:
		return condition.InterrogationIncomplete
	}
	return condition.InterrogationUnanswered
}

func isRefusal(err error) bool {
	_, refused := errors.AsType[*iec104.NegativeError](err)
	return refused
}

// refusalWords is why a device refuses, as it says.
func refusalWords(err error) string {
	if n, ok := errors.AsType[*iec104.NegativeError](err); ok {
		return n.ASDU.Cause.String()
	}
	return answer(err).Error()
}

// missing finds the points that the device has not answered: it was asked for all, and says that it has ended.
func (p *part) missing(what findings.Asked) {
	if p.distinctDevices() {
		return // each of them answers for its own points, and may be away
	}
	unanswered := p.pipeline.unanswered(what)
	var never, noLonger []fsm.PointKey
	p.col.w.env.Replica.View(func(s *fsm.State) {
		for _, i := range unanswered {
			of := &p.table.monitored[i]
			k := fsm.PointKey{RTU: p.rtu.Number, Kind: fsm.Kind(of.Kind), Point: of.Number}
			if _, known := s.Point(k); known {
				noLonger = append(noLonger, k)
			} else {
				never = append(never, k)
			}
		}
	})
	p.answers.set(what, never, noLonger)
	p.notTopical(unanswered)
	all := p.answers.all()
	p.findings.State(condition.NeverAnswered, len(all.Never) > 0, len(all.Never), pointRanges(all.Never))
	p.findings.State(condition.NoLongerAnswered, len(all.NoLonger) > 0, len(all.NoLonger), pointRanges(all.NoLonger))
}

// distinctDevices tells whether the links of some channel lead to devices of their own.
func (s *sector) distinctDevices() bool {
	for _, c := range s.rtu.Channels {
		if c.Mode == AllActive && len(c.Links) > 1 {
			return true
		}
	}
	return false
}

// unanswered returns the places of the points that did not come since the last interrogation of their sort began. Of
// counters it asks for any since this node has collected; what only protection equipment's events bring is never asked for.
func (p *pipeline) unanswered(what findings.Asked) (places []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.intake
	for i := range in.known {
		point := &in.table.monitored[i]
		counter := point.Kind == fsmpb.Kind_COUNTER
		switch {
		case counter != (what == findings.ForCounters), point.Type.IsProtectionEvent():
		case counter && in.known[i].round == 0, !counter && in.known[i].round < in.round:
			places = append(places, i)
		}
	}
	return places
}

// unheard returns the places of the points that have not come since the device was started, as long as no interrogation of their
// sort has succeeded since. Nothing tells whether they are as they were.
func (p *pipeline) unheard(what findings.Asked) (places []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.intake
	if in.vouched[what] {
		return nil
	}
	for i := range in.known {
		point := &in.table.monitored[i]
		counter := point.Kind == fsmpb.Kind_COUNTER
		if counter == (what == findings.ForCounters) && !point.Type.IsProtectionEvent() && in.known[i].round < in.startRound {
			places = append(places, i)
		}
	}
	return places
}

// vouched notes that an interrogation has succeeded.
func (p *pipeline) vouched(what findings.Asked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intake.vouched[what] = true
}

// notTopicalAtOnce bounds a command.
const notTopicalAtOnce = 1000

// notTopical makes points not topical which the image has, after the values that came before.
func (p *part) notTopical(places []int) {
	var known []int
	p.col.w.env.Replica.View(func(s *fsm.State) {
		for _, i := range places {
			of := &p.table.monitored[i]
			v, ok := s.Point(fsm.PointKey{RTU: p.rtu.Number, Kind: fsm.Kind(of.Kind), Point: of.Number})
			if ok && !v.NotTopical() {
				known = append(known, i)
			}
		}
	})
	p.pipeline.doubt(known)
}

// doubt proposes that points aren't topical, but for those that have come meanwhile.
func (p *pipeline) doubt(places []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	in := p.intake
	var points []*fsmpb.Forget_Point
	for _, i := range places {
		if k, of := &in.known[i], &in.table.monitored[i]; k.round < in.round {
			k.valid = false // the same value is news again
			points = append(points, &fsmpb.Forget_Point{Kind: of.Kind, Point: of.Number})
		}
	}
	if len(points) > 0 && p.waiting > 0 {
		p.propose()
	}
	for some := range slices.Chunk(points, notTopicalAtOnce) {
		p.replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_NotTopical{NotTopical: &fsmpb.NotTopical{Rtu: p.rtu, Epoch: p.epoch, Points: some}}})
	}
}

// beginRound is called before an interrogation of all values is asked for.
func (p *pipeline) beginRound() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intake.round++
}

// pointRanges names points as in "di/1-16, ai/3".
func pointRanges(keys []fsm.PointKey) string {
	const most = 150 // octets: the state keeps 200 of a value
	var b strings.Builder
	for i := 0; i < len(keys); {
		j := i
		for j+1 < len(keys) && keys[j+1].Kind == keys[i].Kind && keys[j+1].Point == keys[j].Point+1 {
			j++
		}
		part := fmt.Sprintf("%v/%d", keys[i].Kind, keys[i].Point)
		if j > i {
			part += fmt.Sprintf("-%d", keys[j].Point)
		}
		if b.Len()+len(part) > most {
			return b.String() + ", …"
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(part)
		i = j + 1
	}
	return b.String()
}

// askAll asks for all values. Events that are older may follow: see backlog.
func (p *part) askAll(ctx context.Context, b *backlog) error {
	b.begin()
	p.pipeline.beginRound()
	err := p.ask(ctx, b.s, findings.ForValues, func(ctx context.Context) error {
		return b.s.client.Interrogate(ctx, p.rtu.CommonAddress, asdu.QOIStation)
	})
	b.asked = time.Now()
	return err
}

func (p *part) ask(ctx context.Context, s *session, what findings.Asked, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, interrogationTime)
	defer cancel()
	before := p.counts.answers.Load()
	err := question(ctx)
	p.interrogated(s, what, p.counts.answers.Load()-before, err)
	return err
}

// Unanswered are the points of an RTU's table that its device did not answer when it was asked for all.
type Unanswered struct {
	Asked    bool           // the device was asked, and has said that it has ended
	Never    []fsm.PointKey // no value of them has ever come
	NoLonger []fsm.PointKey // there was one
}

// answers keeps what a device did not answer, by what it was asked for.
type answers struct {
	mu sync.Mutex
	of map[findings.Asked]Unanswered
}

func (a *answers) set(what findings.Asked, never, noLonger []fsm.PointKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = map[findings.Asked]Unanswered{}
	}
	a.of[what] = Unanswered{true, never, noLonger}
}

// forget is for the end of a tenure: another node may know better by the next one.
func (a *answers) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of = nil
}

// all puts them together, by kind and number.
func (a *answers) all() (u Unanswered) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, what := range []findings.Asked{findings.ForValues, findings.ForCounters} {
		of := a.of[what]
		u.Asked = u.Asked || of.Asked
		u.Never = append(u.Never, of.Never...)
		u.NoLonger = append(u.NoLonger, of.NoLonger...)
	}
	for _, keys := range [][]fsm.PointKey{u.Never, u.NoLonger} {
		slices.SortFunc(keys, func(a, b fsm.PointKey) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Point, b.Point)) })
	}
	return u
}

// Unanswered tells what the device of an RTU did not answer when this node, which owns it, asked last. Not ok: this node does
// not own it, or has not had an answer yet.
func (m *Manager) Unanswered(rtu uint32) (u Unanswered, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.workers {
		for _, s := range w.sectors {
			if s.rtu.Number == rtu {
				u = s.answers.all()
				return u, u.Asked
			}
		}
	}
	return Unanswered{}, false
}
