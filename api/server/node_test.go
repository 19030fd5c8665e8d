package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/build"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNode is fep1 of a station in memory, with what administers the group.
type fakeNode struct {
	*replicatest.Node
	station *replicatest.Station
	mu      sync.Mutex
	asked   []string // administrative requests, in words
	lost    bool     // there is no leader
}

var stationConfig = &fsmpb.Configure{
	Digest: "test",
	Nodes:  []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
	Rtus: []*fsmpb.Configure_RTU{
		{Number: 1, Name: "110 kV incomer", Prefer: "fep1", Links: []uint32{1, 2}},
		{Number: 2, Name: "Auxiliary supply", Prefer: "fep2", Links: []uint32{1}},
	},
	Groups: []*fsmpb.Configure_Group{
		{Uplink: "occ", Group: "main", Mode: fsmpb.Configure_MAIN_STANDBY},
		{Uplink: "backup", Group: "b", Mode: fsmpb.Configure_DUAL_ACTIVE},
	},
}

// newNode makes a station as it is in the middle of its work: each RTU on its
// FEP, a control centre on fep1, some points and events.
func newNode(t testing.TB) *fakeNode {
	c := replicatest.New(t, stationConfig)
	c.Elect("fep1", 3)
	n := &fakeNode{Node: c.Node("fep1"), station: c}
	must := func(op any) {
		t.Helper()
		var c fsmpb.Command
		switch op := op.(type) {
		case *fsmpb.Assign:
			c.Op = &fsmpb.Command_Assign{Assign: op}
		case *fsmpb.Links:
			c.Op = &fsmpb.Command_Links{Links: op}
		case *fsmpb.Online:
			c.Op = &fsmpb.Command_Online{Online: op}
		case *fsmpb.Clients:
			c.Op = &fsmpb.Command_Clients{Clients: op}
		case *fsmpb.Events:
			c.Op = &fsmpb.Command_Events{Events: op}
		}
		n.station.Do(t, "fep1", &c)
	}
	must(&fsmpb.Assign{Resource: "rtu/1", Owner: "fep1", Reason: "start"})
	must(&fsmpb.Assign{Resource: "rtu/2", Owner: "fep2", Reason: "start"})
	must(&fsmpb.Assign{Resource: "uplink/occ/main", Owner: "fep1", Reason: "claimed"})
	for _, r := range []string{"rtu/1", "uplink/occ/main"} { // fep1 runs their links: a planned move waits for that
		if _, err := n.WaitTenure(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	must(&fsmpb.Online{Rtu: 1, Epoch: 1, Online: true})
	must(&fsmpb.Links{Rtu: 1, Node: "fep1", Links: []*fsmpb.Links_Link{{Channel: 1, Link: 1, State: fsmpb.LinkState_ACTIVE}, {Channel: 2, Link: 1, State: fsmpb.LinkState_STANDBY}}})
	must(&fsmpb.Links{Rtu: 1, Node: "fep2", Links: []*fsmpb.Links_Link{{Channel: 1, Link: 1, State: fsmpb.LinkState_CONNECTING}}})
	must(&fsmpb.Clients{Resource: "uplink/occ/main", Node: "fep1", Clients: []*fsmpb.Clients_Client{{Address: "10.10.0.5:50122", Started: true, Role: "main"}}})
	must(&fsmpb.Events{Rtu: 1, Epoch: 1, Batch: 1, Items: []*fsmpb.Item{
		{Kind: fsmpb.Kind_DI, Point: 17, Type: 30, Value: 1, TimeMs: 1700000000123, Time: 0x17050f0e0d0c0b},
		{Kind: fsmpb.Kind_DI, Point: 18, Type: 30, Value: 0, Quality: 0x40, TimeMs: 1700000000124},
		{Kind: fsmpb.Kind_AI, Point: 3, Type: 36, Value: 110.5, TimeMs: 1700000000125},
	}})
	return n
}

func (n *fakeNode) apply(node string, c *fsmpb.Command) replica.Result {
	return n.station.Apply(node, c)
}

// lose takes the leader away.
func (n *fakeNode) lose() {
	n.station.Refuse(replica.ErrNoLeader)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = true
}

// ask notes an administrative request.
func (n *fakeNode) ask(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, fmt.Sprintf(format, args...))
	if n.lost {
		return replica.ErrNoLeader
	}
	return nil
}

func (n *fakeNode) Transfer(_ context.Context, to string) error {
	if to == "nobody" {
		return fmt.Errorf("transferring: %q: %w", to, replica.ErrUnknownNode)
	}
	return n.ask("transfer %s", to)
}
func (n *fakeNode) AddPeer(_ context.Context, id, address string) error {
	return n.ask("add %s %s", id, address)
}
func (n *fakeNode) RemovePeer(_ context.Context, id string) error { return n.ask("remove %s", id) }
func (n *fakeNode) Snapshot(context.Context) (uint64, error)      { return 812, n.ask("snapshot") }

func (n *fakeNode) WriteSnapshot(w io.Writer) (uint64, error) {
	var snapshot *fsm.Snapshot
	n.View(func(s *fsm.State) { snapshot = s.Snapshot() })
	_, err := snapshot.WriteTo(w)
	return snapshot.Index(), err
}

func (n *fakeNode) Restore(_ context.Context, r io.Reader) error {
	state, err := fsm.Restore(r)
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	n.station.Restore(state)
	return nil
}

// describe is what the configuration says of the fake station's points.
func describe(k fsm.PointKey) (PointInfo, bool) {
	info, ok := map[string]PointInfo{
		"1/di/17": {Name: "Incomer 101 breaker"},
		"1/di/99": {Name: "never seen"},
		"1/ai/3":  {Name: "Busbar voltage", Unit: "kV"},
		"1/do/2":  {Name: "Incomer 101 breaker", Type: 46, Category: "DO", Off: 1},
		"1/ao/5":  {Name: "Tap set point", Type: 50, Category: "AO"},
	}[k.String()]
	return info, ok
}

// served is a server that listens on loopback until the test ends.
type served struct {
	*Server
	*client.Client
	node *fakeNode
}

// serve starts an insecure server of a fake station.
func serve(t testing.TB, edit ...func(*Config)) served {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", edit...)
}

// serveAt is serve at an address.
func serveAt(t testing.TB, address string, edit ...func(*Config)) served {
	t.Helper()
	node := newNode(t)
	cfg := Config{
		Node: node, Station: 21, Name: "Demo station", Describe: describe, Tracer: new(trace.Tracer), Build: build.Info{Version: "test", Revision: "1a2b", Date: "2026-11-29T00:00:00Z"},
		APIs: map[string]string{"fep1": "10.0.0.1:7310", "fep2": "10.0.0.2:7310", "wit": "10.0.0.3:7310"},
		Links: func(rtu uint32) [][]string {
			return map[uint32][][]string{1: {{"192.168.1.1:2404"}, {"192.168.2.1:2404", "192.168.2.2:2404"}}, 2: {{"192.168.1.9:2404"}}}[rtu]
		},
	}
	for _, e := range edit {
		e(&cfg)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return served{s, &client.Client{Base: "http://" + l.Addr().String(), HTTP: &http.Client{Transport: transport}}, cfg.Node.(*fakeNode)}
}

// request sends one and returns the answer with its body.
func (s served) request(t testing.TB, method, path, body string, edit ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(req)
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// refuses checks that a request is answered with an error as documented.
func (s served) refuses(t testing.TB, status int, code api.Code, says, method, path, body string, edit ...func(*http.Request)) {
	t.Helper()
	resp, text := s.request(t, method, path, body, edit...)
	var e api.Error
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Errorf("%s %s: no JSON: %s", method, path, text)
		return
	}
	if resp.StatusCode != status || e.Code != code || !strings.Contains(e.Message, says) {
		t.Errorf("%s %s %s: %d %s %q, want %d %s %q", method, path, body, resp.StatusCode, e.Code, e.Message, status, code, says)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
}

// content is what the state holds, but for the audit, which tells of those who ask for it.
func (n *fakeNode) content() (all string) {
	n.View(func(s *fsm.State) {
		all = fmt.Sprint(s.Resources(), s.Version(), s.ReadJournal(0, make([]fsm.Event, s.JournalEvents())))
	})
	return all
}
