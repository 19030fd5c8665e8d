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
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

// plant is a small process: object addresses 1 to 4 in station 1 and 2, and
// counters 11, 12.
type plant struct {
	mu       sync.Mutex
	operated []string
	clock    []asdu.CP56Time2a
	resets   int
	frozen   []uint8
}

func (p *plant) read(ca asdu.CommonAddress, ioa asdu.InformationObjectAddress) (asdu.TypeID, asdu.Object, bool) {
	switch ioa {
	case 1, 2:
		return asdu.M_SP_TB_1, asdu.Object{Value: 1, Quality: asdu.NT}, true
	case 3:
		return asdu.M_DP_NA_1, asdu.Object{Value: 2}, true
	case 4:
		return asdu.M_ME_TF_1, asdu.Object{Value: float64(ca) * 1.5}, true
	case 11, 12:
		return asdu.M_IT_TB_1, asdu.Object{Value: float64(ioa) * 1000}, true
	}
	return 0, asdu.Object{}, false
}

func addresses(ioas ...asdu.InformationObjectAddress) iter.Seq[asdu.InformationObjectAddress] {
	return slices.Values(ioas)
}

func (p *plant) station() *Station {
	return &Station{
		CommonAddresses: []asdu.CommonAddress{1, 2},
		Read:            p.read,
		Interrogation: func(_ asdu.CommonAddress, qoi uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
			switch qoi {
			case asdu.QOIStation:
				return addresses(1, 2, 99, 3, 4), true // 99 is gone
			case asdu.QOIGroup1:
				return addresses(1), true
			case asdu.QOIGroup16:
				return addresses(), true
			}
			return nil, false
		},
		Counters: func(_ asdu.CommonAddress, rqt uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
			return addresses(11, 12), rqt != 3
		},
		Freeze: func(_ asdu.CommonAddress, rqt, frz uint8) error {
			if rqt == 3 {
				return errors.New("no such group")
			}
			p.frozen = append(p.frozen, rqt|frz)
			return nil
		},
		SetClock: func(ca asdu.CommonAddress, t asdu.CP56Time2a) error { p.clock = append(p.clock, t); return nil },
		Reset:    func(asdu.CommonAddress) error { p.resets++; return nil },
		Has: func(_ asdu.CommonAddress, t asdu.TypeID, ioa asdu.InformationObjectAddress) bool {
			return ioa >= 100 && ioa < 200
		},
		SelectRequired: func(_ asdu.CommonAddress, t asdu.TypeID, ioa asdu.InformationObjectAddress) bool { return ioa == 199 },
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
			_ = c.Return(asdu.M_SP_TB_1, asdu.Object{Address: c.Object.Address - 99, Value: 1, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)})
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
func (a asking) ask(h asdu.Header, objects ...asdu.Object) string {
	a.t.Helper()
	return a.by(a.recorder, h, objects...)
}

func (a asking) by(r *recorder, h asdu.Header, objects ...asdu.Object) string {
	a.t.Helper()
	unit, err := asdu.DefaultProfile.New(h, objects...)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := r.Send(a.t.Context(), unit); err != nil {
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
			h    asdu.Header
			o    asdu.Object
			want string
		}{
			{"type", asdu.Header{Type: asdu.C_TS_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Value: asdu.TestPattern}, "C_TS_NA_1 44 negative ca 1: 0=21930"},
			{"type in monitor direction", asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.Spontaneous, CommonAddress: 1}, asdu.Object{Address: 1, Value: 1}, "M_SP_NA_1 44 negative ca 1: 1=1"},
			{"type, station too", asdu.Header{Type: asdu.P_AC_NA_1, Cause: asdu.Activation, CommonAddress: 9}, asdu.Object{Address: 1}, "P_AC_NA_1 44 negative ca 9: 1=0"},
			{"cause", asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Spontaneous, CommonAddress: 1}, asdu.Object{Qualifier: 20}, "C_IC_NA_1 45 negative ca 1: 0=0/20"},
			{"cause of a command", asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Request, CommonAddress: 1}, asdu.Object{Address: 100, Value: 1}, "C_SC_NA_1 45 negative ca 1: 100=1"},
			{"cause of a read", asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Address: 1}, "C_RD_NA_1 45 negative ca 1: 1=0"},
			{"cause 63", asdu.Header{Type: asdu.C_CS_NA_1, Cause: 63, CommonAddress: 1}, asdu.Object{}, "C_CS_NA_1 45 negative ca 1: 0=0"},
			{"common address", asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: 3}, asdu.Object{Qualifier: 20}, "C_IC_NA_1 46 negative ca 3: 0=0/20"},
			{"common address 0", asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Activation, CommonAddress: 0}, asdu.Object{Address: 100, Value: 1}, "C_SC_NA_1 46 negative ca 0: 100=1"},
			{"object address of a command", asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{Address: 200, Value: 1}, "C_SC_NA_1 47 negative ca 1: 200=1"},
			{"object address of a read", asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request, CommonAddress: 1}, asdu.Object{Address: 99}, "C_RD_NA_1 47 negative ca 1: 99=0"},
		} {
			expect(a.t, c.name, a.ask(c.h, c.o), c.want)
		}
		raw, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: 200, Cause: asdu.Activation, CommonAddress: 1}, 3, []byte{1, 2, 3, 4, 5})
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
			sent := asdutest.Octets(b)
			unit, err := asdu.DefaultProfile.Parse(sent)
			if err != nil {
				a.t.Fatal(err)
			}
			if err := a.Send(a.t.Context(), unit); err != nil {
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
		each("interrogation", a.ask(asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: asdu.QOIGroup1}), `
			C_IC_NA_1 7 ca X: 0=0/21
			M_SP_NA_1 21 ca X: 1=1
			C_IC_NA_1 10 ca X: 0=0/21`)
		each("counters", a.ask(asdu.Header{Type: asdu.C_CI_NA_1, Cause: asdu.Activation, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: asdu.RQTGroup1}), `
			C_CI_NA_1 7 ca X: 0=0/1
			M_IT_NA_1 38 ca X: 11=11000 12=12000
			C_CI_NA_1 10 ca X: 0=0/1`)
		each("clock", a.ask(asdu.Header{Type: asdu.C_CS_NA_1, Cause: asdu.Activation, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}), "C_CS_NA_1 7 ca X: 0=0")
		each("reset", a.ask(asdu.Header{Type: asdu.C_RP_NA_1, Cause: asdu.Activation, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: asdu.QRPProcess}), "C_RP_NA_1 7 ca X: 0=0/1")
		if err := a.Interrogate(a.t.Context(), asdu.BroadcastAddress, asdu.QOIStation); err != nil {
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
			t asdu.TypeID
			o asdu.Object
		}{{asdu.C_SC_NA_1, asdu.Object{Address: 100, Value: 1}}, {asdu.C_RD_NA_1, asdu.Object{Address: 1}}, {asdu.C_TS_TA_1, asdu.Object{}}, {asdu.C_SE_NC_1, asdu.Object{Address: 100}}} {
			cause := asdu.Activation
			if c.t == asdu.C_RD_NA_1 {
				cause = asdu.Request
			}
			got := a.ask(asdu.Header{Type: c.t, Cause: cause, CommonAddress: asdu.BroadcastAddress}, c.o)
			if want := c.t.String() + " 46 negative ca 65535:"; !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
				a.t.Errorf("got %q, want %q", got, want)
			}
		}
		if o := a.operations(); o != nil {
			a.t.Errorf("operated %q", o)
		}
	})
}

// The queue of answers is bounded: a client that asks for much and is slow to
// acknowledge waits, and loses no answer.
func TestAnswersMakeAFastClientWait(t *testing.T) {
	withStation(t, nil, func(a asking) {
		const requests = 500
		c := start(a.t, a.n, ClientConfig{Config: Config{ManualAck: true}})
		unit, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.C_TS_TA_1, Cause: asdu.Activation, CommonAddress: 1}, asdu.Object{})
		if err != nil {
			a.t.Fatal(err)
		}
		var pending []<-chan error
		for range requests {
			pending = append(pending, begin(func() error { return c.Send(a.t.Context(), unit) }))
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
