package acquisition

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// topical tells whether somebody vouches for DI of RTU 1, by number.
func (b *bench) topical(numbers ...uint32) (all []bool) {
	for _, n := range numbers {
		all = append(all, !b.Point(1, fsm.DI, n).NotTopical())
	}
	return all
}

// doubts is how often points were proposed as not topical.
func (b *bench) doubts() (n int) {
	for _, c := range b.Committed() {
		n += len(c.GetNotTopical().GetPoints())
	}
	return n
}

// answer sets the values of single points from 1 on that an interrogation brings.
func (d *device) answer(values ...float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var objects []asdu.Object
	for i, v := range values {
		objects = append(objects, single(asdu.InformationObjectAddress(i+1), v))
	}
	d.values = []asdu.ASDU{asduOf(d.t, asdu.M_SP_NA_1, asdu.InterrogatedStation, objects...)}
}

// A point that a complete interrogation did not bring is not topical, once, and no event. When it's back, the same value is no
// event either.
func TestUnansweredIsNotTopical(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{}, nil)
		b.start("fep1", "fep2")
		b.until(time.Minute, "known", func() bool { return b.points() == 4 })
		d.answer(0, 0)
		b.until(16*time.Minute, "not topical", func() bool { return !b.topical(3)[0] })
		time.Sleep(time.Hour)
		if got := b.topical(1, 2); !got[0] || !got[1] || b.doubts() != 1 || len(b.Events()) != 0 {
			t.Errorf("topical %v, %d doubts, events %+v", got, b.doubts(), b.Events())
		}
		d.answer(0, 0, 0)
		b.until(16*time.Minute, "topical again", func() bool { return b.topical(3)[0] })
		time.Sleep(time.Minute)
		if len(b.Events()) != 0 {
			t.Errorf("events %+v", b.Events())
		}
	})
}

// After a start, until an interrogation has succeeded, what the device has not told by itself is not topical.
func TestRefusedIsNotTopical(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{}, func(r *RTU) { r.Retry = time.Second }) // so that it isn't off line meanwhile
		b.start("fep1", "fep2")
		b.until(time.Minute, "known", func() bool { return b.points() == 4 })
		time.Sleep(time.Minute)
		d.mu.Lock()
		d.quirks.refusals = 4
		d.mu.Unlock()
		d.answer(0, 1, 0)
		d.drop()
		b.until(10*time.Second, "not topical", func() bool { t := b.topical(1, 2, 3); return !t[0] && !t[1] && !t[2] })
		d.change(1, 1)
		b.until(time.Second, "told", func() bool { return b.topical(1)[0] })
		time.Sleep(20 * time.Second) // it's refused twice more
		if got := b.topical(1, 2, 3); !got[0] || got[1] || got[2] {
			t.Errorf("topical %v, expected the first alone, which the device has told by itself", got)
		}
		if n := len(b.Events()); n != 1 {
			t.Errorf("%d events, expected the device's", n)
		}
		d.answer(1, 1, 0)
		b.until(2*time.Minute, "answered", func() bool { t := b.topical(1, 2, 3); return t[0] && t[1] && t[2] })
		b.until(15*time.Second, "the change", func() bool { return len(b.Events()) == 2 })
		if e := b.Events()[1]; e.Point != 2 || e.Value != 1 {
			t.Errorf("%+v", e)
		}
	})
}

// A periodic interrogation that is refused says nothing of what a former one has shown.
func TestRefusedLaterStaysTopical(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{}, nil)
		b.start("fep1", "fep2")
		b.until(time.Minute, "known", func() bool { return b.points() == 4 })
		d.mu.Lock()
		d.quirks.refusals = 2
		d.mu.Unlock()
		b.until(16*time.Minute, "refused", func() bool { return b.said.IDs() == "rtu.1.interrogation_refused" })
		time.Sleep(time.Second)
		if got := b.topical(1, 2, 3); !got[0] || !got[1] || !got[2] {
			t.Errorf("topical %v", got)
		}
		b.until(time.Minute, "answered", func() bool { return b.said.IDs() == "" })
	})
}

// After an outage of the station all is old, and a device that is collected from all the same is asked for all.
func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{slow: 200 * time.Millisecond}, nil)
		b.start("fep1", "fep2")
		b.until(time.Minute, "known", func() bool { return b.points() == 4 })
		time.Sleep(time.Minute)
		d.answer(0, 0, 1)
		b.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Outage{Outage: &fsmpb.Outage{}}})
		if got := b.topical(1, 2, 3); got[0] || got[1] || got[2] {
			t.Errorf("topical %v", got)
		}
		b.until(2*time.Second, "answered", func() bool { t := b.topical(1, 2, 3); return t[0] && t[1] && t[2] })
		time.Sleep(15 * time.Second)
		if e := b.Events(); len(e) != 1 || e[0].Point != 3 {
			t.Errorf("%+v, expected the change alone", e)
		}
	})
}
