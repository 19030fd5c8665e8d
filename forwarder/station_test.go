package forwarder

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// served is a running uplink with a client, and values below.
func served(t *testing.T, u Uplink) (station, *centre) {
	t.Helper()
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	counter := &fsmpb.Item{Kind: fsmpb.Kind_COUNTER, Point: 1, Type: 37, Value: 4711, Quality: 0x25, Time: tag(3), TimeMs: 3, Mode: fsmpb.Item_IMAGE}
	double := di(3, 2, 2)
	double.Type = uint32(asdu.M_DP_TB_1)
	c.Values(t, 1, di(1, 1, 1), double, ai(1, 12.5), counter)
	u.Mode = fsm.Exclusive
	return c, begin(t, c.start(t, "fep1", u).address)
}

// ask sends a system command and returns what comes until its termination, or until n ASDUs came.
func (c *centre) ask(t testing.TB, n int, h asdu.Header, o asdu.Object) (answers []asdu.ASDU) {
	t.Helper()
	h.CommonAddress = cmpOr(h.CommonAddress, commonAddress)
	a, err := asdu.DefaultProfile.New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	before := len(c.asdus())
	if err := c.Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("an answer to %v", h.Type), func() bool {
		answers = slices.DeleteFunc(c.asdus()[before:], func(a asdu.ASDU) bool {
			return a.Cause == asdu.Spontaneous || a.Cause == asdu.Initialized
		})
		return n > 0 && len(answers) >= n ||
			n == 0 && len(answers) > 0 && answers[len(answers)-1].Cause == asdu.ActivationTermination
	})
	return answers
}

// outline is an answer in short.
func outline(all []asdu.ASDU) (short []string) {
	for _, a := range all {
		s := fmt.Sprintf("%d/%d", a.Type, a.Cause)
		if a.Negative {
			s += "-"
		}
		for o := range a.Objects() {
			if a.Type.IsMonitor() {
				s += fmt.Sprintf(" %d=%v:%02x", o.Address, o.Value, o.Quality)
			}
		}
		short = append(short, s)
	}
	return short
}

func TestStationRows(t *testing.T) {
	const on = "1/20 101=1:00 102=0:c0 60001=1:00" // what was never heard of is not topical and invalid
	ic, ci := asdu.C_IC_NA_1, asdu.C_CI_NA_1
	for _, tt := range []struct {
		name   string
		n      int // of ASDUs; 0: until the termination
		header asdu.Header
		object asdu.Object
		want   []string
	}{
		{"row 31: unknown type", 1, asdu.Header{Type: asdu.P_ME_NC_1, Cause: act}, asdu.Object{Address: 201}, []string{"112/44-"}},
		{"row 31: interrogation with an unknown cause", 1, asdu.Header{Type: ic, Cause: asdu.Request}, asdu.Object{Qualifier: 20}, []string{"100/45-"}},
		{"row 31: unknown common address", 1, asdu.Header{Type: ic, Cause: act, CommonAddress: 99}, asdu.Object{Qualifier: 20}, []string{"100/46-"}},
		{"row 31: unknown object", 1, asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request}, asdu.Object{Address: 999}, []string{"102/47-"}},
		{"row 36: broadcast interrogation", 0, asdu.Header{Type: ic, Cause: act, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: 20},
			[]string{"100/7", on, "3/20 103=2:00", "13/20 201=12.5:00 202=0:c0", "100/10"}},
		{"row 38: station interrogation", 0, asdu.Header{Type: ic, Cause: act}, asdu.Object{Qualifier: 20},
			[]string{"100/7", on, "3/20 103=2:00", "13/20 201=12.5:00 202=0:c0", "100/10"}},
		{"row 39: digital group", 0, asdu.Header{Type: ic, Cause: act}, asdu.Object{Qualifier: 21}, []string{"100/7", "1/21 101=1:00 102=0:c0", "3/21 103=2:00", "100/10"}},
		{"row 39: analog group", 0, asdu.Header{Type: ic, Cause: act}, asdu.Object{Qualifier: 29}, []string{"100/7", "13/29 201=12.5:00 202=0:c0", "100/10"}},
		{"row 39: empty group", 0, asdu.Header{Type: ic, Cause: act}, asdu.Object{Qualifier: 36}, []string{"100/7", "100/10"}},
		{"row 39: no group", 1, asdu.Header{Type: ic, Cause: act}, asdu.Object{Qualifier: 37}, []string{"100/7-"}},
		{"row 40: interrogation with an object address", 1, asdu.Header{Type: ic, Cause: act}, asdu.Object{Address: 1, Qualifier: 20}, []string{"100/47-"}},
		{"row 40: deactivation", 1, asdu.Header{Type: ic, Cause: asdu.Deactivation}, asdu.Object{Qualifier: 20}, []string{"100/9"}},
		{"row 42: all counters", 0, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 5}, []string{"101/7", "15/37 301=4711:25", "101/10"}},
		{"row 42: counters of group 1", 0, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 1}, []string{"101/7", "15/38 301=4711:25", "101/10"}},
		{"row 42: counters of group 4", 0, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 4}, []string{"101/7", "101/10"}},
		{"row 42: freeze", 0, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 5 | asdu.Freeze}, []string{"101/7", "101/10"}},
		{"row 42: freeze with reset", 1, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 5 | asdu.FreezeWithReset}, []string{"101/7-"}},
		{"row 42: reset", 1, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 5 | asdu.CounterReset}, []string{"101/7-"}},
		{"row 42: no group", 1, asdu.Header{Type: ci, Cause: act}, asdu.Object{Qualifier: 6}, []string{"101/7-"}},
		{"row 42: with an object address", 1, asdu.Header{Type: ci, Cause: act}, asdu.Object{Address: 1, Qualifier: 5}, []string{"101/47-"}},
		{"row 42: deactivation", 1, asdu.Header{Type: ci, Cause: asdu.Deactivation}, asdu.Object{Qualifier: 5}, []string{"101/9"}},
		{"row 43: read", 1, asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request}, asdu.Object{Address: 101}, []string{"1/5 101=1:00"}},
		{"row 43: read of the role", 1, asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request}, asdu.Object{Address: roleIOA}, []string{"1/5 60001=1:00"}},
		{"row 43: read of a command", 1, asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request}, asdu.Object{Address: 401}, []string{"102/47-"}},
		{"row 44: clock", 1, asdu.Header{Type: asdu.C_CS_NA_1, Cause: act}, asdu.Object{Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}, []string{"103/7"}},
		{"row 44: clock of no time", 1, asdu.Header{Type: asdu.C_CS_NA_1, Cause: act}, asdu.Object{}, []string{"103/7-"}},
		{"row 45: test", 1, asdu.Header{Type: asdu.C_TS_TA_1, Cause: act}, asdu.Object{Value: 77}, []string{"107/7"}},
		{"row 45: test without time", 1, asdu.Header{Type: asdu.C_TS_NA_1, Cause: act}, asdu.Object{Value: asdu.TestPattern}, []string{"104/44-"}},
		{"row 46: reset of the process", 1, asdu.Header{Type: asdu.C_RP_NA_1, Cause: act}, asdu.Object{Qualifier: asdu.QRPProcess}, []string{"105/7-"}},
		{"row 46: reset of the events", 1, asdu.Header{Type: asdu.C_RP_NA_1, Cause: act}, asdu.Object{Qualifier: asdu.QRPEvents}, []string{"105/7-"}},
		{"delay acquisition", 1, asdu.Header{Type: asdu.C_CD_NA_1, Cause: act}, asdu.Object{Elapsed: 5}, []string{"106/7"}},
		{"delay acquisition with another cause", 1, asdu.Header{Type: asdu.C_CD_NA_1, Cause: asdu.Request}, asdu.Object{Elapsed: 5}, []string{"106/45-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, cl := served(t, Uplink{RoleIOA: roleIOA, Controls: true})
			tt.header.Originator = originator
			got := cl.ask(t, tt.n, tt.header, tt.object)
			if !slices.Equal(outline(got), tt.want) {
				t.Errorf("got  %q\nwant %q", outline(got), tt.want)
			}
			for _, a := range got {
				if a.Originator != originator {
					t.Errorf("%v has originator %d, want the client's %d", a.Type, a.Originator, originator)
				}
				if want := cmpOr(tt.header.CommonAddress, commonAddress); a.CommonAddress != want && want != asdu.BroadcastAddress || a.CommonAddress == asdu.BroadcastAddress {
					t.Errorf("%v has common address %d", a.Type, a.CommonAddress)
				}
			}
		})
	}
}

// A freeze keeps the values that the next counter interrogations answer.
func TestRow42FrozenCountersAreReadUntilTheNextFreeze(t *testing.T) {
	c, cl := served(t, Uplink{})
	count := func(v float64) {
		c.Values(t, 1, &fsmpb.Item{Kind: fsmpb.Kind_COUNTER, Point: 1, Type: 15, Value: v, Time: tag(1), TimeMs: 1, Mode: fsmpb.Item_IMAGE})
	}
	ask := func(q uint8) []string {
		return outline(cl.ask(t, 0, asdu.Header{Type: asdu.C_CI_NA_1, Cause: act}, asdu.Object{Qualifier: q}))
	}
	count(100)
	ask(asdu.RQTGeneral | asdu.Freeze)
	count(200)
	if got := ask(asdu.RQTGeneral); got[1] != "15/37 301=100:00" {
		t.Errorf("after a freeze: %q", got)
	}
	ask(asdu.RQTGeneral | asdu.Freeze)
	if got := ask(asdu.RQTGeneral); got[1] != "15/37 301=200:00" {
		t.Errorf("after the next: %q", got)
	}
}

// After a failover a centre's frozen counters are still its frozen counters.
func TestFrozenCountersOutliveAFailover(t *testing.T) {
	c, f1, f2 := pair(t, fsm.Exclusive, Uplink{})
	count := func(v float64) {
		c.Values(t, 1, &fsmpb.Item{Kind: fsmpb.Kind_COUNTER, Point: 1, Type: 15, Value: v, Time: tag(1), TimeMs: 1, Mode: fsmpb.Item_IMAGE})
	}
	ci := asdu.Header{Type: asdu.C_CI_NA_1, Cause: act}
	count(100)
	one := begin(t, f1.address)
	one.ask(t, 0, ci, asdu.Object{Qualifier: asdu.RQTGeneral | asdu.Freeze})
	count(200)
	one.Close()
	two := begin(t, f2.address)
	if got := outline(two.ask(t, 0, ci, asdu.Object{Qualifier: asdu.RQTGeneral})); len(got) != 3 || got[1] != "15/37 301=100:00" {
		t.Errorf("at the other FEP: %q", got)
	}
}

// Row 40: a deactivation ends an interrogation that is under way.
func TestRow40DeactivationEndsTheInterrogation(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.start(interrogation(t, f.table))
	if _, ok := f.next(); !ok {
		t.Fatal("no answer")
	}
	f.cancel(asdu.C_CI_NA_1, commonAddress)
	if len(f.jobs) != 1 {
		t.Fatal("a deactivation of another kind ended the interrogation")
	}
	f.cancel(asdu.C_IC_NA_1, commonAddress)
	if got := f.rest(); len(got) != 0 {
		t.Errorf("sent after the deactivation: %v", outline(got))
	}
}

func TestTooManyInterrogationsAtATimeAreRefused(t *testing.T) {
	big := make([]Point, 20_000)
	for i := range big {
		big[i] = Point{IOA: uint32(i + 1), RTU: 1, Kind: fsm.DI, Point: uint32(i), Type: asdu.M_SP_TB_1}
	}
	_, cl := served(t, Uplink{Points: big})
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.C_IC_NA_1, Cause: act, CommonAddress: commonAddress}, asdu.Object{Qualifier: 20})
	if err != nil {
		t.Fatal(err)
	}
	for range maxJobs + 3 {
		if err := cl.Send(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	count := func(cause asdu.CauseOfTransmission, negative bool) (n int) {
		for _, a := range cl.asdus() {
			if a.Type == asdu.C_IC_NA_1 && a.Cause == cause && a.Negative == negative {
				n++
			}
		}
		return n
	}
	eventually(t, "each is answered", func() bool { return count(con, false)+count(con, true) == maxJobs+3 })
	if count(con, true) == 0 {
		t.Error("none was refused")
	}
	eventually(t, "each that was confirmed ends", func() bool { return count(term, false) == count(con, false) })
}

// Row 44: the confirmation goes after the queued time-tagged data; the time goes on where that's configured.
func TestRow44ClockIsConfirmedAfterTheEventsOfTheOldTime(t *testing.T) {
	var set []time.Time
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	items := make([]*fsmpb.Item, 100)
	for i := range items {
		items[i] = di(1, 1, uint64(i))
	}
	for range 50 {
		c.Values(t, 1, items...)
	}
	f := c.start(t, "fep1", Uplink{Mode: fsm.Exclusive, SetClock: func(at time.Time) error {
		set = append(set, at)
		return nil
	}})
	cl := begin(t, f.address)
	at := time.Date(2026, 2, 3, 4, 5, 6, 7e6, time.UTC)
	if err := cl.SetClock(t.Context(), commonAddress, at); err != nil {
		t.Fatal(err)
	}
	if got := len(cl.numbers()); got != 5000 {
		t.Errorf("%d events before the confirmation, want all 5000", got)
	}
	if len(set) != 1 || !set[0].Equal(at) {
		t.Errorf("the clock was set to %v, want %v", set, at)
	}
}

// The control centre has done its part, whatever comes of it here.
func TestRow44ClockThatCanNotBeSetIsConfirmed(t *testing.T) {
	_, cl := served(t, Uplink{SetClock: func(time.Time) error { return errors.New("not permitted") }})
	if err := cl.SetClock(t.Context(), commonAddress, time.Now()); err != nil {
		t.Errorf("a clock synchronization was refused, since the host's clock can't be set: %v", err)
	}
}

// Row 47: end of initialization comes first, once for each group and process.
func TestRow47EndOfInitialization(t *testing.T) {
	c, f1, _ := pair(t, fsm.Exclusive, Uplink{RoleIOA: roleIOA})
	c.Values(t, 1, di(1, 1, 1))
	one := begin(t, f1.address)
	eventually(t, "the event", func() bool { return len(one.numbers()) == 1 })
	got := one.asdus()
	if got[0].Type != asdu.M_EI_NA_1 || got[0].Cause != asdu.Initialized || got[0].CommonAddress != commonAddress {
		t.Errorf("first: %v, want the end of initialization", outline(got))
	}
	if got[1].Object(0).Address != roleIOA {
		t.Errorf("second: %v, want the role", outline(got))
	}
	eventually(t, "its acknowledgement", func() bool { return f1.Stats()[0].Groups[0].Position > 0 && c.settled("") })
	one.Close()
	two := begin(t, f1.address)
	c.Values(t, 1, di(1, 0, 2))
	eventually(t, "the next event", func() bool { return slices.Contains(two.numbers(), 2) })
	if got := two.find(asdu.M_EI_NA_1, asdu.Initialized); len(got) != 0 {
		t.Error("end of initialization again, though nothing was restarted")
	}
}

// Row 57: quality and time tag are relayed bit for bit.
func TestRow57QualityAndTimeBitForBit(t *testing.T) {
	c, cl := served(t, Uplink{})
	item := di(1, 1, 0)
	item.Quality, item.Time = 0xf0, 0xe2_8b_a7_94_bb_e9_33
	c.Values(t, 1, item)
	eventually(t, "the event", func() bool {
		return slices.ContainsFunc(cl.find(asdu.M_SP_TB_1, asdu.Spontaneous), func(o asdu.Object) bool {
			return o.Quality == 0xf0 && o.Time == asdu.CP56Time2a{0x33, 0xe9, 0xbb, 0x94, 0xa7, 0x8b, 0xe2}
		})
	})
}
