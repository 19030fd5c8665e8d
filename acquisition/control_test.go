package acquisition

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// submit asks for a control of DO 1, or what change makes of it.
func (b *bench) submit(id string, change func(*fsmpb.ControlSubmit)) {
	b.Helper()
	c := &fsmpb.ControlSubmit{
		Id: id, Origin: "test", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 1, Type: uint32(asdu.C_SC_NA_1), Value: 1,
		DeadlineMs: time.Now().Add(10 * time.Second).UnixMilli(),
	}
	if change != nil {
		change(c)
	}
	b.Do(b.T, "wit", &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: c}})
}

// finished waits for the end of a control.
func (b *bench) finished(id string) fsm.Control {
	b.Helper()
	b.until(15*time.Second, id+" done", func() bool { return b.Control(id).Stage == fsm.Done })
	return b.Control(id)
}

func phase(p fsmpb.ControlSubmit_Phase, of string) func(*fsmpb.ControlSubmit) {
	return func(c *fsmpb.ControlSubmit) { c.Phase, c.SelectId = p, of }
}

func TestControls(t *testing.T) {
	const (
		con, term, returned = uint8(asdu.ActivationCon), uint8(asdu.ActivationTermination), uint8(asdu.RemoteReturn)
	)
	how := func(o Operation) func(*RTU) {
		return func(r *RTU) { r.Controls = map[ControlKey]Operation{{fsmpb.Kind_DO, 1}: o} }
	}
	byState := func(r *RTU) {
		r.ConfirmByState = true
		how(Operation{State: 1, Shown: true})(r)
	}
	for _, c := range []struct {
		what      string
		quirks    quirks
		rtu       func(*RTU)
		change    func(*fsmpb.ControlSubmit)
		within    time.Duration // 0: the deadline
		ok        bool
		confirmed bool
		cause     uint8
		reason    string
		sent      int
	}{
		{what: "direct", ok: true, confirmed: true, cause: term, sent: 1},
		{what: "refused", quirks: quirks{refuses: true}, cause: con, reason: "refused by the device", sent: 1},
		{what: "never terminated", quirks: quirks{noTermination: true}, confirmed: true, cause: con, reason: "outcome unknown: confirmed, not terminated", sent: 1},
		{what: "known never to terminate", quirks: quirks{noTermination: true}, rtu: func(r *RTU) { r.NoTermination = true }, ok: true, confirmed: true, cause: con, sent: 1, within: time.Second},
		{what: "taken never to terminate", rtu: func(r *RTU) { r.NoTermination = true }, ok: true, confirmed: true, cause: con, sent: 1, within: time.Second},
		{what: "selected at the device", rtu: how(Operation{Select: SelectDevice}), ok: true, confirmed: true, cause: term, sent: 2, within: time.Second},
		{what: "selection refused", quirks: quirks{refuses: true}, rtu: how(Operation{Select: SelectDevice}), cause: con, reason: "refused by the device", sent: 1},
		{what: "selection unanswered", quirks: quirks{silent: true}, rtu: how(Operation{Select: SelectDevice}), reason: "not sent", sent: 1},
		{what: "not selected where it has to be", rtu: how(Operation{Select: SelectRequired}), reason: "has to be selected first"},
		{what: "confirmed by its state", quirks: quirks{silent: true, returns: true}, rtu: byState, ok: true, confirmed: true, cause: returned, sent: 1, within: time.Second},
		{what: "confirmed by its state and the device", quirks: quirks{noTermination: true, returns: true}, rtu: byState, ok: true, confirmed: true, cause: returned, sent: 1, within: time.Second},
		{what: "to be confirmed by its state, and refused", quirks: quirks{refuses: true}, rtu: byState, cause: con, reason: "refused by the device", sent: 1, within: time.Second},
		{what: "to be confirmed by its state, and nothing comes", quirks: quirks{silent: true}, rtu: byState, reason: "the device said nothing, and di 1 has not become on", sent: 1},
		{what: "to be confirmed by its state, and terminated", rtu: byState, confirmed: true, cause: term, reason: "the device says that it's done, and di 1 has not become on", sent: 1},
		{what: "no answer", quirks: quirks{silent: true}, reason: "outcome unknown: no answer", sent: 1},
		{what: "object unknown to the device", quirks: quirks{unknownObjects: true}, cause: uint8(asdu.UnknownObjectAddress), reason: "unknown object address", sent: 1},
		{what: "no such DO", change: func(c *fsmpb.ControlSubmit) { c.Point = 5000 }, reason: "RTU 1 has no do 5000"},
		{what: "impossible value", change: func(c *fsmpb.ControlSubmit) { c.Value = 2 }, reason: "expected 0 or 1"},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"))
				if c.rtu != nil {
					c.rtu(&rtu)
				}
				b := newBench(t, rtu)
				d := newDevice(t, b.net, c.quirks, "a:1")
				b.start("fep1")
				b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
				began := time.Now()
				b.submit("c", c.change)
				r := b.finished("c")
				if took := time.Since(began); c.within > 0 && took > c.within {
					t.Errorf("done after %v, expected %v at most", took, c.within)
				}
				if r.OK != c.ok || r.Cause != c.cause || (r.ConfirmedMs != 0) != c.confirmed || !strings.Contains(r.Reason, c.reason) {
					t.Errorf("%+v, expected ok %v, cause %d, confirmed %v, %q", r, c.ok, c.cause, c.confirmed, c.reason)
				}
				if c.quirks.returns {
					b.inOrder("c")
				}
				time.Sleep(20 * time.Second)
				if n := d.got(asdu.C_SC_NA_1, asdu.Activation); n != c.sent {
					t.Errorf("sent %d times, expected %d", n, c.sent)
				}
			})
		})
	}
}

// inOrder checks that a control's confirmation, the state that it has brought about, and its end stand in this order in the log.
func (b *bench) inOrder(id string) {
	b.Helper()
	var order []string
	for _, c := range b.Committed() {
		switch op := c.Op.(type) {
		case *fsmpb.Command_ControlResult:
			if op.ControlResult.Id == id {
				order = append(order, fmt.Sprintf("result, final %v", op.ControlResult.Terminated))
			}
		case *fsmpb.Command_Events:
			for _, it := range op.Events.Items {
				if it.Kind == fsmpb.Kind_DI && it.Point == 1 && it.Mode == fsmpb.Item_EVENT {
					order = append(order, "state")
				}
			}
		}
	}
	if len(order) < 3 || order[0] != "result, final false" || order[len(order)-1] != "result, final true" || !slices.Contains(order, "state") {
		b.Errorf("order %q, expected confirmation, state and end", order)
	}
}

func TestSelectExecuteCancel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })

		b.submit("s1", phase(fsmpb.ControlSubmit_SELECT, ""))
		if r := b.finished("s1"); !r.OK {
			t.Fatalf("selection: %s", r.Reason)
		}
		b.submit("x1", phase(fsmpb.ControlSubmit_EXECUTE, "s1"))
		if r := b.finished("x1"); !r.OK || r.ConfirmedMs == 0 {
			t.Errorf("execution: %+v", r)
		}

		b.submit("s2", phase(fsmpb.ControlSubmit_SELECT, ""))
		b.finished("s2")
		b.submit("c2", phase(fsmpb.ControlSubmit_CANCEL, "s2"))
		if r := b.finished("c2"); !r.OK || r.Cause != uint8(asdu.DeactivationCon) {
			t.Errorf("cancel: %+v", r)
		}

		// The device forgets a selection with its link, so an execution on another one must not be tried.
		b.submit("s3", phase(fsmpb.ControlSubmit_SELECT, ""))
		b.finished("s3")
		d.drop()
		b.until(time.Second, "link lost", func() bool { return b.state("fep1", 1, 1) != fsm.LinkActive })
		b.until(10*time.Second, "link back", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		b.submit("x3", phase(fsmpb.ControlSubmit_EXECUTE, "s3"))
		if r := b.finished("x3"); r.OK {
			t.Errorf("executed on another link than it was selected on")
		}

		var sent []string
		d.mu.Lock()
		for _, a := range d.asked {
			if a.Type == asdu.C_SC_NA_1 {
				sent = append(sent, fmt.Sprint(a.Cause, " select=", a.Object(0).Select()))
			}
		}
		d.mu.Unlock()
		want := "[activation select=true activation select=false activation select=true deactivation select=true activation select=true]"
		if fmt.Sprint(sent) != want {
			t.Errorf("sent %v, expected %s", sent, want)
		}
	})
}

// A control in flight when the owner changes is not sent again by the next one; one that was only submitted is sent once,
// by the next one.
func TestControlAndTakeover(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, hold(testRTU(1, channel("a:1"))))
		d := newDevice(t, b.net, quirks{silent: true}, "a:1")
		b.start("fep1", "fep2")
		b.until(2*time.Second, "active and held", func() bool {
			return b.state("fep1", 1, 1) == fsm.LinkActive && b.state("fep2", 1, 1) == fsm.LinkStandby
		})
		b.submit("flying", nil)
		b.until(time.Second, "sent", func() bool { return d.got(asdu.C_SC_NA_1, asdu.Activation) == 1 })
		b.Kill(t, "fep1")
		b.submit("waiting", func(c *fsmpb.ControlSubmit) { c.Point, c.Value = 2, 0 })
		b.Assign(t, fsm.RTUResource(1), "fep2")
		if r := b.finished("flying"); r.OK {
			t.Errorf("%+v", r)
		}
		b.until(time.Second, "the other one sent", func() bool { return d.got(asdu.C_SC_NA_1, asdu.Activation) == 2 })
		b.finished("waiting")
		time.Sleep(30 * time.Second)
		if n := d.got(asdu.C_SC_NA_1, asdu.Activation); n != 2 {
			t.Errorf("%d commands at the device, expected 2", n)
		}
	})
}

// Without a link a control is refused soon, rather than at its deadline.
func TestControlWithoutLink(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		b.start("fep1")
		time.Sleep(10 * time.Second)
		b.submit("c", nil)
		b.until(100*time.Millisecond, "refused", func() bool { return b.Control("c").Stage == fsm.Done })
		if r := b.Control("c"); r.OK || !strings.Contains(r.Reason, "no started link") {
			t.Errorf("%+v", r)
		}
	})
}

// Nothing is sent before the start is committed.
func TestControlWaitsForTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		time.Sleep(5 * time.Second)
		b.submit("c", func(c *fsmpb.ControlSubmit) { c.DeadlineMs -= 5000 })
		b.SetLeader(false)
		b.remains(6*time.Second, "not sent", func() bool { return d.got(asdu.C_SC_NA_1, asdu.Activation) == 0 })
		b.SetLeader(true)
		synctest.Wait()
		b.remains(6*time.Second, "not sent after its deadline", func() bool { return d.got(asdu.C_SC_NA_1, asdu.Activation) == 0 })
	})
}

// While one control waits for its answer others come and go, and each is sent once.
func TestControlsSideBySide(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{silent: true}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		const n = 20
		for i := range n {
			b.submit(fmt.Sprint("c", i), func(c *fsmpb.ControlSubmit) { c.Point = uint32(i + 1) })
		}
		for i := range n {
			if r := b.finished(fmt.Sprint("c", i)); !strings.Contains(r.Reason, "no answer") {
				t.Errorf("%s: %s", r.ID, r.Reason)
			}
		}
		time.Sleep(30 * time.Second)
		times := map[asdu.InformationObjectAddress]int{}
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, a := range d.asked {
			if a.Type == asdu.C_SC_NA_1 {
				times[a.Object(0).Address]++
			}
		}
		for address, got := range times {
			if got != 1 {
				t.Errorf("the control of %d was sent %d times", address, got)
			}
		}
		if len(times) != n {
			t.Errorf("%d of %d controls were sent", len(times), n)
		}
	})
}

// A parameter is sent once its start is committed; the device's confirmation is its end. So is that of its activation, and of taking that back.
func TestParameters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := testRTU(1, channel("a:1"))
		r.Points = append(r.Points,
			Point{Kind: fsmpb.Kind_AO, Number: 1, Address: 5001, Type: asdu.P_ME_NC_1}, Point{Kind: fsmpb.Kind_AO, Number: 2, Address: 5001, Type: asdu.P_AC_NA_1})
		b := newBench(t, r)
		d := newDevice(t, b.net, quirks{noTermination: true}, "a:1")
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		for i, c := range []struct {
			point       uint32
			typ         asdu.TypeID
			value       float64
			cause       asdu.CauseOfTransmission
			confirmedBy asdu.CauseOfTransmission
		}{
			{1, asdu.P_ME_NC_1, 12.5, asdu.Activation, asdu.ActivationCon}, {2, asdu.P_AC_NA_1, 1, asdu.Activation, asdu.ActivationCon},
			{2, asdu.P_AC_NA_1, 0, asdu.Deactivation, asdu.DeactivationCon},
		} {
			id := string(rune('a' + i))
			b.submit(id, func(s *fsmpb.ControlSubmit) {
				s.Kind, s.Point, s.Type, s.Value, s.Qualifier = fsmpb.Kind_AO, c.point, uint32(c.typ), c.value, 0x83
			})
			b.until(time.Second, "done", func() bool { return b.Control(id).Stage == fsm.Done })
			if got := b.Control(id); !got.OK || got.Cause != uint8(c.confirmedBy) {
				t.Errorf("%v: %+v", c.typ, got)
			}
			asked := d.received()
			a := asked[len(asked)-1]
			if o := a.Object(0); a.Type != c.typ || a.Cause != c.cause || o.Qualifier != 0x83 || c.typ == asdu.P_ME_NC_1 && o.Value != c.value {
				t.Errorf("the device was sent %v", a)
			}
		}
	})
}
