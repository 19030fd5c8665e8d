package main

import (
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
)

// told is what a control centre got since it was reset, by object.
type told struct {
	mu      sync.Mutex
	answers map[asdu.InformationObjectAddress]uint8 // quality that an interrogation has shown first
	events  []asdu.Object
	last    map[asdu.InformationObjectAddress]asdu.Object
}

func (x *told) take(_ string, a asdu.ASDU) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for o := range a.Objects() {
		if o.Address == 0 || o.Address == rig.RoleIOA || a.Type == asdu.M_EI_NA_1 {
			continue
		}
		if _, known := x.answers[o.Address]; !known && a.Cause == asdu.InterrogatedStation {
			x.answers[o.Address] = o.Quality
		}
		if a.Type.TimeTag() != asdu.NoTime {
			x.events = append(x.events, o)
		}
		x.last[o.Address] = o
	}
}

func (x *told) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answers, x.events, x.last = map[asdu.InformationObjectAddress]uint8{}, nil, map[asdu.InformationObjectAddress]asdu.Object{}
}

// After a restart of the whole station the control centre interrogates before the devices have answered: what is older than the
// outage is not topical. Once the device has answered, what is as it was is told as topical, and what has changed as one event.
func TestRestartOfTheStationDoesNotPretend(t *testing.T) {
	var got told
	got.reset()
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", OnASDU: got.take,
		RTUs: []rig.RTU{{Number: 1, Name: "device", CommonAddress: 1, Points: trialcmd.DemoPoints()}}})
	device := s.Devices[0]
	const points = 16
	known := func(quality uint8) func() bool {
		return func() bool {
			got.mu.Lock()
			defer got.mu.Unlock()
			n := 0
			for _, o := range got.last {
				if o.Quality == quality {
					n++
				}
			}
			return n == points
		}
	}
	eventually(t, "all points", known(0))
	for _, id := range []string{"wit", "fep1", "fep2"} {
		if err := s.Kill(id); err != nil {
			t.Fatal(err)
		}
	}
	for link := range device.Addresses() {
		if err := device.Break(link); err != nil {
			t.Fatal(err)
		}
	}
	got.reset()
	for _, id := range []string{"wit", "fep1", "fep2"} {
		if err := s.Start(id); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "an interrogation's answers", func() bool {
		got.mu.Lock()
		defer got.mu.Unlock()
		return len(got.answers) == points
	})
	got.mu.Lock()
	for address, quality := range got.answers {
		if quality&asdu.NT == 0 {
			t.Errorf("object %d: quality %02x", address, quality)
		}
	}
	if len(got.events) > 0 {
		t.Errorf("%d events, the first %+v", len(got.events), got.events[0])
	}
	got.mu.Unlock()

	first := rig.UplinkAddress(1, 0)
	if err := device.Change(asdu.M_SP_NA_1, time.Now(), asdu.Object{Address: 1, Value: 1}); err != nil {
		t.Fatal(err)
	}
	for link := range device.Addresses() {
		if err := device.Repair(link); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all points again", known(0))
	if _, err := s.WaitFor(ctx, "a station that is well", func(st api.Status) bool { return rig.Complete(st) }); err != nil {
		t.Fatal(err)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if len(got.events) != 1 || got.events[0].Address != first || got.events[0].Value != 1 {
		t.Errorf("events %+v, expected that of the first point alone", got.events)
	}
}
