package acquisition

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/acquisition/internal/repeats"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// intake turns ASDUs into the values of the next batch. Of a point that only has an image, the newest value replaces
// one that still waits; events are never replaced, and keep their order.
type intake struct {
	table    *table
	clock    clock
	address  asdu.CommonAddress
	faults   *deviceFaults
	findings *findings.Findings

	configured string // the common addresses of all that are behind the links; for people

	round      uint32                  // of interrogations, from 0
	vouched    map[findings.Asked]bool // interrogations that have succeeded since startRound
	startRound uint32                  // that began when the link was started, or the device
	known      []known                 // by place in the table: the newest value taken over
	pending    []value
	drift      findings.Drift
	events     bool // whether pending has more than images

	watches []*watch

	chatters []chatter // by place in the table; nil: no point was watched yet
	holding  []int32   // places of points that chatter

	reading bool // counters that are known to have been frozen, or should be

	transits map[int32]transit // by place in the table

	shown []shown // by place in the table, of the interrogation that is under way; nil: none is

	repeats        repeats.Filter
	undecided      []int     // places in pending of those that may be repeated
	undecidedSince time.Time // when the first of them came

	strays  []*fsmpb.Stray // what can't be taken over, at most strayLimit
	omitted uint64         // what came beyond that
}

// known is a point's newest value, against which the next one is held.
type known struct {
	value     float64
	round     uint32 // in which it came last; see intake.round
	waits     int32  // place + 1 in pending of an image value; 0: none
	quality   uint8
	transient bool
	valid     bool
	sequence  sequence // of a counter
}

func newIntake(t *table, c clock, address asdu.CommonAddress, tr *deviceFaults, f *findings.Findings) *intake {
	return &intake{table: t, clock: c, address: address, configured: fmt.Sprint(address), faults: tr, findings: f, known: make([]known, len(t.monitored)), drift: findings.Drift{Zone: c.location.String()}}
}

// add takes over what an ASDU of the monitoring direction brings. What can't be used is counted and told.
func (in *intake) add(a asdu.ASDU, came arrival) {
	switch {
	case !a.Known():
		in.faults.note(unknownType, 1, "%v, %v", a.Type, a.Cause)
		in.strayed(a, came, misfit{condition.UnknownType, 1, fmt.Sprintf("%v, %v", a.Type, a.Cause)})
		return
	case a.CommonAddress != in.address:
		in.faults.note(unknownCommonAddress, 1, "%d, expected %s", a.CommonAddress, in.configured)
		in.otherStation(a, came)
		return
	case noData(a):
		in.addNoData(a, came)
		return
	case a.Test:
		in.faults.note(testData, 1, "%v, %v", a.Type, a.Cause)
		in.strayed(a, came, misfit{condition.TestData, 1, fmt.Sprintf("%v, %v", a.Type, a.Cause)})
		return
	}
	tag := a.Type.TimeTag()
	at := -1
	var lost misfit
	for i := range a.Len() {
		o := a.Object(i)
		place, ok := in.table.find(o.Address, at+1)
		if !ok {
			in.faults.note(unknownAddress, 1, "%d in %v, %v", o.Address, a.Type, a.Cause)
			lost.add(condition.UnknownAddress, "%d (%v)", o.Address, a.Type)
			continue
		}
		octets, ms, ok := in.clock.stamp(tag, o.Time, came)
		if !ok {
			p := &in.table.monitored[place]
			in.faults.note(badTime, 1, "%s of %v %d", o.Time.Text(tag), p.Kind, p.Number)
		}
		if ok && tag == asdu.CP56 && a.Cause == asdu.Spontaneous && !o.Time.Invalid() {
			in.drift.Sample(ms, came.at, in.findings)
		}
		v := value{time: octets, timeMs: ms, elapsed: o.Elapsed, transient: transient(a.Type, &o)}
		v.tagged = tag != asdu.NoTime && ok && !o.Time.Invalid()
		for at = place; at < len(in.table.monitored) && in.table.monitored[at].Address == o.Address; at++ {
			in.addPoint(at, a, &o, v, came, &lost)
		}
		at--
	}
	if lost.objects > 0 {
		in.strayed(a, came, lost)
	}
}

// addPoint takes over what an object says of a point. v has its time.
func (in *intake) addPoint(place int, a asdu.ASDU, o *asdu.Object, v value, came arrival, lost *misfit) {
	in.known[place].round = in.round
	p := &in.table.monitored[place]
	if !bears(a.Type, p.Kind) || p.Bit != 0 && !packed(a.Type) {
		in.faults.note(mismatched, 1, "%v for %v %d at %d, not taken over", a.Type, p.Kind, p.Number, o.Address)
		lost.add(condition.OtherType, "%v for %v/%d at %d", a.Type, fsm.Kind(p.Kind), p.Number, o.Address)
		return
	}
	if p.Bit == 0 && !tells(a.Type, p.Kind) {
		in.faults.note(mismatched, 1, "%v for %v %d at %d, taken over as invalid", a.Type, p.Kind, p.Number, o.Address)
	} else if p.Type != 0 && p.Type.Untimed() != a.Type.Untimed() {
		in.faults.note(mismatched, 1, "%v for %v %d at %d, expected %v", a.Type, p.Kind, p.Number, o.Address, p.Type)
	}
	v.point, v.typ, v.mode = int32(place), a.Type, modeOf(p, a.Type, a.Cause)
	if p.Bit != 0 {
		v.mode = modeOfBit(p, a.Type, a.Cause, o)
		v.typ, v.value, v.quality = p.bit(a.Type, o)
		v.elapsed = 0
	} else {
		v.value, v.quality = p.convert(a.Type, o)
	}
	if math.IsNaN(v.value) {
		in.faults.note(notNumber, 1, "%v %d at %d, taken over as invalid", p.Kind, p.Number, o.Address)
	}
	for _, w := range in.watches {
		if w.place == place {
			w.seen(&v)
		}
	}
	if in.reading && a.Cause >= asdu.CounterGeneral && a.Cause <= asdu.CounterGroup4 {
		in.known[place].sequence.read(v.quality)
	}
	if in.awaitEnd(p, v, came.at) {
		return
	}
	in.compare(&v, a.Cause, came.ms)
	in.put(p, in.rein(p, v, came.at))
}

// transit is an intermediate or indeterminate state of a double point that isn't told yet.
type transit struct {
	newest value
	until  time.Time
}

// awaitEnd holds back a state of a double point that is neither off nor on, while it is younger than the point allows. The next
// owner sees such a state by its own interrogation, so that it isn't lost with this one.
func (in *intake) awaitEnd(p *Point, v value, now time.Time) (held bool) {
	if p.Transient == 0 {
		return false
	}
	t, under := in.transits[v.point]
	if v.typ.Untimed() != asdu.M_DP_NA_1 || v.value == 1 || v.value == 2 || v.quality != 0 {
		delete(in.transits, v.point)
		return false
	}
	if !under {
		t.until = now.Add(p.Transient)
	} else if v.mode != fsmpb.Item_EVENT {
		v.mode = t.newest.mode
	}
	t.newest = v
	if in.transits == nil {
		in.transits = map[int32]transit{}
	}
	in.transits[v.point] = t
	return true
}

// lasting tells the states that have lasted, and returns when the next one will have; zero: none is held back.
func (in *intake) lasting(now time.Time) (again time.Time) {
	for _, place := range slices.Sorted(maps.Keys(in.transits)) {
		t := in.transits[place]
		if now.Before(t.until) {
			again = sooner(again, t.until)
			continue
		}
		delete(in.transits, place)
		in.put(&in.table.monitored[place], in.rein(&in.table.monitored[place], t.newest, now))
	}
	return again
}

// put appends a value to the batch, or leaves it out if the point doesn't need it.
func (in *intake) put(p *Point, v value) {
	k := &in.known[v.point]
	if p.Kind != fsmpb.Kind_DI {
		same := k.valid && k.quality == v.quality && k.transient == v.transient && p.Analog.within(k.value, v.value)
		// An event that is no change is still an event, unless a deadband says which ones aren't wanted.
		wanted := v.mode == fsmpb.Item_EVENT && (p.Analog == nil || p.Analog.Deadband == 0)
		if same && !wanted {
			return
		}
	}
	k.value, k.quality, k.transient, k.valid = v.value, v.quality, v.transient, true
	if v.mode != fsmpb.Item_IMAGE {
		in.events = true
		k.waits = 0 // a later image must not come before this
		in.append(p, v)
		return
	}
	if k.waits != 0 {
		in.pending[k.waits-1] = v
		return
	}
	in.pending = append(in.pending, v)
	k.waits = int32(len(in.pending))
}

// take returns the values that wait, as the items of a batch.
func (in *intake) take() []*fsmpb.Item {
	items := make([]fsmpb.Item, len(in.pending))
	batch := make([]*fsmpb.Item, 0, len(items))
	for i, v := range in.pending {
		p, it := &in.table.monitored[v.point], &items[i]
		in.known[v.point].waits = 0
		if v.repeated {
			continue
		}
		it.Kind, it.Point, it.Type = p.Kind, p.Number, uint32(v.typ)
		it.Value, it.Quality = v.value, uint32(v.quality)
		it.Time, it.TimeMs, it.Mode = v.time, v.timeMs, v.mode
		it.Transient, it.ElapsedMs = v.transient, uint32(v.elapsed)
		batch = append(batch, it)
	}
	in.pending, in.events = in.pending[:0], false
	return batch
}

// forget makes the next value of each point count as new, whatever it is. Until they come nothing vouches for the points.
func (in *intake) forget() {
	in.round++
	in.startRound, in.vouched = in.round, map[findings.Asked]bool{}
	in.transits = nil
	for i := range in.known {
		in.known[i].valid = false
	}
}
