package iec104

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

func TestRow44_ClockSynchronization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plant{}
		st := p.station()
		q := NewQueue(100)
		g := queued(q)
		g.Handle = st.Handle
		_, n := serve(t, ServerConfig{Groups: []Group{g}})
		c := start(t, n, ClientConfig{Config: Config{ManualAck: true}})
		push(t, q, 1, 15)
		synctest.Wait()
		at := time.Date(2026, 2, 28, 23, 59, 59, 1e6, time.UTC)
		done := begin(func() error { return c.SetClock(t.Context(), 1, at) })
		synctest.Wait()
		c.Ack(12)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := c.take()
		if len(got) != 16 || got[15].Type != asdu.C_CS_NA_1 {
			t.Errorf("%d ASDUs, the last %s; want the confirmation behind the 15 events", len(got), brief(got[len(got)-1]))
		}
		if len(p.clock) != 1 || p.clock[0] != asdu.NewCP56Time2a(at, time.UTC) || got[15].Object(0).Time != p.clock[0] {
			t.Errorf("clock set to %v", p.clock)
		}
	})
	for name, alter := range map[string]func(*Station){
		"disabled": func(st *Station) { st.SetClock = nil },
		"refused": func(st *Station) {
			st.SetClock = func(asdu.CommonAddress, asdu.CP56Time2a) error { return errors.ErrUnsupported }
		},
	} {
		withStation(t, alter, func(a asking) {
			var negative *NegativeError
			if err := a.SetClock(a.t.Context(), 1, time.Now()); !errors.As(err, &negative) || negative.ASDU.Cause != asdu.ActivationCon {
				a.t.Errorf("%s: %v, want a negative confirmation", name, err)
			}
		})
	}
	withStation(t, nil, func(a asking) {
		bad := asdu.NewCP56Time2a(time.Now(), time.UTC).WithInvalid(true)
		for _, tag := range []asdu.CP56Time2a{bad, {0xff, 0xff}} {
			got := a.ask(asdu.Header{Type: asdu.C_CS_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Time: tag})
			expect(a.t, "an invalid time", got, "C_CS_NA_1 7 negative ca 1: 0=0")
		}
		if len(a.clock) != 0 {
			a.t.Errorf("clock set to %v", a.clock)
		}
	})
}

func TestRow45_TestCommands(t *testing.T) {
	withStation(t, nil, func(a asking) {
		expect(a.t, "same counter", a.ask(asdu.Header{Type: asdu.C_TS_TA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Value: 4711, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}), "C_TS_TA_1 7 ca 1: 0=4711")
		if err := a.Test(a.t.Context(), 1); err != nil {
			a.t.Error(err)
		}
		a.words()
		expect(a.t, "C_TS_NA_1 is not in 104", a.ask(asdu.Header{Type: asdu.C_TS_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Value: asdu.TestPattern}), "C_TS_NA_1 44 negative ca 1: 0=21930")
	})
	withStation(t, func(st *Station) {
		st.Other = map[asdu.TypeID]func(*Call){asdu.C_TS_NA_1: func(c *Call) { _ = c.Confirm() }}
	}, func(a asking) {
		expect(a.t, "† C_TS_NA_1", a.ask(asdu.Header{Type: asdu.C_TS_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Value: asdu.TestPattern}), "C_TS_NA_1 7 ca 1: 0=21930")
	})
}

func TestRow46_ResetProcess(t *testing.T) {
	withStation(t, nil, func(a asking) {
		if err := a.Reset(a.t.Context(), 1, asdu.QRPProcess); err != nil || a.resets != 1 {
			a.t.Errorf("allowed: %v, %d resets", err, a.resets)
		}
		a.words()
		expect(a.t, "QRP 2", a.ask(asdu.Header{Type: asdu.C_RP_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Qualifier: asdu.QRPEvents}), "C_RP_NA_1 7 negative ca 1: 0=0/2")
		expect(a.t, "QRP 0", a.ask(asdu.Header{Type: asdu.C_RP_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{}), "C_RP_NA_1 7 negative ca 1: 0=0")
		if a.resets != 1 {
			a.t.Errorf("%d resets", a.resets)
		}
	})
	withStation(t, func(st *Station) { st.Reset = nil }, func(a asking) {
		expect(a.t, "not allowed", a.ask(asdu.Header{Type: asdu.C_RP_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Qualifier: asdu.QRPProcess}), "C_RP_NA_1 7 negative ca 1: 0=0/1")
	})
}

func TestRow47_EndOfInitializationComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := (&plant{}).station()
		st.COI = asdu.COIRemoteReset
		q := NewQueue(100)
		g := queued(q)
		g.Started = st.Started
		_, n := serve(t, ServerConfig{Groups: []Group{g}})
		push(t, q, 1, 1)
		const first = "M_EI_NA_1 4 ca 1: 0=0/2\nM_EI_NA_1 4 ca 2: 0=0/2\nM_SP_TB_1 3 ca 1: 1=1"

		c := start(t, n, ClientConfig{Config: Config{ManualAck: true}})
		expect(t, "after a restart", c.words(), first)
		c.Close()
		c = start(t, n, ClientConfig{})
		expect(t, "the link was lost before it was acknowledged", c.words(), first)
		if err := c.StopDT(t.Context()); err != nil {
			t.Fatal(err)
		}
		push(t, q, 2, 2)
		if err := c.StartDT(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(t, "not again", c.words(), "M_SP_TB_1 3 ca 1: 2=1")
		c.Close()
		c = start(t, n, ClientConfig{})
		expect(t, "not on another connection; but the event was not acknowledged", c.words(), "M_SP_TB_1 3 ca 1: 2=1")
	})
}
