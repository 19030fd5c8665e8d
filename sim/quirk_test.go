package sim

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// quirky is a started link to a device with a quirk.
func quirky(t *testing.T, q Quirk, cfg iec104.ClientConfig) (*Device, *iec104.Client) {
	t.Helper()
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7, Quirks: []Quirk{q}, Points: []DevicePoint{
		{Address: 1, Type: asdu.M_SP_TB_1}, {Address: 2, Type: asdu.M_DP_TB_1},
		{Address: 11, Type: asdu.C_SC_NA_1}, {Address: 12, Type: asdu.C_DC_NA_1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Address = d.Addresses()[0]
	c, err := iec104.Dial(t.Context(), cfg)
	if err == nil {
		err = c.StartDT(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var pestering sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	pestering.Go(func() { d.Pester(ctx, time.Millisecond) })
	t.Cleanup(func() {
		cancel()
		pestering.Wait()
		c.Close()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, c
}

func TestNeverTerminates(t *testing.T) {
	d, c := quirky(t, NeverTerminates, iec104.ClientConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	confirmed := false
	err := c.Command(ctx, iec104.Command{CommonAddress: 7, Type: asdu.C_SC_NA_1, AwaitTermination: true,
		Object: asdu.Object{Address: 11, Value: 1}, Confirmed: func(asdu.ASDU) { confirmed = true; cancel() }})
	if !confirmed || !errors.Is(err, context.Canceled) || d.Operated(11) != 1 {
		t.Errorf("confirmed %v, operated %d times, %v", confirmed, d.Operated(11), err)
	}
}

func TestNeverConfirms(t *testing.T) {
	returned := make(chan asdu.Object, 10)
	_, c := quirky(t, NeverConfirms, iec104.ClientConfig{Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
		if a.Type.IsCommand() {
			t.Errorf("answered: %v", a)
		}
		if a.Cause == asdu.RemoteReturn {
			returned <- a.Object(0)
		}
	}})
	for _, test := range []struct {
		typeID  asdu.TypeID
		address asdu.InformationObjectAddress
		value   float64
		state   asdu.InformationObjectAddress
		want    float64
	}{
		{asdu.C_SC_NA_1, 11, 1, 1, 1}, {asdu.C_SC_NA_1, 11, 0, 1, 0}, {asdu.C_DC_NA_1, 12, 2, 2, 2}, {asdu.C_DC_NA_1, 12, 1, 2, 1},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- c.Command(ctx, iec104.Command{CommonAddress: 7, Type: test.typeID, Object: asdu.Object{Address: test.address, Value: test.value}})
		}()
		if o := <-returned; o.Address != test.state || o.Value != test.want {
			t.Errorf("%v %d to %v: %d is %v", test.typeID, test.address, test.value, o.Address, o.Value)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestMalformedAndNoCause(t *testing.T) {
	var n atomic.Int32
	quirky(t, Malformed, iec104.ClientConfig{Malformed: func(*iec104.Client, []byte, uint64, error) { n.Add(1) }})
	until(t, "malformed ASDUs", func() bool { return n.Load() >= 8 })
	var odd atomic.Int32
	quirky(t, NoCause, iec104.ClientConfig{Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
		if a.Negative || a.Cause == 0 || a.Cause == asdu.UnknownType {
			odd.Add(1)
		}
	}})
	until(t, "data with no cause", func() bool { return odd.Load() >= 6 })
}

func TestQuirksAreListed(t *testing.T) {
	if q, err := ParseDeviceQuirks([]string{"malformed", "no-cause"}); err != nil || len(q) != 2 {
		t.Errorf("%v, %v", q, err)
	}
	if _, err := ParseDeviceQuirks([]string{"polite"}); err == nil {
		t.Error("an unknown quirk is taken")
	}
}

func TestQuirksOfBothSidesAreListed(t *testing.T) {
	for _, side := range []struct {
		names    []Quirk
		describe string
		parse    func([]string) ([]Quirk, error)
	}{{DeviceQuirks(), DescribeDeviceQuirks(), ParseDeviceQuirks}, {CentreQuirks(), DescribeCentreQuirks(), ParseCentreQuirks}} {
		for _, q := range side.names {
			if got, err := side.parse([]string{string(q)}); err != nil || len(got) != 1 || !strings.Contains(side.describe, "  "+string(q)+" ") {
				t.Errorf("%s: %v, %v", q, got, err)
			}
		}
	}
}

// A station takes an event that is older than what it has interrogated for one of the backlog, so a protection event has the
// device's present time.
func TestProtectionEventsAreOfNow(t *testing.T) {
	began := time.Now().Add(-time.Second)
	events := make(chan asdu.Object, 1)
	quirky(t, ProtectionEvents, iec104.ClientConfig{Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
		if a.Type == asdu.M_EP_TD_1 {
			select {
			case events <- a.Object(0):
			default:
			}
		}
	}})
	o := <-events
	at, err := o.Time.Time(time.UTC)
	if err != nil || at.Before(began) || at.After(time.Now().Add(time.Second)) || o.Address != 1 || o.Value != 1 || o.Elapsed != 10 {
		t.Errorf("%+v of %v, %v", o, at, err)
	}
}

// Packed single points come from where the device has some, though it has single points before them.
func TestPackedPoints(t *testing.T) {
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7, Quirks: []Quirk{PackedPoints}, Points: []DevicePoint{
		{Address: 1, Type: asdu.M_SP_TB_1}, {Address: 7, Type: asdu.M_PS_NA_1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan asdu.Object, 100)
	c, err := iec104.Dial(t.Context(), iec104.ClientConfig{Address: d.Addresses()[0], Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
		if a.Type == asdu.M_PS_NA_1 {
			told <- a.Object(0)
		}
	}})
	if err == nil {
		err = c.StartDT(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var pestering sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	pestering.Go(func() { d.Pester(ctx, 10*time.Millisecond) })
	if o := <-told; o.Address != 7 || uint32(o.Value) != 0x00010001 {
		t.Errorf("object %d: %x", o.Address, uint32(o.Value))
	}
	cancel()
	pestering.Wait()
	c.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
