package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fepha/fepha/cmd/internal/rig"
)

// A FEP whose disk somebody has filled goes on, from what it keeps in reserve:
// it says so, can be started again, and nothing is lost.
func TestFilledDisk(t *testing.T) {
	if err := rig.DisksRefused(); err != nil {
		t.Skip(err)
	}
	s, ctx := newStation(t, rig.Options{Disks: true})
	const node = "fep1"
	log := func() string {
		b, err := os.ReadFile(s.LogFile(node))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	until(t, "a reserve on the disk", func() bool { return strings.Contains(metrics(t, s, node), "fepha_disk_reserve_bytes 3.3554432e+07") })
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 200, 1) })
	fill, err := rig.FaultByName("filled-disk")
	if err != nil {
		t.Fatal(err)
	}
	if err := fill.Inject(ctx, s, node); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := fill.Heal(ctx, s, node); err != nil {
			t.Error(err)
		}
	}()
	until(t, "the reserve to be used", func() bool { return strings.Contains(log(), "the reserve is in use") })
	before := s.Centre.Received.Len()
	until(t, "events to go on", func() bool { return s.Centre.Received.Len() > before+400 })
	if !s.Running(node) || strings.Count(log(), "node started") != 1 {
		t.Error("the node has ended")
	}
	st, err := s.Node(node).Client().Status(ctx)
	if err != nil || st.RTUs[0].Owner != node {
		t.Errorf("%v: the RTU is %s's", err, st.RTUs[0].Owner)
	}

	if err := s.Kill(node); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(node); err != nil {
		t.Fatal(err)
	}
	until(t, "the node to start again", func() bool { return strings.Count(log(), "node started") == 2 })

	if err := fill.Heal(ctx, s, node); err != nil {
		t.Fatal(err)
	}
	until(t, "room again", func() bool { return strings.Contains(log(), "there is room on the disk again") })
	noneLost(t, s.Settle(ctx))
}

// metrics is what a node tells Prometheus; "" if it doesn't.
func metrics(t *testing.T, s *rig.Station, node string) string {
	t.Helper()
	resp, err := http.Get(s.Node(node).API + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
