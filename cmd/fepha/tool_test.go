package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/fieldcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// Points, controls, uplinks and traces as a person asks for them.
func TestLookingIntoAStation(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 100, 1) })
	addr := "--addr=" + s.Nodes()[2].API
	if _, err := s.WaitFor(ctx, "events and both links", func(st api.Status) bool {
		return rig.Complete(st) && st.Journal.Last > 50 && len(st.Uplinks[0].Links) == 2
	}); err != nil {
		t.Fatal(err)
	}

	var page api.PointPage
	out, _ := fepha(t, cli.ExitDone, "point", "list", addr, "--json", "--rtu=1", "--kind=di", "--limit=5")
	if err := json.Unmarshal([]byte(out), &page); err != nil || len(page.Points) != 5 || page.Next == "" || page.Points[0].Name == "" {
		t.Errorf("point list: %v: %s", err, out)
	}
	if out, _ = fepha(t, cli.ExitDone, "point", "get", "1/di/3", addr); !strings.Contains(out, "1/di/3") || !strings.Contains(out, "good") {
		t.Errorf("point get: %s", out)
	}
	fepha(t, cli.ExitFailed, "point", "get", "1/di/4711", addr)

	var done api.Control
	out, _ = fepha(t, cli.ExitDone, "control", "send", "1/do/6002", "on", addr, "--json")
	if err := json.Unmarshal([]byte(out), &done); err != nil || !done.OK || done.Stage != "done" || s.Devices[0].Value(6002) != 1 {
		t.Errorf("control send: %v: %s", err, out)
	}
	fepha(t, cli.ExitDone, "control", "send", "1/do/6002", "off", addr, "--select")
	if got := s.Devices[0].Value(6002); got != 0 || s.Devices[0].Operated(6002) != 2 {
		t.Errorf("output is %v after %d operations", got, s.Devices[0].Operated(6002))
	}
	if out, stderr := fepha(t, cli.ExitFailed, "control", "send", "1/do/6002", "7", addr); !strings.Contains(out, "not done") || !strings.Contains(stderr, "expected 0 or 1") {
		t.Errorf("control send: %s%s", out, stderr)
	}
	fepha(t, cli.ExitUsage, "control", "send", "1/do/6002", "open", addr)
	fepha(t, cli.ExitFailed, "control", "send", "1/do/4711", "on", addr)
	if out, _ = fepha(t, cli.ExitDone, "control", "list", addr); strings.Count(out, "1/do/6002") != 4 || !strings.Contains(out, "api:local") || !strings.Contains(out, "failed: ") {
		t.Errorf("control list:\n%s", out)
	}

	for _, args := range [][]string{{"trace", "rtu", "1"}, {"trace", "uplink", "occ"}, {"trace", "uplink", "occ/occ"}} {
		out, _ := fepha(t, cli.ExitDone, append(args, addr, "--count=3")...)
		if strings.Count(out, "\n") != 1+3 || !strings.HasPrefix(out, "TIME") || !strings.Contains(out, "fep") {
			t.Errorf("%q:\n%s", args, out)
		}
	}
	var frame fieldcmd.TracedFrame
	out, _ = fepha(t, cli.ExitDone, "trace", "rtu", "1", addr, "--count=1", "--json")
	if err := json.Unmarshal([]byte(out), &frame); err != nil || frame.Node == "" || frame.Text == "" || !strings.HasPrefix(frame.Octets, "68") {
		t.Errorf("trace --json: %v: %s", err, out)
	}
	fepha(t, cli.ExitFailed, "trace", "rtu", "9", addr)
	fepha(t, cli.ExitUsage, "trace", "rtu", "1", "--node=wit", addr)
	fepha(t, cli.ExitUsage, "trace", "uplink", "none", addr)
	fepha(t, cli.ExitFailed, "trace", "uplink", "occ/none", addr)

	var before, after api.UplinkStatus
	out, _ = fepha(t, cli.ExitDone, "uplink", "show", "occ", addr, "--json")
	if err := json.Unmarshal([]byte(out), &before); err != nil || before.Owner == "" {
		t.Fatalf("uplink show: %v: %s", err, out)
	}
	fepha(t, cli.ExitDone, "uplink", "release", "occ", addr)
	if _, err := s.WaitFor(ctx, "the release", func(st api.Status) bool {
		after = st.Uplinks[0]
		return after.Owner != "" && after.Owner != before.Owner
	}); err != nil {
		t.Fatalf("%+v: %v", after, err)
	}
	noneLost(t, s.Settle(ctx))
}

// The group's administration, while events flow.
func TestAdministeringTheGroup(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 50, 1) })
	addr := "--addr=" + s.Nodes()[2].API
	st, err := s.WaitFor(ctx, "events", func(st api.Status) bool { return rig.Complete(st) && st.Journal.Last > 20 })
	if err != nil {
		t.Fatal(err)
	}
	to := "fep1"
	if st.Leader == to {
		to = "fep2"
	}
	fepha(t, cli.ExitDone, "raft", "transfer", "--to="+to, addr)
	if _, err := s.WaitFor(ctx, "the other leader", func(st api.Status) bool { return rig.Complete(st) && st.Leader == to }); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitFailed, "raft", "transfer", "--to=nobody", addr)

	if out, _ := fepha(t, cli.ExitDone, "raft", "snapshot", addr); !strings.Contains(out, "up to log entry") {
		t.Errorf("raft snapshot: %s", out)
	}
	file := filepath.Join(t.TempDir(), "station.snapshot")
	fepha(t, cli.ExitDone, "raft", "snapshot", file, addr)
	st, err = s.WaitFor(ctx, "more events", func(now api.Status) bool { return now.Journal.Last > st.Journal.Last+50 })
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.snapshot")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitUsage, "raft", "restore", "--yes", damaged, addr)
	fepha(t, cli.ExitDone, "raft", "restore", "--yes", file, addr)
	if _, err := s.WaitFor(ctx, "the station to work again", rig.Complete); err != nil {
		t.Fatal(err)
	}

	var peers []api.RaftPeer
	fepha(t, cli.ExitDone, "raft", "remove", "wit", addr)
	fep := "--addr=" + s.Node(to).API
	out, _ := fepha(t, cli.ExitDone, "raft", "peers", fep, "--json")
	if err := json.Unmarshal([]byte(out), &peers); err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		if p.ID == "wit" && p.Voter {
			t.Errorf("the witness still votes: %s", out)
		}
	}
	fepha(t, cli.ExitFailed, "raft", "remove", "nobody", fep)
	fepha(t, cli.ExitDone, "raft", "add", "wit", peers[len(peers)-1].Address, fep)
	if _, err := s.WaitFor(ctx, "three voters", func(api.Status) bool {
		out, _ := fepha(t, cli.ExitDone, "raft", "peers", fep, "--json")
		return strings.Count(out, `"voter": true`) == 3
	}); err != nil {
		t.Error(err)
	}
}
