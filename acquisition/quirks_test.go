package acquisition

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// Devices as they are found in the field: the station goes on, says what is wrong at most once a minute, and loses
// nothing.
func TestTempers(t *testing.T) {
	past := asdu.NewCP56Time2a(time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.UTC)
	for _, c := range []struct {
		what   string
		quirks quirks
		tease  func(b *bench, d *device) // once a second
		says   string                    // in the log
	}{
		{what: "as it should be"},
		{what: "interrogation never terminated", quirks: quirks{neverTerminates: true}, says: "interrogation failed"},
		{what: "interrogation refused", quirks: quirks{refuses: true}, says: "interrogation failed"},
		{what: "slow", quirks: quirks{slow: 3 * time.Second}},
		{what: "unknown types", tease: func(b *bench, d *device) { d.push(unknown(b)) }, says: "unknown type"},
		{what: "wrong common address", says: "unknown common address",
			tease: func(b *bench, d *device) {
				d.push(other(asduOf(b, asdu.M_SP_NA_1, asdu.Spontaneous, single(1, 1))))
			}},
		{what: "unknown addresses", says: "unknown object address",
			tease: func(b *bench, d *device) { d.send(asdu.M_SP_NA_1, asdu.Spontaneous, single(999, 1)) }},
		{what: "values of another type", says: "unfit",
			tease: func(b *bench, d *device) { d.send(asdu.M_SP_NA_1, asdu.Spontaneous, single(1001, 1)) }},
		{what: "time that is none", says: "time tag",
			tease: func(b *bench, d *device) {
				d.send(asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: 50, Time: asdu.CP56Time2a{0xff, 0xff}})
			}},
		{what: "time in the past",
			tease: func(b *bench, d *device) {
				d.send(asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: 50, Time: past})
			}},
		{what: "flapping", says: "connection lost", tease: func(b *bench, d *device) { d.drop() }},
		{what: "gone and back", says: "no connection", tease: func(b *bench, d *device) {
			d.shut("a:1")
			time.Sleep(6 * time.Second)
			d.open("a:1")
		}},
		{what: "restarts", tease: func(b *bench, d *device) {
			d.send(asdu.M_EI_NA_1, asdu.Initialized, asdu.Object{Qualifier: asdu.COIPowerOn})
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := newBench(t, testRTU(1, channel("a:1")))
				d := newDevice(t, b.net, c.quirks, "a:1")
				b.start("fep1", "fep2")
				began, n := time.Now(), 0
				for range 180 {
					d.change(asdu.InformationObjectAddress(n%40+1), float64(n/40%2))
					n++
					time.Sleep(time.Second)
					if c.tease != nil {
						c.tease(b, d)
					}
				}
				b.until(2*time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
				got := 0
				for _, e := range b.Events() {
					if e.Point <= 40 && e.Type == uint8(asdu.M_SP_TB_1) && e.Time != past.Uint64() {
						got++
					}
				}
				if got < n {
					t.Errorf("%d of %d events", got, n)
				}
				b.logs.mu.Lock()
				defer b.logs.mu.Unlock()
				// Each FEP may complain at once, and then once a minute.
				if minutes := int(time.Since(began).Minutes()); len(b.logs.lines) > 2*(minutes+1) {
					t.Errorf("%d lines in %d minutes", len(b.logs.lines), minutes)
				}
				said := slices.ContainsFunc(b.logs.lines, func(l string) bool { return strings.Contains(l, c.says) })
				if c.says == "" && len(b.logs.lines) > 0 || c.says != "" && !said {
					t.Errorf("log %q, expected %q", b.logs.lines, c.says)
				}
			})
		})
	}
}

// crude is a device that is nothing but a script on a connection.
func crude(t *testing.T, n *network, address string, serve func(net.Conn)) {
	l := n.listen(address)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
}

// started reads until STARTDT act, and confirms it.
func confirmStart(c net.Conn) error {
	b := make([]byte, 6)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if b[2] != 0x07 {
		return fmt.Errorf("% x is no STARTDT act", b)
	}
	_, err := c.Write([]byte{0x68, 4, 0x0b, 0, 0, 0})
	return err
}

// iFrame is an I-frame with one single point.
func iFrame(sendSeq int, point byte) []byte {
	return []byte{0x68, 14, byte(sendSeq << 1), byte(sendSeq >> 7), 0, 0, 1, 1, 3, 0, 1, 0, point, 0, 0, 1}
}

// A device whose k is smaller than our w waits for no w-th frame: what is committed is acknowledged within 200 ms. So nobody can tell
// that the parameters don't fit, and nothing is lost or ended by it.
func TestWindowLargerThanTheDevices(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1"))) // w = 8
		const frames = 20
		waits := make(chan time.Duration, frames)
		crude(t, b.net, "a:1", func(c net.Conn) {
			if confirmStart(c) != nil {
				return
			}
			time.Sleep(5 * time.Second) // what is asked at the start is over
			for i := range frames {     // k = 1: one after the other
				sent := time.Now()
				if _, err := c.Write(iFrame(i, byte(1+i%2))); err != nil {
					return
				}
				for acknowledged := 0; acknowledged <= i; {
					head := make([]byte, 2)
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					body := make([]byte, head[1])
					if _, err := io.ReadFull(c, body); err != nil {
						return
					}
					if body[0]&1 == 0 || body[0] == 1 { // I or S
						acknowledged = int(body[2])>>1 | int(body[3])<<7
					}
				}
				waits <- time.Since(sent)
			}
			_, _ = io.Copy(io.Discard, c)
		})
		b.start("fep1")
		b.until(time.Minute, "all acknowledged", func() bool { return len(waits) == frames })
		for range frames {
			if wait := <-waits; wait > acknowledgeWithin+100*time.Millisecond {
				t.Errorf("acknowledged after %v", wait)
			}
		}
		if ids := b.said.IDs(); strings.Contains(ids, "timer") || strings.Contains(ids, "window") {
			t.Errorf("conditions %q", ids)
		}
	})
}

// A wrong N(S) costs the connection and nothing else.
func TestWrongSendSequence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		times := 0
		crude(t, b.net, "a:1", func(c net.Conn) {
			if confirmStart(c) != nil {
				return
			}
			times++
			_, _ = c.Write(iFrame(times%2, 7)) // every other time the first one is numbered 1
			_, _ = io.Copy(io.Discard, c)
		})
		b.start("fep1")
		b.until(time.Minute, "event", func() bool { return b.Point(1, fsm.DI, 7).Value == 1 })
		b.until(time.Second, "complaint", func() bool { return b.feps["fep1"].Counters()[0].Lost == 1 })
	})
}

// A device that sends on without an acknowledgement is cut off before it fills the memory.
func TestIgnoresItsWindow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		sent, cut := 0, make(chan struct{})
		crude(t, b.net, "a:1", func(c net.Conn) {
			if sent > 0 || confirmStart(c) != nil {
				return
			}
			b.SetLeader(false)
			go func() { _, _ = io.Copy(io.Discard, c) }()
			for ; sent < 10_000; sent++ {
				time.Sleep(time.Millisecond)
				if _, err := c.Write(iFrame(sent, 7)); err != nil {
					break
				}
			}
			close(cut)
		})
		b.start("fep1")
		<-cut
		if sent == 10_000 {
			t.Errorf("cut off after %d ASDUs without an acknowledgement, expected about %d", sent, leastLimit)
		}
		b.SetLeader(true)
		b.until(5*time.Second, "complaint", func() bool {
			b.logs.mu.Lock()
			defer b.logs.mu.Unlock()
			return slices.ContainsFunc(b.logs.lines, func(l string) bool { return strings.Contains(l, "ignores its window: 257") })
		})
	})
}

// The other FEP probes without an I-frame and with one connection at a time, and leaves a device alone that can't stand
// it.
func TestProbes(t *testing.T) {
	for _, c := range []struct {
		probe  Probe
		quirks quirks
		state  fsm.LinkState
		quiet  bool // it is left alone in the end
	}{
		{ProbeConnect, quirks{}, fsm.LinkStandby, false},
		{ProbeHold, quirks{}, fsm.LinkStandby, false},
		{ProbeOff, quirks{}, fsm.LinkDown, false},
		{ProbeConnect, quirks{oneClient: true}, fsm.LinkDown, true},
		{ProbeHold, quirks{oneClient: true}, fsm.LinkDown, true},
	} {
		t.Run(fmt.Sprint(c.probe, c.quirks.oneClient), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"))
				rtu.StandbyProbe = c.probe
				b := newBench(t, rtu)
				d := newDevice(t, b.net, c.quirks, "a:1")
				b.start("fep1", "fep2")
				time.Sleep(10 * time.Minute)
				b.until(time.Second, "as probed", func() bool { return b.state("fep2", 1, 1) == c.state })
				if got := b.state("fep1", 1, 1); got != fsm.LinkActive {
					t.Errorf("the owner's link is %v", got)
				}
				if d.most > 2 {
					t.Errorf("%d connections at a time", d.most)
				}
				starts, lost := d.starts, b.feps["fep1"].Counters()[0].Lost
				if c.quiet != (lost > 0) || lost > 20 {
					t.Errorf("the owner has lost its link %d times", lost)
				}
				if uint64(starts) > lost+1 {
					t.Errorf("%d STARTDT for %d losses", starts, lost)
				}
				if n := b.feps["fep2"].Counters()[0].Started; n != 0 {
					t.Errorf("the other FEP has started the link %d times", n)
				}
			})
		})
	}
}

// After an interrogation, what differs from the image is an event, and only that.
func TestDifferencesBecomeEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rtu := testRTU(1, channel("a:1"))
		rtu.Interrogation = time.Minute
		b := newBench(t, rtu)
		d := newDevice(t, b.net, quirks{}, "a:1")
		d.values = []asdu.ASDU{asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation, single(1, 1), single(2, 1))}
		b.start("fep1")
		b.until(time.Second, "both are known", func() bool { return b.points() == 2 })
		time.Sleep(5 * time.Minute)
		if n := len(b.Events()); n != 0 {
			t.Errorf("%d events after interrogations that brought nothing new", n)
		}
		if n := d.got(asdu.C_IC_NA_1, asdu.Activation); n < 5 || n > 6 {
			t.Errorf("%d interrogations in 5 minutes", n)
		}
		d.mu.Lock()
		d.values = []asdu.ASDU{asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation, single(1, 1), single(2, 0))}
		d.mu.Unlock()
		b.until(2*time.Minute, "the difference", func() bool { return len(b.Events()) == 1 })
		if e := b.Events()[0]; e.Point != 2 || e.Value != 0 {
			t.Errorf("%+v", e)
		}
		d.send(asdu.M_EI_NA_1, asdu.Initialized, asdu.Object{})
		before := d.got(asdu.C_IC_NA_1, asdu.Activation)
		b.until(time.Second, "asked again", func() bool { return d.got(asdu.C_IC_NA_1, asdu.Activation) == before+1 })
	})
}

// Several devices behind one channel: each is started and interrogated, and a control finds the one that knows it.
func TestAllActive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, Channel{Mode: AllActive, Links: []string{"a:1", "a:2"}}))
		ignorant := newDevice(t, b.net, quirks{unknownObjects: true}, "a:1")
		knowing := newDevice(t, b.net, quirks{}, "a:2")
		b.start("fep1")
		b.until(time.Second, "both active", func() bool {
			return b.state("fep1", 1, 1) == fsm.LinkActive && b.state("fep1", 1, 2) == fsm.LinkActive
		})
		ignorant.change(1, 1)
		knowing.change(2, 1)
		b.until(time.Second, "both events", func() bool { return len(b.Events()) == 2 })
		b.submit("c", nil)
		if r := b.finished("c"); !r.OK {
			t.Errorf("%+v", r)
		}
		for _, d := range []*device{ignorant, knowing} {
			if n := d.got(asdu.C_SC_NA_1, asdu.Activation); n > 1 {
				t.Errorf("%d commands at one device", n)
			}
			b.until(time.Minute, "acknowledged", func() bool { return d.queue.Len() == 0 })
		}
	})
}

// Analogs are conflated: many changes, few commands, the last value right.
func TestConflation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		time.Sleep(5 * time.Second)
		before := len(b.Committed())
		for i := range 100 {
			d.send(asdu.M_ME_NC_1, asdu.Spontaneous, single(1001, float64(i)))
			time.Sleep(30 * time.Millisecond)
		}
		b.until(time.Second, "the last value", func() bool { return b.Point(1, fsm.AI, 1).Value == 99 })
		if n := len(b.Committed()) - before; n > 40 {
			t.Errorf("%d commands for 3 s of changes", n)
		}
		if len(b.Events()) != 0 {
			t.Error("analogs have become events")
		}
	})
}
