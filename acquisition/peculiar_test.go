package acquisition

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// A device whose event thread is quicker than its confirmation: its link is closed each time, which is named, or what it sends is
// taken, told and acknowledged.
func TestEarlyData(t *testing.T) {
	for _, tolerate := range []iec104.Tolerance{0, iec104.EarlyData} {
		t.Run(tolerate.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"))
				rtu.Protocol.Tolerate = tolerate
				b := newBench(t, rtu)
				acknowledged := make(chan struct{})
				crude(t, b.net, "a:1", func(c net.Conn) {
					act := make([]byte, 6)
					if _, err := io.ReadFull(c, act); err != nil || act[2] != 0x07 {
						return
					}
					for _, frame := range [][]byte{iFrame(0, 7), {0x68, 4, 0x0b, 0, 0, 0}, iFrame(1, 8)} {
						if _, err := c.Write(frame); err != nil {
							return
						}
					}
					for {
						head := make([]byte, 6)
						if _, err := io.ReadFull(c, head); err != nil {
							return
						}
						if head[2]&3 == 1 && head[4] == 4 { // S, N(R) 2
							close(acknowledged)
							_, _ = io.Copy(io.Discard, c)
							return
						}
						if _, err := io.CopyN(io.Discard, c, int64(head[1])-4); err != nil {
							return
						}
					}
				})
				b.start("fep1", "fep2")
				if tolerate == 0 {
					b.until(time.Minute, "named", func() bool { return strings.Contains(b.said.Says("rtu.1.protocol"), "(early-data)") })
					if n := len(b.Events()); n != 0 {
						t.Errorf("%d events", n)
					}
					return
				}
				<-acknowledged
				var points []uint32
				for _, e := range b.Events() {
					points = append(points, e.Point)
				}
				if !slices.Equal(points, []uint32{7, 8}) {
					t.Errorf("events of %v", points)
				}
				if n := b.feps["fep1"].Counters()[0].Faults["data before STARTDT con"]; n != 1 {
					t.Errorf("%d counted", n)
				}
			})
		})
	}
}

// A device that keeps the dead FEP's link until its own time-outs: the other FEP waits without closing, tries the other channel,
// says so, and is served as soon as the device is ready.
func TestDeviceKeepsOldLink(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1"), channel("a:2")))
		d := newDevice(t, b.net, quirks{keepsLink: true}, "a:1", "a:2")
		b.start("fep1", "fep2")
		b.until(5*time.Second, "active", b.active)
		time.Sleep(30 * time.Second) // so that both channels were probed
		b.net.setCut("fep1", true)
		b.Kill(t, "fep1")
		b.Assign(t, fsm.RTUResource(1), "fep2")
		began := time.Now()
		b.until(time.Minute, "told of both links", func() bool {
			return strings.Contains(b.said.Says("rtu.1.start_unconfirmed"), "on link 1:1, 2:1 (channel:link)")
		})
		waiting := d.connections()
		b.until(time.Minute, "active", func() bool { return b.state("fep2", 1, 1) == fsm.LinkActive || b.state("fep2", 2, 1) == fsm.LinkActive })
		if n := d.connections(); n > waiting {
			t.Errorf("%d connections, %d when it began to wait", n, waiting)
		}
		if took := time.Since(began); took > 36*time.Second {
			t.Errorf("served after %v, expected the device's t3 + t1", took)
		}
		b.until(time.Second, "no longer told", func() bool { return b.said.Says("rtu.1.start_unconfirmed") == "" })
		if c := b.feps["fep2"].Counters()[0]; c.Lost != 0 || c.Failed != 0 {
			t.Errorf("fep2 has lost %d links, %d failed", c.Lost, c.Failed)
		}
	})
}

// What is asked after a start, in which order.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		order []Step
		want  []asdu.TypeID
	}{
		{nil, []asdu.TypeID{asdu.C_IC_NA_1, asdu.C_CI_NA_1, asdu.C_CS_NA_1}},
		{[]Step{StepTest, StepClock, StepInterrogation, StepCounters}, []asdu.TypeID{asdu.C_TS_TA_1, asdu.C_CS_NA_1, asdu.C_IC_NA_1, asdu.C_CI_NA_1}},
		{[]Step{StepClock, StepInterrogation}, []asdu.TypeID{asdu.C_CS_NA_1, asdu.C_IC_NA_1}},
	} {
		inBubble(t, func(t *testing.T) {
			b, d := oneRTU(t, quirks{}, func(r *RTU) { r.Order = c.order })
			b.start("fep1", "fep2")
			b.until(time.Minute, "known", func() bool { return b.points() >= 3 })
			time.Sleep(time.Minute)
			var got []asdu.TypeID
			for _, a := range d.received() {
				got = append(got, a.Type)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("asked %v, expected %v", got, c.want)
			}
			time.Sleep(time.Hour)
			if d.got(asdu.C_CI_NA_1, asdu.Activation) < 3 {
				t.Error("counters aren't asked for on their period")
			}
		})
	}
}

// Counters are frozen before they're read; with reset, what was frozen before the start is read first.
func TestCounterFreeze(t *testing.T) {
	for _, c := range []struct {
		name   string
		freeze uint8
		groups []uint8
		want   string // QCC of the first requests
	}{
		{"none", asdu.FreezeRead, nil, "05 05 05"},
		{"freeze", asdu.Freeze, nil, "45 05 45 05"},
		{"freeze with reset", asdu.FreezeWithReset, nil, "05 85 05 85 05"},
		{"groups", asdu.FreezeWithReset, []uint8{1, 3}, "01 03 81 01 83 03"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b, d := oneRTU(t, quirks{}, func(r *RTU) { r.CounterFreeze, r.CounterGroups = c.freeze, c.groups })
				b.start("fep1", "fep2")
				time.Sleep(50 * time.Minute)
				var got []string
				for _, a := range d.received() {
					if a.Type == asdu.C_CI_NA_1 {
						got = append(got, octetWord(a.Object(0).Qualifier))
					}
				}
				if all := strings.Join(got, " "); !strings.HasPrefix(all, c.want) {
					t.Errorf("asked %s, expected %s", all, c.want)
				}
				if ids := b.said.IDs(); ids != "" {
					t.Error(ids)
				}
			})
		})
	}
}

// A counter whose sequence number stays as it is isn't frozen by anybody.
func TestCounterIsStuck(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b, d := oneRTU(t, quirks{stuckCounters: true}, nil)
		b.start("fep1", "fep2")
		time.Sleep(40 * time.Minute)
		if ids := b.said.IDs(); ids != "" {
			t.Errorf("after two readings: %s", ids)
		}
		b.until(time.Hour, "told", func() bool { return strings.Contains(b.said.Says("rtu.1.counter_stuck"), "1 counters had the same") })
		d.mu.Lock()
		d.quirks.stuckCounters = false
		d.mu.Unlock()
		b.until(time.Hour, "no longer told", func() bool { return b.said.IDs() == "" })
	})
}

// keepLink lets a start wait as long as another session is started.
func (d *device) keepLink(ctx context.Context, s *iec104.Session) error {
	for d.quirks.keepsLink {
		busy := false
		for _, o := range d.server.Sessions() {
			busy = busy || o != s && o.State() == iec104.Started
		}
		if !busy {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
