package sim

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// concentrator is a device with common addresses 7 and 8, which have an object of the same address.
func concentrator(t *testing.T) (first, second *Device) {
	t.Helper()
	first = newDevice(t, 2, DevicePoint{Address: 1, Type: asdu.M_SP_TB_1}, DevicePoint{Address: 11, Type: asdu.C_SC_NA_1})
	second, err := NewDevice(DeviceConfig{Behind: first, CommonAddress: 8, Points: []DevicePoint{
		{Address: 1, Type: asdu.M_SP_TB_1, Value: 1}, {Address: 2, Type: asdu.M_SP_TB_1}, {Address: 11, Type: asdu.C_SC_NA_1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	return first, second
}

// Sectors share links and queue, and answer each for itself; all of them do what all are asked, the first one what nobody is.
func TestSectorsOfADevice(t *testing.T) {
	first, second := concentrator(t)
	var mu sync.Mutex
	type answer struct {
		t     asdu.TypeID
		cause asdu.CauseOfTransmission
		of    asdu.CommonAddress
	}
	answers := map[answer]int{}
	c, err := iec104.Dial(t.Context(), iec104.ClientConfig{Address: first.Addresses()[0], Tap: func(dir iec104.Direction, _ time.Time, frame []byte) {
		if a, err := asdu.DefaultProfile.Parse(frame[min(6, len(frame)):]); err == nil && dir == iec104.Received {
			mu.Lock()
			defer mu.Unlock()
			answers[answer{a.Type, a.Cause, a.CommonAddress}]++
		}
	}})
	if err == nil {
		err = c.StartDT(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Interrogate(t.Context(), asdu.BroadcastAddress, asdu.QOIStation); err != nil {
		t.Error(err)
	}
	if err := c.Interrogate(t.Context(), 9, asdu.QOIStation); err == nil {
		t.Error("a common address that is nobody's was answered")
	}
	if err := c.Command(t.Context(), iec104.Command{CommonAddress: 8, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: 11, Value: 1}}); err != nil {
		t.Error(err)
	}
	if first.Operated(11) != 0 || second.Operated(11) != 1 {
		t.Errorf("operated %d and %d times", first.Operated(11), second.Operated(11))
	}
	for _, sector := range []asdu.CommonAddress{7, 8} {
		for _, cause := range []asdu.CauseOfTransmission{asdu.ActivationCon, asdu.ActivationTermination} {
			until(t, "an answer of each", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return answers[answer{asdu.C_IC_NA_1, cause, sector}] == 1
			})
		}
	}
	if n := answers[answer{asdu.C_IC_NA_1, asdu.UnknownCommonAddress, 9}]; n != 1 {
		t.Errorf("an unknown common address was told so %d times", n)
	}
}

// A control centre of several sectors keeps them apart, and gets all that each of them sends, over links that break.
func TestCentreOfSectors(t *testing.T) {
	first, second := concentrator(t)
	c := NewCentre(CentreConfig{Addresses: first.Addresses(), CommonAddress: 7, Sectors: []asdu.CommonAddress{8}, Interrogate: true,
		Config: iec104.Config{T1: 2 * time.Second, T2: 50 * time.Millisecond}})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = c.Run(ctx) })
	until(t, "both interrogated", func() bool { return c.Interrogations() == 1 })
	if v, _ := c.Value(1); v != 0 {
		t.Errorf("object 1 of the first sector is %g", v)
	}
	if v, _ := c.SectorValue(8, 1); v != 1 {
		t.Errorf("object 1 of the second sector is %g", v)
	}
	emit, stop := context.WithCancel(ctx)
	defer stop()
	var emitting sync.WaitGroup
	for _, d := range []*Device{first, second} {
		emitting.Go(func() { d.Emit(emit, 500, 1) })
	}
	for i := range 4 {
		before := c.Received.Len()
		until(t, "events", func() bool { return c.Received.Len() >= before+50 })
		if err := first.Break(i % 2); err != nil {
			t.Fatal(err)
		}
		if err := first.Repair((i + 1) % 2); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	emitting.Wait()
	until(t, "all events", func() bool {
		return len(Missing(&first.Sent, &c.Received, nil)) == 0 && len(Missing(&second.Sent, &c.Received, nil)) == 0
	})
}

func TestSectorWithAnothersAddress(t *testing.T) {
	first, _ := concentrator(t)
	if _, err := NewDevice(DeviceConfig{Behind: first, CommonAddress: 8}); err == nil || !strings.Contains(err.Error(), "common address 8 is there twice") {
		t.Error(err)
	}
}
