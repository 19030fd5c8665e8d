package iec104

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// plant is a small process: object addresses 1 to 4 in station 1 and 2, and
// counters 11, 12.
type plant struct {
	mu       sync.Mutex
	operated []string
	clock    []CP56Time2a
	resets   int
	frozen   []uint8
}

func (p *plant) read(ca CommonAddress, ioa InformationObjectAddress) (TypeID, Object, bool) {
	switch ioa {
	case 1, 2:
		return M_SP_TB_1, Object{Value: 1, Quality: NT}, true
	case 3:
		return M_DP_NA_1, Object{Value: 2}, true
	case 4:
		return M_ME_TF_1, Object{Value: float64(ca) * 1.5}, true
	case 11, 12:
		return M_IT_TB_1, Object{Value: float64(ioa) * 1000}, true
	}
	return 0, Object{}, false
}

func addresses(ioas ...InformationObjectAddress) iter.Seq[InformationObjectAddress] {
	return slices.Values(ioas)
}

func (p *plant) station() *Station {
	return &Station{
		CommonAddresses: []CommonAddress{1, 2},
		Read:            p.read,
		Interrogation: func(_ CommonAddress, qoi uint8) (iter.Seq[InformationObjectAddress], bool) {
			switch qoi {
			case QOIStation:
				return addresses(1, 2, 99, 3, 4), true // 99 is gone
			case QOIGroup1:
				return addresses(1), true
			case QOIGroup16:
				return addresses(), true
			}
			return nil, false
		},
		Counters: func(_ CommonAddress, rqt uint8) (iter.Seq[InformationObjectAddress], bool) {
			return addresses(11, 12), rqt != 3
		},
		Freeze: func(_ CommonAddress, rqt, frz uint8) error {
			if rqt == 3 {
				return errors.New("no such group")
			}
			p.frozen = append(p.frozen, rqt|frz)
			return nil
		},
		SetClock: func(ca CommonAddress, t CP56Time2a) error { p.clock = append(p.clock, t); return nil },
		Reset:    func(CommonAddress) error { p.resets++; return nil },
		Has: func(_ CommonAddress, t TypeID, ioa InformationObjectAddress) bool {
			return ioa >= 100 && ioa < 200
		},
		SelectRequired: func(_ CommonAddress, t TypeID, ioa InformationObjectAddress) bool { return ioa == 199 },
		Select: func(c *Call) error {
			if c.Object.Address == 198 {
				return errors.New("locked")
			}
			return nil
		},
		Command: func(c *Call) {
			p.mu.Lock()
			p.operated = append(p.operated, strings.TrimPrefix(brief(c.ASDU), c.ASDU.Type.String()+" "))
			p.mu.Unlock()
			if c.Object.Address == 197 {
				_ = c.Negative()
				return
			}
			_ = c.Confirm()
			_ = c.Return(M_SP_TB_1, Object{Address: c.Object.Address - 99, Value: 1, Time: NewCP56Time2a(time.Now(), time.UTC)})
			_ = c.Terminate()
		},
	}
}

func (p *plant) operations() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.operated
	p.operated = nil
	return o
}

// asking is a station in memory, and a client that sends it ASDUs.
type asking struct {
	*plant
	n *network
	*recorder
	t *testing.T
}

// withStation runs f in virtual time, after the end of initialization.
func withStation(t *testing.T, alter func(st *Station), f func(a asking)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &plant{}
		st := p.station()
		if alter != nil {
			alter(st)
		}
		_, n := serve(t, ServerConfig{Groups: []Group{{Name: "occ", Handle: st.Handle, Independent: true}}})
		f(asking{p, n, start(t, n, ClientConfig{}), t})
	})
}

// ask sends an ASDU and returns the answers in words.
func (a asking) ask(h Header, objects ...Object) string {
	a.t.Helper()
	return a.by(a.recorder, h, objects...)
}

func (a asking) by(r *recorder, h Header, objects ...Object) string {
	a.t.Helper()
	asdu, err := DefaultProfile.New(h, objects...)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := r.Send(a.t.Context(), asdu); err != nil {
		a.t.Fatal(err)
	}
	return r.words()
}

// expect compares words; want's lines may be indented.
func expect(t *testing.T, title, got, want string) {
	t.Helper()
	var lines []string
	for l := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
		lines = append(lines, strings.TrimSpace(l))
	}
	if want := strings.Join(lines, "\n"); got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", title, got, want)
	}
}

func TestRow31_UnknownIsMirrored(t *testing.T) {
	withStation(t, nil, func(a asking) {
		for _, c := range []struct {
			name string
			h    Header
			o    Object
			want string
		}{
			{"type", Header{Type: C_TS_NA_1, Cause: Activation, CommonAddress: 1}, Object{Value: TestPattern}, "C_TS_NA_1 44 negative ca 1: 0=21930"},
			{"type in monitor direction", Header{Type: M_SP_NA_1, Cause: Spontaneous, CommonAddress: 1}, Object{Address: 1, Value: 1}, "M_SP_NA_1 44 negative ca 1: 1=1"},
			{"type, station too", Header{Type: P_AC_NA_1, Cause: Activation, CommonAddress: 9}, Object{Address: 1}, "P_AC_NA_1 44 negative ca 9: 1=0"},
			{"cause", Header{Type: C_IC_NA_1, Cause: Spontaneous, CommonAddress: 1}, Object{Qualifier: 20}, "C_IC_NA_1 45 negative ca 1: 0=0/20"},
			{"cause of a command", Header{Type: C_SC_NA_1, Cause: Request, CommonAddress: 1}, Object{Address: 100, Value: 1}, "C_SC_NA_1 45 negative ca 1: 100=1"},
			{"cause of a read", Header{Type: C_RD_NA_1, Cause: Activation, CommonAddress: 1}, Object{Address: 1}, "C_RD_NA_1 45 negative ca 1: 1=0"},
			{"cause 63", Header{Type: C_CS_NA_1, Cause: 63, CommonAddress: 1}, Object{}, "C_CS_NA_1 45 negative ca 1: 0=0"},
			{"common address", Header{Type: C_IC_NA_1, Cause: Activation, CommonAddress: 3}, Object{Qualifier: 20}, "C_IC_NA_1 46 negative ca 3: 0=0/20"},
			{"common address 0", Header{Type: C_SC_NA_1, Cause: Activation, CommonAddress: 0}, Object{Address: 100, Value: 1}, "C_SC_NA_1 46 negative ca 0: 100=1"},
			{"object address of a command", Header{Type: C_SC_NA_1, Cause: Activation, CommonAddress: 1}, Object{Address: 200, Value: 1}, "C_SC_NA_1 47 negative ca 1: 200=1"},
			{"object address of a read", Header{Type: C_RD_NA_1, Cause: Request, CommonAddress: 1}, Object{Address: 99}, "C_RD_NA_1 47 negative ca 1: 99=0"},
		} {
			expect(a.t, c.name, a.ask(c.h, c.o), c.want)
		}
		raw, err := DefaultProfile.NewRaw(Header{Type: 200, Cause: Activation, CommonAddress: 1}, 3, []byte{1, 2, 3, 4, 5})
		if err != nil {
			a.t.Fatal(err)
		}
		if err := a.Send(a.t.Context(), raw); err != nil {
			a.t.Fatal(err)
		}
		expect(a.t, "type 200", a.words(), "TypeID 200 44 negative ca 1: 01 02 03 04 05")
		if o := a.operations(); o != nil {
			a.t.Errorf("operated %q", o)
		}
	})
}

func TestRow32_MirrorsLeaveTheRestUnchanged(t *testing.T) {
	withStation(t, nil, func(a asking) {
		for _, b := range []string{
			"2d 01 86 2a 03 00 64 00 00 81",                         // T = 1, originator 42: unknown station
			"2d 01 86 2a 01 00 c8 00 00 fd",                         // unknown object, all bits of QU
			"3a 01 06 07 01 00 c8 00 00 01 ff ff ff ff ff ff ff",    // a time that is none
			"6b 01 06 ff 01 00 00 00 00 34 12 01 02 03 04 05 06 07", // test command: confirmed
			"c8 83 3f 11 34 12 01 02 03 04 05 06",                   // a type that is not known
			"7d 01 06 01 01 00 01 00 00 01 01",                      // another
		} {
			sent := unhex(b)
			asdu, err := DefaultProfile.Parse(sent)
			if err != nil {
				a.t.Fatal(err)
			}
			if err := a.Send(a.t.Context(), asdu); err != nil {
				a.t.Fatal(err)
			}
			got := a.take()
			if len(got) != 1 {
				a.t.Fatalf("% x: %d answers, want 1", sent, len(got))
			}
			back := got[0].Append(nil)
			const cause, causeBits = 2, 0x7f // cause and P/N
			if back[cause]&^causeBits != sent[cause]&^causeBits {
				a.t.Errorf("% x: T bit altered: % x", sent, back)
			}
			back[cause] = sent[cause]
			if !slices.Equal(back, sent) {
				a.t.Errorf("sent     % x\nmirrored % x", sent, back)
			}
		}
	})
}

func TestRow35_LongAnswersAreSplit(t *testing.T) {
	withStation(t, func(st *Station) {
		st.Interrogation = func(CommonAddress, uint8) (iter.Seq[InformationObjectAddress], bool) {
			return func(yield func(InformationObjectAddress) bool) {
				for ioa := InformationObjectAddress(1000); ioa < 2000 && yield(ioa); ioa++ {
				}
			}, true
		}
		st.Read = func(_ CommonAddress, ioa InformationObjectAddress) (TypeID, Object, bool) {
			return M_ME_TF_1, Object{Value: float64(ioa)}, true
		}
	}, func(a asking) {
		if err := a.Interrogate(a.t.Context(), 1, QOIStation); err != nil {
			a.t.Fatal(err)
		}
		next := InformationObjectAddress(1000)
		got := a.take()
		for _, asdu := range got[1 : len(got)-1] {
			if n := len(asdu.Append(nil)); n > MaxASDU || asdu.Type != M_ME_NC_1 {
				a.t.Errorf("%d octets of %v", n, asdu.Type)
			}
			for o := range asdu.Objects() {
				if o.Address != next || o.Value != float64(next) {
					a.t.Fatalf("got object %d = %v, want %d", o.Address, o.Value, next)
				}
				next++
			}
		}
		if next != 2000 || len(got) != 1+34+1 {
			a.t.Errorf("%d objects in %d ASDUs, want 1000 in 34", next-1000, len(got)-2)
		}
	})
}

func TestRow36_AllStationsAnswerWithTheirOwnAddress(t *testing.T) {
	withStation(t, nil, func(a asking) {
		// Each station's answers are in order; how they interleave is not said.
		each := func(title, got, want string) {
			a.t.Helper()
			for _, ca := range []string{"1", "2"} {
				var own []string
				for l := range strings.SplitSeq(got, "\n") {
					if strings.Contains(l, "ca "+ca+":") {
						own = append(own, l)
					}
				}
				expect(a.t, title, strings.Join(own, "\n"), strings.ReplaceAll(want, "ca X:", "ca "+ca+":"))
			}
		}
		each("interrogation", a.ask(Header{Type: C_IC_NA_1, Cause: Activation, CommonAddress: BroadcastAddress}, Object{Qualifier: QOIGroup1}), `
			C_IC_NA_1 7 ca X: 0=0/21
			M_SP_NA_1 21 ca X: 1=1
			C_IC_NA_1 10 ca X: 0=0/21`)
		each("counters", a.ask(Header{Type: C_CI_NA_1, Cause: Activation, CommonAddress: BroadcastAddress}, Object{Qualifier: RQTGroup1}), `
			C_CI_NA_1 7 ca X: 0=0/1
			M_IT_NA_1 38 ca X: 11=11000 12=12000
			C_CI_NA_1 10 ca X: 0=0/1`)
		each("clock", a.ask(Header{Type: C_CS_NA_1, Cause: Activation, CommonAddress: BroadcastAddress}, Object{Time: NewCP56Time2a(time.Now(), time.UTC)}), "C_CS_NA_1 7 ca X: 0=0")
		each("reset", a.ask(Header{Type: C_RP_NA_1, Cause: Activation, CommonAddress: BroadcastAddress}, Object{Qualifier: QRPProcess}), "C_RP_NA_1 7 ca X: 0=0/1")
		if err := a.Interrogate(a.t.Context(), BroadcastAddress, QOIStation); err != nil {
			a.t.Error(err)
		}
		if got := a.take(); brief(got[len(got)-1]) != "C_IC_NA_1 10 ca 2: 0=0/20" {
			a.t.Errorf("Interrogate returned after %s", brief(got[len(got)-1]))
		}
	})
}

func TestRow37_OtherTypesAreNotForAll(t *testing.T) {
	withStation(t, nil, func(a asking) {
		for _, c := range []struct {
			t TypeID
			o Object
		}{{C_SC_NA_1, Object{Address: 100, Value: 1}}, {C_RD_NA_1, Object{Address: 1}}, {C_TS_TA_1, Object{}}, {C_SE_NC_1, Object{Address: 100}}} {
			cause := Activation
			if c.t == C_RD_NA_1 {
				cause = Request
			}
			got := a.ask(Header{Type: c.t, Cause: cause, CommonAddress: BroadcastAddress}, c.o)
			if want := c.t.String() + " 46 negative ca 65535:"; !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
				a.t.Errorf("got %q, want %q", got, want)
			}
		}
		if o := a.operations(); o != nil {
			a.t.Errorf("operated %q", o)
		}
	})
}

func TestRow38_39_Interrogation(t *testing.T) {
	withStation(t, nil, func(a asking) {
		ask := func(qoi uint8) string {
			return a.ask(Header{Type: C_IC_NA_1, Cause: Activation, CommonAddress: 2, Originator: 7}, Object{Qualifier: qoi})
		}
		expect(a.t, "row 38: QOI 20: types without time tag, and what is gone is left out", ask(20), `
			C_IC_NA_1 7 ca 2: 0=0/20
			M_SP_NA_1 20 ca 2: 1=1 2=1
			M_DP_NA_1 20 ca 2: 3=2
			M_ME_NC_1 20 ca 2: 4=3
			C_IC_NA_1 10 ca 2: 0=0/20`)
		expect(a.t, "row 39: QOI 21", ask(21), `
			C_IC_NA_1 7 ca 2: 0=0/21
			M_SP_NA_1 21 ca 2: 1=1
			C_IC_NA_1 10 ca 2: 0=0/21`)
		expect(a.t, "row 39: QOI 36, empty", ask(36), `
			C_IC_NA_1 7 ca 2: 0=0/36
			C_IC_NA_1 10 ca 2: 0=0/36`)
		for _, qoi := range []uint8{0, 19, 22, 37, 255} {
			got := ask(qoi)
			if !strings.HasPrefix(got, "C_IC_NA_1 7 negative") || strings.Contains(got, "\n") {
				a.t.Errorf("QOI %d: %s, want a negative confirmation", qoi, got)
			}
		}
		ask(20)
	})
}

func TestRow40_InterrogationWithAnObjectAddressAndDeactivation(t *testing.T) {
	withStation(t, func(st *Station) {
		st.Interrogation = func(CommonAddress, uint8) (iter.Seq[InformationObjectAddress], bool) {
			return func(yield func(InformationObjectAddress) bool) {
				for yield(1) && yield(3) { // it never ends
				}
			}, true
		}
	}, func(a asking) {
		expect(a.t, "object address", a.ask(Header{Type: C_IC_NA_1, Cause: Activation, CommonAddress: 1}, Object{Address: 5, Qualifier: 20}),
			"C_IC_NA_1 47 negative ca 1: 5=0/20")
		expect(a.t, "nothing to deactivate", a.ask(Header{Type: C_IC_NA_1, Cause: Deactivation, CommonAddress: 1}, Object{Qualifier: 20}),
			"C_IC_NA_1 9 ca 1: 0=0/20")
		c := start(a.t, a.n, ClientConfig{Config: Config{ManualAck: true}}) // acks when told
		first := a.by(c, Header{Type: C_IC_NA_1, Cause: Activation, CommonAddress: 1}, Object{Qualifier: 20})
		if n := strings.Count(first, "\n") + 1; n != 12 {
			a.t.Fatalf("%d ASDUs, want the window of 12", n)
		}
		if got := a.by(c, Header{Type: C_IC_NA_1, Cause: Deactivation, CommonAddress: 1}, Object{Qualifier: 20}); got != "" {
			a.t.Fatalf("beyond the window: %s", got)
		}
		c.Ack(12)
		expect(a.t, "deactivated", c.words(), "C_IC_NA_1 9 ca 1: 0=0/20")
		expect(a.t, "and again", a.by(c, Header{Type: C_IC_NA_1, Cause: Deactivation, CommonAddress: 1}, Object{Qualifier: 20}), "C_IC_NA_1 9 ca 1: 0=0/20")
	})
}

// An event is never followed by an older interrogated value: the image and the
// queue change while an interrogation is under way, at each step of it.
func TestRow41_NoEventIsFollowedByAnOlderValue(t *testing.T) {
	for changeAt := range 200 {
		synctest.Test(t, func(t *testing.T) {
			const points = 100
			var mu sync.Mutex
			image := make(map[InformationObjectAddress]float64)
			q := NewQueue(1000)
			reads := 0
			change := func(ioa InformationObjectAddress) {
				image[ioa]++ // first the image, then the event
				a, err := DefaultProfile.New(Header{Type: M_ME_TF_1, Cause: Spontaneous, CommonAddress: 1},
					Object{Address: ioa, Value: image[ioa], Time: NewCP56Time2a(time.Now(), time.UTC)})
				if err != nil {
					t.Error(err)
				}
				if err := q.Push(a); err != nil {
					t.Error(err)
				}
			}
			st := &Station{
				CommonAddresses: []CommonAddress{1},
				Read: func(_ CommonAddress, ioa InformationObjectAddress) (TypeID, Object, bool) {
					mu.Lock()
					defer mu.Unlock()
					v := image[ioa]
					if reads++; reads == changeAt {
						change(ioa) // right after it was read
						change(ioa%points + 1)
					}
					typ := M_ME_NC_1
					if ioa%10 == 0 {
						typ = M_ME_NB_1 // ASDUs of several types
					}
					return typ, Object{Value: v}, true
				},
				Interrogation: func(CommonAddress, uint8) (iter.Seq[InformationObjectAddress], bool) {
					return func(yield func(InformationObjectAddress) bool) {
						for ioa := InformationObjectAddress(1); ioa <= points && yield(ioa); ioa++ {
						}
					}, true
				},
			}
			g := queued(q)
			g.Handle = st.Handle
			_, n := serve(t, ServerConfig{Groups: []Group{g}})
			latest := make(map[InformationObjectAddress]float64)
			c := start(t, n, ClientConfig{Handle: func(_ *Client, a ASDU, _ uint64) {
				for o := range a.Objects() {
					if a.Cause != Spontaneous && a.Type.IsMonitor() && o.Value < latest[o.Address] {
						t.Errorf("change at read %d: object %d: interrogated %v after the event %v", changeAt, o.Address, o.Value, latest[o.Address])
					}
					if a.Cause == Spontaneous {
						latest[o.Address] = o.Value
					}
				}
			}})
			if err := c.Interrogate(t.Context(), 1, QOIStation); err != nil {
				t.Fatal(err)
			}
			if got := len(c.take()); got < 10 {
				t.Fatalf("only %d ASDUs", got)
			}
		})
	}
}

func TestRow42_CounterInterrogation(t *testing.T) {
	withStation(t, nil, func(a asking) {
		ask := func(qcc uint8) string {
			return a.ask(Header{Type: C_CI_NA_1, Cause: Activation, CommonAddress: 1}, Object{Qualifier: qcc})
		}
		expect(a.t, "general", ask(RQTGeneral), `
			C_CI_NA_1 7 ca 1: 0=0/5
			M_IT_NA_1 37 ca 1: 11=11000 12=12000
			C_CI_NA_1 10 ca 1: 0=0/5`)
		expect(a.t, "group 4", ask(RQTGroup4), `
			C_CI_NA_1 7 ca 1: 0=0/4
			M_IT_NA_1 41 ca 1: 11=11000 12=12000
			C_CI_NA_1 10 ca 1: 0=0/4`)
		for i, frz := range []uint8{Freeze, FreezeWithReset, CounterReset} {
			got := ask(RQTGeneral | frz)
			q := []string{"69", "133", "197"}[i]
			expect(a.t, "freeze alone sends no data", got, "C_CI_NA_1 7 ca 1: 0=0/"+q+"\nC_CI_NA_1 10 ca 1: 0=0/"+q)
		}
		if !slices.Equal(a.frozen, []uint8{0x45, 0x85, 0xc5}) {
			a.t.Errorf("frozen % x", a.frozen)
		}
		for _, qcc := range []uint8{0, 6, 63, 3, 3 | Freeze, Freeze} {
			if got := ask(qcc); !strings.HasPrefix(got, "C_CI_NA_1 7 negative") || strings.Contains(got, "\n") {
				a.t.Errorf("QCC %d: %s, want a negative confirmation", qcc, got)
			}
		}
		expect(a.t, "deactivation", a.ask(Header{Type: C_CI_NA_1, Cause: Deactivation, CommonAddress: 1}, Object{Qualifier: 5}), "C_CI_NA_1 9 ca 1: 0=0/5")
		for _, qcc := range []uint8{RQTGeneral, RQTGeneral | Freeze} {
			if err := a.CounterInterrogate(a.t.Context(), 1, qcc); err != nil {
				a.t.Errorf("QCC %d: %v", qcc, err)
			}
		}
	})
}

func TestRow43_Read(t *testing.T) {
	withStation(t, nil, func(a asking) {
		expect(a.t, "read", a.ask(Header{Type: C_RD_NA_1, Cause: Request, CommonAddress: 2}, Object{Address: 4}), "M_ME_NC_1 5 ca 2: 4=3")
		got, err := a.Read(a.t.Context(), 1, 3)
		if err != nil || brief(got) != "M_DP_NA_1 5 ca 1: 3=2" {
			a.t.Errorf("got %v, %v", brief(got), err)
		}
		var negative *NegativeError
		if _, err := a.Read(a.t.Context(), 1, 99); !errors.As(err, &negative) || negative.ASDU.Cause != UnknownObjectAddress {
			a.t.Errorf("got %v, want a refusal with cause 47", err)
		}
	})
}

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
		if len(got) != 16 || got[15].Type != C_CS_NA_1 {
			t.Errorf("%d ASDUs, the last %s; want the confirmation behind the 15 events", len(got), brief(got[len(got)-1]))
		}
		if len(p.clock) != 1 || p.clock[0] != NewCP56Time2a(at, time.UTC) || got[15].Object(0).Time != p.clock[0] {
			t.Errorf("clock set to %v", p.clock)
		}
	})
	for name, alter := range map[string]func(*Station){
		"disabled": func(st *Station) { st.SetClock = nil },
		"refused": func(st *Station) {
			st.SetClock = func(CommonAddress, CP56Time2a) error { return errors.ErrUnsupported }
		},
	} {
		withStation(t, alter, func(a asking) {
			var negative *NegativeError
			if err := a.SetClock(a.t.Context(), 1, time.Now()); !errors.As(err, &negative) || negative.ASDU.Cause != ActivationCon {
				a.t.Errorf("%s: %v, want a negative confirmation", name, err)
			}
		})
	}
	withStation(t, nil, func(a asking) {
		bad := NewCP56Time2a(time.Now(), time.UTC).WithInvalid(true)
		for _, tag := range []CP56Time2a{bad, {0xff, 0xff}} {
			got := a.ask(Header{Type: C_CS_NA_1, Cause: Activation, CommonAddress: 1}, Object{Time: tag})
			expect(a.t, "an invalid time", got, "C_CS_NA_1 7 negative ca 1: 0=0")
		}
		if len(a.clock) != 0 {
			a.t.Errorf("clock set to %v", a.clock)
		}
	})
}

func TestRow45_TestCommands(t *testing.T) {
	withStation(t, nil, func(a asking) {
		expect(a.t, "same counter", a.ask(Header{Type: C_TS_TA_1, Cause: Activation, CommonAddress: 1}, Object{Value: 4711, Time: NewCP56Time2a(time.Now(), time.UTC)}), "C_TS_TA_1 7 ca 1: 0=4711")
		if err := a.Test(a.t.Context(), 1); err != nil {
			a.t.Error(err)
		}
		a.words()
		expect(a.t, "C_TS_NA_1 is not in 104", a.ask(Header{Type: C_TS_NA_1, Cause: Activation, CommonAddress: 1}, Object{Value: TestPattern}), "C_TS_NA_1 44 negative ca 1: 0=21930")
	})
	withStation(t, func(st *Station) { st.Other = map[TypeID]func(*Call){C_TS_NA_1: func(c *Call) { _ = c.Confirm() }} }, func(a asking) {
		expect(a.t, "† C_TS_NA_1", a.ask(Header{Type: C_TS_NA_1, Cause: Activation, CommonAddress: 1}, Object{Value: TestPattern}), "C_TS_NA_1 7 ca 1: 0=21930")
	})
}

func TestRow46_ResetProcess(t *testing.T) {
	withStation(t, nil, func(a asking) {
		if err := a.Reset(a.t.Context(), 1, QRPProcess); err != nil || a.resets != 1 {
			a.t.Errorf("allowed: %v, %d resets", err, a.resets)
		}
		a.words()
		expect(a.t, "QRP 2", a.ask(Header{Type: C_RP_NA_1, Cause: Activation, CommonAddress: 1}, Object{Qualifier: QRPEvents}), "C_RP_NA_1 7 negative ca 1: 0=0/2")
		expect(a.t, "QRP 0", a.ask(Header{Type: C_RP_NA_1, Cause: Activation, CommonAddress: 1}, Object{}), "C_RP_NA_1 7 negative ca 1: 0=0")
		if a.resets != 1 {
			a.t.Errorf("%d resets", a.resets)
		}
	})
	withStation(t, func(st *Station) { st.Reset = nil }, func(a asking) {
		expect(a.t, "not allowed", a.ask(Header{Type: C_RP_NA_1, Cause: Activation, CommonAddress: 1}, Object{Qualifier: QRPProcess}), "C_RP_NA_1 7 negative ca 1: 0=0/1")
	})
}

func TestRow47_EndOfInitializationComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := (&plant{}).station()
		st.COI = COIRemoteReset
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

// The queue of answers is bounded: a client that asks for much and is slow to
// acknowledge waits, and loses no answer.
func TestAnswersMakeAFastClientWait(t *testing.T) {
	withStation(t, nil, func(a asking) {
		const requests = 500
		c := start(a.t, a.n, ClientConfig{Config: Config{ManualAck: true}})
		asdu, err := DefaultProfile.New(Header{Type: C_TS_TA_1, Cause: Activation, CommonAddress: 1}, Object{})
		if err != nil {
			a.t.Fatal(err)
		}
		var pending []<-chan error
		for range requests {
			pending = append(pending, begin(func() error { return c.Send(a.t.Context(), asdu) }))
		}
		got := 0
		for synctest.Wait(); got < requests; synctest.Wait() {
			n := len(c.take())
			if n == 0 {
				a.t.Fatalf("no answer after %d of %d", got, requests)
			}
			got += n
			c.Ack(uint64(got))
			time.Sleep(10 * time.Second) // t2
		}
		for _, p := range pending {
			if err := <-p; err != nil {
				a.t.Fatal(err)
			}
		}
	})
}
