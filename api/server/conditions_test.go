package server

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

func (n *fakeNode) report(t *testing.T, node, resource string, k *condition.Kind, count uint64, values ...any) {
	t.Helper()
	r := n.apply(node, &fsmpb.Command{Op: &fsmpb.Command_ConditionReport{ConditionReport: &fsmpb.ConditionReport{
		Kind: k.Name, Resource: resource, Severity: fsmpb.ConditionReport_Severity(k.Severity), Scope: fsmpb.ConditionReport_Scope(k.Scope),
		Epoch: map[condition.Scope]uint64{condition.Owner: 1}[k.Scope], Values: condition.Values(values...), Count: count,
	}}})
	if r.Code != fsmpb.Result_OK {
		t.Fatalf("%v %s", r.Code, r.Message)
	}
}

// everyCondition serves a station in which all is wrong that can be told of one node by another, and returns that.
func everyCondition(t *testing.T) (served, []*condition.Kind) {
	s := serve(t)
	station := proto.CloneOf(stationConfig)
	station.Digest, station.Exports = "with an export", []*fsmpb.Configure_Export{{Name: "history", Events: true}}
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: station}})
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "export/history", Owner: "fep1"}}})
	resource := strings.NewReplacer("node/ID", "node/fep1", "export/NAME", "export/history", "NAME/GROUP", "occ/main", "rtu/N", "rtu/1", "RTU/KIND/POINT", "1/di/1")
	var kinds []*condition.Kind
	for _, k := range condition.Kinds() {
		if k.Scope == condition.Local {
			continue
		}
		values := make([]any, len(k.Params))
		for i := range values {
			values[i] = i + 1
		}
		s.node.report(t, "fep1", resource.Replace(k.Resource), k, 2, values...)
		kinds = append(kinds, k)
	}
	return s, kinds
}

// Every condition of the catalogue is told in both languages by the API, whose sentences the page and the tool print as they are, and
// in the metrics.
func TestEveryConditionIsTold(t *testing.T) {
	s, kinds := everyCondition(t)
	list, err := s.Conditions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]api.Condition{}
	for _, c := range list.Conditions {
		told[c.Kind] = c
	}
	_, metrics := s.request(t, "GET", "/metrics", "")
	for _, k := range kinds {
		c := told[k.Name]
		if c.Text == "" || c.TextZH == "" || c.Advice == "" || c.AdviceZH == "" || strings.ContainsAny(c.Text+c.TextZH+c.Advice+c.AdviceZH, "{}") {
			t.Errorf("%s: %+v", k.Name, c)
		}
		if !strings.Contains(metrics, "fepha_condition{id=\""+c.ID+"\"") {
			t.Errorf("%s is not in the metrics", k.Name)
		}
	}
}

func conditionIDs(list []api.Condition) string {
	var ids []string
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// A node that one other can't connect to is told by its row too, of status and group alike.
func TestWhoSeesWhom(t *testing.T) {
	s := serve(t)
	s.node.report(t, "fep1", "node/fep2", condition.Unreachable, 0, "fep1")
	st, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raft, err := s.Raft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range st.Nodes {
		want := map[string]string{"fep2": "fep1"}[n.ID]
		if got, peer := strings.Join(n.UnreachedBy, " "), strings.Join(raft.Peers[i].UnreachedBy, " "); got != want || peer != want {
			t.Errorf("%s is unreached by %q and %q, want %q", n.ID, got, peer, want)
		}
	}
}

// The answer of GET /v1/conditions has the fields that DESIGN lists, the worst first.
func TestConditions(t *testing.T) {
	s := serve(t)
	s.node.report(t, "fep2", "node/fep2", condition.Disk, 0, "1 GB", "/var")
	s.node.report(t, "fep1", "rtu/1", condition.CommonAddress, 312, 1, 5)
	_, text := s.request(t, "GET", "/v1/conditions", "")
	var got, want map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"node": "fep1", "quorum": true, "conditions": [
	 {"id": "rtu.1.common_address", "kind": "common_address", "severity": "alarm", "resource": "rtu/1", "node": "fep1", "count": 312,
	  "text": "device answers with common address 1, 5 is configured: 312 ASDUs kept as strays",
	  "text_zh": "设备以公共地址 1 应答，配置为 5：312 个 ASDU 存为无主数据",
	  "acknowledged_by": "", "docs": "docs/OPERATIONS.md#common_address"},
	 {"id": "node.fep2.disk", "severity": "warning", "node": "fep2", "text": "1 GB are free on the disk of /var"}]}`), &want); err != nil {
		t.Fatal(err)
	}
	includes(t, "conditions", got, want)

	cond, err := s.Acknowledge(t.Context(), "rtu.1.common_address")
	if err != nil || cond.AcknowledgedBy != "api:local" || cond.AcknowledgedMs == 0 {
		t.Fatalf("%+v, %v", cond, err)
	}
	s.refuses(t, 404, api.CodeNotFound, `no condition "rtu.1.window"`, "POST", "/v1/conditions/rtu.1.window/ack", "{}")
	s.node.report(t, "fep1", "node/fep2", condition.NodeDead, 0)
	st, err := s.Status(t.Context())
	if err != nil || conditionIDs(st.Conditions) != "node.fep2.dead node.fep2.disk rtu.1.common_address" ||
		st.Conditions[0].ID != "node.fep2.dead" || st.Conditions[2].ID != "node.fep2.disk" {
		t.Errorf("status: %s, %v", conditionIDs(st.Conditions), err)
	}

	_, metrics := s.request(t, "GET", "/metrics", "")
	if !strings.Contains(metrics, "\nfepha_condition{id=\"rtu.1.common_address\",severity=\"alarm\"} 1\n") {
		t.Error("no metric")
	}

	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ConditionGone{ConditionGone: &fsmpb.ConditionGone{Id: "rtu.1.common_address"}}})
	gone, err := s.GoneConditions(t.Context(), 10)
	if err != nil || conditionIDs(gone.Conditions) != "rtu.1.common_address" || gone.Conditions[0].UntilMs == 0 || gone.Conditions[0].AcknowledgedBy != "api:local" {
		t.Errorf("history: %+v, %v", gone.Conditions, err)
	}
	page, err := s.NewestEvents(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"rtu.1.common_address: alarm: device answers with common address 1", "rtu.1.common_address: acknowledged by api:local: device answers",
		"node.fep2.dead: alarm: the node is not heard of", "rtu.1.common_address: no longer so: device answers",
	} {
		if e := page.Events[i]; !strings.HasPrefix(e.Text, want) || e.Note.Condition == "" || e.Note.Severity != "alarm" {
			t.Errorf("event %q, want %q", e.Text, want)
		}
	}
}

// What a dead node said, or what was said before the quorum was lost, isn't known any more, and nothing says that it is.
func TestConditionsThatAreNotKnownAnyMore(t *testing.T) {
	since := time.UnixMilli(1_700_000_000_000)
	holding := []condition.Holding{
		{Report: condition.Report{Kind: condition.QuorumLost, Resource: "station", Severity: condition.Alarm}, Since: since},
		{Report: condition.Report{Kind: condition.Redis, Resource: "node/fep1", Severity: condition.Warning, Values: condition.Values("x", "refused")}, Since: since},
		{Report: condition.Report{Kind: condition.Disk, Resource: "node/fep1", Severity: condition.Warning, Values: condition.Values("1 GB", "/")}, Since: since},
	}
	var own []condition.Holding
	s := serve(t, func(c *Config) { c.Holding = func() []condition.Holding { return own } })
	s.node.report(t, "fep1", "node/fep1", condition.Disk, 0, "1 GB", "/")
	s.node.report(t, "fep2", "node/fep2", condition.Disk, 0, "2 GB", "/")
	own = holding[2:]
	list, err := s.Conditions(t.Context())
	if err != nil || conditionIDs(list.Conditions) != "node.fep1.disk node.fep2.disk" || list.Conditions[0].Stale {
		t.Fatalf("%+v, %v", list.Conditions, err)
	}

	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: &fsmpb.NodeState{Node: "fep2"}}})
	list, _ = s.Conditions(t.Context())
	for _, c := range list.Conditions {
		if stale := c.Node == "fep2"; c.Stale != stale || strings.Contains(c.Text, "as fep2 said last") != stale || strings.Contains(c.TextZH, "现状未知") != stale {
			t.Errorf("%+v", c)
		}
	}

	own = holding
	s.node.EditInfo(func(i *replica.Info) { i.Quorum, i.Leader = false, "" })
	list, _ = s.Conditions(t.Context())
	if got := conditionIDs(list.Conditions); list.Quorum || got != "node.fep1.disk node.fep1.redis node.fep2.disk station.quorum_lost" {
		t.Errorf("%v %s", list.Quorum, got)
	}
	for _, c := range list.Conditions {
		if want := c.Kind == "disk"; c.Stale != want {
			t.Errorf("%s: stale %t", c.ID, c.Stale)
		}
	}
	i := slices.IndexFunc(list.Conditions, func(c api.Condition) bool { return c.Kind == condition.Redis.Name })
	if c := list.Conditions[i]; !strings.Contains(c.Text, "the others haven't been told") || c.SinceMs != since.UnixMilli() {
		t.Errorf("%+v", c)
	}
	st, _ := s.Status(t.Context())
	for _, r := range st.RTUs {
		if !r.Stale {
			t.Errorf("RTU %d is shown as if it were known", r.Number)
		}
	}
	for _, u := range st.Uplinks {
		if !u.Stale {
			t.Errorf("uplink %s is shown as if it were known", u.Name)
		}
	}
	if rtu, err := s.RTU(t.Context(), 1); err != nil || !rtu.Stale {
		t.Errorf("%+v %v", rtu, err)
	}
}
