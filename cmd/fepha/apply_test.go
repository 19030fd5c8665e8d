package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/testneeds"
	"github.com/fepha/fepha/sim"
)

// edited is a copy of a running station's configuration to be changed.
type edited struct {
	t    *testing.T
	path string // of its station.yaml
}

func edit(t *testing.T, s *rig.Station) edited {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(s.Node("fep1").Config()))); err != nil {
		t.Fatal(err)
	}
	return edited{t, filepath.Join(dir, "station.yaml")}
}

// replace changes a file; an empty old stands for its end.
func (e edited) replace(file, old, new string) {
	e.t.Helper()
	path := filepath.Join(filepath.Dir(e.path), file)
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		e.t.Fatal(err)
	}
	changed := string(text) + new
	if old != "" {
		if !strings.Contains(string(text), old) {
			e.t.Fatalf("%s has no %q:\n%s", file, old, text)
		}
		changed = strings.Replace(string(text), old, new, 1)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

// addRTU adds an RTU with one point, which the uplink forwards.
func (e edited) addRTU(number uint32, device *sim.Device) {
	e.t.Helper()
	e.replace("station.yaml", "uplinks:\n", fmt.Sprintf(
		"  - {number: %d, common_address: 1, points: more.csv, retry: 1s, channels: [{address: %q}]}\nuplinks:\n", number, device.Addresses()[0]))
	e.replace("more.csv", "", "kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\ndi,1,1,,New,,,,,,\n")
	e.replace("occ.csv", "", fmt.Sprintf("%d,%d,di,1,M_SP_TB_1,\n", 9_000_000+number, number))
}

// anotherDevice is one that no station knows yet.
func anotherDevice(t *testing.T) *sim.Device {
	t.Helper()
	d, err := sim.NewDevice(sim.DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 1, Points: []sim.DevicePoint{{Address: 1, Type: asdu.M_SP_TB_1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// digests are what the nodes that answer run.
func digests(ctx context.Context, s *rig.Station) map[string][]string {
	by := map[string][]string{}
	for _, n := range s.Nodes() {
		if !s.Running(n.ID) {
			continue
		}
		c, err := n.Client().Config(ctx)
		if err != nil {
			c.Digest = err.Error()
		} else if c.InForce != c.Digest {
			c.Digest += " instead of " + c.InForce
		}
		by[c.Digest] = append(by[c.Digest], n.ID)
	}
	return by
}

// began counts how often the links of an RTU were started.
func began(t *testing.T, s *rig.Station, rtu int) (n int) {
	t.Helper()
	for _, id := range []string{"fep1", "fep2"} {
		log, err := os.ReadFile(s.LogFile(id))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			if bytes.Contains(line, []byte("msg=collecting")) && bytes.Contains(line, []byte(fmt.Sprintf("rtu=%d ", rtu))) {
				n++
			}
		}
	}
	return n
}

// A running station takes on another configuration, and what isn't concerned
// doesn't notice: not a link is started anew, not an event is lost.
func TestApplyWhileRunning(t *testing.T) {
	s, ctx := newStation(t, rig.Options{RTUs: []rig.RTU{
		{Number: 1, Name: "stays", CommonAddress: 1, Points: trialcmd.DemoPoints()},
		{Number: 2, Name: "changes", CommonAddress: 1, Points: trialcmd.DemoPoints()},
		{Number: 4, Name: "goes", CommonAddress: 1, Points: trialcmd.DemoPoints()},
	}})
	addr := "--addr=" + s.Node("fep2").API
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 200, 1) })
	before, err := s.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	old := digests(ctx, s)
	if len(old) != 1 {
		t.Fatalf("the nodes run %v", old)
	}
	starts := s.Centre.Starts()

	e, device := edit(t, s), anotherDevice(t)
	e.addRTU(3, device)
	e.replace("rtu2.csv", "di,1,1,", "di,1,111,")
	text, err := os.ReadFile(e.path)
	if err != nil {
		t.Fatal(err)
	}
	from, to := bytes.Index(text, []byte("  - number: 4\n")), bytes.Index(text, []byte("  - {number: 3"))
	if err := os.WriteFile(e.path, slices.Concat(text[:from], text[to:]), 0o644); err != nil {
		t.Fatal(err)
	}
	occ, err := os.ReadFile(filepath.Join(filepath.Dir(e.path), "occ.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var kept []byte
	for line := range bytes.Lines(occ) {
		if !bytes.Contains(line, []byte(",4,d")) {
			kept = append(kept, line...)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(e.path), "occ.csv"), kept, 0o644); err != nil {
		t.Fatal(err)
	}
	e.replace("station.yaml", "name: \"stays\"", "name: \"has another name\"")

	out, _ := fepha(t, cli.ExitDone, "config", "apply", "--dry-run", addr, e.path)
	for _, want := range []string{"RTU 3 added: 1 point\n", "RTU 2 changed: 1 point changed\n  drops link", "RTU 4 removed: 20 points\n  drops link",
		"RTU 1 changed: name\n", "uplink occ changed: 1 point added, 20 points removed\n", "a dry run"} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run has no %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "drops client") || strings.Contains(out, "RTU 1 changed: name\n  drops") {
		t.Errorf("the dry run drops what isn't concerned:\n%s", out)
	}
	if now := digests(ctx, s); fmt.Sprint(now) != fmt.Sprint(old) {
		t.Fatalf("the dry run has changed something: %v, was %v", now, old)
	}

	out, _ = fepha(t, cli.ExitDone, "config", "apply", addr, "--json", e.path)
	var reply api.ConfigReply
	if err := json.Unmarshal([]byte(out), &reply); err != nil || !reply.Applied || len(reply.Behind) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	if now := digests(ctx, s); len(now[reply.Digest]) != 3 {
		t.Errorf("the nodes run %v, expected %s on all", now, reply.Digest)
	}
	complete := func(st api.Status) bool { return rig.Complete(st) && len(st.RTUs) == 3 && st.RTUs[2].Number == 3 }
	st, err := s.WaitFor(ctx, "the new RTU", complete)
	if err != nil {
		t.Fatal(err)
	}
	if st.RTUs[0].Epoch != before.RTUs[0].Epoch || st.RTUs[0].Name != "has another name" {
		t.Errorf("RTU 1: %+v, was %+v", st.RTUs[0], before.RTUs[0])
	}
	if err := device.Change(asdu.M_SP_TB_1, time.Now(), asdu.Object{Address: 1, Value: 1}); err != nil {
		t.Fatal(err)
	}
	for {
		if v, ok := s.Centre.Value(9_000_003); ok && v == 1 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the new RTU's event doesn't reach the control centre")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := s.Centre.Starts(); got != starts {
		t.Errorf("the control centre's link was started %d times, %d before", got, starts)
	}
	if n := began(t, s, 1); n != 1 {
		t.Errorf("the link of RTU 1, which isn't concerned, was started %d times", n)
	}
	if n := began(t, s, 2); n != 2 {
		t.Errorf("the link of RTU 2, whose points changed, was started %d times, expected twice", n)
	}
	out, _ = fepha(t, cli.ExitDone, "config", "apply", addr, e.path)
	if out != "nothing to change\n" {
		t.Errorf("applied again:\n%s", out)
	}
	for _, n := range s.Nodes() {
		sameFiles(t, e, n)
	}
	if err := s.KillAll(); err != nil {
		t.Fatal(err)
	}
	if err := s.StartAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "all of it after a restart", complete); err != nil {
		t.Fatal(err)
	}
	if now := digests(ctx, s); len(now[reply.Digest]) != 3 {
		t.Errorf("after a restart the nodes run %v, expected %s on all", now, reply.Digest)
	}
	noneLost(t, s.Settle(ctx))
}

// What can't be taken on by all is taken on by none, and the message says who
// has what against it.
func TestApplyIsRefused(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	addr := "--addr=" + s.Node("fep1").API
	old := fmt.Sprint(digests(ctx, s))
	refused := func(code int, e edited, says ...string) {
		t.Helper()
		for _, args := range [][]string{{"--dry-run"}, {}} {
			_, text := fepha(t, code, append([]string{"config", "apply", addr, e.path}, args...)...)
			for _, want := range says {
				if !strings.Contains(text, want) {
					t.Errorf("%v: the message has no %q:\n%s", args, want, text)
				}
			}
		}
	}
	likely := edit(t, s)
	likely.replace("rtu1.csv", "di,1,1,", "di,99,8000000,,Door,,,,,,\ndi,1,1,")
	if out, _ := fepha(t, cli.ExitDone, "config", "apply", "--dry-run", addr, likely.path); !strings.Contains(out, "1 warning, likely not what is meant:\n") ||
		!strings.Contains(out, "station.yaml:") || !strings.Contains(out, "1 point is in no uplink's table, such as di/99 Door") {
		t.Errorf("the dry run has no warning:\n%s", out)
	}
	bad := edit(t, s)
	bad.replace("rtu1.csv", "di,1,1,", "di,1,0,")
	bad.replace("rtu1.csv", "di,2,2,", "dx,2,2,")
	bad.replace("station.yaml", "common_address: 1\n", "common_address: 70000\n")
	refused(cli.ExitUsage, bad, "rtu1.csv:2:", "rtu1.csv:3:", "70000")

	fixed := edit(t, s)
	fixed.replace("station.yaml", "name: Demo station", "name: Another")
	fixed.replace("station.yaml", "lease: 500ms", "lease: 600ms")
	refused(cli.ExitUsage, fixed, "station.name, cluster.lease can't be changed", "fep1, fep2, wit")

	// A port that is taken on one of the nodes: they're all on this machine.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	port := edit(t, s)
	port.replace("station.yaml", "", fmt.Sprintf("  - {name: second, common_address: 5, points: occ.csv, listen: {fep1: %q, fep2: %q}, groups: [{name: a, clients: [127.0.0.0/8]}]}\n", free.Addr(), taken.Addr()))
	refused(cli.ExitFailed, port, "fep2: uplink second: listen tcp", "nothing was changed")

	if now := fmt.Sprint(digests(ctx, s)); now != old {
		t.Errorf("the nodes run %s, and ran %s", now, old)
	}
	st, err := s.Status(ctx)
	if err != nil || len(st.RTUs) != 1 || st.RTUs[0].Epoch != 1 {
		t.Errorf("%v, %+v", err, st.RTUs)
	}

	// A node that is away would have to try its addresses.
	if err := s.Kill("fep2"); err != nil {
		t.Fatal(err)
	}
	port = edit(t, s)
	taken.Close()
	port.replace("station.yaml", "", fmt.Sprintf("  - {name: second, common_address: 5, points: occ.csv, listen: {fep1: %q, fep2: %q}, groups: [{name: a, clients: [127.0.0.0/8]}]}\n", taken.Addr(), free.Addr()))
	refused(cli.ExitFailed, port, "fep2: it is away, and has to try its new addresses: uplink second would listen there on "+free.Addr().String(), "nothing was changed")
}

// A FEP that is away when an RTU is added takes the files from the group when it's back, before it owns anything: then it collects
// the RTU. One whose files somebody has changed takes the group's too, and says so. What was before can be put in force again.
func TestOutdatedFilesAreReplaced(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 100, 1) })
	addr := "--addr=" + s.Node("fep1").API
	first := digests(ctx, s)
	if _, err := s.WaitFor(ctx, "the group to have the files", func(api.Status) bool {
		c, err := s.Node("fep1").Client().Config(ctx)
		return err == nil && c.Version == 1
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop("fep2"); err != nil {
		t.Fatal(err)
	}
	e, device := edit(t, s), anotherDevice(t)
	e.addRTU(3, device)
	out, _ := fepha(t, cli.ExitDone, "config", "apply", addr, e.path)
	if !strings.Contains(out, "still to take it on: fep2 (away: fep2)") {
		t.Errorf("applied:\n%s", out)
	}
	sent := 0.0
	arrives := func(by string) {
		t.Helper()
		sent = 1 - sent
		if err := device.Change(asdu.M_SP_TB_1, time.Now(), asdu.Object{Address: 1, Value: sent}); err != nil {
			t.Fatal(err)
		}
		for {
			if v, ok := s.Centre.Value(9_000_003); ok && v == sent {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("the new RTU's event doesn't reach the control centre by %s", by)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	owned := func(by string) func(api.Status) bool {
		return func(st api.Status) bool {
			n := 0
			for _, r := range st.RTUs {
				if r.Owner == by && r.Online {
					n++
				}
			}
			return n == 2
		}
	}
	if _, err := s.WaitFor(ctx, "fep1 to collect both", owned("fep1")); err != nil {
		t.Fatal(err)
	}
	arrives("fep1")

	if err := s.Start("fep2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "all to run the same", func(st api.Status) bool { return rig.Complete(st) && len(digests(ctx, s)) == 1 }); err != nil {
		t.Fatalf("%v; they run %v", err, digests(ctx, s))
	}
	sameFiles(t, e, s.Node("fep2"))
	if _, err := s.WaitFor(ctx, "fep2 to reach both devices, and take all", func(api.Status) bool {
		var out bytes.Buffer
		return run(ctx, []string{"maintenance", "start", "fep1", addr}, strings.NewReader(""), &out, &out) == cli.ExitDone
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "fep2 to collect both", owned("fep2")); err != nil {
		t.Fatal(err)
	}
	arrives("fep2")
	fepha(t, cli.ExitDone, "maintenance", "end", "fep1", addr)

	// By hand.
	if err := s.Stop("fep1"); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(filepath.Dir(s.Node("fep1").Config()), "rtu1.csv")
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(table, bytes.Replace(text, []byte("di,1,1,"), []byte("di,1,111,"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("fep1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "the condition", func(st api.Status) bool {
		return has(st, "node.fep1.configuration_replaced") && rig.Complete(st) && len(digests(ctx, s)) == 1
	}); err != nil {
		t.Fatalf("%v; they run %v", err, digests(ctx, s))
	}
	sameFiles(t, e, s.Node("fep1"))

	// And back.
	out, _ = fepha(t, cli.ExitDone, "config", "history", "--addr="+s.Node("fep2").API, "--json")
	var history []api.ConfigVersion
	if err := json.Unmarshal([]byte(out), &history); err != nil || len(history) != 2 || !history[0].InForce || !history[1].Kept || first[history[1].Digest] == nil ||
		!slices.Contains(history[0].Changes, "RTU 3 added: 1 point") || history[0].By == "" {
		t.Errorf("%v\n%s", err, out)
	}
	got := t.TempDir()
	fepha(t, cli.ExitDone, "config", "get", "--addr="+s.Node("wit").API, "--out", got)
	if s, err := configs.Load(filepath.Join(got, "station.yaml")); err != nil || s.Digest() != history[0].Digest {
		t.Errorf("what is got isn't what's in force: %v", err)
	}
	fepha(t, cli.ExitUsage, "config", "get", "--addr="+s.Node("wit").API, "--out", got, "--version", "1")
	fepha(t, cli.ExitDone, "config", "apply", "--version", "1", addr)
	if _, err := s.WaitFor(ctx, "all to run the first again", func(st api.Status) bool { return len(st.RTUs) == 1 && rig.Complete(st) }); err != nil {
		t.Fatal(err)
	}
	if now := digests(ctx, s); fmt.Sprint(now) != fmt.Sprint(first) {
		t.Errorf("they run %v, and ran %v", now, first)
	}
	noneLost(t, s.Settle(ctx))
}

// sameFiles holds a node's files to those that were applied.
func sameFiles(t *testing.T, e edited, n *rig.Node) {
	t.Helper()
	for _, file := range []string{"station.yaml", "more.csv", "occ.csv", "rtu1.csv"} {
		want, _ := os.ReadFile(filepath.Join(filepath.Dir(e.path), file))
		if got, err := os.ReadFile(filepath.Join(filepath.Dir(n.Config()), file)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %s is not what was applied: %v", n.ID, file, err)
		}
	}
}

// Whichever nodes are killed while a configuration is being applied, in the end
// all run the same one, and have its files.
func TestApplyIsAllOrNothing(t *testing.T) {
	s, ctx := newStation(t, rig.Options{})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 100, 1) })
	plain, more := edit(t, s), edit(t, s)
	more.addRTU(3, anotherDevice(t))
	for round, target := range []edited{more, plain, more} {
		done := make(chan string, 1)
		applied, cancel := context.WithTimeout(ctx, 3*time.Second) // it'd wait longer for whoever was killed
		go func() {
			var out bytes.Buffer
			code := run(applied, []string{"config", "apply", "--addr=" + s.Node("fep1").API, target.path}, strings.NewReader(""), &out, &out)
			done <- fmt.Sprintf("exit code %d: %s", code, &out)
		}()
		time.Sleep(rand.N(200 * time.Millisecond)) // anywhere in it
		killed := []string{"fep1", "fep2", "wit", "all"}[(round+rand.IntN(2))%4]
		var err error
		if killed == "all" {
			err = s.KillAll()
		} else {
			err = s.Kill(killed)
		}
		if err != nil {
			t.Fatal(err)
		}
		said := <-done
		cancel()
		if err := s.StartAll(); err != nil {
			t.Fatal(err)
		}
		same := func(api.Status) bool { return len(digests(ctx, s)) == 1 }
		st, err := s.WaitFor(ctx, "all nodes to run the same", func(st api.Status) bool { return rig.Complete(st) && same(st) })
		if err != nil {
			t.Fatalf("round %d, %s killed, apply said %q: %v; they run %v", round+1, killed, said, err, digests(ctx, s))
		}
		t.Logf("round %d: %s killed, %d RTUs then; apply said %q", round+1, killed, len(st.RTUs), said)
		var files []string
		for _, n := range s.Nodes() {
			text, err := os.ReadFile(n.Config())
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, string(text))
		}
		if files[0] != files[1] || files[0] != files[2] {
			t.Errorf("round %d, %s killed: the nodes' files differ", round+1, killed)
		}
		if strings.Contains(files[0], "number: 3") != (len(st.RTUs) == 2) {
			t.Errorf("round %d: the files are not what runs", round+1)
		}
	}
	noneLost(t, s.Settle(ctx))
}

// With keys the nodes talk to each other as members: over TLS, with their own
// certificates.
func TestApplyBetweenSecuredNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("end-to-end")
	}
	network, err := rig.NewNetwork()
	testneeds.Met(t, err)
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	s, ctx := newStation(t, rig.Options{Network: network})
	e := edit(t, s)
	e.replace("rtu1.csv", "di,1,1,", "di,1,111,")
	bundle, _, err := configs.ReadBundle(e.path)
	if err != nil {
		t.Fatal(err)
	}
	octets, err := bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	reply, err := s.Node("wit").Client().ApplyConfig(ctx, octets, false)
	if err != nil || !reply.Applied || len(reply.Behind) > 0 {
		t.Fatalf("%v, %+v", err, reply)
	}
	if now := digests(ctx, s); len(now[reply.Digest]) != 3 {
		t.Errorf("the nodes run %v, expected %s on all", now, reply.Digest)
	}
	for _, n := range s.Nodes() {
		key := filepath.Join(filepath.Dir(n.Config()), "tls", "node-key.pem")
		if _, err := os.Stat(key); err != nil {
			t.Errorf("%s has lost its key: %v", n.ID, err)
		}
	}
}
