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

	"github.com/fepha/fepha/iec104/asdu"
)

func TestRow35_LongAnswersAreSplit(t *testing.T) {
	withStation(t, func(st *Station) {
		st.Interrogation = func(asdu.CommonAddress, uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
			return func(yield func(asdu.InformationObjectAddress) bool) {
				for ioa := asdu.InformationObjectAddress(1000); ioa < 2000 && yield(ioa); ioa++ {
				}
			}, true
		}
		st.Read = func(_ asdu.CommonAddress, ioa asdu.InformationObjectAddress) (asdu.TypeID, asdu.Object, bool) {
			return asdu.M_ME_TF_1, asdu.Object{Value: float64(ioa)}, true
		}
	}, func(a asking) {
		if err := a.Interrogate(a.t.Context(), 1, asdu.QOIStation); err != nil {
			a.t.Fatal(err)
		}
		next := asdu.InformationObjectAddress(1000)
		got := a.take()
		for _, unit := range got[1 : len(got)-1] {
			if n := len(unit.Append(nil)); n > asdu.MaxASDU || unit.Type != asdu.M_ME_NC_1 {
				a.t.Errorf("%d octets of %v", n, unit.Type)
			}
			for o := range unit.Objects() {
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

func TestRow38_39_Interrogation(t *testing.T) {
	withStation(t, nil, func(a asking) {
		ask := func(qoi uint8) string {
			return a.ask(asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: 2, Originator: 7}, asdu.Object{Qualifier: qoi})
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
		st.Interrogation = func(asdu.CommonAddress, uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
			return func(yield func(asdu.InformationObjectAddress) bool) {
				for yield(1) && yield(3) { // it never ends
				}
			}, true
		}
	}, func(a asking) {
		expect(a.t, "object address", a.ask(asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Address: 5, Qualifier: 20}),
			"C_IC_NA_1 47 negative ca 1: 5=0/20")
		expect(a.t, "nothing to deactivate", a.ask(asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Deactivation, CommonAddress: 1}, asdu.Object{Qualifier: 20}),
			"C_IC_NA_1 9 ca 1: 0=0/20")
		c := start(a.t, a.n, ClientConfig{Config: Config{ManualAck: true}}) // acks when told
		first := a.by(c, asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Qualifier: 20})
		if n := strings.Count(first, "\n") + 1; n != 12 {
			a.t.Fatalf("%d ASDUs, want the window of 12", n)
		}
		if got := a.by(c, asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Deactivation, CommonAddress: 1}, asdu.Object{Qualifier: 20}); got != "" {
			a.t.Fatalf("beyond the window: %s", got)
		}
		c.Ack(12)
		expect(a.t, "deactivated", c.words(), "C_IC_NA_1 9 ca 1: 0=0/20")
		expect(a.t, "and again", a.by(c, asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Deactivation, CommonAddress: 1}, asdu.Object{Qualifier: 20}), "C_IC_NA_1 9 ca 1: 0=0/20")
	})
}

// An event is never followed by an older interrogated value: the image and the
// queue change while an interrogation is under way, at each step of it.
func TestRow41_NoEventIsFollowedByAnOlderValue(t *testing.T) {
	for changeAt := range 200 {
		synctest.Test(t, func(t *testing.T) {
			const points = 100
			var mu sync.Mutex
			image := make(map[asdu.InformationObjectAddress]float64)
			q := NewQueue(1000)
			reads := 0
			change := func(ioa asdu.InformationObjectAddress) {
				image[ioa]++ // first the image, then the event
				a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_ME_TF_1, Cause: asdu.Spontaneous, CommonAddress: 1},
					asdu.Object{Address: ioa, Value: image[ioa], Time: asdu.NewCP56Time2a(time.Now(), time.UTC)})
				if err != nil {
					t.Error(err)
				}
				if err := q.Push(a); err != nil {
					t.Error(err)
				}
			}
			st := &Station{
				CommonAddresses: []asdu.CommonAddress{1},
				Read: func(_ asdu.CommonAddress, ioa asdu.InformationObjectAddress) (asdu.TypeID, asdu.Object, bool) {
					mu.Lock()
					defer mu.Unlock()
					v := image[ioa]
					if reads++; reads == changeAt {
						change(ioa) // right after it was read
						change(ioa%points + 1)
					}
					typ := asdu.M_ME_NC_1
					if ioa%10 == 0 {
						typ = asdu.M_ME_NB_1 // ASDUs of several types
					}
					return typ, asdu.Object{Value: v}, true
				},
				Interrogation: func(asdu.CommonAddress, uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
					return func(yield func(asdu.InformationObjectAddress) bool) {
						for ioa := asdu.InformationObjectAddress(1); ioa <= points && yield(ioa); ioa++ {
						}
					}, true
				},
			}
			g := queued(q)
			g.Handle = st.Handle
			_, n := serve(t, ServerConfig{Groups: []Group{g}})
			latest := make(map[asdu.InformationObjectAddress]float64)
			c := start(t, n, ClientConfig{Handle: func(_ *Client, a asdu.ASDU, _ uint64) {
				for o := range a.Objects() {
					if a.Cause != asdu.Spontaneous && a.Type.IsMonitor() && o.Value < latest[o.Address] {
						t.Errorf("change at read %d: object %d: interrogated %v after the event %v", changeAt, o.Address, o.Value, latest[o.Address])
					}
					if a.Cause == asdu.Spontaneous {
						latest[o.Address] = o.Value
					}
				}
			}})
			if err := c.Interrogate(t.Context(), 1, asdu.QOIStation); err != nil {
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
			return a.ask(asdu.Header{Type: asdu.C_CI_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Qualifier: qcc})
		}
		expect(a.t, "general", ask(asdu.RQTGeneral), `
			C_CI_NA_1 7 ca 1: 0=0/5
			M_IT_NA_1 37 ca 1: 11=11000 12=12000
			C_CI_NA_1 10 ca 1: 0=0/5`)
		expect(a.t, "group 4", ask(asdu.RQTGroup4), `
			C_CI_NA_1 7 ca 1: 0=0/4
			M_IT_NA_1 41 ca 1: 11=11000 12=12000
			C_CI_NA_1 10 ca 1: 0=0/4`)
		for i, frz := range []uint8{asdu.Freeze, asdu.FreezeWithReset, asdu.CounterReset} {
			got := ask(asdu.RQTGeneral | frz)
			q := []string{"69", "133", "197"}[i]
			expect(a.t, "freeze alone sends no data", got, "C_CI_NA_1 7 ca 1: 0=0/"+q+"\nC_CI_NA_1 10 ca 1: 0=0/"+q)
		}
		if !slices.Equal(a.frozen, []uint8{0x45, 0x85, 0xc5}) {
			a.t.Errorf("frozen % x", a.frozen)
		}
		for _, qcc := range []uint8{0, 6, 63, 3, 3 | asdu.Freeze, asdu.Freeze} {
			if got := ask(qcc); !strings.HasPrefix(got, "C_CI_NA_1 7 negative") || strings.Contains(got, "\n") {
				a.t.Errorf("QCC %d: %s, want a negative confirmation", qcc, got)
			}
		}
		expect(a.t, "deactivation", a.ask(asdu.Header{Type: asdu.C_CI_NA_1, Cause: asdu.Deactivation, CommonAddress: 1}, asdu.Object{Qualifier: 5}), "C_CI_NA_1 9 ca 1: 0=0/5")
		for _, qcc := range []uint8{asdu.RQTGeneral, asdu.RQTGeneral | asdu.Freeze} {
			if err := a.CounterInterrogate(a.t.Context(), 1, qcc); err != nil {
				a.t.Errorf("QCC %d: %v", qcc, err)
			}
		}
	})
}

func TestRow43_Read(t *testing.T) {
	withStation(t, nil, func(a asking) {
		expect(a.t, "read", a.ask(asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request, CommonAddress: 2}, asdu.Object{Address: 4}), "M_ME_NC_1 5 ca 2: 4=3")
		got, err := a.Read(a.t.Context(), 1, 3)
		if err != nil || brief(got) != "M_DP_NA_1 5 ca 1: 3=2" {
			a.t.Errorf("got %v, %v", brief(got), err)
		}
		var negative *NegativeError
		if _, err := a.Read(a.t.Context(), 1, 99); !errors.As(err, &negative) || negative.ASDU.Cause != asdu.UnknownObjectAddress {
			a.t.Errorf("got %v, want a refusal with cause 47", err)
		}
	})
}
