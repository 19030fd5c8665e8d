package acquisition

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// concentrator is three RTUs behind one connection, with common addresses 1, 2 and 7.
func concentrator(t *testing.T) (*bench, *device) {
	var rtus []RTU
	for i, address := range []asdu.CommonAddress{1, 2, 7} {
		r := hold(testRTU(uint32(i+1), channel("a:1")))
		r.CommonAddress, r.Sharing = address, []uint32{1, 2, 3}
		rtus = append(rtus, r)
	}
	b := newBench(t, rtus...)
	return b, newDevice(t, b.net, quirks{}, "a:1")
}

func at(a asdu.ASDU, address asdu.CommonAddress) asdu.ASDU {
	a.CommonAddress = address
	return a
}

// askedOf counts what the device was asked under a common address.
func (d *device) askedOf(typ asdu.TypeID, cause asdu.CauseOfTransmission, address asdu.CommonAddress) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.asked {
		if a.Type == typ && a.Cause == cause && a.CommonAddress == address {
			n++
		}
	}
	return n
}

func (b *bench) onlineAll() bool {
	online := 0
	b.View(func(s *fsm.State) {
		for _, r := range s.RTUs() {
			if r.Online {
				online++
			}
		}
	})
	return online == len(b.rtus)
}

// One connection, and behind it three RTUs, each with its table, interrogation, clock, controls and conditions.
func TestConcentrator(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := concentrator(t)
		b.start("fep1", "fep2")
		b.until(5*time.Second, "all on line", b.onlineAll)
		for _, a := range []asdu.CommonAddress{1, 2, 7} {
			if n := d.askedOf(asdu.C_IC_NA_1, asdu.Activation, a); n != 1 {
				t.Errorf("common address %d was interrogated %d times", a, n)
			}
			if n := d.askedOf(asdu.C_CS_NA_1, asdu.Activation, a); n != 1 {
				t.Errorf("the clock of common address %d was set %d times", a, n)
			}
		}
		d.push(at(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, single(5, 1)), 7))
		d.push(at(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, single(5, 1)), 2))
		b.until(time.Second, "each has its event", func() bool {
			return b.Point(3, fsm.DI, 5).Value == 1 && b.Point(2, fsm.DI, 5).Value == 1
		})
		if p := b.Point(1, fsm.DI, 5); p.Value != 0 {
			t.Error("and so has one that sent none")
		}

		// What is nobody's is the first one's stray; what is unknown in a table, that sector's.
		d.push(at(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, single(5, 1)), 9))
		d.push(at(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, single(9999, 1)), 2))
		strays := func(rtu uint32) (reasons []string) {
			b.View(func(s *fsm.State) {
				all, _ := s.Strays(rtu, 10)
				for _, x := range all {
					reasons = append(reasons, x.Reason)
				}
			})
			return reasons
		}
		b.until(time.Second, "strays", func() bool { return len(strays(1)) == 1 && len(strays(2)) == 1 })
		if got := strays(1)[0]; got != "common address 9, 1, 2, 7 is configured" {
			t.Errorf("a stray of nobody: %s", got)
		}

		// A device that has restarted a sector is asked for that one again.
		d.push(at(asduOf(t, asdu.M_EI_NA_1, asdu.Initialized, asdu.Object{}), 2))
		b.until(time.Second, "asked again", func() bool { return d.askedOf(asdu.C_IC_NA_1, asdu.Activation, 2) == 2 })
		if n := d.askedOf(asdu.C_IC_NA_1, asdu.Activation, 7); n != 1 {
			t.Errorf("another sector was interrogated %d times", n)
		}

		b.submit("c", func(c *fsmpb.ControlSubmit) { c.Rtu = 3 })
		if c := b.finished("c"); !c.OK {
			t.Errorf("a control: %+v", c)
		}
		if of7, all := d.askedOf(asdu.C_SC_NA_1, asdu.Activation, 7), d.got(asdu.C_SC_NA_1, asdu.Activation); of7 != 1 || all != 1 {
			t.Errorf("%d commands to common address 7, %d in all", of7, all)
		}
		if d.most > 2 || d.starts != 1 {
			t.Errorf("%d connections at a time, %d starts: two FEPs share one link each", d.most, d.starts)
		}
	})
}

// The owner dies again and again: every sector goes with the link, nothing of any is lost, and no control is sent twice.
func TestConcentratorTakeover(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := concentrator(t)
		b.start("fep1", "fep2")
		b.until(5*time.Second, "all on line", b.onlineAll)
		quit, ended := make(chan struct{}), make(chan int)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-time.After(3 * time.Millisecond):
				case <-quit:
					ended <- n
					return
				}
				o := single(asdu.InformationObjectAddress(n/3%100+1), float64(n/300%2))
				o.Time = asdu.NewCP56Time2a(time.Now(), time.UTC)
				d.push(at(asduOf(t, asdu.M_SP_TB_1, asdu.Spontaneous, o), []asdu.CommonAddress{1, 2, 7}[n%3]))
			}
		}()
		owners := []string{"fep1", "fep2"}
		for i := range 8 {
			time.Sleep(777 * time.Millisecond)
			old, next := owners[i%2], owners[(i+1)%2]
			b.submit(fmt.Sprint("c", i), func(c *fsmpb.ControlSubmit) { c.Rtu = uint32(i%3 + 1) })
			b.Kill(t, old)
			b.Assign(t, fsm.RTUResource(uint32(i%3+1)), next) // whichever of them is named
			b.until(time.Second, "active", func() bool { return b.state(next, 1, 1) == fsm.LinkActive })
			b.Node(old).SetLease(true)
			b.until(10*time.Second, "held again", func() bool { return b.state(old, 1, 1) == fsm.LinkStandby })
		}
		close(quit)
		sent := <-ended
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		got := map[string]bool{}
		for _, e := range b.Events() {
			if asdu.TypeID(e.Type) == asdu.M_SP_TB_1 && e.Quality == 0 {
				got[fmt.Sprint(e.RTU, e.Point, e.Time)] = true
			}
		}
		if len(got) != sent {
			t.Errorf("%d events sent, %d in the journal", sent, len(got))
		}
		for i := range 8 {
			b.finished(fmt.Sprint("c", i))
		}
		if n := d.got(asdu.C_SC_NA_1, asdu.Activation); n > 8 {
			t.Errorf("%d commands for 8 controls", n)
		}
	})
}

func TestShares(t *testing.T) {
	one, two := testRTU(1, channel("a:1")), testRTU(2, channel("a:1"))
	both := []uint32{1, 2}
	for _, tt := range []struct {
		what   string
		change func(*RTU)
		say    string
	}{
		{"the same links", func(r *RTU) {}, "is a link of RTU 1 already"},
		{"shared", func(r *RTU) { r.Sharing, r.CommonAddress = both, 2 }, ""},
		{"one common address", func(r *RTU) { r.Sharing = both }, "common address 1 is that of RTU 1 behind the same links"},
		{"other channels", func(r *RTU) { r.Sharing, r.CommonAddress, r.Channels = both, 2, []Channel{channel("b:1")} }, "configured in the same way"},
		{"another retry", func(r *RTU) { r.Sharing, r.CommonAddress, r.Retry = both, 2, time.Second }, "configured in the same way"},
		{"nobody's", func(r *RTU) { r.Sharing = []uint32{3, 2} }, "shares the links of RTU 3"},
	} {
		r, first := two, one
		tt.change(&r)
		first.Sharing = r.Sharing
		if r.line() != 1 {
			first.Sharing = nil
		}
		err := check([]RTU{first, r})
		if (err == nil) != (tt.say == "") || err != nil && !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}
