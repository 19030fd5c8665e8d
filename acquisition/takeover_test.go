package acquisition

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// emit has the device change points 1 to 100 in turn, each to a number that is never used again, until stop is called,
// which returns how many.
func (b *bench) emit(d *device, every time.Duration) (stop func() int) {
	quit, ended := make(chan struct{}), make(chan struct{})
	n := 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-time.After(every):
			case <-quit:
				return
			}
			// The time tag tells the events apart; the values of a point alternate.
			d.change(asdu.InformationObjectAddress(n%100+1), float64(n/100%2))
			n++
		}
	}()
	return func() int {
		close(quit)
		<-ended
		return n
	}
}

// distinct counts the different events in the journal that the device has sent by itself, and how many came twice.
func (b *bench) distinct() (n, repeated int) {
	type key struct {
		point uint32
		time  uint64
	}
	seen := map[key]bool{}
	for _, e := range b.Events() {
		if asdu.TypeID(e.Type) != asdu.M_SP_TB_1 || e.Quality != 0 {
			continue // an answer to an interrogation, or the state's own word that the point isn't topical
		}
		k := key{e.Point, e.Time}
		if seen[k] {
			repeated++
		}
		seen[k] = true
	}
	return len(seen), repeated
}

func hold(r RTU) RTU { r.StandbyProbe = ProbeHold; return r }

// The owner dies: the other starts its held link at once, and nothing is lost.
func TestTakeover(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, hold(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1", "fep2")
		b.until(2*time.Second, "active and held", func() bool {
			return b.state("fep1", 1, 1) == fsm.LinkActive && b.state("fep2", 1, 1) == fsm.LinkStandby
		})
		stop := b.emit(d, 5*time.Millisecond)
		owners := []string{"fep1", "fep2"}
		for i := range 10 {
			time.Sleep(777 * time.Millisecond)
			old, next := owners[i%2], owners[(i+1)%2]
			b.Kill(t, old)
			began := time.Now()
			b.Assign(t, fsm.RTUResource(1), next)
			b.until(time.Second, "active", func() bool { return b.state(next, 1, 1) == fsm.LinkActive })
			if gap := time.Since(began); gap > 20*time.Millisecond {
				t.Errorf("takeover %d took %v", i, gap)
			}
			b.Node(old).SetLease(true)
			b.until(10*time.Second, "held again", func() bool { return b.state(old, 1, 1) == fsm.LinkStandby })
		}
		n := stop()
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		got, repeated := b.distinct()
		if got != n || repeated != 0 {
			t.Errorf("%d events sent, %d in the journal, %d of them twice", n, got, repeated)
		}
		if d.most > 2 {
			t.Errorf("%d connections to one link", d.most)
		}
	})
}

// A planned move: the old owner closes, the new one starts; points stay topical.
func TestPlannedMove(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		d.values = []asdu.ASDU{asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation, single(1, 1))}
		b.start("fep1", "fep2")
		b.until(5*time.Second, "on line", b.online)
		stop := b.emit(d, 10*time.Millisecond)
		time.Sleep(time.Second)
		began := time.Now()
		b.Move(t, fsm.RTUResource(1), "fep2")
		b.until(time.Second, "moved", func() bool { return b.state("fep2", 1, 1) == fsm.LinkActive })
		if gap := time.Since(began); gap > 30*time.Millisecond {
			t.Errorf("the move took %v", gap)
		}
		time.Sleep(10 * time.Second)
		n := stop()
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		if got, _ := b.distinct(); got != n {
			t.Errorf("%d events sent, %d in the journal", n, got)
		}
		for _, e := range b.Events() {
			if e.Quality != 0 {
				t.Fatalf("point %d was not topical", e.Point)
			}
		}
		if r := b.Resource(fsm.RTUResource(1)); r.Epoch != 2 {
			t.Errorf("epoch %d after one move, expected 2", r.Epoch)
		}
		if got := b.state("fep1", 1, 1); got != fsm.LinkStandby {
			t.Errorf("former owner's link is %v", got)
		}
	})
}

func (b *bench) online() bool {
	var r fsm.RTU
	b.View(func(s *fsm.State) { r, _ = s.RTU(1) })
	return r.Online
}

// A process that restarts as owner, before anyone noticed, ends its predecessor's epoch first: what that one has still
// under way can't be taken for its own batches.
func TestRestartTakesANewEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		time.Sleep(5 * time.Second)
		d.change(1, 1)
		b.until(time.Second, "event", func() bool { return len(b.Events()) == 1 })

		// Its last batch is on its way when it ends, and comes to the log after its successor has begun.
		d.change(2, 1)
		synctest.Wait()
		b.stop("fep1")
		late := b.Withhold()
		if len(late) == 0 {
			t.Fatal("nothing was on its way")
		}
		d.change(3, 1)
		b.run("fep1")
		b.until(time.Second, "a new epoch", func() bool { return b.Resource(fsm.RTUResource(1)).Epoch == 2 })
		b.Deliver(late)
		b.until(20*time.Second, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		got, _ := b.distinct()
		if got != 3 {
			t.Errorf("%d of 3 events", got)
		}
		for _, p := range late {
			r, err := p.Result()
			if e := p.Command.GetEvents(); e != nil && (err != nil || r.Code != fsmpb.Result_STALE_EPOCH) {
				t.Errorf("late batch %d of epoch %d: %v, %v", e.Batch, e.Epoch, r.GetCode(), err)
			}
		}
	})
}

// A lease that lapses and comes back, with nobody else to take over: the epoch isn't used twice.
func TestLeaseLapses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		stop := b.emit(d, 3*time.Millisecond)
		for range 20 {
			time.Sleep(313 * time.Millisecond)
			b.Node("fep1").SetLease(false)
			b.until(time.Second, "closed", func() bool { return len(d.server.Sessions()) == 0 })
			b.Node("fep1").SetLease(true)
		}
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		n := stop()
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		got, repeated := b.distinct()
		if got != n || repeated != 0 {
			t.Errorf("%d events sent, %d in the journal, %d of them twice", n, got, repeated)
		}
		epochs := map[uint64]bool{}
		for _, c := range b.Committed() {
			if e := c.GetEvents(); e != nil && e.Batch == 1 {
				if epochs[e.Epoch] {
					t.Errorf("epoch %d has two batches 1", e.Epoch)
				}
				epochs[e.Epoch] = true
			}
		}
	})
}

// Off line for 3 s on both FEPs: not topical, once. A switch in between: never.
func TestOnline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		d.values = []asdu.ASDU{asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation, single(1, 1))}
		b.start("fep1", "fep2")
		b.until(5*time.Second, "on line", b.online)

		d.shut("a:1")
		b.until(time.Second, "down", func() bool { return b.state("fep1", 1, 1) == fsm.LinkDown })
		b.remains(2900*time.Millisecond, "on line", b.online)
		b.until(time.Second, "off line", func() bool { return !b.online() })
		time.Sleep(20 * time.Second)
		events := b.Events()
		if e := events[len(events)-1]; len(events) != 1 || e.Quality != fsm.QualityNotTopical {
			t.Errorf("%d events, the last %+v: expected one that says not topical", len(events), e)
		}

		d.open("a:1")
		b.until(10*time.Second, "on line again", b.online)
		b.until(time.Second, "topical", func() bool { return b.Point(1, fsm.DI, 1).Quality == 0 })
		time.Sleep(time.Minute)
		if n := len(b.Events()); n != 1 { // that it's topical again is a value
			t.Errorf("%d events, expected 1: %+v", n, b.Events())
		}
		for range 3 {
			d.drop()
			b.until(10*time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		}
	})
}

// A process that was stopped and goes on writes nothing to a live link, even before anything has told it that its tenure
// is over.
func TestWritesNothingAfterTheTenure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		before := d.server.Counters().Counters
		b.Node("fep1").SetAsleep(true)
		b.Node("fep1").SetLease(false)
		for i := range 12 { // more than w, so that an acknowledgement is due at once
			d.change(asdu.InformationObjectAddress(i+1), 1)
		}
		b.until(5*time.Second, "closed", func() bool { return len(d.server.Sessions()) == 0 })
		after := d.server.Counters().Counters
		if after.ReceivedI != before.ReceivedI || after.ReceivedS != before.ReceivedS {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
}

// The link is closed when the tenure ends, whatever the worker is doing.
func TestClosesWithTheTenure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		b.Node("fep1").SetStuck(true)
		b.Node("fep1").SetLease(false)
		synctest.Wait()
		if n := len(d.server.Sessions()); n != 0 {
			t.Errorf("%d sessions right after the end of the tenure", n)
		}
	})
}

// What the device repeats after a takeover is acknowledged, and in the journal once, although the former owner could not acknowledge it. Events
// that only look like the beginning of a repetition are in the journal: at once when the next one shows it, or after a second.
func TestRepetitionsAreKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, hold(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1", "fep2")
		b.until(2*time.Second, "active and held", func() bool {
			return b.state("fep1", 1, 1) == fsm.LinkActive && b.state("fep2", 1, 1) == fsm.LinkStandby
		})
		time.Sleep(time.Minute)
		at := time.Now()
		event := func(point uint32, v float64) {
			d.send(asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: asdu.InformationObjectAddress(point), Value: v, Time: asdu.NewCP56Time2a(at, time.UTC)})
		}
		journal := func() (points []uint32) {
			for _, e := range b.Events() {
				if asdu.TypeID(e.Type) == asdu.M_SP_TB_1 && e.Quality == 0 {
					points = append(points, e.Point)
				}
			}
			return points
		}
		is := func(want ...uint32) func() bool { return func() bool { return slices.Equal(journal(), want) } }
		event(1, 1)
		event(2, 1)
		event(3, 1)
		b.until(50*time.Millisecond, "committed, and not acknowledged", func() bool { return is(1, 2, 3)() && d.queue.Len() == 3 })
		b.Kill(t, "fep1")
		b.Assign(t, fsm.RTUResource(1), "fep2")
		b.until(2*time.Second, "acknowledged", func() bool { return d.queue.Len() == 0 })
		event(4, 1)
		b.until(time.Second, "only what is new", is(1, 2, 3, 4))

		// A new link, and the device begins with what it has sent before, but not up to the end; then with that alone.
		for _, last := range []uint32{5, 0} { // of 1, 2, 3, 4, and of 1, 2, 3, 4, 3, 5
			starts := d.started()
			d.drop()
			b.until(10*time.Second, "started anew", func() bool { return d.started() > starts })
			before := journal()
			event(3, 1)
			want := append(before, 3)
			if last != 0 {
				event(last, 1)
				want = append(want, last)
			}
			b.until(1100*time.Millisecond, "told", is(want...))
			b.until(2*time.Second, "acknowledged", func() bool { return d.queue.Len() == 0 })
		}
	})
}
