package acquisition

import (
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/acquisition/findings"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// strays are those of RTU 1.
func (b *bench) strays() (newest []fsm.Stray, count uint64) {
	b.View(func(s *fsm.State) { newest, count = s.Strays(1, 10_000) })
	return newest, count
}

// of is an ASDU from another common address.
func of(ca asdu.CommonAddress, a asdu.ASDU) asdu.ASDU {
	a.CommonAddress = ca
	return a
}

// oneRTU is a station of one RTU with one link, of which the device answers all that it's asked for.
func oneRTU(t *testing.T, quirks quirks, edit func(*RTU)) (*bench, *device) {
	rtu := testRTU(1, channel("a:1"))
	rtu.Interrogation, rtu.CounterInterrogation, rtu.ClockSync = 15*time.Minute, 15*time.Minute, 15*time.Minute
	rtu.Points = []Point{
		{Kind: fsmpb.Kind_DI, Number: 1, Address: 1}, {Kind: fsmpb.Kind_DI, Number: 2, Address: 2}, {Kind: fsmpb.Kind_DI, Number: 3, Address: 3},
		{Kind: fsmpb.Kind_COUNTER, Number: 1, Address: 2001},
	}
	if edit != nil {
		edit(&rtu)
	}
	b := newBench(t, rtu)
	d := newDevice(t, b.net, quirks, "a:1")
	d.values = []asdu.ASDU{asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation,
		asdu.Object{Address: 1}, asdu.Object{Address: 2}, asdu.Object{Address: 3})}
	d.counters = []asdu.ASDU{asduOf(t, asdu.M_IT_NA_1, asdu.CounterGeneral, asdu.Object{Address: 2001})}
	return b, d
}

// A device that says what its table says is in no condition.
func TestWellDevice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{}, nil)
		b.start("fep1", "fep2")
		for range 100 {
			d.change(2, 1)
			time.Sleep(time.Second)
		}
		if ids := b.said.IDs(); ids != "" {
			t.Error(ids)
		}
		if _, n := b.strays(); n != 0 {
			t.Errorf("%d strays", n)
		}
	})
}

// What nobody takes is kept before it is acknowledged, and told.
func TestStrays(t *testing.T) {
	point := func(address asdu.InformationObjectAddress) asdu.Object {
		return asdu.Object{Address: address, Value: 1}
	}
	for _, c := range []struct {
		name   string
		send   func(*testing.T) asdu.ASDU
		reason string
		id     string
		says   string
	}{
		{"another common address", func(t *testing.T) asdu.ASDU {
			return of(5, asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, point(1)))
		}, "common address 5, 1 is configured", "rtu.1.common_address", "answers with common address 5, 1 is configured: 312 ASDUs kept as strays"},
		{"an unknown object", func(t *testing.T) asdu.ASDU {
			return asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, point(99))
		}, "no point has the object's address: 99 (M_SP_NA_1)", "rtu.1.unknown_address", "such as 99 (M_SP_NA_1): 312 objects"},
		{"another type", func(t *testing.T) asdu.ASDU {
			return asduOf(t, asdu.M_ME_NC_1, asdu.Spontaneous, point(1))
		}, "type is none of the point: M_ME_NC_1 for di/1 at 1", "rtu.1.other_type", "M_ME_NC_1 for di/1 at 1: 312 objects"},
		{"a test", func(t *testing.T) asdu.ASDU {
			a := asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, point(1))
			a.Test = true
			return a
		}, "marked as a test: M_SP_NA_1, spontaneous", "rtu.1.test_data", "312 ASDUs kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b, d := oneRTU(t, quirks{}, nil)
				b.start("fep1", "fep2")
				time.Sleep(time.Minute)
				a := c.send(t)
				for range 312 {
					d.push(a)
					time.Sleep(10 * time.Millisecond)
				}
				b.until(10*time.Second, "all acknowledged", func() bool { return d.queue.Len() == 0 })
				kept, n := b.strays()
				if n != 312 || len(kept) != 312 {
					t.Fatalf("%d strays of %d are kept", len(kept), n)
				}
				if k := kept[0]; k.Reason != c.reason || string(k.ASDU) != string(a.Append(nil)) {
					t.Errorf("%+v", k)
				}
				b.until(2*findings.Every, c.id, func() bool { return strings.Contains(b.said.Says(c.id), c.says) })
				if b.said.IDs() != c.id {
					t.Errorf("conditions %s", b.said.IDs())
				}
				if n := b.said.Sets(); n > 20 {
					t.Errorf("%d reports of 312 cases in 3 s", n)
				}
				// It goes when the device was interrogated again and had done no such thing from one to the next.
				time.Sleep(16 * time.Minute)
				if b.said.IDs() != c.id {
					t.Errorf("conditions after one interrogation %q", b.said.IDs())
				}
				if c.id == "rtu.1.test_data" {
					return // no interrogation shows whether the test goes on
				}
				time.Sleep(16 * time.Minute)
				if b.said.IDs() != "" {
					t.Errorf("conditions after two interrogations %q", b.said.IDs())
				}
			})
		})
	}
}

func TestUnansweredPoints(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{}, func(r *RTU) {
			r.Points = append(r.Points, Point{Kind: fsmpb.Kind_DI, Number: 7, Address: 7}, Point{Kind: fsmpb.Kind_DI, Number: 8, Address: 8},
				Point{Kind: fsmpb.Kind_AI, Number: 9, Address: 9}, Point{Kind: fsmpb.Kind_COUNTER, Number: 2, Address: 2002},
				Point{Kind: fsmpb.Kind_DI, Number: 10, Address: 10, Type: asdu.M_EP_TD_1})
		})
		b.start("fep1", "fep2")
		b.until(time.Minute, "never answered", func() bool {
			return strings.Contains(b.said.Says("rtu.1.never_answered"), "4 points of the table were never answered by the device, such as di/7-8, ai/9, counter/2")
		})
		if ids := b.said.IDs(); ids != "rtu.1.never_answered" {
			t.Error(ids)
		}
		u, ok := b.feps["fep1"].Unanswered(1)
		if !ok || len(u.Never) != 4 || len(u.NoLonger) != 0 {
			t.Errorf("%+v %t", u, ok)
		}
		if _, ok := b.feps["fep2"].Unanswered(1); ok {
			t.Error("fep2 has asked nobody")
		}

		// Two are answered at last, and one that used to be isn't any more.
		d.mu.Lock()
		d.values = []asdu.ASDU{asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation, asdu.Object{Address: 1}, asdu.Object{Address: 3}, asdu.Object{Address: 7}, asdu.Object{Address: 8})}
		d.mu.Unlock()
		b.until(16*time.Minute, "no longer answered", func() bool {
			return strings.Contains(b.said.Says("rtu.1.no_longer_answered"), "1 points that the device used to answer were missing from its last interrogation, such as di/2") &&
				strings.Contains(b.said.Says("rtu.1.never_answered"), "2 points of the table were never answered by the device, such as ai/9, counter/2")
		})

		// A new owner that the device answers in the same way knows what was answered once.
		b.Move(t, fsm.RTUResource(1), "fep2")
		b.until(time.Minute, "asked by fep2", func() bool {
			u, ok := b.feps["fep2"].Unanswered(1)
			return ok && len(u.NoLonger) == 1 && len(u.Never) == 2
		})
		if _, ok := b.feps["fep1"].Unanswered(1); ok {
			t.Error("fep1 still says what it knew")
		}
	})
}

func TestInterrogationFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		quirks quirks
		empty  bool
		id     string
		says   string
	}{
		{"refused", quirks{refuses: true}, false, "rtu.1.clock_refused rtu.1.interrogation_refused", "refuses the interrogation"},
		{"unanswered", quirks{neverTerminates: true}, true, "rtu.1.interrogation_unanswered", "does not answer the interrogation"},
		{"incomplete", quirks{neverTerminates: true}, false, "rtu.1.interrogation_incomplete", "does not end it within 60 s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b, d := oneRTU(t, c.quirks, nil)
				if c.empty {
					d.values, d.counters = nil, nil
				}
				b.start("fep1", "fep2")
				b.until(3*time.Minute, c.id, func() bool { return b.said.IDs() == c.id })
				if ids := strings.Fields(c.id); !strings.Contains(b.said.Says(ids[len(ids)-1]), c.says) {
					t.Errorf("%v", b.said.IDs())
				}
			})
		})
	}
}

// A device's clock is judged by the newest of what it sends, so a backlog says nothing.
func TestDeviceClock(t *testing.T) {
	for _, c := range []struct {
		name string
		off  time.Duration
		id   string
		says string
	}{
		{"right", 0, "", ""},
		{"a little late", -time.Second, "", ""},
		{"late", -3 * time.Second, "rtu.1.device_clock", "are -3s off"},
		{"early", 90 * time.Second, "rtu.1.device_clock", "are +1m30s off"},
		{"another zone", 8*time.Hour + 2*time.Second, "rtu.1.device_zone", "are +8h0m2s off, nearly a multiple of 15 min: it keeps another time zone than UTC"},
		{"summer time", -time.Hour, "rtu.1.device_zone", "are -1h0m0s off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b, d := oneRTU(t, quirks{}, nil)
				b.start("fep1", "fep2")
				time.Sleep(time.Minute)
				change := func(at time.Time) {
					d.send(asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: 1, Time: asdu.NewCP56Time2a(at, time.UTC)})
				}
				for i := range 60 { // what it kept for an hour
					change(time.Now().Add(c.off - time.Duration(60-i)*time.Minute))
				}
				for range 40 {
					change(time.Now().Add(c.off))
					time.Sleep(time.Second)
				}
				b.until(time.Second, c.id, func() bool { return b.said.IDs() == c.id })
				if c.id == "" {
					return
				}
				if !strings.Contains(b.said.Says(c.id), c.says) {
					t.Errorf("%v", b.said.IDs())
				}
				for range 60 {
					change(time.Now())
					time.Sleep(time.Second)
				}
				if ids := b.said.IDs(); ids != "" {
					t.Errorf("set right: %s", ids)
				}
			})
		})
	}
}

func TestPointRanges(t *testing.T) {
	keys := func(numbers ...uint32) (k []fsm.PointKey) {
		for _, n := range numbers {
			k = append(k, fsm.PointKey{RTU: 1, Kind: fsm.DI, Point: n})
		}
		return k
	}
	if got := pointRanges(append(keys(1, 2, 3, 7, 9, 10), fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: 11})); got != "di/1-3, di/7, di/9-10, ai/11" {
		t.Error(got)
	}
	var many []uint32
	for i := range uint32(100) {
		many = append(many, 1000*i)
	}
	if got := pointRanges(keys(many...)); len(got) > 160 || !strings.HasSuffix(got, ", …") {
		t.Errorf("%d octets: %s", len(got), got)
	}
}

// A device that is there and doesn't acknowledge what it's asked loses its link by t1, and that is told with the parameter.
func TestDeviceWithALongT2(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{neverAcks: true}, nil)
		b.start("fep1", "fep2")
		for i := range 20 {
			d.change(2, float64(i%2))
			time.Sleep(time.Second)
		}
		b.until(2*time.Second, "it's told", func() bool {
			return strings.Contains(b.said.Says("rtu.1.device_timer"), "a frame to link 1:1 a:1 was not acknowledged for 15 s, though the device was heard: its t2 is longer than our t1; 1 links")
		})
	})
}
