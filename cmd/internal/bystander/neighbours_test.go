package bystander

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is an API that does as a test likes.
type node struct {
	mu       sync.Mutex
	controls []api.Control
	messages []api.FNPReceived
	audit    []api.AuditEntry
	did      []sim.Operation
	operate  func(n *node, value float64) (api.Control, *api.Error)
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var answer any
	switch {
	case r.URL.Path == "/v1/controls" && r.Method == http.MethodPost:
		var req api.ControlRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c, no := n.operate(n, *req.Value)
		if no != nil {
			w.WriteHeader(no.Status)
			answer = no
			break
		}
		answer = c
	case r.URL.Path == "/v1/controls":
		answer = n.controls
	case r.URL.Path == "/v1/fnp/messages":
		after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		page := api.FNPMessages{}
		for _, m := range n.messages {
			if m.Number > after {
				page.Messages = append(page.Messages, m)
			}
		}
		answer = page
	case r.URL.Path == "/v1/audit":
		after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		page := api.AuditPage{Last: uint64(len(n.audit))}
		if after < page.Last {
			page.Entries = n.audit[after:]
		}
		answer = page
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// execute is what a good node does: it lists the control, and the device does it once.
func execute(n *node, value float64) (api.Control, *api.Error) {
	c := api.Control{ID: fmt.Sprint(value), Value: api.Value(value), Stage: "done", OK: true}
	n.controls = append(n.controls, c)
	n.did = append(n.did, sim.Operation{Value: value})
	return c, nil
}

// serve serves it until the test ends.
func (n *node) serve(t *testing.T) *client.Client {
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	return &client.Client{Base: server.URL, HTTP: server.Client()}
}

func (n *node) operations() []sim.Operation {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]sim.Operation(nil), n.did...)
}

// until runs a bystander until good, and lets it look for at most as long.
func until(t *testing.T, b Bystander, look time.Duration, good func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	looking, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx, looking)
	}()
	for deadline := time.Now().Add(30 * time.Second); !good(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("it doesn't come so far")
			break
		}
	}
	cancel()
	timer := time.AfterFunc(look, end)
	defer timer.Stop()
	<-done
}

// A control that was executed twice, or refused for a quota though no answer said so, is told; what a good station does is not.
func TestOperator(t *testing.T) {
	quota := "250 controls of uplink/occ/occ 10.0.0.1 are remembered until their deadlines have passed: expected fewer at a time"
	for _, tc := range []struct {
		name    string
		operate func(n *node, value float64) (api.Control, *api.Error)
		audit   string
		api, up string // words of the errors
	}{
		{name: "good", operate: execute},
		{name: "executed twice", operate: func(n *node, value float64) (api.Control, *api.Error) {
			n.did = append(n.did, sim.Operation{Value: value})
			return execute(n, value)
		}, api: "was executed 2 times", up: "was executed 2 times"},
		{name: "says it was done", operate: func(n *node, value float64) (api.Control, *api.Error) {
			return api.Control{ID: "x", Value: api.Value(value), Stage: "done", OK: true}, nil
		}, api: "the device never got it", up: "the device never got it"},
		{name: "refused", operate: func(n *node, value float64) (api.Control, *api.Error) {
			return api.Control{}, &api.Error{Status: 409, Code: api.CodeConflict, Message: quota}
		}, api: "was refused for a quota", up: "never got"},
		{name: "refused without a word", operate: execute, audit: quota, up: "the audit tells of a refusal"},
		{name: "somebody else is refused", operate: execute, audit: strings.ReplaceAll(quota, "occ", "hostile")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := &node{operate: tc.operate}
			if tc.audit != "" {
				n.audit = []api.AuditEntry{{Number: 1, Content: tc.audit, Text: tc.audit}}
			}
			g := Ground{
				APIs: []*client.Client{n.serve(t)}, Points: []uint32{1}, Objects: nil, Operations: n.operations, Operator: "night shift", Resource: "uplink/occ/occ",
				Command: func(_ context.Context, c iec104.Command) error {
					n.mu.Lock()
					defer n.mu.Unlock()
					_, no := n.operate(n, c.Object.Value)
					if no != nil {
						return no
					}
					return nil
				},
			}
			g.Objects = append(g.Objects, 1)
			o := newOperator(g, time.Now())
			until(t, o, 5*time.Second, func() bool {
				o.mu.Lock()
				defer o.mu.Unlock()
				return len(o.orders) >= 6
			})
			for account, want := range map[*Account]string{o.api: tc.api, o.up: tc.up} {
				if err := account.Judge(); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", account.Name, err, want)
				}
			}
		})
	}
}

// Two real stations and a centre: a message of somebody else, and one that is acknowledged and not kept, are told.
func TestPair(t *testing.T) {
	for _, tc := range []struct {
		name       string
		lose       bool // the mailbox loses the second message
		intrude    bool // somebody sends to the second station too
		peer, home string
	}{
		{name: "good"},
		{name: "acknowledged and not kept", lose: true, home: "message 2 was acknowledged and is not in the mailbox"},
		{name: "not from the first one", intrude: true, peer: "expected number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			centre := listenCentre(t)
			common := channeltab.StationConfig{
				Centres: []netip.AddrPort{centre}, Keys: channeltab.OpenKeys(),
			}
			n := &node{}
			g := Ground{
				Inside: func(f func() error) error { return f() }, Host: "127.0.0.1", FNP: common,
				Pair: [2]chantable.ID{1001, 1002}, Home: 901, APIs: []*client.Client{n.serve(t)},
			}
			home := openStation(t, common, 901)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var running sync.WaitGroup
			defer running.Wait()
			defer cancel()
			running.Go(func() {
				for number := uint64(1); ; {
					m, err := home.Receive(ctx)
					if err != nil {
						return
					}
					if tc.lose && string(m.Payload) == "2" {
						continue
					}
					n.mu.Lock()
					n.messages = append(n.messages, api.FNPReceived{Number: number, From: uint64(m.From), Data: m.Payload})
					n.mu.Unlock()
					number++
				}
			})
			if tc.intrude {
				intruder := openStation(t, common, 1003)
				running.Go(func() {
					for ctx.Err() == nil && intruder.SendDataByID(ctx, 1002, []byte("2"), channeltab.AnyOrder) != nil {
						time.Sleep(20 * time.Millisecond)
					}
				})
			}
			p := newPair(g, time.Now())
			until(t, p, 2*time.Second, func() bool {
				return p.home.Done()["acknowledged"] >= 3 && p.toPeer.Done()["received"] >= 3 && (!tc.intrude || p.toPeer.Wrong() > 0)
			})
			for account, want := range map[*Account]string{p.toPeer: tc.peer, p.home: tc.home} {
				if err := account.Judge(); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", account.Name, err, want)
				}
			}
		})
	}
}

// A message that the other station doesn't acknowledge is told, and one that comes out of order.
func TestPairThatIsBroken(t *testing.T) {
	common := channeltab.StationConfig{
		Centres: []netip.AddrPort{listenCentre(t)}, Keys: channeltab.OpenKeys(), Timing: channeltab.Timing{AckTimeout: 5 * time.Millisecond, Resends: 1},
	}
	first, second := openStation(t, common, 1001), openStation(t, common, 1002)
	p := newPair(Ground{Pair: [2]chantable.ID{1001, 1002}}, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for first.SendDataByID(ctx, 1002, []byte("2"), channeltab.InOrder) != nil && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	p.receive(firstWrong(ctx, p.toPeer), second)
	if err := p.toPeer.Judge(); err == nil || !strings.Contains(err.Error(), "message 2 reached it, expected 1") {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	p = newPair(Ground{Pair: [2]chantable.ID{1001, 1002}}, time.Now())
	p.send(firstWrong(ctx, p.toPeer), first)
	if err := p.toPeer.Judge(); err == nil || !strings.Contains(err.Error(), "message 1 is not acknowledged") {
		t.Error(err)
	}
}

// firstWrong ends when the first wrong is in an account.
func firstWrong(ctx context.Context, a *Account) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for ctx.Err() == nil && a.Wrong() == 0 {
			time.Sleep(time.Millisecond)
		}
	}()
	return ctx
}

func listenCentre(t *testing.T) netip.AddrPort {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	memory := channeltabtest.NewMemory()
	c, err := channeltab.OpenCentre(channeltab.CentreConfig{
		ID: 900, Name: "centre", Level: 1, Node: "a", Nodes: map[string]netip.AddrPort{"a": at}, Keys: channeltab.OpenKeys(), Registry: memory.Node("a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	memory.Elect("a")
	return at
}

func openStation(t *testing.T, cfg channeltab.StationConfig, id chantable.ID) *channeltab.Station {
	cfg.ID, cfg.Name, cfg.Listen = id, fmt.Sprint("station ", id), netip.MustParseAddrPort("127.0.0.1:0")
	s, err := channeltab.OpenStation(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A reader that gets no answer, an old view, or one without its points, hasn't got what it wants.
func TestReader(t *testing.T) {
	for _, tc := range []struct {
		name  string
		age   time.Duration
		known string // the point that is there
		good  bool
	}{
		{"good", 0, "useflag:rtu:1", true},
		{"an old view", oldView + time.Minute, "useflag:rtu:1", false},
		{"a point is missing", 0, "useflag:rtu:2", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var running sync.WaitGroup
			defer running.Wait()
			defer l.Close()
			running.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					running.Go(func() {
						defer conn.Close()
						for in := bufio.NewScanner(conn); in.Scan(); {
							switch line := in.Text(); {
							case line == "secret":
								_, _ = conn.Write([]byte("+OK\r\n"))
							case line == "t":
								mark := fmt.Sprint(time.Now().Add(-tc.age).UnixMilli())
								_, _ = fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(mark), mark)
							case line == tc.known:
								_, _ = conn.Write([]byte(":1\r\n"))
							case strings.HasPrefix(line, "useflag:"):
								_, _ = conn.Write([]byte(":0\r\n"))
							}
						}
					})
				}
			})
			v := View{
				Node: "fep1", Host: 1, Dial: (&net.Dialer{}).DialContext, Address: l.Addr().String(),
				Password: func() (string, error) { return "secret", nil }, Points: []string{"useflag:rtu:1"},
			}
			r := newReader(Ground{Views: []View{v}}, time.Now())
			until(t, r, time.Second, func() bool {
				done := r.accounts[0].Done()
				return done["readings"]+done["readings of a view that isn't kept up"] >= 3
			})
			if err := r.accounts[0].Judge(); (err == nil) != tc.good {
				t.Errorf("%v, %v", err, r.accounts[0].Done())
			}
		})
	}
}
