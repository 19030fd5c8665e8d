package forwarder

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

// device executes controls as an RTU's owner and its device would.
type device struct {
	c    station
	mu   sync.Mutex
	sent []fsm.Control // to the device
	deaf bool          // the device does not answer
	no   bool          // the device answers negatively
	slow bool          // the device confirms, and does not finish
	back *fsmpb.Item   // return information, between confirmation and end
}

func (c station) device(t testing.TB) *device {
	d := &device{c: c}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for range replica.Follow(ctx, c.Node("fep1"), replica.Pace{}) {
			var pending []fsm.Control
			var epoch uint64
			c.View(func(s *fsm.State) {
				pending = s.PendingControls(1)
				r, _ := s.Resource("rtu/1")
				epoch = r.Epoch
			})
			for _, p := range pending {
				if p.Stage == fsm.Submitted {
					d.execute(t, p, epoch)
				}
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return d
}

func (d *device) execute(t testing.TB, p fsm.Control, epoch uint64) {
	r := d.c.Apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: p.ID, Epoch: epoch, Node: "fep1"}}})
	if r.Code != fsmpb.Result_OK {
		return
	}
	d.mu.Lock()
	d.sent = append(d.sent, p)
	deaf, no, slow, back := d.deaf, d.no, d.slow, d.back
	d.mu.Unlock()
	answer := func(ok, terminated bool) {
		d.c.Apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlResult{ControlResult: &fsmpb.ControlResult{
			Id: p.ID, Epoch: epoch, Ok: ok, Cause: 7, Terminated: terminated}}})
	}
	switch {
	case deaf:
	case no:
		answer(false, true)
	default:
		answer(true, false)
		if back != nil {
			d.c.Values(t, 1, back)
		}
		if !slow {
			answer(true, true)
		}
	}
}

func (d *device) set(f func(d *device)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

// operated are the controls that operated the device.
func (d *device) operated() (all []fsm.Control) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.sent {
		if c.Phase == fsm.Direct || c.Phase == fsm.Execute {
			all = append(all, c)
		}
	}
	return all
}

func (d *device) phases() (all []fsm.ControlPhase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.sent {
		all = append(all, c.Phase)
	}
	return all
}

// controls is a running uplink with a device below and a client above.
func controls(t *testing.T, u Uplink) (station, *device, *centre, *fep) {
	t.Helper()
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	d := c.device(t)
	u.Mode, u.Controls = fsm.Exclusive, true
	f := c.start(t, "fep1", u)
	return c, d, begin(t, f.address), f
}

// raw sends an ASDU as it is and returns the answers of its type that come, until there are as many as wanted.
func (c *centre) raw(t testing.TB, want int, h asdu.Header, objects ...asdu.Object) (answers []asdu.ASDU) {
	t.Helper()
	h.CommonAddress = cmpOr(h.CommonAddress, commonAddress)
	a, err := asdu.DefaultProfile.New(h, objects...)
	if err != nil {
		t.Fatal(err)
	}
	before := len(c.asdus())
	if err := c.Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, "answers", func() bool {
		answers = answers[:0]
		for _, a := range c.asdus()[before:] {
			if a.Type == h.Type {
				answers = append(answers, a)
			}
		}
		return len(answers) >= want
	})
	return answers
}

func cmpOr(a, b asdu.CommonAddress) asdu.CommonAddress {
	if a != 0 {
		return a
	}
	return b
}

// wantAnswers compares causes and P/N; the rest is the request's, bit for bit (row 32).
func wantAnswers(t testing.TB, got []asdu.ASDU, objects []asdu.Object, want ...asdu.Header) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Cause != w.Cause || g.Negative != w.Negative || g.Originator != w.Originator || g.Test != w.Test || !slices.Equal(slices.Collect(g.Objects()), objects) {
			t.Errorf("answer %d: %+v %v, want %+v %v", i, g.Header, slices.Collect(g.Objects()), w, objects)
		}
	}
}

const (
	con        = asdu.ActivationCon
	term       = asdu.ActivationTermination
	act        = asdu.Activation
	originator = 7
)

// Row 48: direct execute of each type: 7, return information, 10.
func TestRow48DirectExecute(t *testing.T) {
	now := asdu.NewCP56Time2a(time.Now(), time.UTC)
	for _, tt := range []struct {
		typeID asdu.TypeID
		kind   fsm.Kind
		object asdu.Object
	}{
		{asdu.C_SC_NA_1, fsm.DO, asdu.Object{Value: 1, Qualifier: 1 << 2}},
		{asdu.C_DC_NA_1, fsm.DO, asdu.Object{Value: 2, Qualifier: 2 << 2}},
		{asdu.C_RC_NA_1, fsm.DO, asdu.Object{Value: 1}},
		{asdu.C_SE_NA_1, fsm.AO, asdu.Object{Value: -0.5}},
		{asdu.C_SE_NB_1, fsm.AO, asdu.Object{Value: -1234}},
		{asdu.C_SE_NC_1, fsm.AO, asdu.Object{Value: 12.5, Qualifier: 3}},
		{asdu.C_BO_NA_1, fsm.AO, asdu.Object{Value: 0xdeadbeef}},
		{asdu.C_SC_TA_1, fsm.DO, asdu.Object{Value: 1, Time: now}},
		{asdu.C_DC_TA_1, fsm.DO, asdu.Object{Value: 1, Time: now}},
		{asdu.C_RC_TA_1, fsm.DO, asdu.Object{Value: 2, Time: now}},
		{asdu.C_SE_TA_1, fsm.AO, asdu.Object{Value: 0.25, Time: now}},
		{asdu.C_SE_TB_1, fsm.AO, asdu.Object{Value: 99, Time: now}},
		{asdu.C_SE_TC_1, fsm.AO, asdu.Object{Value: -1.5, Time: now}},
		{asdu.C_BO_TA_1, fsm.AO, asdu.Object{Value: 1, Time: now}},
	} {
		t.Run(tt.typeID.String(), func(t *testing.T) {
			_, d, cl, _ := controls(t, Uplink{Points: []Point{
				{IOA: 1, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_TB_1},
				{IOA: 600, RTU: 1, Kind: tt.kind, Point: 9, Type: tt.typeID.Untimed(), Category: "27"},
			}})
			d.set(func(d *device) { d.back = di(1, 1, 5) })
			o := tt.object
			o.Address = 600
			got := cl.raw(t, 2, asdu.Header{Type: tt.typeID, Cause: act, Originator: originator}, o)
			wantAnswers(t, got, []asdu.Object{o}, asdu.Header{Cause: con, Originator: originator}, asdu.Header{Cause: term, Originator: originator})
			eventually(t, "return information", func() bool { return len(cl.numbers()) == 1 })
			var order []asdu.TypeID
			for _, a := range cl.asdus() {
				if a.Type == tt.typeID || a.Type == asdu.M_SP_TB_1 {
					order = append(order, a.Type)
				}
			}
			if want := []asdu.TypeID{tt.typeID, asdu.M_SP_TB_1, tt.typeID}; !slices.Equal(order, want) {
				t.Errorf("order %v, want %v", order, want)
			}
			ops := d.operated()
			if len(ops) != 1 || ops[0].Value != o.Value || ops[0].Qualifier != o.Qualifier || ops[0].Point != 9 ||
				ops[0].Kind != tt.kind || ops[0].Category != "27" || asdu.TypeID(ops[0].Type) != tt.typeID.Untimed() {
				t.Errorf("operated %+v", ops)
			}
		})
	}
}

// A state and its control may have one address: the type says which is meant.
func TestStateAndControlAtOneAddress(t *testing.T) {
	c, d, cl, _ := controls(t, Uplink{Points: []Point{
		{IOA: 100, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_DP_TB_1},
		{IOA: 100, RTU: 1, Kind: fsm.DO, Point: 9, Type: asdu.C_DC_NA_1},
	}})
	on := di(1, 2, 5)
	on.Type = uint32(asdu.M_DP_TB_1)
	c.Values(t, 1, on)
	o := asdu.Object{Address: 100, Value: 2}
	wantAnswers(t, cl.raw(t, 2, asdu.Header{Type: asdu.C_DC_NA_1, Cause: act}, o), []asdu.Object{o}, asdu.Header{Cause: con}, asdu.Header{Cause: term})
	if ops := d.operated(); len(ops) != 1 || ops[0].Point != 9 {
		t.Errorf("operated %+v", ops)
	}
	if a, err := cl.Read(t.Context(), commonAddress, 100); err != nil || a.Type != asdu.M_DP_NA_1 || a.Object(0).Value != 2 {
		t.Errorf("read: %v, %v", a, err)
	}
	got := outline(cl.ask(t, 0, asdu.Header{Type: asdu.C_IC_NA_1, Cause: act}, asdu.Object{Qualifier: asdu.QOIStation}))
	if !slices.Contains(got, "3/20 100=2:00") {
		t.Errorf("interrogated: %v", got)
	}
}

func selectBit(o asdu.Object) asdu.Object {
	o.Qualifier |= asdu.SelectBit
	return o
}

// Rows 49 to 52.
func TestRow49SelectExecute(t *testing.T) {
	_, d, cl, _ := controls(t, Uplink{})
	o := asdu.Object{Address: 402, Value: 2, Qualifier: 1 << 2}
	h := asdu.Header{Type: asdu.C_DC_NA_1, Cause: act, Originator: originator}
	wantAnswers(t, cl.raw(t, 1, h, selectBit(o)), []asdu.Object{selectBit(o)}, asdu.Header{Cause: con, Originator: originator})
	if got := d.operated(); len(got) != 0 {
		t.Fatalf("a selection operated %v", got)
	}
	got := cl.raw(t, 2, h, o)
	wantAnswers(t, got, []asdu.Object{o}, asdu.Header{Cause: con, Originator: originator}, asdu.Header{Cause: term, Originator: originator})
	if got, want := d.phases(), []fsm.ControlPhase{fsm.Select, fsm.Execute}; !slices.Equal(got, want) {
		t.Errorf("the device got %v, want %v", got, want)
	}
}

func TestRow50ExecuteThatDiffersOrIsLate(t *testing.T) {
	h := asdu.Header{Type: asdu.C_DC_NA_1, Cause: act}
	for _, tt := range []struct {
		name    string
		execute asdu.Object
		wait    bool
	}{
		{"another value", asdu.Object{Address: 402, Value: 1}, false},
		{"another qualifier", asdu.Object{Address: 402, Value: 2, Qualifier: 1 << 2}, false},
		{"late", asdu.Object{Address: 402, Value: 2}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			timeout, attempts := time.Minute, 2 // the second attempt is no direct command either
			if tt.wait {
				timeout, attempts = 200*time.Millisecond, 1
			}
			_, d, cl, _ := controls(t, Uplink{SelectTimeout: timeout})
			cl.raw(t, 1, h, selectBit(asdu.Object{Address: 402, Value: 2}))
			if tt.wait {
				time.Sleep(timeout + 50*time.Millisecond) // the time itself is what's tested
			}
			for range attempts {
				wantAnswers(t, cl.raw(t, 1, h, tt.execute), []asdu.Object{tt.execute}, asdu.Header{Cause: con, Negative: true})
			}
			if got := d.operated(); len(got) != 0 {
				t.Errorf("operated %v", got)
			}
		})
	}
}

func TestRow51SelectionStaysWithItsLink(t *testing.T) {
	c := startStation(t, fsmpb.Configure_DUAL_ACTIVE, "a")
	d := c.device(t)
	u := Uplink{Mode: fsm.DualActive, Controls: true}
	one := begin(t, c.start(t, "fep1", u).address)
	two := begin(t, c.start(t, "fep2", u).address)
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}
	o := asdu.Object{Address: 401, Value: 1}
	one.raw(t, 1, h, selectBit(o))
	for _, attempt := range []asdu.Object{selectBit(o), o} {
		wantAnswers(t, two.raw(t, 1, h, attempt), []asdu.Object{attempt}, asdu.Header{Cause: con, Negative: true})
	}
	one.Close()
	eventually(t, "the selection ends with its link", func() bool { return slices.Contains(d.phases(), fsm.Cancel) })
	eventually(t, "the other link may select now", func() bool {
		return !two.raw(t, 1, h, selectBit(o))[0].Negative
	})
	if got := d.operated(); len(got) != 0 {
		t.Errorf("operated %v", got)
	}
}

func TestRow52DeactivateASelection(t *testing.T) {
	const timeout = 2 * time.Second
	_, d, cl, _ := controls(t, Uplink{SelectTimeout: timeout})
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}
	o := asdu.Object{Address: 401, Value: 1}
	cancel := asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Deactivation}
	wantAnswers(t, cl.raw(t, 1, cancel, o), []asdu.Object{o}, asdu.Header{Cause: asdu.DeactivationCon, Negative: true})
	cl.raw(t, 1, h, selectBit(o))
	wantAnswers(t, cl.raw(t, 1, cancel, selectBit(o)), []asdu.Object{selectBit(o)}, asdu.Header{Cause: asdu.DeactivationCon})
	began := time.Now()
	wantAnswers(t, cl.raw(t, 1, h, o), []asdu.Object{o}, asdu.Header{Cause: con, Negative: true})
	if got, want := d.phases(), []fsm.ControlPhase{fsm.Select, fsm.Cancel}; !slices.Equal(got, want) {
		t.Errorf("the device got %v, want %v", got, want)
	}
	eventually(t, "a direct command is one again", func() bool { return !cl.raw(t, 1, h, o)[0].Negative })
	if took := time.Since(began); took < timeout/2 {
		t.Errorf("operated %v after the selection was taken back", took)
	}
}

// Rows 53, 54, 58 and what is refused for other reasons: nothing reaches the device.
func TestRow53RefusedCommands(t *testing.T) {
	at := func(d time.Duration) asdu.CP56Time2a { return asdu.NewCP56Time2a(time.Now().Add(d), time.UTC) }
	for _, tt := range []struct {
		name    string
		header  asdu.Header
		objects []asdu.Object
		want    asdu.Header
	}{
		{"row 53: DCS 0", asdu.Header{Type: asdu.C_DC_NA_1, Cause: act}, []asdu.Object{{Address: 402}}, asdu.Header{Cause: con, Negative: true}},
		{"row 53: DCS 3", asdu.Header{Type: asdu.C_DC_NA_1, Cause: act}, []asdu.Object{{Address: 402, Value: 3}}, asdu.Header{Cause: con, Negative: true}},
		{"row 53: two objects", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}, []asdu.Object{{Address: 401, Value: 1}, {Address: 401, Value: 1}}, asdu.Header{Cause: con, Negative: true}},
		{"row 53: SQ = 1", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, Sequence: true}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: con, Negative: true}},
		{"row 54: stale", asdu.Header{Type: asdu.C_SC_TA_1, Cause: act}, []asdu.Object{{Address: 401, Value: 1, Time: at(-time.Minute)}}, asdu.Header{Cause: con, Negative: true}},
		{"row 54: from the future", asdu.Header{Type: asdu.C_SC_TA_1, Cause: act}, []asdu.Object{{Address: 401, Value: 1, Time: at(time.Minute)}}, asdu.Header{Cause: con, Negative: true}},
		{"row 54: marked invalid", asdu.Header{Type: asdu.C_SC_TA_1, Cause: act}, []asdu.Object{{Address: 401, Value: 1, Time: at(0).WithInvalid(true)}}, asdu.Header{Cause: con, Negative: true}},
		{"row 54: no time", asdu.Header{Type: asdu.C_SC_TA_1, Cause: act}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: con, Negative: true}},
		{"row 58: T = 1", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, Test: true}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: con, Negative: true, Test: true}},
		{"NaN", asdu.Header{Type: asdu.C_SE_NC_1, Cause: act}, []asdu.Object{{Address: 501, Value: nan}}, asdu.Header{Cause: con, Negative: true}},
		{"row 31: object that isn't there", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}, []asdu.Object{{Address: 999, Value: 1}}, asdu.Header{Cause: asdu.UnknownObjectAddress, Negative: true}},
		{"row 31: object of another type", asdu.Header{Type: asdu.C_DC_NA_1, Cause: act}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: asdu.UnknownObjectAddress, Negative: true}},
		{"row 31: monitored object", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}, []asdu.Object{{Address: 101, Value: 1}}, asdu.Header{Cause: asdu.UnknownObjectAddress, Negative: true}},
		{"row 31: cause", asdu.Header{Type: asdu.C_SC_NA_1, Cause: asdu.Spontaneous}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: asdu.UnknownCause, Negative: true}},
		{"row 31: common address", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, CommonAddress: 101}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: asdu.UnknownCommonAddress, Negative: true}},
		{"row 37: broadcast", asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, CommonAddress: asdu.BroadcastAddress}, []asdu.Object{{Address: 401, Value: 1}}, asdu.Header{Cause: asdu.UnknownCommonAddress, Negative: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, d, cl, _ := controls(t, Uplink{})
			got := cl.raw(t, 1, tt.header, tt.objects...)
			if len(got) != 1 || got[0].Cause != tt.want.Cause || got[0].Negative != tt.want.Negative || got[0].Test != tt.want.Test {
				t.Errorf("answers %v, want one with %+v", got, tt.want)
			}
			if got := d.phases(); len(got) != 0 {
				t.Errorf("the device got %v", got)
			}
		})
	}
}

func TestControlsAreUnknownWhereTheyAreNotConfigured(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	cl := begin(t, c.start(t, "fep1", Uplink{Mode: fsm.Exclusive}).address)
	got := cl.raw(t, 1, asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}, asdu.Object{Address: 401, Value: 1})
	if got[0].Cause != asdu.UnknownType || !got[0].Negative {
		t.Errorf("%+v, want unknown type", got[0].Header)
	}
}

func TestDeviceRefuses(t *testing.T) {
	_, d, cl, _ := controls(t, Uplink{})
	d.set(func(d *device) { d.no = true })
	o := asdu.Object{Address: 401, Value: 1}
	wantAnswers(t, cl.raw(t, 1, asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}, o), []asdu.Object{o}, asdu.Header{Cause: con, Negative: true})
}

func TestDeviceDoesNotAnswer(t *testing.T) {
	c, d, cl, _ := controls(t, Uplink{ControlTimeout: 200 * time.Millisecond})
	d.set(func(d *device) { d.deaf = true })
	o := asdu.Object{Address: 401, Value: 1}
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}
	wantAnswers(t, cl.raw(t, 1, h, o), []asdu.Object{o}, asdu.Header{Cause: con, Negative: true})
	var left []fsm.Control
	c.View(func(s *fsm.State) { left = s.PendingControls(1) })
	if len(left) != 0 {
		t.Errorf("pending after the deadline: %+v", left)
	}
	d.set(func(d *device) { d.deaf = false })
	cl.raw(t, 2, h, o) // the point is free again
	if got := d.operated(); len(got) != 2 {
		t.Errorf("the device got %d commands, want 2: one for each request", len(got))
	}
}

// The owner was killed after the device's confirmation: the client's command ends, with an error.
func TestOwnerChangesDuringAControl(t *testing.T) {
	c, d, cl, _ := controls(t, Uplink{})
	d.set(func(d *device) { d.slow = true })
	o := asdu.Object{Address: 401, Value: 1}
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}
	wantAnswers(t, cl.raw(t, 1, h, o), []asdu.Object{o}, asdu.Header{Cause: con})
	before := len(cl.asdus())
	c.Do(t, "wit", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{
		Resource: "rtu/1", ExpectEpoch: c.Resource("rtu/1").Epoch, Owner: "fep2", Reason: "dead"}}})
	eventually(t, "the end", func() bool { return len(cl.asdus()) > before })
	wantAnswers(t, cl.asdus()[before:], []asdu.Object{o}, asdu.Header{Cause: term, Negative: true})
	if got := d.operated(); len(got) != 1 {
		t.Errorf("operated %d times, want once", len(got))
	}
}

func TestSecondCommandForAPointUnderWayIsRefused(t *testing.T) {
	c, d, cl, _ := controls(t, Uplink{})
	d.set(func(d *device) { d.slow = true })
	o := asdu.Object{Address: 401, Value: 1}
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act}
	cl.raw(t, 1, h, o)
	wantAnswers(t, cl.raw(t, 1, h, o), []asdu.Object{o}, asdu.Header{Cause: con, Negative: true})

	// So it is when another asked: here the API, for another point.
	c.Do(t, "fep2", &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: &fsmpb.ControlSubmit{
		Id: "api-1", Origin: "api", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 2, Type: 46, Value: 2, DeadlineMs: time.Now().Add(time.Minute).UnixMilli()}}})
	o = asdu.Object{Address: 402, Value: 1}
	h.Type = asdu.C_DC_NA_1
	wantAnswers(t, cl.raw(t, 1, h, o), []asdu.Object{o}, asdu.Header{Cause: con, Negative: true})
	eventually(t, "both devices' controls", func() bool { return len(d.operated()) == 2 })
}

// Two commands for a point come faster than a commit.
func TestSecondCommandIsRefusedBeforeTheFirstIsCommitted(t *testing.T) {
	c, d, cl, _ := controls(t, Uplink{})
	c.SetDelay(50 * time.Millisecond)
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, CommonAddress: commonAddress}
	for _, value := range []float64{1, 0} {
		a, err := asdu.DefaultProfile.New(h, asdu.Object{Address: 401, Value: value})
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.Send(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the first is executed", func() bool { return len(cl.find(h.Type, term)) == 1 })
	if got := d.operated(); len(got) != 1 || got[0].Value != 1 {
		t.Errorf("operated %+v, want the first alone", got)
	}
}

// A client that sends a flood of commands gets an answer to each, and the device gets no more than was confirmed.
func TestFloodOfCommands(t *testing.T) {
	_, d, cl, _ := controls(t, Uplink{})
	const n = 200
	h := asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, CommonAddress: commonAddress}
	a, err := asdu.DefaultProfile.New(h, asdu.Object{Address: 401, Value: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := cl.Send(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	count := func(cause asdu.CauseOfTransmission, negative bool) (n int) {
		for _, a := range cl.asdus() {
			if a.Type == h.Type && a.Cause == cause && a.Negative == negative {
				n++
			}
		}
		return n
	}
	eventually(t, "an answer to each", func() bool { return count(con, false)+count(con, true) == n })
	eventually(t, "an end to each that was confirmed", func() bool { return count(term, false) == count(con, false) })
	if got := len(d.operated()); got != count(con, false) {
		t.Errorf("operated %d times, but %d were confirmed", got, count(con, false))
	}
}

func TestStopEndsWithCommandsUnderWay(t *testing.T) {
	_, d, cl, f := controls(t, Uplink{})
	d.set(func(d *device) { d.deaf = true })
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, CommonAddress: commonAddress}, asdu.Object{Address: 401, Value: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.Send(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the device has the command", func() bool { return len(d.operated()) == 1 })
	done := make(chan struct{})
	go func() { f.stop(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Error("stop waits for a device that doesn't answer")
	}
}

var nan = func() float64 { z := 0.0; return z / z }()

// Parameters are relayed as the table has them, bit for bit: confirmed when the device has, and not terminated. What the table doesn't have is
// answered with cause 47, what is loaded can't be taken back.
func TestParameters(t *testing.T) {
	table := append(slices.Clone(points),
		Point{IOA: 701, RTU: 1, Kind: fsm.AO, Point: 7, Type: asdu.P_ME_NA_1, Category: "AO"}, Point{IOA: 702, RTU: 1, Kind: fsm.AO, Point: 8, Type: asdu.P_AC_NA_1, Category: "AO"})
	_, d, cl, _ := controls(t, Uplink{Points: table})
	for _, c := range []struct {
		typ    asdu.TypeID
		cause  asdu.CauseOfTransmission
		o      asdu.Object
		want   asdu.CauseOfTransmission
		no     bool
		sent   float64 // NaN: nothing
		refuse bool    // by the device
	}{
		{typ: asdu.P_ME_NA_1, cause: asdu.Activation, o: asdu.Object{Address: 701, Value: 0.5, Qualifier: 0xc2}, want: asdu.ActivationCon, sent: 0.5},
		{typ: asdu.P_AC_NA_1, cause: asdu.Activation, o: asdu.Object{Address: 702, Qualifier: 3}, want: asdu.ActivationCon, sent: 1},
		{typ: asdu.P_AC_NA_1, cause: asdu.Deactivation, o: asdu.Object{Address: 702, Qualifier: 3}, want: asdu.DeactivationCon, sent: 0},
		{typ: asdu.P_AC_NA_1, cause: asdu.Deactivation, o: asdu.Object{Address: 702, Qualifier: 3}, want: asdu.DeactivationCon, no: true, sent: 0, refuse: true},
		{typ: asdu.P_ME_NA_1, cause: asdu.Deactivation, o: asdu.Object{Address: 701, Value: 0.5}, want: asdu.UnknownCause, no: true, sent: math.NaN()},
		{typ: asdu.P_ME_NC_1, cause: asdu.Activation, o: asdu.Object{Address: 701, Value: 0.5}, want: asdu.UnknownType, no: true, sent: math.NaN()},
		{typ: asdu.P_ME_NB_1, cause: asdu.Deactivation, o: asdu.Object{Address: 701, Value: 5}, want: asdu.UnknownType, no: true, sent: math.NaN()},
		{typ: asdu.P_ME_NA_1, cause: asdu.Activation, o: asdu.Object{Address: 501, Value: 0.5}, want: asdu.UnknownObjectAddress, no: true, sent: math.NaN()},
	} {
		before := len(d.operated())
		d.set(func(d *device) { d.no = c.refuse })
		got := cl.raw(t, 1, asdu.Header{Type: c.typ, Cause: c.cause}, c.o)
		if len(got) != 1 || got[0].Cause != c.want || got[0].Negative != c.no || got[0].Object(0) != c.o {
			t.Errorf("%v %v: answered %v", c.typ, c.cause, got)
		}
		sent := d.operated()[before:]
		if math.IsNaN(c.sent) != (len(sent) == 0) {
			t.Errorf("%v %v: the device was sent %+v", c.typ, c.cause, sent)
		}
		for _, s := range sent {
			if s.Value != c.sent || s.Qualifier != c.o.Qualifier || s.Type != uint8(c.typ) || s.Phase != fsm.Direct {
				t.Errorf("%v %v: the device was sent %+v", c.typ, c.cause, s)
			}
		}
	}
	cl.raw(t, 1, asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request}, asdu.Object{Address: 9999}) // answered after all else
	for _, a := range cl.asdus() {
		if a.Type.IsParameter() && a.Cause == asdu.ActivationTermination {
			t.Errorf("terminated: %v", a)
		}
	}
}
