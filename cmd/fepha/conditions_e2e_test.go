package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/statuscmd"
	"github.com/fepha/fepha/cmd/fepha/internal/trialcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// has tells whether a condition with this id holds, and is known to.
func has(st api.Status, id string) bool {
	return slices.ContainsFunc(st.Conditions, func(c api.Condition) bool { return c.ID == id && !c.Stale })
}

// A device with another common address than configured: its alarms were acknowledged and thrown away while all was green.
// They're kept, and told first: by the status, to monitoring, to the control centre, and after a takeover too.
func TestOtherCommonAddressIsTold(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby", RTUs: []rig.RTU{
		{Number: 1, Name: "device", CommonAddress: 1, Answers: 5, Points: trialcmd.DemoPoints()},
	}})
	s.Simulate(func(ctx context.Context) { s.Devices[0].Emit(ctx, 20, 1) })
	const id = "rtu.1.common_address"
	st, err := s.WaitFor(ctx, id, func(st api.Status) bool { return has(st, id) })
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("LC_ALL", "C")
	for _, n := range s.Nodes() { // every node tells the same, the witness too
		if _, err := s.WaitFor(ctx, "the alarm on "+n.ID, func(api.Status) bool {
			list, err := n.Client().Conditions(ctx)
			return err == nil && has(api.Status{Conditions: list.Conditions}, id)
		}); err != nil {
			t.Fatal(err)
		}
		addr := "--addr=" + n.API
		if out, _ := fepha(t, statuscmd.CheckAlarm, "status", "--check", addr); !strings.HasPrefix(out, "ALARM: ") || strings.Count(out, "\n") != 1 {
			t.Errorf("check through %s: %s", n.ID, out)
		}
		for _, args := range [][]string{{"status"}, {"condition", "list"}} {
			out, _ := fepha(t, cli.ExitDone, append(args, addr)...)
			if !strings.Contains(out, "ALARM    "+id) || !strings.Contains(out, "device answers with common address 5, 1 is configured") || !strings.Contains(out, "-> correct common_address") {
				t.Errorf("%q through %s:\n%s", args, n.ID, out)
			}
		}
	}
	t.Setenv("LC_ALL", "zh_CN.UTF-8")
	wit := "--addr=" + s.Node("wit").API
	if out, _ := fepha(t, cli.ExitDone, "condition", "list", wit); !strings.Contains(out, "设备以公共地址 5 应答，配置为 1") {
		t.Errorf("in Chinese:\n%s", out)
	}

	// What came is there for those who commission the RTU.
	var strays api.StrayList
	out, _ := fepha(t, cli.ExitDone, "rtu", "strays", "1", wit, "--json")
	if err := json.Unmarshal([]byte(out), &strays); err != nil || len(strays.Strays) == 0 || !strings.Contains(strays.Strays[0].Reason, "common address 5, 1 is configured") {
		t.Errorf("strays: %v: %.500s", err, out)
	}

	// Somebody takes note of it; another FEP takes over: it's the same condition, acknowledged by the same person.
	fepha(t, cli.ExitDone, "condition", "ack", id, wit)
	owner := st.RTUs[0].Owner
	if err := s.Kill(owner); err != nil {
		t.Fatal(err)
	}
	st, err = s.WaitFor(ctx, "the alarm of the new owner", func(st api.Status) bool {
		i := slices.IndexFunc(st.Conditions, func(c api.Condition) bool { return c.ID == id })
		return i >= 0 && st.Conditions[i].Node != owner && !st.Conditions[i].Stale && st.Conditions[i].AcknowledgedBy == "api:local" && has(st, "node."+owner+".dead")
	})
	if err != nil {
		t.Fatal(err)
	}
	if first := st.Conditions[0]; first.Severity != api.SeverityAlarm || first.AcknowledgedBy != "" {
		t.Errorf("first is %+v", first) // what nobody has taken note of comes before the acknowledged one
	}
	if err := s.Start(owner); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WaitFor(ctx, "the owner's return", func(st api.Status) bool {
		return !has(st, "node."+owner+".dead") && has(st, "node."+owner+".crashed")
	}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LC_ALL", "C")
	eventually(t, "the history on the witness", func() bool {
		out, _ := fepha(t, cli.ExitDone, "condition", "history", wit)
		return strings.Contains(out, "node."+owner+".dead") && strings.Contains(out, "the node is not heard of")
	})
	if out, _ := fepha(t, cli.ExitDone, "event", "list", wit, "--limit=10000"); !strings.Contains(out, id+": alarm: device answers") || !strings.Contains(out, id+": acknowledged by api:local") {
		t.Errorf("journal:\n%s", out)
	}
}

// Without a quorum nothing is shown as good: not in the status, not to monitoring.
func TestNothingIsWellWithoutAQuorum(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	if _, err := s.WaitFor(ctx, "a station that is well", func(st api.Status) bool { return st.Known && rig.Complete(st) }); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LC_ALL", "C")
	addr := "--addr=" + s.Node("fep1").API
	for _, id := range []string{"fep2", "wit"} {
		if err := s.Kill(id); err != nil {
			t.Fatal(err)
		}
	}
	c := s.Node("fep1").Client()
	eventually(t, "the alarm", func() bool {
		list, err := c.Conditions(ctx)
		return err == nil && has(api.Status{Conditions: list.Conditions}, "station.quorum_lost")
	})
	out, _ := fepha(t, cli.ExitDone, "status", addr)
	if !strings.Contains(out, "ALARM    station.quorum_lost") || strings.Contains(out, "active") || strings.Contains(out, "(main)") ||
		!strings.Contains(out, "unknown (was fep") || strings.Count(out, "yes") != 1 { // that this node itself is alive
		t.Errorf("status without a quorum:\n%s", out)
	}
	if out, _ := fepha(t, statuscmd.CheckAlarm, "status", "--check", addr); !strings.Contains(out, "station.quorum_lost") && !strings.Contains(out, "no quorum") {
		t.Errorf("check: %s", out)
	}
}
