package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
)

// The judge of a flood sees what is lost, repeated or out of order.
func TestFloodJudge(t *testing.T) {
	event := func(f *flood, e uint64) asdu.ASDU {
		a, err := asdu.DefaultProfile.New(
			asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous, CommonAddress: 100},
			asdu.Object{Address: rig.UplinkAddress(1, int(e%floodPoints)), Value: value(e), Time: f.tag(e)})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for name, tc := range map[string]struct {
		events         []uint64
		lost, repeated uint64
	}{
		"in order":     {[]uint64{0, 1, 2}, 0, 0},
		"one lost":     {[]uint64{0, 2, 3}, 1, 0},
		"first lost":   {[]uint64{3}, 3, 0},
		"repeated":     {[]uint64{0, 1, 1, 0, 2}, 0, 2},
		"out of order": {[]uint64{0, 2, 1, 3}, 1, 1},
	} {
		f := newFlood(1, 1000)
		f.devices = []*floodDevice{{f: f}}
		for _, e := range tc.events {
			f.judge("", event(f, e))
		}
		if lost, repeated := f.lost.Load(), f.repeated.Load(); lost != tc.lost || repeated != tc.repeated {
			t.Errorf("%s: %d lost, %d repeated, want %d and %d", name, lost, repeated, tc.lost, tc.repeated)
		}
		if clean := f.firstWrong.Load() == nil; clean != (tc.lost+tc.repeated == 0) {
			t.Errorf("%s: complaint %v", name, f.firstWrong.Load())
		}
	}
}

// The two measurements run, on real processes, and find nothing lost. How fast it was says nothing here.
func TestMeasurements(t *testing.T) {
	if testing.Short() {
		t.Skip("real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	station := stationFlags{mode: "main-standby", lease: 2 * time.Second, dir: filepath.Join(t.TempDir(), "station")}

	var out bytes.Buffer
	events := eventsFlags{stationFlags: station, perASDU: []int{20}, duration: time.Second, rtus: 3, k: 24, underWay: 5000, json: true}
	if err := runEvents(ctx, events, &out); err != nil {
		t.Fatal(err)
	}
	var e eventsReport
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Rate == 0 || e.Emitted == 0 || e.Arrived != e.Emitted {
		t.Errorf("%v, %s", err, out.Bytes())
	}

	out.Reset()
	station.dir, station.rate = filepath.Join(t.TempDir(), "station"), 500
	latency := latencyFlags{stationFlags: station, rounds: 1, duration: time.Second, json: true}
	if err := runLatency(ctx, latency, &out); err != nil {
		t.Fatal(err)
	}
	var l latencyReport
	if err := json.Unmarshal(out.Bytes(), &l); err != nil || l.Events == 0 || l.Entries == 0 || l.P50Ms <= 0 || l.BareP50Ms <= 0 {
		t.Errorf("%v, %s", err, out.Bytes())
	}
}

func TestEventsAreRefused(t *testing.T) {
	for _, n := range []int{0, 3, 44} {
		if err := runEvents(t.Context(), eventsFlags{perASDU: []int{n}}, &bytes.Buffer{}); err == nil {
			t.Errorf("%d objects an ASDU were not refused", n)
		}
	}
}
