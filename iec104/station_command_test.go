package iec104

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// sc is a single command ON; a second argument is the qualifier.
func sc(ioa asdu.InformationObjectAddress, qualifier ...uint8) asdu.Object {
	o := asdu.Object{Address: ioa, Value: 1}
	for _, q := range qualifier {
		o.Qualifier |= q
	}
	return o
}

func act(t asdu.TypeID) asdu.Header {
	return asdu.Header{Type: t, Cause: asdu.Activation, CommonAddress: 1}
}
func deact(t asdu.TypeID) asdu.Header {
	return asdu.Header{Type: t, Cause: asdu.Deactivation, CommonAddress: 1}
}

func (a asking) operatedOnly(title string, want ...string) {
	a.t.Helper()
	if got := a.operations(); !slices.Equal(got, want) {
		a.t.Errorf("%s: operated %q, want %q", title, got, want)
	}
}

func TestRow48_DirectExecute(t *testing.T) {
	withStation(t, nil, func(a asking) {
		expect(a.t, "single command", a.ask(act(asdu.C_SC_NA_1), sc(100)), `
			C_SC_NA_1 7 ca 1: 100=1
			M_SP_TB_1 11 ca 1: 1=1
			C_SC_NA_1 10 ca 1: 100=1`)
		a.operatedOnly("direct", "6 ca 1: 100=1")
		expect(a.t, "refused by the process", a.ask(act(asdu.C_SC_NA_1), sc(197)), "C_SC_NA_1 7 negative ca 1: 197=1")
		a.operations()
		now := asdu.NewCP56Time2a(time.Now(), time.UTC)
		for _, typ := range []asdu.TypeID{45, 46, 47, 48, 49, 50, 51, 58, 59, 60, 61, 62, 63, 64} {
			value := 1.0
			if typ.Untimed() == asdu.C_SE_NA_1 {
				value = 0.5
			}
			got := a.ask(act(typ), asdu.Object{Address: 101, Value: value, Time: now})
			if want := fmt.Sprintf("%v 7 ca 1: 101=%v", typ, value); !strings.HasPrefix(got, want) {
				a.t.Errorf("got %s, want %s", got, want)
			}
			a.operatedOnly(typ.String(), fmt.Sprintf("6 ca 1: 101=%v", value))
		}
	})
}

func TestRow48_ClientCommands(t *testing.T) {
	withStation(t, nil, func(a asking) {
		var confirmed []asdu.ASDU
		cmd := Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: sc(199), SelectFirst: true, Originator: 5,
			AwaitTermination: true, Confirmed: func(a asdu.ASDU) { confirmed = append(confirmed, a.Clone()) }}
		if err := a.Command(a.t.Context(), cmd); err != nil {
			a.t.Error(err)
		}
		if len(confirmed) != 1 || confirmed[0].Originator != 5 || confirmed[0].Object(0).Select() {
			a.t.Errorf("confirmed %v, want once, for the execution", confirmed)
		}
		if got := a.take(); brief(got[len(got)-1]) != "C_SC_NA_1 10 ca 1: 199=1" {
			a.t.Errorf("returned after %s", brief(got[len(got)-1]))
		}
		a.operatedOnly("select and execute", "6 ca 1: 199=1")

		var negative *NegativeError
		err := a.Command(a.t.Context(), Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: sc(198), SelectFirst: true})
		if !errors.As(err, &negative) || !errors.Is(err, ErrNotSent) {
			a.t.Errorf("selection refused: %v, want *NegativeError, and the command was not sent", err)
		}
		err = a.Command(a.t.Context(), Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: sc(199)})
		if !errors.As(err, &negative) || errors.Is(err, ErrNotSent) {
			a.t.Errorf("execution refused: %v, want *NegativeError", err)
		}
		if want := "iec104: C_SC_NA_1 to station 1, object 199 refused"; !strings.HasPrefix(err.Error(), want) {
			a.t.Errorf("%q, want %q", err, want)
		}
		err = a.Command(a.t.Context(), Command{CommonAddress: 1, Type: asdu.C_BO_NA_1, Object: sc(100), SelectFirst: true})
		if !errors.Is(err, ErrNotSent) {
			a.t.Errorf("a bitstring can't be selected: %v", err)
		}
		err = a.Command(a.t.Context(), Command{CommonAddress: 1, Type: asdu.C_DC_NA_1, Object: asdu.Object{Address: 100, Value: 7}})
		if !errors.Is(err, ErrNotSent) || !errors.Is(err, asdu.ErrValue) {
			a.t.Errorf("no such state: %v", err)
		}
		a.operatedOnly("none of these")
		if err := a.Command(a.t.Context(), Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: sc(199, asdu.SelectBit)}); err != nil {
			a.t.Errorf("select only: %v", err)
		}
		if err := a.Cancel(a.t.Context(), cmd); err != nil {
			a.t.Errorf("Cancel: %v", err)
		}
		if err := a.Cancel(a.t.Context(), cmd); !errors.As(err, &negative) {
			a.t.Errorf("Cancel again: %v", err)
		}
		a.operatedOnly("cancelled")
	})
}

func TestRow49_SelectAndExecuteInTime(t *testing.T) {
	withStation(t, nil, func(a asking) {
		for _, ioa := range []asdu.InformationObjectAddress{100, 199} { // selection possible, required
			with := strings.NewReplacer("X", fmt.Sprint(ioa), "Y", fmt.Sprint(ioa-99)).Replace
			expect(a.t, "select", a.ask(act(asdu.C_SC_NA_1), sc(ioa, asdu.SelectBit, 4)), with("C_SC_NA_1 7 ca 1: X=1/132"))
			time.Sleep(29 * time.Second)
			expect(a.t, "execute", a.ask(act(asdu.C_SC_NA_1), sc(ioa, 4)), with(`
				C_SC_NA_1 7 ca 1: X=1/4
				M_SP_TB_1 11 ca 1: Y=1
				C_SC_NA_1 10 ca 1: X=1/4`))
			a.operatedOnly("once", with("6 ca 1: X=1/4"))
		}
		expect(a.t, "a selection is good for one execution", a.ask(act(asdu.C_SC_NA_1), sc(199, 4)), "C_SC_NA_1 7 negative ca 1: 199=1/4")
		a.operatedOnly("not again")
	})
}

func TestRow50_ExecuteNotSelectedLateOrDifferent(t *testing.T) {
	for name, c := range map[string]struct {
		ioa      asdu.InformationObjectAddress
		selected asdu.Object
		wait     time.Duration
		execute  asdu.Object
		typ      asdu.TypeID
	}{
		"not selected":               {execute: sc(199)},
		"late":                       {selected: sc(199, asdu.SelectBit), wait: 30 * time.Second, execute: sc(199)},
		"late, direct is possible":   {selected: sc(100, asdu.SelectBit), wait: 30 * time.Second, execute: sc(100)},
		"other value":                {selected: sc(100, asdu.SelectBit), execute: asdu.Object{Address: 100}},
		"other qualifier":            {selected: sc(100, asdu.SelectBit), execute: sc(100, 4)},
		"other address":              {selected: sc(198-98, asdu.SelectBit), execute: sc(199)},
		"other type":                 {selected: sc(100, asdu.SelectBit), execute: sc(100), typ: asdu.C_DC_NA_1},
		"selection refused (Select)": {selected: sc(198, asdu.SelectBit), execute: asdu.Object{Address: 199}},
	} {
		withStation(t, nil, func(a asking) {
			if c.selected.Address != 0 {
				a.ask(act(asdu.C_SC_NA_1), c.selected)
			}
			time.Sleep(c.wait)
			typ := asdu.C_SC_NA_1
			if c.typ != 0 {
				typ = c.typ
			}
			for range 2 { // nor when it is tried again
				if got := a.ask(act(typ), c.execute); !strings.HasPrefix(got, typ.String()+" 7 negative ca 1:") {
					a.t.Errorf("%s: %s, want a negative confirmation", name, got)
				}
			}
			a.operatedOnly(name)
		})
	}
	// Long after, where no selection is required, a direct command is one again.
	withStation(t, nil, func(a asking) {
		a.ask(act(asdu.C_SC_NA_1), sc(100, asdu.SelectBit))
		time.Sleep(time.Minute)
		a.ask(act(asdu.C_SC_NA_1), sc(100))
		a.operatedOnly("after a minute", "6 ca 1: 100=1")
	})
}

func TestRow51_ASelectionBelongsToItsLink(t *testing.T) {
	withStation(t, nil, func(a asking) {
		other := start(a.t, a.n, ClientConfig{})
		a.ask(act(asdu.C_SC_NA_1), sc(100, asdu.SelectBit))
		expect(a.t, "selected by another link: select", a.by(other, act(asdu.C_SC_NA_1), sc(100, asdu.SelectBit)), "C_SC_NA_1 7 negative ca 1: 100=1/128")
		expect(a.t, "selected by another link: execute", a.by(other, act(asdu.C_SC_NA_1), sc(100)), "C_SC_NA_1 7 negative ca 1: 100=1")
		expect(a.t, "selected by another link: deactivate", a.by(other, deact(asdu.C_SC_NA_1), sc(100, asdu.SelectBit)), "C_SC_NA_1 9 negative ca 1: 100=1/128")
		a.operatedOnly("nothing")
		a.ask(act(asdu.C_SC_NA_1), sc(100))
		a.operatedOnly("its own link", "6 ca 1: 100=1")

		// The loss of the link ends the selection, and a stop does.
		a.ask(act(asdu.C_SC_NA_1), sc(199, asdu.SelectBit))
		a.recorder.Close()
		expect(a.t, "after its loss", a.by(other, act(asdu.C_SC_NA_1), sc(199, asdu.SelectBit)), "C_SC_NA_1 7 ca 1: 199=1/128")
		if err := other.StopDT(a.t.Context()); err != nil {
			a.t.Fatal(err)
		}
		if err := other.StartDT(a.t.Context()); err != nil {
			a.t.Fatal(err)
		}
		expect(a.t, "after a stop", a.by(other, act(asdu.C_SC_NA_1), sc(199)), "C_SC_NA_1 7 negative ca 1: 199=1")
		a.operatedOnly("nothing")
	})
}

func TestRow52_Deactivation(t *testing.T) {
	withStation(t, nil, func(a asking) {
		for _, o := range []asdu.Object{sc(100), sc(199)} {
			selected := o
			selected.Qualifier |= asdu.SelectBit
			a.ask(act(asdu.C_SC_NA_1), selected)
			got := a.ask(deact(asdu.C_SC_NA_1), selected)
			if want := "C_SC_NA_1 9 ca 1:"; !strings.HasPrefix(got, want) {
				a.t.Errorf("deactivated: %s, want %s", got, want)
			}
			got = a.ask(act(asdu.C_SC_NA_1), o)
			if want := "C_SC_NA_1 7 negative ca 1:"; !strings.HasPrefix(got, want) {
				a.t.Errorf("execute: %s, want %s", got, want)
			}
		}
		a.operatedOnly("nothing")
	})
}

func TestRow53_StatesThatAreNotPermitted(t *testing.T) {
	withStation(t, nil, func(a asking) {
		for _, typ := range []asdu.TypeID{asdu.C_DC_NA_1, asdu.C_RC_NA_1, asdu.C_DC_TA_1, asdu.C_RC_TA_1} {
			for _, value := range []float64{0, 3} {
				for _, q := range []uint8{0, asdu.SelectBit} {
					got := a.ask(act(typ), asdu.Object{Address: 100, Value: value, Qualifier: q, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)})
					if !strings.HasPrefix(got, typ.String()+" 7 negative ca 1: 100=") {
						a.t.Errorf("%v state %v: %s", typ, value, got)
					}
				}
			}
		}
		expect(a.t, "two objects", a.ask(act(asdu.C_SC_NA_1), sc(100), sc(102)), "C_SC_NA_1 7 negative ca 1: 100=1 102=1")
		h := act(asdu.C_SC_NA_1)
		h.Sequence = true
		expect(a.t, "SQ = 1", a.ask(h, sc(100)), "C_SC_NA_1 7 negative ca 1: 100=1")
		expect(a.t, "SQ = 1, two objects", a.ask(h, sc(100), sc(101)), "C_SC_NA_1 7 negative ca 1: 100=1 101=1")
		a.operatedOnly("nothing")
	})
}

func TestRow54_StaleAndInvalidTimeTags(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	tags := func() map[string]asdu.CP56Time2a {
		return map[string]asdu.CP56Time2a{
			"stale":       asdu.NewCP56Time2a(time.Now().Add(-31*time.Second), zone),
			"ahead":       asdu.NewCP56Time2a(time.Now().Add(31*time.Second), zone),
			"other zone":  asdu.NewCP56Time2a(time.Now(), time.UTC),
			"invalid":     asdu.NewCP56Time2a(time.Now(), zone).WithInvalid(true),
			"not a time":  {0xff, 0xff, 0x3f, 0x1f, 0x1f, 0x0f, 0x7f},
			"year of 100": {0, 0, 0, 0, 1, 1, 0},
		}
	}
	withStation(t, func(st *Station) { st.Location = zone }, func(a asking) {
		for name, tag := range tags() {
			for _, typ := range []asdu.TypeID{58, 59, 60, 62, 63, 64} {
				got := a.ask(act(typ), asdu.Object{Address: 100, Value: 1, Time: tag})
				if want := typ.String() + " 7 negative ca 1: 100=1"; got != want {
					a.t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		}
		a.operatedOnly("nothing")
		a.ask(act(asdu.C_SC_TA_1), asdu.Object{Address: 100, Value: 1, Time: asdu.NewCP56Time2a(time.Now().Add(-29*time.Second), zone)})
		a.operatedOnly("in time", "6 ca 1: 100=1")
	})
	withStation(t, func(st *Station) { st.Location, st.SilentStale = zone, true }, func(a asking) {
		for name, tag := range tags() {
			expect(a.t, "† silent: "+name, a.ask(act(asdu.C_SC_TA_1), asdu.Object{Address: 100, Value: 1, Time: tag}), "")
		}
		a.operatedOnly("nothing")
	})
	withStation(t, func(st *Station) { st.CommandAge = -1 }, func(a asking) {
		for name, tag := range tags() {
			a.ask(act(asdu.C_SC_TA_1), asdu.Object{Address: 100, Value: 1, Time: tag})
			if got := a.operations(); (len(got) == 1) == (name == "invalid" || name == "not a time") {
				a.t.Errorf("any age: %s: operated %q", name, got)
			}
		}
	})
}

func TestRow55_Parameters(t *testing.T) {
	types := []asdu.TypeID{asdu.P_ME_NA_1, asdu.P_ME_NB_1, asdu.P_ME_NC_1, asdu.P_AC_NA_1}
	withStation(t, nil, func(a asking) {
		for _, typ := range types {
			expect(a.t, "default", a.ask(act(typ), asdu.Object{Address: 1}), typ.String()+" 44 negative ca 1: 1=0")
		}
	})
	withStation(t, func(st *Station) {
		st.Other = make(map[asdu.TypeID]func(*Call))
		for _, typ := range types {
			st.Other[typ] = func(c *Call) { _ = c.Confirm() }
		}
	}, func(a asking) {
		for _, typ := range types {
			expect(a.t, "† taken", a.ask(act(typ), asdu.Object{Address: 1}), typ.String()+" 7 ca 1: 1=0")
		}
	})
}

func TestRow58_ATestNeverOperates(t *testing.T) {
	withStation(t, nil, func(a asking) {
		h := act(asdu.C_SC_NA_1)
		h.Test = true
		expect(a.t, "direct", a.ask(h, sc(100)), "C_SC_NA_1 7 negative test ca 1: 100=1")
		expect(a.t, "select", a.ask(h, sc(100, asdu.SelectBit)), "C_SC_NA_1 7 negative test ca 1: 100=1/128")
		h.Type = asdu.C_RP_NA_1
		expect(a.t, "reset", a.ask(h, asdu.Object{Qualifier: asdu.QRPProcess}), "C_RP_NA_1 7 negative test ca 1: 0=0/1")
		h.Type = asdu.C_CS_NA_1
		a.ask(h, asdu.Object{Time: asdu.NewCP56Time2a(time.Now(), time.UTC)})
		h.Type = asdu.C_CI_NA_1
		a.ask(h, asdu.Object{Qualifier: asdu.RQTGeneral | asdu.CounterReset})
		h.Type = asdu.C_IC_NA_1
		expect(a.t, "but it is answered", a.ask(h, asdu.Object{Qualifier: asdu.QOIGroup1}), `
			C_IC_NA_1 7 test ca 1: 0=0/21
			M_SP_NA_1 21 test ca 1: 1=1
			C_IC_NA_1 10 test ca 1: 0=0/21`)
		a.operatedOnly("nothing")
		if a.resets != 0 || len(a.clock) != 0 || len(a.frozen) != 0 {
			a.t.Errorf("resets %d, clock %v, frozen %v", a.resets, a.clock, a.frozen)
		}
	})
}

func TestRow58_AllFieldSizes(t *testing.T) {
	for cause := 1; cause <= 2; cause++ {
		for ca := 1; ca <= 2; ca++ {
			for ioa := 1; ioa <= 3; ioa++ {
				synctest.Test(t, func(t *testing.T) {
					cfg := Config{Profile: asdu.Profile{CauseSize: cause, CommonAddressSize: ca, ObjectAddressSize: ioa}}
					p := &plant{}
					st := p.station()
					_, n := serve(t, ServerConfig{Config: cfg, Groups: []Group{{Handle: st.Handle, Started: st.Started}}})
					c := start(t, n, ClientConfig{Config: cfg})
					for _, station := range []asdu.CommonAddress{1, asdu.BroadcastAddress} {
						if err := c.Interrogate(t.Context(), station, asdu.QOIStation); err != nil {
							t.Errorf("%v: %v", cfg.Profile, err)
						}
					}
					if err := c.Command(t.Context(), Command{CommonAddress: 2, Type: asdu.C_SC_NA_1, Object: sc(100), SelectFirst: true, AwaitTermination: true}); err != nil {
						t.Errorf("%v: %v", cfg.Profile, err)
					}
					if got := p.operations(); !slices.Equal(got, []string{"6 ca 2: 100=1"}) {
						t.Errorf("%v: operated %q", cfg.Profile, got)
					}
					if s := c.Counters(); s.Malformed != 0 {
						t.Errorf("%v: %d malformed", cfg.Profile, s.Malformed)
					}
				})
			}
		}
	}
}

// An answer that comes after the link was stopped must not go to the next start.
func TestAnAnswerBelongsToItsLink(t *testing.T) {
	calls := make(chan *Call, 1)
	withStation(t, func(st *Station) { st.Command = func(c *Call) { calls <- c } }, func(a asking) {
		if got := a.ask(act(asdu.C_SC_NA_1), sc(100)); got != "" {
			a.t.Fatal(got)
		}
		call := <-calls
		if err := a.StopDT(a.t.Context()); err != nil {
			a.t.Fatal(err)
		}
		if err := a.StartDT(a.t.Context()); err != nil {
			a.t.Fatal(err)
		}
		if err := call.Confirm(); !errors.Is(err, ErrNotStarted) {
			a.t.Errorf("Confirm: %v, want ErrNotStarted", err)
		}
		if got := a.words(); got != "" {
			a.t.Errorf("got %s", got)
		}
	})
}

func TestRequestsEndWithContextLinkAndWhenPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		_, n := serve(t, ServerConfig{Groups: []Group{{Handle: func(*Session, asdu.ASDU, uint64) { <-release }}}})
		c := start(t, n, ClientConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		first := begin(func() error { return c.Interrogate(ctx, 1, asdu.QOIStation) })
		synctest.Wait()
		if err := c.Interrogate(t.Context(), 1, asdu.QOIStation); !errors.Is(err, ErrPending) || !errors.Is(err, ErrNotSent) {
			t.Errorf("the same again: %v, want ErrPending and ErrNotSent", err)
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotSent) {
			t.Errorf("no answer: %v, want DeadlineExceeded", err)
		}
		second := begin(func() error { return c.Interrogate(t.Context(), 1, asdu.QOIStation) })
		synctest.Wait()
		c.Close()
		if err := <-second; !errors.Is(err, ErrClosed) || errors.Is(err, ErrNotSent) {
			t.Errorf("link closed: %v, want ErrClosed", err)
		}
		close(release)
	})
}
