package sim

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// until waits for a condition; the test fails after a minute.
func until(t *testing.T, what string, good func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !good(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func newDevice(t *testing.T, links int, points ...DevicePoint) *Device {
	t.Helper()
	cfg := DeviceConfig{CommonAddress: 7, Points: points}
	for range links {
		cfg.Listen = append(cfg.Listen, "127.0.0.1:0")
	}
	d, err := NewDevice(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newCentre(t *testing.T, d *Device) *Centre {
	t.Helper()
	c := NewCentre(CentreConfig{Addresses: d.Addresses(), CommonAddress: 7, Interrogate: true,
		Config: iec104.Config{T1: 2 * time.Second, T2: 50 * time.Millisecond}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

// A device whose links break one after the other loses nothing, since it keeps
// what was not acknowledged.
func TestEventsOutliveLinks(t *testing.T) {
	d := newDevice(t, 2, DevicePoint{Address: 1, Type: asdu.M_SP_TB_1}, DevicePoint{Address: 2, Type: asdu.M_SP_TB_1})
	c := newCentre(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	emitting := make(chan struct{})
	go func() {
		defer close(emitting)
		d.Emit(ctx, 1000, 1)
	}()
	for i := range 6 {
		before := c.Received.Len()
		until(t, "events", func() bool { return c.Received.Len() >= before+50 })
		if err := errors.Join(d.Break(i%2), d.Repair((i+1)%2)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-emitting
	until(t, "all events", func() bool { return len(Missing(&d.Sent, &c.Received, nil)) == 0 })
	if c.Received.Len() != d.Sent.Len() {
		t.Errorf("%d events received, %d sent", c.Received.Len(), d.Sent.Len())
	}
	until(t, "all acknowledgements", func() bool { return d.Unacknowledged() == 0 })
}

func TestInterrogationAndCommand(t *testing.T) {
	d := newDevice(t, 1,
		DevicePoint{Address: 1, Type: asdu.M_SP_TB_1, Value: 1},
		DevicePoint{Address: 2, Type: asdu.M_ME_NC_1, Value: 2.5},
		DevicePoint{Address: 9, Type: asdu.C_SC_NA_1})
	c := newCentre(t, d)
	until(t, "the interrogation", func() bool { return c.Interrogations() == 1 })
	for ioa, want := range map[asdu.InformationObjectAddress]float64{1: 1, 2: 2.5} {
		if v, ok := c.Value(ioa); !ok || v != want {
			t.Errorf("object %d: %v %v, want %v", ioa, v, ok, want)
		}
	}
	command := iec104.Command{CommonAddress: 7, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: 9, Value: 1}, AwaitTermination: true}
	if err := c.Command(t.Context(), command); err != nil {
		t.Fatal(err)
	}
	if d.Operated(9) != 1 || d.Value(9) != 1 {
		t.Errorf("operated %d times, value %v", d.Operated(9), d.Value(9))
	}
	command.Object.Address = 10
	if _, ok := errors.AsType[*iec104.NegativeError](c.Command(t.Context(), command)); !ok {
		t.Error("a command to an object that is not there was not refused")
	}
}

func TestCommandWithoutLink(t *testing.T) {
	c := NewCentre(CentreConfig{})
	if err := c.Command(t.Context(), iec104.Command{}); !errors.Is(err, ErrNoMainLink) {
		t.Errorf("error %v, want %v", err, ErrNoMainLink)
	}
}

// What is replayed is what was recorded, in order.
func TestReplayArrives(t *testing.T) {
	rec, err := DemoRecording()
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: rec.ASDUs[0].ASDU.CommonAddress, Points: rec.Points()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	c := newCentre(t, d)
	if err := d.Replay(t.Context(), rec, 1000, false); err != nil {
		t.Fatal(err)
	}
	until(t, "the recorded events", func() bool { return d.Unacknowledged() == 0 && c.Received.Len() == d.Sent.Len() })
	// The capture has eight M_SP_TB_1 objects. The device's clock stood still,
	// so some of them are alike.
	if all := d.Sent.Len() + d.Sent.Repeats(); all != 8 {
		t.Errorf("%d time-tagged events sent, want 8", all)
	}
	if all := c.Received.Len() + c.Received.Repeats(); all != 8 {
		t.Errorf("%d time-tagged events received, want 8", all)
	}
}

func TestReadCapture(t *testing.T) {
	// Of each capture: recordings, and the first one's ASDUs.
	for name, want := range map[string][2]int{
		"iti_090813_diverse":       {1, 23},
		"iti_JavaRMI_and_IEC_Misc": {2, 60},
		"iti_TestDissectIec104":    {1, 3},
		"ndpi_IEC104":              {1, 6},
	} {
		recs, err := LoadCapture("../iec104/testdata/captures/" + name + ".pcap")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := [2]int{len(recs), len(recs[0].ASDUs)}; got != want {
			t.Errorf("%s: %v recordings and ASDUs, want %v", name, got, want)
		}
	}
	if _, err := ReadCapture(strings.NewReader("no capture")); err == nil {
		t.Error("a file that is no capture was accepted")
	}
}

func TestLedger(t *testing.T) {
	var l Ledger
	t0 := time.Unix(0, 0)
	k := func(i int) Key { return Key{Address: asdu.InformationObjectAddress(i)} }
	for i, add := range []struct {
		key   Key
		at    time.Duration
		isNew bool
	}{{k(1), 0, true}, {k(2), 10, true}, {k(1), 500, false}, {k(3), 40, true}} {
		if got := l.Add(add.key, t0.Add(add.at)); got != add.isNew {
			t.Errorf("event %d: new %v, want %v", i, got, add.isNew)
		}
	}
	if l.Len() != 3 || l.Repeats() != 1 || l.LongestGap() != 30 {
		t.Errorf("%d events, %d repeats, gap %d; want 3, 1, 30", l.Len(), l.Repeats(), l.LongestGap())
	}
	l.ResetGap()
	l.Add(k(4), t0.Add(45))
	if l.LongestGap() != 5 {
		t.Errorf("gap after reset is %d, want 5", l.LongestGap())
	}
	var other Ledger
	other.Add(k(4), t0)
	other.Add(k(5), t0)
	if m := Missing(&other, &l, nil); len(m) != 1 || m[0] != k(5) {
		t.Errorf("missing %v, want only %v", m, k(5))
	}
}

// A device takes the parameters that it has, and confirms them; others it doesn't know.
func TestParametersOfADevice(t *testing.T) {
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7, Points: []DevicePoint{{Address: 1, Type: asdu.P_ME_NC_1}, {Address: 2, Type: asdu.P_AC_NA_1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c, err := iec104.Dial(t.Context(), iec104.ClientConfig{Address: d.Addresses()[0]})
	if err == nil {
		defer c.Close()
		err = c.StartDT(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		address asdu.InformationObjectAddress
		typ     asdu.TypeID
		back    bool
		known   bool
	}{{1, asdu.P_ME_NC_1, false, true}, {2, asdu.P_AC_NA_1, false, true}, {2, asdu.P_AC_NA_1, true, true}, {1, asdu.P_ME_NC_1, true, false}, {3, asdu.P_ME_NC_1, false, false}} {
		err := c.Command(t.Context(), iec104.Command{CommonAddress: 7, Type: p.typ, Deactivate: p.back, Object: asdu.Object{Address: p.address, Value: 5}})
		if (err == nil) != p.known {
			t.Errorf("%+v: %v", p, err)
		}
	}
	var done []float64
	for _, o := range d.Operations() {
		done = append(done, o.Value)
	}
	if len(done) != 3 || done[0] != 5 || done[1] != 1 || done[2] != 0 {
		t.Errorf("done %v", done)
	}
}
