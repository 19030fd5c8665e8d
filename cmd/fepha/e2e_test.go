package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// The end-to-end tests run the real binary, built with the race detector, as
// real processes with their data on disk.

// binary is the program under test; built once, on first use.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "fepha-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "fepha")
	if out, err := exec.Command("go", "build", "-race", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building fepha: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// newStation brings a station up, closes it, and searches its logs for
// data races, at the end of the test.
func newStation(t *testing.T, o rig.Options) (*rig.Station, context.Context) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end")
	}
	o.Dir = t.TempDir()
	if o.Binary == "" {
		o.Binary = binary
	}
	if o.RTUs == nil {
		o.RTUs = []rig.RTU{{Number: 1, Name: "device", CommonAddress: 1, Points: trialcmd.DemoPoints()}}
	}
	s, err := rig.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the station: %v", err)
		}
		for _, n := range s.Nodes() {
			log, err := os.ReadFile(s.LogFile(n.ID))
			if err != nil {
				t.Error(err)
				continue
			}
			if i := bytes.Index(log, []byte("WARNING: DATA RACE")); i >= 0 {
				t.Errorf("%s: %s", n.ID, log[i:min(len(log), i+4000)])
			}
			if i := bytes.Index(log, []byte("panic:")); i >= 0 {
				t.Errorf("%s: %s", n.ID, log[i:min(len(log), i+4000)])
			}
			if t.Failed() {
				t.Logf("log of %s, its end:\n%s", n.ID, log[max(0, len(log)-6000):])
			}
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	if err := s.StartAll(); err != nil {
		t.Fatal(err)
	}
	up := rig.Complete
	if o.NoCentre {
		up = rig.Collects
	}
	if _, err := s.WaitFor(ctx, "the station to come up", up); err != nil {
		t.Fatal(err)
	}
	return s, ctx
}

// fepha runs a command in this process and returns what it printed.
func fepha(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != want {
		t.Fatalf("fepha %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func noneLost(t *testing.T, lost []sim.Key) {
	t.Helper()
	if len(lost) > 0 {
		t.Fatalf("%d events lost, the first: %v", len(lost), lost[0])
	}
}

func TestKillingTheOwnerLosesNothing(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 200, 1) })
	for i := range 10 {
		trial, err := s.KillOwner(ctx)
		if err != nil {
			t.Fatalf("trial %d: %v", i+1, err)
		}
		t.Logf("trial %d: %s killed, %s took over, gap %v, %d lost, %d repeated", i+1, trial.Owner, trial.Taker,
			trial.Gap.Round(time.Millisecond), len(trial.Lost), trial.Repeated)
		noneLost(t, trial.Lost)
	}
}

func TestKillingAllNodesLosesNothing(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 200, 1) })
	st, err := s.WaitFor(ctx, "some events", func(st api.Status) bool { return st.Journal.Last > 200 })
	if err != nil {
		t.Fatal(err)
	}
	before := st.Journal.Last
	if err := s.KillAll(); err != nil {
		t.Fatal(err)
	}
	if err := s.StartAll(); err != nil {
		t.Fatal(err)
	}
	// A node that has just started shows an old state until it knows what was committed.
	if _, err := s.WaitFor(ctx, "the journal's numbering to go on", func(st api.Status) bool {
		return rig.Complete(st) && st.Journal.Last > before
	}); err != nil {
		t.Fatal(err)
	}
	noneLost(t, s.Settle(ctx))
}

func TestRecordedSessionArrives(t *testing.T) {
	recording, err := sim.DemoRecording()
	if err != nil {
		t.Fatal(err)
	}
	s, ctx := newStation(t, rig.Options{RTUs: []rig.RTU{{
		Number: 2, Name: "recorded", CommonAddress: recording.ASDUs[0].ASDU.CommonAddress, Points: recording.Points(),
	}}})
	if err := s.Devices[0].Replay(ctx, recording, 1000, false); err != nil {
		t.Fatal(err)
	}
	if s.Devices[0].Sent.Len() == 0 {
		t.Fatal("the recording has no time-tagged events")
	}
	noneLost(t, s.Settle(ctx))
	// The measurands have no time tag: their last value arrives.
	for _, p := range recording.Points() {
		ioa := s.UplinkAddress(0, p.Address)
		for {
			v, ok := s.Centre.Value(ioa)
			if ok && v == s.Devices[0].Value(p.Address) {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("object %d: %v at the control centre, %v at the device", p.Address, v, s.Devices[0].Value(p.Address))
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func TestCommandReachesTheDevice(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	for i, value := range []float64{1, 0, 1} {
		err := s.Centre.Command(ctx, iec104.Command{
			CommonAddress: 100, Type: asdu.C_SC_NA_1,
			Object:           asdu.Object{Address: s.UplinkAddress(0, 6002), Value: value},
			AwaitTermination: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Devices[0].Value(6002); got != value {
			t.Errorf("output is %v, want %v", got, value)
		}
		if got := s.Devices[0].Operated(6002); got != i+1 {
			t.Errorf("operated %d times, want %d", got, i+1)
		}
	}
}

func TestToolAgainstAStation(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 50, 1) })
	addr := "--addr=" + s.Nodes()[2].API // the witness answers as well as any other

	out, _ := fepha(t, cli.ExitDone, "status", addr)
	for _, want := range []string{"station 21", "fep1", "witness", "occ/occ"} {
		if !strings.Contains(out, want) {
			t.Errorf("status has no %q:\n%s", want, out)
		}
	}
	var st api.Status
	out, _ = fepha(t, cli.ExitDone, "status", addr, "--json")
	if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.RTUs) != 1 || len(st.Nodes) != 3 {
		t.Fatalf("status --json: %v\n%s", err, out)
	}
	from := st.RTUs[0].Owner

	out, _ = fepha(t, cli.ExitDone, "rtu", "failover", "1", addr, "--json")
	var move api.MoveReply
	if err := json.Unmarshal([]byte(out), &move); err != nil || move.From != from || move.To == from || move.To == "wit" {
		t.Fatalf("failover from %s: %v\n%s", from, err, out)
	}
	if _, err := s.WaitFor(ctx, "the move", func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner == move.To }); err != nil {
		t.Fatal(err)
	}
	noneLost(t, s.Settle(ctx))

	var rtus []api.RTUStatus
	out, _ = fepha(t, cli.ExitDone, "rtu", "list", addr, "--json")
	if err := json.Unmarshal([]byte(out), &rtus); err != nil || len(rtus) != 1 || rtus[0].Owner != move.To || rtus[0].Reason != "manual" {
		t.Fatalf("rtu list --json: %v\n%s", err, out)
	}
	var raft api.RaftStatus
	out, _ = fepha(t, cli.ExitDone, "raft", "status", addr, "--json")
	if err := json.Unmarshal([]byte(out), &raft); err != nil || raft.Leader == "" || len(raft.Peers) != 3 {
		t.Fatalf("raft status --json: %v\n%s", err, out)
	}
	out, _ = fepha(t, cli.ExitDone, "event", "tail", addr, "--json", "--count=5")
	for line := range strings.Lines(out) {
		var e api.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq == 0 {
			t.Fatalf("event tail --json: %v\n%s", err, out)
		}
	}
	auditIsProven(t, s)
	fepha(t, cli.ExitFailed, "rtu", "show", "99", addr)
	fepha(t, cli.ExitUsage, "rtu", "failover", "1", "--to=wit", addr)
	fepha(t, cli.ExitUsage, "rtu", "failover", "one", addr)
}

// auditIsProven exports the audit from two nodes, which must be alike, and checks the file, spoils it and checks it again.
func auditIsProven(t *testing.T, s *rig.Station) {
	t.Helper()
	var files []string
	for _, node := range []string{"fep2", "wit"} {
		file := filepath.Join(t.TempDir(), node)
		fepha(t, cli.ExitDone, "audit", "export", "--output="+file, "--addr="+s.Node(node).API)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
	}
	n := min(len(files[0]), len(files[1])) // one may have been asked a little later
	if n == 0 || files[0][:n] != files[1][:n] || !strings.Contains(files[0], "to move from") {
		t.Errorf("two nodes tell of other things:\n%s\n%s", files[0], files[1])
	}
	file := filepath.Join(t.TempDir(), "audit")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(files[0])
	if out, _ := fepha(t, cli.ExitDone, "audit", "verify", file); !strings.Contains(out, "none was changed, none is missing") {
		t.Error(out)
	}
	write(strings.Replace(files[0], `reason\":\"manual`, `reason\":\"policy`, 1))
	if _, complaint := fepha(t, cli.ExitFailed, "audit", "verify", file); !strings.Contains(complaint, "was changed") {
		t.Error(complaint)
	}
	lines := strings.SplitAfter(files[0], "\n")
	write(strings.Join(append(lines[:3], lines[4:]...), ""))
	if _, complaint := fepha(t, cli.ExitFailed, "audit", "verify", file); !strings.Contains(complaint, "are missing") {
		t.Error(complaint)
	}
	fepha(t, cli.ExitDone, "audit", "verify", "--addr="+s.Node("fep1").API)
	if out, _ := fepha(t, cli.ExitDone, "audit", "list", "--limit=3", "--addr="+s.Node("fep1").API); strings.Count(out, "\n") != 1+3 || !strings.HasPrefix(out, "NUMBER ") {
		t.Error(out)
	}
}

func TestNoLeaderHasItsOwnExitCode(t *testing.T) {
	s, _ := newStation(t, rig.Options{})
	for _, id := range []string{"fep2", "wit"} {
		if err := s.Kill(id); err != nil {
			t.Fatal(err)
		}
	}
	fepha(t, cli.ExitNoLeader, "rtu", "pin", "1", "--addr="+s.Node("fep1").API)
}
