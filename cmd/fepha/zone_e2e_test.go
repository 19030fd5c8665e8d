package main

import (
	"context"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/sim"
)

// A device that keeps another time zone than the station is right where its RTU says so, and nowhere else.
func TestRTUInAnotherTimeZone(t *testing.T) {
	points := quirkPoints()
	s, ctx := newStation(t, rig.Options{Channels: 1, RTUs: []rig.RTU{
		{Number: 1, Name: "told", CommonAddress: 1, Points: points, Settings: "time_zone: Asia/Shanghai\n", Quirks: []sim.Quirk{sim.WrongZone}},
		{Number: 2, Name: "untold", CommonAddress: 1, Points: points, Quirks: []sim.Quirk{sim.WrongZone}}, // 8 h early: what Shanghai is
	}})
	for _, d := range s.Devices {
		s.Simulate(func(ctx context.Context) { d.Emit(ctx, 10, 1) })
	}
	st, err := s.WaitFor(ctx, "the zone of RTU 2", func(st api.Status) bool { return has(st, "rtu.2.device_zone") })
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Client().Point(ctx, 1, "di", 1)
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Since(time.UnixMilli(p.TimeMs)).Abs(); off > time.Minute || has(st, "rtu.1.device_zone") || has(st, "rtu.1.device_clock") {
		t.Errorf("RTU 1 is %v off: %+v", off, st.Conditions)
	}
}
