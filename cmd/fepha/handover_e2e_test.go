package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// A node that is asked to end gives everything away first: no takeover, no
// word about the RTU's channels, and nobody calls it dead.
func TestPlannedStopIsAHandOver(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	e := edit(t, s)
	e.replace("station.yaml", "uplinks:\n", "virtual_points: virtual.csv\nuplinks:\n")
	e.replace("virtual.csv", "", "rtu,point,name,source\n900,3,RTU 1,rtu:1\n900,4,link,link:1:1:1\n")
	fepha(t, cli.ExitDone, "config", "apply", "--addr="+s.Node("wit").API, e.path)
	st, err := s.WaitFor(ctx, "all links", rig.Complete)
	if err != nil {
		t.Fatal(err)
	}
	owner := st.Uplinks[0].Owner // the control centre chooses; the RTU and the lead follow
	if st.RTUs[0].Owner != owner {
		if _, err := s.Client().Failover(ctx, st.RTUs[0].Number, owner); err != nil {
			t.Fatal(err)
		}
	}
	if st.Leader != owner {
		if _, err := s.Client().Transfer(ctx, owner); err != nil {
			t.Fatal(err)
		}
	}
	other := map[string]string{"fep1": "fep2", "fep2": "fep1"}[owner]
	before, err := s.WaitFor(ctx, owner+" to lead and own, and "+other+" to be ready", func(st api.Status) bool {
		return rig.Complete(st) && st.Leader == owner && st.RTUs[0].Owner == owner && st.Uplinks[0].Owner == owner &&
			len(st.Uplinks[0].Links) == 2 && st.RTUs[0].Channels[0].Links[0][other] == "standby"
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(owner); err != nil {
		t.Fatal(err)
	}
	after, err := s.WaitFor(ctx, "the other to have everything", func(st api.Status) bool {
		return st.Quorum && st.Leader != "" && st.Leader != owner && rig.Complete(st) && st.RTUs[0].Owner != owner && st.Uplinks[0].Owner != owner
	})
	if err != nil {
		t.Fatal(err)
	}
	if after.RTUs[0].Owner != other {
		t.Errorf("RTU 1 is at %s, want %s", after.RTUs[0].Owner, other)
	}
	if _, err := s.WaitFor(ctx, "the stop to be told", func(st api.Status) bool { return said(st, "node."+owner+".stopped") }); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Client().Status(ctx); err != nil || said(st, "node."+owner+".dead") {
		t.Errorf("a node that was stopped is called dead: %v", err)
	}
	page, err := s.Client().Events(ctx, before.Journal.Last, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var moves []string
	for _, ev := range page.Events {
		if ev.RTU == 900 {
			t.Errorf("an event about a channel: %+v", ev)
		}
		// A busy machine may take the lease away for a moment, and the owner goes on in another epoch: that is no move.
		if n := ev.Note; n != nil && n.Kind == "owner" && n.Resource == "rtu/1" && n.From != n.To {
			moves = append(moves, fmt.Sprintf("%s to %s: %s", n.From, n.To, n.Reason))
		}
	}
	if want := []string{fmt.Sprintf("%s to %s: node stops", owner, other)}; !slices.Equal(moves, want) {
		t.Errorf("RTU 1 was moved: %q, want %q", moves, want)
	}
	if err := s.Start(owner); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, owner+" to be in service", func(st api.Status) bool {
		return !said(st, "node."+owner+".stopped") && slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool {
			return n.ID == owner && n.Alive && n.Lease && !n.Stopping
		})
	}); err != nil {
		t.Fatal(err)
	}
}

func said(st api.Status, id string) bool {
	return slices.ContainsFunc(st.Conditions, func(c api.Condition) bool { return c.ID == id })
}

// Maintenance moves everything away from a FEP and keeps it away; it's refused while the other can't take over, and
// rebalance brings all back afterwards.
func TestMaintenanceAndRebalance(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	st, err := s.WaitFor(ctx, "all links and both clients", func(st api.Status) bool {
		return rig.Complete(st) && len(st.Uplinks[0].Links) == 2 && st.RTUs[0].Channels[0].Links[0]["fep2"] == "standby"
	})
	if err != nil {
		t.Fatal(err)
	}
	if st.RTUs[0].Owner != "fep1" { // fep2 was ready first
		if _, err := s.Client().Failover(ctx, st.RTUs[0].Number, "fep1"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.WaitFor(ctx, "RTU 1 to be at fep1", func(st api.Status) bool { return rig.Complete(st) && st.RTUs[0].Owner == "fep1" }); err != nil {
			t.Fatal(err)
		}
	}
	addr := "--addr=" + s.Node("wit").API
	if _, err := s.WaitFor(ctx, "fep2 to be ready for everything", func(st api.Status) bool {
		return rig.Complete(st) && len(st.Uplinks[0].Links) == 2 && st.RTUs[0].Channels[0].Links[0]["fep2"] == "standby" &&
			!slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return !n.Alive || n.Role == "fep" && !n.Lease })
	}); err != nil {
		t.Fatal(err)
	}
	if out, _ := fepha(t, cli.ExitDone, "maintenance", "start", "fep1", addr); !strings.Contains(out, "fep1 is under maintenance and owns nothing") {
		t.Errorf("%s", out)
	}
	st, err = s.Node("wit").Client().Status(ctx) // who was asked: the others may hear of it a moment later
	if err != nil || st.RTUs[0].Owner != "fep2" || st.RTUs[0].Reason != "maintenance" || st.Uplinks[0].Owner == "fep1" || st.Leader == "fep1" {
		t.Errorf("after the begin: %v, RTU at %s (%s), uplink at %s, led by %s", err, st.RTUs[0].Owner, st.RTUs[0].Reason, st.Uplinks[0].Owner, st.Leader)
	}
	_, refused := fepha(t, cli.ExitFailed, "maintenance", "start", "fep2", addr)
	if !strings.Contains(refused, "fep1 is under maintenance itself") {
		t.Errorf("%s", refused)
	}
	if out, _ := fepha(t, cli.ExitDone, "rtu", "rebalance", addr); !strings.Contains(out, "RTU 1: stays at fep2: fep1 is under maintenance") {
		t.Errorf("%s", out)
	}
	// A restart doesn't end it.
	if err := s.Stop("fep1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("fep1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "fep1 to be back, under maintenance", func(st api.Status) bool {
		return slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool {
			return n.ID == "fep1" && n.Lease && !n.Stopping && n.Maintenance
		}) && said(st, "node.fep1.maintenance") && st.RTUs[0].Owner == "fep2"
	}); err != nil {
		t.Fatal(err)
	}
	fepha(t, cli.ExitDone, "maintenance", "end", "fep1", addr)
	if _, err := s.WaitFor(ctx, "fep1 to reach RTU 1", func(st api.Status) bool {
		return st.RTUs[0].Channels[0].Links[0]["fep1"] == "standby" && st.RTUs[0].Owner == "fep2" && !said(st, "node.fep1.maintenance")
	}); err != nil {
		t.Fatal(err)
	}
	if out, _ := fepha(t, cli.ExitDone, "rtu", "rebalance", addr); !strings.Contains(out, "RTU 1: moving from fep2 to fep1") {
		t.Errorf("%s", out)
	}
	if _, err := s.WaitFor(ctx, "RTU 1 at fep1", func(st api.Status) bool { return st.RTUs[0].Owner == "fep1" }); err != nil {
		t.Fatal(err)
	}
	// The other one must be able to take over.
	if err := s.Kill("fep2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "fep2 to be missed", func(st api.Status) bool {
		return slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return n.ID == "fep2" && !n.Alive })
	}); err != nil {
		t.Fatal(err)
	}
	_, refused = fepha(t, cli.ExitFailed, "maintenance", "start", "fep1", addr)
	if want := "can't take over from fep1: fep2 is not heard of"; !strings.Contains(refused, want) {
		t.Errorf("%s, expected %q", refused, want)
	}
}
