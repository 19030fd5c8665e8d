package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/panics"
	"github.com/fepha/fepha/replica"
)

// The answer of GET /v1/status has the fields that DESIGN lists.
func TestStatusHasTheFieldsOfTheDesign(t *testing.T) {
	s := serve(t)
	_, text := s.request(t, "GET", "/v1/status", "")
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	// As in section 11, with the fake station's values.
	want := `{"station": 21, "node": "fep1", "leader": "fep1", "term": 3, "quorum": true,
	 "nodes": [{"id": "fep1", "host": 1, "role": "fep", "state": "leader", "alive": true, "lease": true}],
	 "rtus": [{"number": 1, "owner": "fep1", "epoch": 1, "reason": "start", "pinned": "", "online": true,
	   "channels": [{"channel": 1, "links": [{"address": "192.168.1.1:2404", "fep1": "active", "fep2": "connecting"}]},
	     {"channel": 2, "links": [{"address": "192.168.2.1:2404", "fep1": "standby", "fep2": "down"}, {"address": "192.168.2.2:2404", "fep1": "down", "fep2": "down"}]}]}],
	 "uplinks": [{"name": "backup", "group": "b", "mode": "dual-active", "owner": "", "links": []},
	   {"name": "occ", "group": "main", "mode": "main-standby", "owner": "fep1", "epoch": 1,
	   "links": [{"node": "fep1", "client": "10.10.0.5:50122", "role": "main"}], "cursor": 1, "backlog": 3, "dropped": 0}],
	 "journal": {"first": 1}}`
	var expected map[string]any
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		t.Fatal(err)
	}
	includes(t, "status", got, expected)
	for _, field := range []string{"commit_index"} {
		if _, ok := got[field]; !ok {
			t.Errorf("no %s", field)
		}
	}
}

// includes checks that got has everything that want has.
func includes(t *testing.T, path string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s: %v is no object", path, got)
			return
		}
		for k, v := range want {
			includes(t, path+"."+k, g[k], v)
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) < len(want) {
			t.Errorf("%s: %v, want %v", path, got, want)
			return
		}
		for i, v := range want {
			includes(t, path, g[i], v)
		}
	default:
		if got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := serve(t)
	for _, tc := range []struct {
		method, path, body string
		status             int
		code               api.Code
		says               string
	}{
		{"GET", "/v2/status", "", 404, api.CodeNotFound, "/v2/status"},
		{"GET", "/v1/rtus/99", "", 404, api.CodeNotFound, "RTU 99"},
		{"GET", "/v1/rtus/one", "", 400, api.CodeInvalid, `"one"`},
		{"GET", "/v1/uplinks/occ/none", "", 404, api.CodeNotFound, "none"},
		{"POST", "/v1/status", "{}", 405, api.CodeInvalid, "GET"},
		{"GET", "/v1/rtus/1/failover", "", 405, api.CodeInvalid, "POST"},
		{"DELETE", "/v1/rtus/1", "", 405, api.CodeInvalid, "GET"},
		{"POST", "/v1/rtus/1/failover", `{"too":"fep2"}`, 400, api.CodeInvalid, `"too"`},
		{"POST", "/v1/rtus/1/failover", `{"to":2}`, 400, api.CodeInvalid, "body"},
		{"POST", "/v1/rtus/1/failover", `{"to":"fep2"}}`, 400, api.CodeInvalid, "nothing after"},
		{"POST", "/v1/rtus/1/failover", `{"to":"fep2"} {}`, 400, api.CodeInvalid, "nothing after"},
		{"POST", "/v1/rtus/1/failover", `{"to":"` + strings.Repeat("x", maxBody) + `"}`, 413, api.CodeInvalid, "at most"},
		{"POST", "/v1/rtus/1/failover", `{"to":"wit"}`, 400, api.CodeInvalid, `"wit" is no FEP`},
		{"POST", "/v1/rtus/1/failover", `{"to":"fep1"}`, 409, api.CodeConflict, "on fep1 already"},
		{"POST", "/v1/rtus/99/failover", `{}`, 404, api.CodeNotFound, "rtu/99"},
		{"POST", "/v1/rtus/1/unpin", `{"to":"fep1"}`, 400, api.CodeInvalid, "to"},
		{"POST", "/v1/uplinks/backup/b/release", `{}`, 400, api.CodeInvalid, "dual-active"},
		{"POST", "/v1/uplinks/none/b/release", `{}`, 404, api.CodeNotFound, "uplink/none/b"},
		{"GET", "/v1/events?limit=10001", "", 400, api.CodeInvalid, "at most 10000"},
		{"GET", "/v1/events?after=-1", "", 400, api.CodeInvalid, "after"},
		{"GET", "/v1/events?since=3", "", 400, api.CodeInvalid, "since"},
	} {
		s.refuses(t, tc.status, tc.code, tc.says, tc.method, tc.path, tc.body)
	}
}

// A body that says nothing is one that asks for the defaults.
func TestFailoverGoesToTheOtherFEP(t *testing.T) {
	s := serve(t)
	resp, text := s.request(t, "POST", "/v1/rtus/1/failover", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(text, `"to":"fep2"`) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	rtu, err := s.RTU(t.Context(), 1)
	if err != nil || rtu.Phase != "releasing" || rtu.Target != "fep2" || rtu.Reason != "manual" {
		t.Errorf("%+v, %v", rtu, err)
	}
	_, err = s.Failover(t.Context(), 1, "")
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.CodeConflict || e.Status != http.StatusConflict {
		t.Errorf("a second one at once: %v", err)
	}
}

func TestPins(t *testing.T) {
	s := serve(t)
	if m, err := s.Pin(t.Context(), 1, ""); err != nil || m.To != "fep1" {
		t.Fatalf("%+v, %v", m, err)
	}
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Pinned != "fep1" {
		t.Errorf("%+v, %v", rtu, err)
	}
	s.refuses(t, 409, api.CodeConflict, "unpin it first", "POST", "/v1/rtus/1/failover", `{"to":"fep2"}`)
	if _, err := s.Unpin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Pinned != "" {
		t.Errorf("%+v, %v", rtu, err)
	}
}

func TestFailoverNeedsAnotherFEP(t *testing.T) {
	s := serve(t)
	s.node.EditInfo(func(i *replica.Info) { i.Peers[1].Alive = false })
	s.refuses(t, 409, api.CodeConflict, "no other FEP", "POST", "/v1/rtus/1/failover", `{}`)
	s.refuses(t, 409, api.CodeConflict, "not alive", "POST", "/v1/rtus/1/failover", `{"to":"fep2"}`)
}

// A release is a planned move: its owner must have closed its links before
// another can have the group.
func TestReleaseOfAnUplinkIsAPlannedMove(t *testing.T) {
	s := serve(t)
	m, err := s.Release(t.Context(), "occ", "main", "")
	if err != nil || m.From != "fep1" || m.To != "fep2" {
		t.Fatalf("%+v, %v", m, err)
	}
	u, err := s.Uplink(t.Context(), "occ", "main")
	if err != nil || u.Phase != "releasing" || u.Owner != "fep1" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestNoLeader(t *testing.T) {
	s := serve(t)
	s.node.lose()
	s.refuses(t, 503, api.CodeNoLeader, replica.ErrNoLeader.Error(), "POST", "/v1/rtus/1/pin", `{}`)
	s.refuses(t, 503, api.CodeNoLeader, replica.ErrNoLeader.Error(), "POST", "/v1/raft/transfer", `{}`)
}

func TestHealth(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200} {
		if resp, text := s.request(t, "GET", path, ""); resp.StatusCode != want || !strings.Contains(text, `"ok":true`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	s.node.EditInfo(func(i *replica.Info) { i.CommitIndex = 100_000 })
	if resp, text := s.request(t, "GET", "/readyz", ""); resp.StatusCode != 503 || !strings.Contains(text, "behind") {
		t.Errorf("behind: %d %s", resp.StatusCode, text)
	}
	s.node.EditInfo(func(i *replica.Info) { i.Quorum = false })
	if resp, text := s.request(t, "GET", "/readyz", ""); resp.StatusCode != 503 || !strings.Contains(text, "no quorum") {
		t.Errorf("no quorum: %d %s", resp.StatusCode, text)
	}
	if resp, _ := s.request(t, "GET", "/livez", ""); resp.StatusCode != 200 {
		t.Errorf("alive without quorum: %d", resp.StatusCode)
	}
}

func TestAnswersHaveSecurityHeaders(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/", "/assets/index.js", "/assets/index.css", "/v1/status", "/none", "/metrics"} {
		resp, _ := s.request(t, "GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": map[bool]string{true: "no-referrer", false: "strict-origin"}[strings.HasPrefix(path, "/v1/") || path == "/none" || path == "/metrics"],
			"Content-Security-Policy": "default-src 'none'", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		if csp := resp.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}

// A panic costs its request alone, which is told, and the node counts it.
func TestPanicsCostOneRequest(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.Describe = func(k fsm.PointKey) (PointInfo, bool) { panic("describing " + k.String()) }
	})
	before := panics.Counts()["API request"]
	s.refuses(t, 500, api.CodeInternal, "fault of the program", "GET", "/v1/points", "")
	if n := panics.Counts()["API request"]; n != before+1 {
		t.Errorf("counted %d", n-before)
	}
	if resp, text := s.request(t, "GET", "/metrics", ""); resp.StatusCode != 200 || !strings.Contains(text, `fepha_panics_total{of="API request"}`) {
		t.Errorf("%d: it isn't among the metrics", resp.StatusCode)
	}
	if _, err := s.Status(t.Context()); err != nil {
		t.Errorf("the next request: %v", err)
	}
}
