package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// A control centre that keeps another time zone than the station's gets each event's instant as that zone has it, also what the
// FEP has made up, and its commands with a time tag are in that zone.
func TestUplinkInAnotherTimeZone(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	points := []sim.DevicePoint{{Address: 1, Type: asdu.M_SP_TB_1}, {Address: 11, Type: asdu.C_SC_TA_1}}
	keys := make(chan sim.Key, 1000)
	s, ctx := newStation(t, rig.Options{
		Channels: 1, UplinkSettings: "time_zone: Asia/Shanghai\n", // the station's is UTC
		RTUs:    []rig.RTU{{Number: 1, Name: "tags", CommonAddress: 1, Points: points}, {Number: 2, Name: "no tags", CommonAddress: 1, Points: points, Quirks: []sim.Quirk{sim.NoTime}}},
		OnEvent: func(k sim.Key, _ bool) { keys <- k },
	})
	for _, d := range s.Devices {
		s.Simulate(func(ctx context.Context) { d.Emit(ctx, 10, 1) })
	}
	for rtu, events := range map[uint32]int{1: 5, 2: 5} {
		for events > 0 {
			select {
			case k := <-keys:
				if of, _ := rig.UplinkPoint(k.Address); of != rtu {
					continue
				}
				events--
				at, err := k.Time.Time(shanghai)
				if err != nil || time.Since(at).Abs() > time.Minute {
					t.Errorf("RTU %d: %v is %v, %v: expected the present time of Shanghai", rtu, k, at, err)
				}
			case <-ctx.Done():
				t.Fatalf("no events of RTU %d", rtu)
			}
		}
	}
	command := func(zone *time.Location) error {
		return s.Centre.Command(ctx, iec104.Command{CommonAddress: 100, Type: asdu.C_SC_TA_1, AwaitTermination: true,
			Object: asdu.Object{Address: rig.UplinkAddress(1, 1), Value: 1, Time: asdu.NewCP56Time2a(time.Now(), zone)}})
	}
	if _, refused := errors.AsType[*iec104.NegativeError](command(time.UTC)); !refused || s.Devices[0].Operated(11) != 0 {
		t.Error("a command that is 8 h old where the centre is was done, or not answered")
	}
	if err := command(shanghai); err != nil || s.Devices[0].Operated(11) != 1 {
		t.Errorf("a command of now: %v", err)
	}
}
