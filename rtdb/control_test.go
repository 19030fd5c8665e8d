package rtdb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

// devices executes the controls that a node's RTUs are asked for, as acquisition does, and counts what is sent.
type devices struct {
	mu   sync.Mutex
	sent map[string]int // by id of control: how often a device was told
	quirk
}

type quirk struct {
	refuse bool
	silent bool
	away   bool // nothing is taken on
}

func device(t testing.TB, c station, node string) *devices {
	d := &devices{sent: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	n := c.Node(node)
	go func() {
		defer close(done)
		for range replica.Follow(ctx, n, replica.Pace{Most: 20 * time.Millisecond}) {
			d.look(c, n)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return d
}

func (d *devices) look(c station, n *replicatest.Node) {
	var pending []fsm.Control
	n.View(func(s *fsm.State) {
		for _, u := range s.RTUs() {
			if r, _ := s.Resource(fsm.RTUResource(u.Number)); r.Owner == n.ID() {
				pending = append(pending, s.PendingControls(u.Number)...)
			}
		}
	})
	for _, p := range pending {
		d.mu.Lock()
		how := d.quirk
		d.mu.Unlock()
		if how.away || p.Stage != fsm.Submitted {
			continue
		}
		epoch := c.Resource(fsm.RTUResource(p.RTU)).Epoch
		r := c.Apply(n.ID(), &fsmpb.Command{Op: &fsmpb.Command_ControlStart{ControlStart: &fsmpb.ControlStart{Id: p.ID, Epoch: epoch, Node: n.ID()}}})
		if r.Code != fsmpb.Result_OK {
			continue
		}
		d.mu.Lock()
		d.sent[p.ID]++
		d.mu.Unlock()
		if how.silent {
			continue
		}
		result := &fsmpb.ControlResult{Id: p.ID, Epoch: epoch, Ok: !how.refuse, Terminated: true}
		if how.refuse {
			result.Reason = "refused by the device"
		}
		c.Apply(n.ID(), &fsmpb.Command{Op: &fsmpb.Command_ControlResult{ControlResult: result}})
	}
}

func (d *devices) set(t quirk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quirk = t
}

// total is how many commands were sent to devices, each once.
func (d *devices) total(t testing.TB) int {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, n := range d.sent {
		if n > 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	return len(d.sent)
}

// requestOf is a good request for DO 1 of RTU 1, changed as wanted: names and values in turn.
func requestOf(id string, changes ...string) map[string]any {
	r := map[string]any{"id": id, "rtu": "1", "kind": "do", "point": "1", "val": "1"}
	for i := 0; i < len(changes); i += 2 {
		r[changes[i]] = changes[i+1]
		if changes[i+1] == "" {
			delete(r, changes[i])
		}
	}
	return r
}

func ask(t testing.TB, look *redis.Client, request map[string]any) (entry string) {
	t.Helper()
	entry, err := look.XAdd(context.Background(), &redis.XAddArgs{Stream: requestStream, Values: request}).Result()
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// answers returns the entries of ctl:res for an id.
func answers(t testing.TB, look *redis.Client, id string) (all []map[string]any) {
	t.Helper()
	entries, err := look.XRange(context.Background(), answerStream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Values["id"] == id {
			all = append(all, e.Values)
		}
	}
	return all
}

func awaitAnswer(t testing.TB, look *redis.Client, id string) map[string]any {
	t.Helper()
	var all []map[string]any
	within(t, 20*time.Second, "the request "+id+" is answered", func() bool { all = answers(t, look, id); return len(all) > 0 })
	if len(all) > 1 {
		t.Errorf("%s is answered %d times", id, len(all))
	}
	return all[0]
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name           string
		request        map[string]any
		in             time.Duration // to the deadline, 0: none is given
		quirk          quirk
		result, reason string
		sent           int
	}{
		{name: "direct", request: requestOf("x"), result: "ok", sent: 1},
		{name: "analog", request: requestOf("x", "kind", "ao", "val", "-3.25"), result: "ok", sent: 1},
		{name: "selected first", request: requestOf("x", "select", "1"), result: "ok", sent: 2},
		{name: "with a qualifier", request: requestOf("x", "qualifier", "short"), result: "ok", sent: 1},
		{name: "odd qualifier", request: requestOf("x", "qualifier", "brief"), result: "refused", reason: `qualifier "brief": expected short, long, persistent`},
		{name: "not selected", request: requestOf("x", "select", "false"), result: "ok", sent: 1},
		{name: "with a deadline", request: requestOf("x"), in: 30 * time.Second, result: "ok", sent: 1},
		{name: "refused by the device", request: requestOf("x"), quirk: quirk{refuse: true}, result: "failed", reason: "refused by the device", sent: 1},
		{name: "selection refused", request: requestOf("x", "select", "1"), quirk: quirk{refuse: true}, result: "failed", reason: "refused by the device", sent: 1},
		{name: "no answer", request: requestOf("x"), in: 1500 * time.Millisecond, quirk: quirk{silent: true}, result: "failed", reason: "unknown outcome: deadline", sent: 1},
		{name: "nobody takes it on", request: requestOf("x"), in: 1500 * time.Millisecond, quirk: quirk{away: true}, result: "refused", reason: "deadline"},
		{name: "late", request: requestOf("x"), in: -time.Second, result: "refused", reason: "the deadline passed"},
		{name: "too far ahead", request: requestOf("x"), in: 2 * time.Minute, result: "refused", reason: "the deadline is 1m"},
		{name: "no id", request: requestOf("", "other", "1"), result: "refused", reason: "id: expected 1 to 128 octets"},
		{name: "id not UTF-8", request: requestOf("\xff"), result: "refused", reason: "id: expected"},
		{name: "id too long", request: requestOf(strings.Repeat("x", 129)), result: "refused", reason: "id: expected"},
		{name: "no RTU", request: requestOf("x", "rtu", ""), result: "refused", reason: `rtu "": expected a number`},
		{name: "RTU is no number", request: requestOf("x", "rtu", "one"), result: "refused", reason: `rtu "one": expected a number of 0 to 4294967295`},
		{name: "unknown RTU", request: requestOf("x", "rtu", "9"), result: "refused", reason: "no such RTU"},
		{name: "point is no number", request: requestOf("x", "point", "-1"), result: "refused", reason: `point "-1"`},
		{name: "unknown point", request: requestOf("x", "point", "100"), result: "refused", reason: "no do 100 of RTU 1 is configured"},
		{name: "unknown kind", request: requestOf("x", "kind", "di"), result: "refused", reason: `kind "di": expected do or ao`},
		{name: "no value", request: requestOf("x", "val", ""), result: "refused", reason: `val "": expected a number`},
		{name: "infinite", request: requestOf("x", "val", "inf"), result: "refused", reason: `val "inf": expected a number`},
		{name: "odd select", request: requestOf("x", "select", "maybe"), result: "refused", reason: `select "maybe": expected 0 or 1`},
		{name: "odd deadline", request: requestOf("x", "deadline", "soon"), result: "refused", reason: `deadline "soon": expected ms`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startMini(t)
			k := furnished(t)
			d := device(t, k, "fep1")
			d.set(c.quirk)
			r := run(t, Config{Replica: k.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
			look := s.client()
			if c.in != 0 {
				c.request["deadline"] = fmt.Sprint(time.Now().Add(c.in).UnixMilli())
			}
			entry := ask(t, look, c.request)
			id := c.request["id"].(string)
			a := awaitAnswer(t, look, id[:min(len(id), maxRequestID)])
			if a["result"] != c.result || !strings.HasPrefix(a["reason"].(string), c.reason) || a["entry"] != entry {
				t.Errorf("answer %v, want %s, %s", a, c.result, c.reason)
			}
			if n := d.total(t); n != c.sent {
				t.Errorf("%d commands were sent, want %d", n, c.sent)
			}
			want := map[string]RequestStats{
				"ok": {Taken: 1, OK: 1}, "failed": {Taken: 1, Failed: 1}, "refused": {Taken: 1, Refused: 1},
			}[c.result]
			eventually(t, fmt.Sprintf("the counts are %+v", want), func() bool { return r.Stats().Requests == want })
			if n := look.XLen(context.Background(), requestStream).Val(); n != 0 {
				t.Errorf("%d requests are left in the stream", n)
			}
		})
	}
}

// What a control says of where it came from, and under which id.
func TestControlOfARequest(t *testing.T) {
	s := startMini(t)
	c := furnished(t)
	device(t, c, "fep1")
	run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
	look := s.client()
	entry := ask(t, look, requestOf("wish 1", "kind", "ao", "val", "2.5", "select", "true"))
	awaitAnswer(t, look, "wish 1")
	x := c.Control("redis-fep1-" + entry)
	if x.Origin != "redis:wish 1" || x.Kind != fsm.AO || x.Value != 2.5 || x.Type != 50 || x.Category != "DO" || x.Phase != fsm.Execute ||
		x.SelectID != "redis-fep1-"+entry+"-select" {
		t.Errorf("%+v", x)
	}
	if sel := c.Control(x.SelectID); sel.Phase != fsm.Select || !sel.Used {
		t.Errorf("%+v", sel)
	}
}

// Two requests for a point at a time: the second is refused. So is one that comes between another's selection.
func TestOneControlOfAPointAtATime(t *testing.T) {
	t.Parallel()
	s := startMini(t)
	c := furnished(t)
	d := device(t, c, "fep1")
	d.set(quirk{silent: true})
	run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
	look := s.client()
	until := fmt.Sprint(time.Now().Add(5 * time.Second).UnixMilli())
	c.SetLeader(false) // so the state doesn't know the first yet when the second comes
	ask(t, look, requestOf("a", "deadline", until))
	ask(t, look, requestOf("b", "deadline", until))
	ask(t, look, requestOf("c", "deadline", until, "point", "2"))
	if a := awaitAnswer(t, look, "b"); a["result"] != "refused" || !strings.Contains(a["reason"].(string), "another") {
		t.Errorf("answer %v", a)
	}
	c.SetLeader(true)
	for _, id := range []string{"a", "c"} {
		if a := awaitAnswer(t, look, id); a["result"] != "failed" {
			t.Errorf("%s: answer %v", id, a)
		}
	}

	d.set(quirk{})
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: &fsmpb.ControlSubmit{
		Id: "theirs", Origin: "uplink", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 3, Type: 45, Value: 1, Phase: fsmpb.ControlSubmit_SELECT,
		DeadlineMs: time.Now().Add(20 * time.Second).UnixMilli(),
	}}})
	eventually(t, "it is selected", func() bool { return c.Control("theirs").Stage == fsm.Done })
	ask(t, look, requestOf("d", "point", "3"))
	if a := awaitAnswer(t, look, "d"); a["result"] != "refused" || a["reason"] != "the point is selected by uplink" {
		t.Errorf("answer %v", a)
	}
}

// More requests than are taken on at once.
func TestManyRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		c := furnished(t)
		d := device(t, c, "fep1")
		look := s.client()
		const n = 3 * maxUnderWay
		for i := range n {
			ask(t, look, requestOf(fmt.Sprint("r", i), "point", fmt.Sprint(i%90), "deadline", fmt.Sprint(time.Now().Add(50*time.Second).UnixMilli())))
		}
		run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
		ok := 0
		for i := range n {
			if awaitAnswer(t, look, fmt.Sprint("r", i))["result"] == "ok" {
				ok++
			}
		}
		if sent := d.total(t); sent != ok || ok < 90 {
			t.Errorf("%d answered ok, %d sent", ok, sent)
		}
	})
}
