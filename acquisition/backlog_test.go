package acquisition

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// madeUp counts the events in the journal that the device did not send: those with a time of the FEP's.
func (b *bench) madeUp() (n int) {
	for _, e := range b.Events() {
		if madeUp(e.Time) {
			n++
		}
	}
	return n
}

// madeUp tells whether a time is the FEP's.
func madeUp(tag uint64) bool { return asdu.UnpackCP56Time2a(tag).Substituted() }

// quick is an RTU whose links are tried again before it counts as off line.
func quick(r RTU) RTU { r.Retry = time.Second; return r }

func (b *bench) active() bool { return b.state("fep1", 1, 1) == fsm.LinkActive }

// At the first start nothing is an event: it merely becomes known.
func TestFirstStartIsNoEvent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true}, "a:1")
		for i := range 100 {
			d.become(asdu.InformationObjectAddress(i+1), float64(i%2))
		}
		b.start("fep1")
		b.until(5*time.Second, "all are known", func() bool { return b.points() == 100 })
		time.Sleep(time.Minute)
		if n := len(b.Events()); n != 0 {
			t.Errorf("%d events at the first start", n)
		}
		if p := b.Point(1, fsm.DI, 2); p.Value != 1 || !madeUp(p.Time) {
			t.Errorf("%+v, expected 1 with a substituted time", p)
		}
	})
}

// The interrogation after a takeover overtakes the device's events: each is told once with the device's own time, and none
// is made up.
func TestTakeoverMakesUpNoEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true}, "a:1")
		b.start("fep1", "fep2")
		b.until(2*time.Second, "active", b.active)
		stop := b.emit(d, 5*time.Millisecond)
		owners := []string{"fep1", "fep2"}
		for i := range 4 {
			time.Sleep(20 * time.Second)
			old, next := owners[i%2], owners[(i+1)%2]
			b.Kill(t, old)
			time.Sleep(2 * time.Second) // so the device has a backlog of 400 events
			b.Assign(t, fsm.RTUResource(1), next)
			b.until(10*time.Second, "active", func() bool { return b.state(next, 1, 1) == fsm.LinkActive })
			b.Node(old).SetLease(true)
		}
		time.Sleep(20 * time.Second)
		n := stop()
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		time.Sleep(20 * time.Second)
		got, repeated := b.distinct()
		t.Logf("%d events, %d in the journal, %d of them twice, %d made up", n, got, repeated, b.madeUp())
		if got != n || b.madeUp() != 0 {
			t.Errorf("%d events sent, %d in the journal, %d made up", n, got, b.madeUp())
		}
		b.agree(d)
	})
}

// agree checks that the image shows what the device does.
func (b *bench) agree(d *device) {
	b.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for address, v := range d.state {
		if p := b.Point(1, fsm.DI, uint32(address)); p.Value != v {
			b.Errorf("point %d is %v in the image, %v in the device", address, p.Value, v)
		}
	}
}

// What only an interrogation shows is in the image at once, and one event when the backlog has ended.
func TestDifferenceIsOneEvent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true}, "a:1")
		d.become(1, 0)
		b.start("fep1")
		b.until(5*time.Second, "known", func() bool { return b.points() == 1 })
		time.Sleep(20 * time.Second)
		d.become(1, 1)
		d.drop()
		b.until(time.Minute, "in the image", func() bool { return b.Point(1, fsm.DI, 1).Value == 1 })
		if len(b.Events()) != 0 {
			t.Error("told before the backlog has ended")
		}
		b.until(backlogQuiet+100*time.Millisecond, "the event", func() bool { return len(b.Events()) == 1 })
		time.Sleep(time.Minute)
		if e := b.Events(); len(e) != 1 || e[0].Value != 1 || !madeUp(e[0].Time) {
			t.Errorf("%+v, expected one event with a substituted time", e)
		}
	})
}

// The device says off, then sends the event of an older on, and has lost the one of the off: it's asked once more, and what
// it says is told.
func TestBacklogWithoutItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true}, "a:1")
		d.become(1, 0)
		b.start("fep1")
		b.until(5*time.Second, "known", func() bool { return b.points() == 1 })
		time.Sleep(20 * time.Second)
		happened := asdu.NewCP56Time2a(time.Now(), time.UTC)
		time.Sleep(time.Second)
		asked := d.got(asdu.C_IC_NA_1, asdu.Activation)
		d.drop()
		b.until(time.Minute, "asked", func() bool { return d.got(asdu.C_IC_NA_1, asdu.Activation) == asked+1 })
		d.send(asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: 1, Value: 1, Time: happened})
		b.until(time.Second, "the event of the on", func() bool { return len(b.Events()) == 1 })
		if p := b.Point(1, fsm.DI, 1); p.Value != 0 {
			t.Errorf("%+v: an older event has overwritten what was interrogated", p)
		}
		b.until(5*time.Second, "the off", func() bool { return len(b.Events()) == 2 })
		events := b.Events()
		if on, off := events[0], events[1]; on.Value != 1 || madeUp(on.Time) || off.Value != 0 || !madeUp(off.Time) {
			t.Errorf("%+v", events)
		}
		if n := d.got(asdu.C_IC_NA_1, asdu.Activation) - asked; n != 2 {
			t.Errorf("%d interrogations, expected 2", n)
		}
		b.agree(d)
	})
}

// The owner dies after the answers and before the backlog has ended: its successor tells the difference, once.
func TestOwnerDiesBeforeTheBacklogHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true}, "a:1")
		d.become(1, 0)
		d.become(2, 0)
		b.start("fep1", "fep2")
		b.until(5*time.Second, "known", func() bool { return b.points() == 2 })
		time.Sleep(20 * time.Second)
		d.become(1, 1)
		d.become(2, 1)
		d.drop()
		b.until(time.Minute, "in the image", func() bool { return b.Point(1, fsm.DI, 1).Value == 1 })
		d.become(2, 0)
		b.Kill(t, "fep1")
		b.Assign(t, fsm.RTUResource(1), "fep2")
		b.until(30*time.Second, "told", func() bool { return len(b.Events()) > 0 })
		time.Sleep(time.Minute)
		if e := b.Events(); len(e) != 1 || e[0].Point != 1 || e[0].Value != 1 {
			t.Errorf("%+v, expected one event of point 1", e)
		}
		b.agree(d)
	})
}

// A device whose clock is wrong, ahead or behind: nothing is lost, nothing made up, and the image is right in the end.
func TestBacklogOfAWrongClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, -3 * time.Second, 3 * time.Second, time.Hour} {
		inBubble(t, func(t *testing.T) {
			b := newBench(t, quick(testRTU(1, channel("a:1"))))
			d := newDevice(t, b.net, quirks{answersFirst: true}, "a:1")
			d.become(1, 0)
			b.start("fep1")
			b.until(5*time.Second, "known", func() bool { return b.points() == 1 })
			time.Sleep(20 * time.Second)
			d.shut("a:1")
			d.clock = off
			d.change(1, 1)
			d.change(1, 0)
			d.change(1, 1)
			d.open("a:1")
			b.until(time.Minute, "the events", func() bool { return len(b.Events()) >= 3 })
			d.change(1, 0) // right after
			time.Sleep(time.Minute)
			if n := len(b.Events()); n != 4 || b.madeUp() != 0 {
				t.Errorf("clock off by %v: %d events, %d made up", off, n, b.madeUp())
			}
			b.agree(d)
		})
	}
}

// A device that has restarted is asked at once, and then as from the beginning, however often it has refused before.
func TestAsksAgainAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true, refusals: 5}, "a:1")
		d.become(1, 1)
		b.start("fep1")
		b.until(time.Second, "active", b.active)
		b.until(time.Minute, "refused three times", func() bool { return d.got(asdu.C_IC_NA_1, asdu.Activation) == 3 })
		began := time.Now()
		d.send(asdu.M_EI_NA_1, asdu.Initialized, asdu.Object{})
		b.until(5*time.Minute, "known", func() bool { return b.points() == 1 })
		if took := time.Since(began).Round(time.Second); took != 15*time.Second { // at once, then 5 and 10 s
			t.Errorf("answered after %v", took)
		}
	})
}

// A refused interrogation is repeated until one succeeds, also without a period.
func TestAsksAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, quick(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{answersFirst: true, refusals: 5}, "a:1")
		d.become(1, 1)
		b.start("fep1")
		b.until(time.Second, "active", b.active)
		began := time.Now()
		b.until(5*time.Minute, "known", func() bool { return b.points() == 1 })
		if took := time.Since(began).Round(time.Second); took != 165*time.Second { // 5, 10, 30, 60 and 60 s
			t.Errorf("answered after %v", took)
		}
		asked := d.got(asdu.C_IC_NA_1, asdu.Activation)
		time.Sleep(10 * time.Minute)
		if n := d.got(asdu.C_IC_NA_1, asdu.Activation); n != asked {
			t.Errorf("%d more interrogations", n-asked)
		}
	})
}
