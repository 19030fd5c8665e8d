package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// upgradeFrom is the commit of TestUpgrade's former program. The default is the last one that knows no feature level.
var upgradeFrom = flag.String("upgrade.from", "", "run TestUpgrade, which takes some minutes, from this commit; such as d4b780f")

// versions lets each node run a program of its own, by a script in the place of the binary.
type versions struct {
	t           *testing.T
	dir         string
	former, new string
}

func newVersions(t *testing.T, commit string) *versions {
	t.Helper()
	v := &versions{t: t, dir: t.TempDir(), new: binary}
	v.former = filepath.Join(v.dir, "former")
	source := filepath.Join(v.dir, "source")
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("mkdir %s && git -C ../.. archive %s | tar -x -C %s", source, commit, source)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	build := exec.Command("go", "build", "-o", v.former, "./cmd/fepha")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", commit, err, out)
	}
	script := "#!/bin/sh\nfor a; do [ \"$before\" = --id ] && id=$a; before=$a; done\nexec " + v.dir + "/$id \"$@\"\n"
	if err := os.WriteFile(v.script(), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *versions) script() string { return filepath.Join(v.dir, "by-node") }

// use has a node run a program from its next start on.
func (v *versions) use(program string, ids ...string) {
	v.t.Helper()
	for _, id := range ids {
		link := filepath.Join(v.dir, id)
		_ = os.Remove(link)
		if err := os.Symlink(program, link); err != nil {
			v.t.Fatal(err)
		}
	}
}

// A station is upgraded node by node from a program that knows no feature level, with either program leading, while events and
// controls flow: nothing is lost, each control is done once. As long as one node has the former program another may go back to
// it. Once all have the new one the level is raised, and the former program refuses the data folder.
func TestUpgrade(t *testing.T) {
	if *upgradeFrom == "" {
		t.Skip("-upgrade.from isn't given")
	}
	v := newVersions(t, *upgradeFrom)
	v.use(v.former, "fep1", "fep2", "wit")
	s, ctx := newStation(t, rig.Options{Binary: v.script()})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 100, 1) })
	operated := 0
	operates := func(when string) {
		t.Helper()
		operated++
		value := float64(operated % 2)
		err := s.Centre.Command(ctx, iec104.Command{
			CommonAddress: 100, Type: asdu.C_SC_NA_1, AwaitTermination: true,
			Object: asdu.Object{Address: s.UplinkAddress(0, 6002), Value: value},
		})
		if got := s.Devices[0].Operated(6002); err != nil || got != operated || s.Devices[0].Value(6002) != value {
			t.Fatalf("%s: %v, operated %d times, want %d", when, err, got, operated)
		}
	}
	change := func(id, program string) {
		t.Helper()
		if err := s.Stop(id); err != nil {
			t.Fatal(err)
		}
		v.use(program, id)
		if err := s.Start(id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.WaitFor(ctx, id+" to be back", func(st api.Status) bool {
			r, err := s.Node(id).Client().Raft(ctx) // which the new process answers alone
			return err == nil && r.Quorum && rig.Complete(st) && s.Centre.Main() != ""
		}); err != nil {
			t.Fatal(err)
		}
		operates("with another program on " + id)
	}
	lead := func(id string) {
		t.Helper()
		if _, err := s.WaitFor(ctx, id+" to lead", func(st api.Status) bool {
			if st.Leader != id && st.Leader != "" {
				_, _ = s.Node(id).Client().Transfer(ctx, id)
			}
			return st.Leader == id && rig.Complete(st) && s.Centre.Main() != ""
		}); err != nil {
			t.Fatal(err)
		}
		operates(id + " leads")
	}
	level := func(id string) (level uint32) {
		t.Helper()
		r, err := s.Node(id).Client().Raft(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return r.Level
	}

	operates("before")
	change("wit", v.new)
	change("fep2", v.new)
	lead("fep1") // the former program leads two new ones
	lead("fep2") // and the other way round
	if level("fep2") != 0 {
		t.Fatal("the level was raised with a former program in the group")
	}
	change("fep2", v.former)
	lead("fep2")
	change("fep2", v.new)
	change("fep1", v.new)
	if _, err := s.WaitFor(ctx, "the level to be raised", func(api.Status) bool { return level("fep1") == fsm.Level }); err != nil {
		t.Fatal(err)
	}
	lead("fep1")
	noneLost(t, s.Settle(ctx))

	if err := s.Stop("fep2"); err != nil {
		t.Fatal(err)
	}
	v.use(v.former, "fep2")
	if err := s.Start("fep2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the former program to refuse", func() bool {
		log, err := os.ReadFile(s.LogFile("fep2"))
		return err == nil && strings.Contains(string(log), "a newer version of fepha") && !s.Running("fep2")
	})
	v.use(v.new, "fep2")
	if err := s.Start("fep2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "all to be whole again", rig.Complete); err != nil {
		t.Fatal(err)
	}
	operates("after")
}
