package acquisition

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/fepha/fepha/acquisition/internal/repeats"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// A device that was cut off has events to tell, and answers an interrogation before it has told them all, since answers go
// first. What the interrogation shows is in the image at once; it's an event only if the device has not told it once its
// backlog has ended. The state keeps what is still to be told (fsm/backlog.go), so the next owner may end it too.

const (
	// backlogQuiet is for how long a device sends no event before its backlog counts as ended, and backlogMost how long that
	// is waited for after an interrogation has ended: some devices are never quiet.
	backlogQuiet = time.Second
	backlogMost  = 10 * time.Second
)

// shown is what an interrogation has shown of a point.
type shown struct {
	value     float64
	ms        int64 // when, by this node's clock, since 1970-01-01 UTC
	quality   uint8
	transient bool
	there     bool
	differs   bool // the newest event since says something else
}

// compare holds a value against the answers of the interrogation that is under way. An event that is older than the answer
// is told, and changes nothing. With devices' clocks as they are, that's a guess: if the last event says something else than
// the answer, the device is asked once more.
func (in *intake) compare(v *value, cause asdu.CauseOfTransmission, nowMs int64) {
	if in.shown == nil {
		return
	}
	a := &in.shown[v.point]
	older := a.there && v.tagged && v.timeMs < a.ms
	switch {
	case cause >= asdu.InterrogatedStation && cause <= asdu.InterrogatedGroup16:
		*a = shown{value: v.value, ms: nowMs, quality: v.quality, transient: v.transient, there: true}
		if v.mode == fsmpb.Item_COMPARE {
			v.mode = fsmpb.Item_INTERROGATED
		}
	case !a.there || v.mode == fsmpb.Item_IMAGE && !older:
	default:
		if older && v.mode == fsmpb.Item_EVENT {
			v.mode = fsmpb.Item_OVERTAKEN
		}
		a.differs = math.Float64bits(a.value) != math.Float64bits(v.value) || a.quality != v.quality || a.transient != v.transient
	}
}

const (
	// repeatsWithin is how long events wait for the decision whether the journal has them already: a device repeats as fast as it can.
	repeatsWithin = time.Second

	// repeatsMost is how many events of its own an RTU's journal is looked through for, of so many events of all: what a device may
	// have had no acknowledgement for, and what others have sent meanwhile.
	repeatsMost, repeatsOfAll = 1024, 16384
)

// expectRepeats holds what comes from now on, since a link is started, against what the journal ends with: see package repeats.
func (p *pipeline) expectRepeats() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intake.decideRepeats(p.intake.repeats.Decide())
	p.intake.repeats.Expect(func() (known []repeats.Event) {
		p.replica.View(func(s *fsm.State) {
			for _, e := range s.NewestEvents(p.rtu, repeatsMost, repeatsOfAll) {
				if ofDevice(e.Time) {
					known = append(known, repeats.Event{
						Point: e.Point, Kind: uint8(e.Kind), Type: e.Type, Quality: e.Quality, Transient: e.Transient, Elapsed: e.ElapsedMs,
						Value: math.Float64bits(e.Value), Time: e.Time,
					})
				}
			}
		})
		return known
	})
}

// ofDevice tells whether a time tag is one that a device vouches for.
func ofDevice(tag uint64) bool {
	t := asdu.UnpackCP56Time2a(tag)
	return !t.Substituted() && !t.Invalid()
}

// append puts an event into the batch. One that may be repeated has the batch wait until that is decided.
func (in *intake) append(p *Point, v value) {
	var hold, decided bool
	var repeated int
	if v.tagged && ofDevice(v.time) && (v.mode == fsmpb.Item_EVENT || v.mode == fsmpb.Item_OVERTAKEN) {
		hold, decided, repeated = in.repeats.See(repeats.Event{
			Point: p.Number, Kind: uint8(p.Kind), Type: uint8(v.typ), Quality: v.quality, Transient: v.transient, Elapsed: v.elapsed,
			Value: math.Float64bits(v.value), Time: v.time,
		})
	}
	in.pending = append(in.pending, v)
	if hold {
		if len(in.undecided) == 0 {
			in.undecidedSince = time.Now()
		}
		in.undecided = append(in.undecided, len(in.pending)-1)
	}
	if decided {
		in.decideRepeats(repeated)
	}
}

// decideRepeats leaves the first of those out that may be repeated.
func (in *intake) decideRepeats(repeated int) {
	for _, i := range in.undecided[:repeated] {
		in.pending[i].repeated = true
	}
	in.undecided = in.undecided[:0]
	if repeated == 0 {
		return
	}
	in.events = slices.ContainsFunc(in.pending, func(v value) bool { return !v.repeated && v.mode != fsmpb.Item_IMAGE })
	if !slices.ContainsFunc(in.pending, func(v value) bool { return !v.repeated }) {
		in.pending = in.pending[:0]
	}
}

// awaitsRepeats tells until when the batch waits for the decision; zero: it doesn't.
func (in *intake) awaitsRepeats(now time.Time) (until time.Time) {
	if !in.repeats.Waiting() {
		return time.Time{}
	}
	if until = in.undecidedSince.Add(repeatsWithin); !now.Before(until) {
		in.decideRepeats(in.repeats.Decide())
		return time.Time{}
	}
	return until
}

// beginBacklog notes that a device is going to be interrogated.
func (p *pipeline) beginBacklog() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backlogs++
	if p.intake.shown == nil {
		p.intake.shown = make([]shown, len(p.intake.known))
	}
}

// backlogAgrees tells whether the last event of each point says what the interrogation did.
func (p *pipeline) backlogAgrees() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.intake.shown {
		if p.intake.shown[i].differs {
			return false
		}
	}
	return true
}

// endBacklog notes that a device's backlog has ended, or that its link is gone: then it's interrogated again. When the last
// of an RTU's devices has told all, what the interrogations have shown beyond that becomes events.
func (p *pipeline) endBacklog(told bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.backlogs--; p.backlogs > 0 {
		return
	}
	p.intake.shown = nil
	if p.ended || !told {
		return
	}
	if p.waiting > 0 {
		p.propose()
	}
	p.replica.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_BacklogEnd{BacklogEnd: &fsmpb.BacklogEnd{Rtu: p.rtu, Epoch: p.epoch}}})
}

// lastEvent is when a device's newest event came.
func (p *pipeline) lastEvent(s *session) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.slots[p.sector].event
}

// backlog is that of one sector of one device, from the interrogation on. It belongs to the goroutine that serves it.
type backlog struct {
	part  *part
	s     *session
	open  bool
	asked time.Time // when the interrogation had ended
	again bool      // it was the second one
}

func (b *backlog) begin() {
	if !b.open {
		b.open, b.again = true, false
		b.part.pipeline.beginBacklog()
	}
}

// wait is how long the backlog isn't known to have ended.
func (b *backlog) wait() time.Duration {
	quiet := b.asked
	if last := b.part.pipeline.lastEvent(b.s); last.After(quiet) {
		quiet = last
	}
	return min(time.Until(quiet.Add(backlogQuiet)), time.Until(b.asked.Add(backlogMost)))
}

// end ends the backlog; told is false if the link is gone.
func (b *backlog) end(told bool) {
	if b.open {
		b.open = false
		b.part.pipeline.endBacklog(told)
	}
}

// over ends the backlog, or asks once more if the device's events don't agree with what it has answered.
func (b *backlog) over(ctx context.Context) {
	if b.again || b.part.pipeline.backlogAgrees() {
		b.end(true)
		return
	}
	b.again = true
	_ = b.part.askAll(ctx, b)
}
