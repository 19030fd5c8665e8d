package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// The procedures of docs/RECOVERY.md, as they stand there, at a station that collects and forwards meanwhile.

// ward is a station that someone looks after with the tool.
type ward struct {
	*rig.Station
	t   *testing.T
	ctx context.Context
}

func newWard(t *testing.T) ward {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 100, 1) })
	return ward{s, t, ctx}
}

func (w ward) folder(id string) string   { return filepath.Join(w.Dir(), id) }
func (w ward) address(via string) string { return "--addr=" + w.Node(via).API }

// empty takes all from a data folder.
func (w ward) empty(id string) {
	w.t.Helper()
	if err := os.RemoveAll(w.folder(id)); err != nil {
		w.t.Fatal(err)
	}
}

func (w ward) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// does gives a command, and again as long as there's no leader.
func (w ward) does(args ...string) {
	w.t.Helper()
	for {
		var out, errs bytes.Buffer
		switch code := run(w.ctx, args, strings.NewReader(""), &out, &errs); {
		case code == cli.ExitDone:
			return
		case code != cli.ExitNoLeader || w.ctx.Err() != nil:
			w.t.Fatalf("fepha %s: exit code %d\n%s%s", strings.Join(args, " "), code, &out, &errs)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// peers are the members as a node tells them.
func (w ward) peers(via string) []api.RaftPeer {
	w.t.Helper()
	var peers []api.RaftPeer
	out, _ := fepha(w.t, cli.ExitDone, "raft", "peers", "--json", w.address(via))
	w.must(json.Unmarshal([]byte(out), &peers))
	return peers
}

// add adds a node that was started with an empty folder.
func (w ward) add(id, via string) {
	w.t.Helper()
	peers := w.peers(via)
	i := slices.IndexFunc(peers, func(p api.RaftPeer) bool { return p.ID == id })
	w.does("raft", "add", id, peers[i].Address, w.address(via))
}

// whole waits until all nodes live and the station works.
func (w ward) whole(what string) api.Status {
	w.t.Helper()
	st, err := w.WaitFor(w.ctx, what, func(st api.Status) bool {
		return rig.Complete(st) && !slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return !n.Alive })
	})
	w.must(err)
	return st
}

// lost waits until the others work without a node.
func (w ward) lost(id string) {
	w.t.Helper()
	_, err := w.WaitFor(w.ctx, "the others to work without "+id, func(st api.Status) bool {
		return rig.Complete(st) && st.Quorum && st.Leader != id &&
			slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return n.ID == id && !n.Alive })
	})
	w.must(err)
}

func TestReplacingAMachine(t *testing.T) {
	w := newWard(t)
	w.must(w.Kill("fep2"))
	w.lost("fep2")
	w.does("raft", "remove", "fep2", w.address("wit"))
	w.empty("fep2")
	w.must(w.Start("fep2"))
	fepha(t, cli.ExitFailed, "raft", "add", "fep2", "127.0.0.1:1", w.address("wit"))
	fepha(t, cli.ExitFailed, "raft", "add", "fpe2", "127.0.0.1:1", w.address("wit"))
	w.add("fep2", "wit")
	w.whole("fep2 to be back")

	// A damaged folder is refused, and it is told what to do.
	w.must(w.Kill("wit"))
	w.lost("wit")
	log, err := os.ReadFile(filepath.Join(w.folder("wit"), "raft.db"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.folder("wit"), "raft.db"), log[:3*4096], 0o600))
	_, said := fepha(t, cli.ExitFailed, "node", "--config", w.Node("wit").Config(), "--id", "wit", "--data-dir", w.folder("wit"))
	if !strings.Contains(said, "is damaged") || !strings.Contains(said, "fepha raft remove") {
		t.Errorf("of a damaged folder: %s", said)
	}
	w.does("raft", "remove", "wit", w.address("fep1"))
	w.empty("wit")
	w.must(w.Start("wit"))
	w.add("wit", "fep1")
	w.whole("wit to be back")
	noneLost(t, w.Settle(w.ctx))
}

func TestGoingOnAfterTheLossOfTwo(t *testing.T) {
	w := newWard(t)
	w.must(w.Kill("fep2"))
	w.must(w.Kill("wit"))
	fepha(t, cli.ExitNoLeader, "raft", "remove", "fep2", w.address("fep1"))
	recovery := []string{"raft", "recover", "--config", w.Node("fep1").Config(), "--id", "fep1", "--data-dir", w.folder("fep1")}
	fepha(t, cli.ExitFailed, recovery...) // it runs
	w.must(w.Stop("fep1"))
	fepha(t, cli.ExitUsage, append(recovery, "--members=fep2")...)
	fepha(t, cli.ExitUsage, append(recovery, "--members=fep1,fep9")...)
	out, _ := fepha(t, cli.ExitDone, recovery...)
	if !strings.Contains(out, "its group is now fep1") {
		t.Error(out)
	}
	w.must(w.Start("fep1"))
	_, err := w.WaitFor(w.ctx, "fep1 to work alone", rig.Complete)
	w.must(err)
	for _, id := range []string{"fep2", "wit"} {
		w.empty(id)
		w.must(w.Start(id))
		w.add(id, "fep1")
	}
	w.whole("all to be back")
	noneLost(t, w.Settle(w.ctx))
}

func TestGoingBackToASnapshot(t *testing.T) {
	w := newWard(t)
	saved := filepath.Join(t.TempDir(), "station.snapshot")
	fepha(t, cli.ExitDone, "raft", "snapshot", saved, w.address("fep2"))
	then := w.whole("a whole station").RTUs[0].Owner
	w.does("rtu", "failover", "1", w.address("wit"))
	_, err := w.WaitFor(w.ctx, "the move", func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner != then })
	w.must(err)
	w.does("raft", "restore", "--yes", saved, w.address("wit"))
	back := func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner == then && mains(st) == 1 }
	_, err = w.WaitFor(w.ctx, "what was then", back)
	w.must(err)

	// What they have stored is good enough to start from.
	w.must(w.KillAll())
	w.must(w.StartAll())
	_, err = w.WaitFor(w.ctx, "the station after a restart", back)
	w.must(err)
}

// mains is how many control centres have a main link.
func mains(st api.Status) (n int) {
	for _, l := range st.Uplinks[0].Links {
		if l.Role == "main" {
			n++
		}
	}
	return n
}
