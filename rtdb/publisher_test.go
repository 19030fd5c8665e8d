package rtdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica/replicatest"
)

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// furnished is a cluster with something of each kind in its state.
func furnished(t testing.TB) station {
	c := startStation(t, 1, 2, 3)
	c.configure(t, "furnished", []*fsmpb.Configure_Virtual{
		{Rtu: 100, Point: 1, Source: "channel:1:1"}, {Rtu: 100, Point: 2, Source: "rtu:2"}, {Rtu: 100, Point: 3, Source: "node:fep1"},
	}, 1, 2, 3)
	c.Assign(t, fsm.RTUResource(1), "fep1")
	c.Assign(t, fsm.RTUResource(2), "fep2")
	for i := range uint32(50) {
		c.Values(t, 1, item(fsmpb.Kind_DI, i, float64(i)), item(fsmpb.Kind_AI, i, 0.5), item(fsmpb.Kind_COUNTER, i, 1e9))
		c.Values(t, 2, item(fsmpb.Kind_DI, i, 1))
	}
	c.links(t, 1, "fep1", fsmpb.LinkState_ACTIVE, fsmpb.LinkState_STANDBY)
	c.links(t, 1, "fep2", fsmpb.LinkState_STANDBY)
	return c
}

// Everything is there, what changes follows, and what a former configuration or life has left goes.
func TestView(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		c := furnished(t)
		look := s.client()
		ctx := context.Background()
		for _, k := range []string{"yx:1:777", "yx:9:1", "useflag:rtu:9", "chan:1:3:1", "chan:1:1:2", "vpt:100:9", "dd:1:1000"} {
			look.HSet(ctx, k, "val", 5)
		}
		look.HSet(ctx, "yx:foreign", "val", 5)
		look.Set(ctx, "chan:foreign", 5, 0)
		r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr})
		r.complete(t)
		foreign := look.Del(ctx, "yx:foreign", "chan:foreign").Val()
		if foreign != 2 {
			t.Errorf("%d of 2 keys that are not the view's are left", foreign)
		}
		c.shows(t, look)
		if n := r.Stats().Removed; n != 7 {
			t.Errorf("removed %d keys, want 7", n)
		}

		c.Values(t, 1, item(fsmpb.Kind_DI, 3, 77), item(fsmpb.Kind_DI, 777, 1))
		c.links(t, 2, "fep2", fsmpb.LinkState_ACTIVE)
		c.Assign(t, fsm.RTUResource(1), "fep2")
		c.shows(t, look)
		c.configure(t, "less", []*fsmpb.Configure_Virtual{{Rtu: 100, Point: 1, Source: "channel:1:2"}}, 1, 3)
		c.shows(t, look)
		c.configure(t, "more", nil, 1, 3, 4)
		c.Assign(t, fsm.RTUResource(4), "fep1")
		c.shows(t, look)

		r.complete(t)
		mark, err := look.HGetAll(ctx, "fepha:view:1").Result()
		if err != nil || mark["index"] == "" || mark["t"] == "" {
			t.Errorf("mark %v, %v", mark, err)
		}
		if r.log.count("level=ERROR") > 0 || r.log.count("complete") != 1 {
			t.Errorf("log:\n%s", r.log)
		}
	})
}

// Each node publishes the whole view on its own server.
func TestEmbedded(t *testing.T) {
	c := furnished(t)
	var addrs []string
	for _, n := range c.feps() {
		r := run(t, Config{Replica: n, Mode: redismode.Embedded})
		r.complete(t)
		c.shows(t, lookAt(t, r.Addr(), ""))
		addrs = append(addrs, r.Addr())
	}
	if addrs[0] == addrs[1] || addrs[0] == "" {
		t.Errorf("embedded servers at %q", addrs)
	}
}

func TestEmbeddedWithPassword(t *testing.T) {
	c := furnished(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Embedded, Address: address, PasswordFile: passwordFile(t, "secret")})
	r.complete(t)
	if r.Addr() != address {
		t.Errorf("listens on %s, want %s", r.Addr(), address)
	}
	if err := lookAt(t, address, "").Ping(context.Background()).Err(); err == nil {
		t.Error("answers without password")
	}
	c.shows(t, lookAt(t, address, "secret"))
}

// An address that isn't there yet, here since another server has it, is no reason to end: it is tried again, and said once.
func TestEmbeddedListensLater(t *testing.T) {
	c := furnished(t)
	cfg := Config{Replica: c.Node("fep1"), Mode: redismode.Embedded, Address: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	first := run(t, cfg)
	first.complete(t)
	second := run(t, cfg)
	eventually(t, "the second server to say that it can't listen", func() bool { return second.log.count("can't listen") == 1 })
	first.stop()
	second.complete(t)
	c.shows(t, lookAt(t, second.Addr(), ""))
	if second.log.count("can't listen") != 1 || second.log.count("listening at last") != 1 {
		t.Errorf("log:\n%s", second.log)
	}
}

func TestOff(t *testing.T) {
	p, err := New(Config{Mode: redismode.Off})
	if err != nil || p.Addr() != "" {
		t.Fatalf("%v, address %q", err, p.Addr())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s != (Stats{}) {
		t.Errorf("stats %+v", s)
	}
}

func TestConfigIsChecked(t *testing.T) {
	n := startStation(t, 1).Node("fep1")
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, `mode "": expected off, embedded, per-node or shared`},
		{Config{Mode: "cluster", Replica: n}, `mode "cluster": expected`},
		{Config{Mode: redismode.PerNode, Address: "a:1"}, "mode per-node: expected a replica"},
		{Config{Mode: redismode.PerNode, Replica: n}, `mode per-node: address "": expected host:port`},
		{Config{Mode: redismode.Shared, Replica: n, Address: "a"}, `mode shared: address "a": expected host:port`},
		{Config{Mode: redismode.Embedded, Replica: n, Address: "a"}, `mode embedded: address "a"`},
		{Config{Mode: redismode.Shared, Replica: n, Address: "a:1", Sentinel: &Sentinel{"m", []string{"b:1"}}}, "no address beside them"},
		{Config{Mode: redismode.Shared, Replica: n, Sentinel: &Sentinel{"", []string{"b:1"}}}, "expected a master's name"},
		{Config{Mode: redismode.Shared, Replica: n, Sentinel: &Sentinel{"m", nil}}, "addresses"},
		{Config{Mode: redismode.Embedded, Replica: n, Sentinel: &Sentinel{"m", []string{"b:1"}}}, "mode per-node or shared"},
		{Config{Mode: redismode.Shared, Replica: n, Address: "a:1", Username: "u"}, `user "u": expected a password file`},
		{Config{Mode: redismode.Embedded, Replica: n, PasswordFile: "/nowhere/password"}, "password file: open /nowhere/password"},
	} {
		_, err := New(c.cfg)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// askedNode counts how often it is asked whether it has caught up.
type askedNode struct {
	*replicatest.Node
	times atomic.Int64
}

func (n *askedNode) CaughtUp() bool {
	n.times.Add(1)
	return n.Node.CaughtUp()
}

// A node that has just started has an old state, which must not be put over what is there.
func TestWaitsUntilTheNodeHasCaughtUp(t *testing.T) {
	s := startMini(t)
	c := furnished(t)
	n := c.Node("fep1")
	n.SetCaughtUp(false)
	n.Lag(true)
	c.Values(t, 1, item(fsmpb.Kind_DI, 1, 99))
	s.mini.HSet("yx:1:1", "val", "99")
	asked := &askedNode{Node: n}
	r := run(t, Config{Replica: asked, Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
	eventually(t, "the node is asked again and again", func() bool { return asked.times.Load() > 3 })
	if got := s.mini.HGet("yx:1:1", "val"); got != "99" || s.mini.TotalConnectionCount() > 0 {
		t.Errorf("val %s, %d connections before the node has caught up", got, s.mini.TotalConnectionCount())
	}
	n.Lag(false)
	n.SetCaughtUp(true)
	r.complete(t)
	c.shows(t, s.client())
}

// TLS, and a user with a password that is read at each connect.
func TestTLSAndUser(t *testing.T) {
	t.Parallel()
	certs := newCertificates(t)
	s := startRedisTLS(t, certs, "--user", "fepha", "on", ">first", "~*", "+@all", "--user", "default", "off")
	c := furnished(t)
	file := passwordFile(t, "first")
	r := run(t, Config{
		Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Username: "fepha", PasswordFile: file, TLS: certs.client, Describe: describeAll,
	})
	r.complete(t)
	look := lookAtTLS(t, s.addr, "fepha", "first", certs)
	c.shows(t, look)

	ctx := context.Background()
	if err := look.Do(ctx, "acl", "setuser", "fepha", "resetpass", ">second").Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("second\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := r.Stats().Full
	if err := look.Do(ctx, "client", "kill", "type", "normal", "skipme", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the view is complete again", func() bool { return r.Stats().Full > full })
	if strings.Contains(r.log.String(), "second") || strings.Contains(r.log.String(), "first") {
		t.Errorf("a password is in the log:\n%s", r.log)
	}
}

// Stats are metrics too.
func TestMetrics(t *testing.T) {
	s := startMini(t)
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr})
	r.complete(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			got[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	stats := r.Stats()
	want := map[string]float64{
		"fepha_redis_complete": 1, "fepha_redis_outages_total": 0, "fepha_redis_full_total": 1, "fepha_redis_full_seconds": stats.FullTook.Seconds(),
		"fepha_redis_index": float64(stats.Index), "fepha_redis_written_total": float64(stats.Written), "fepha_redis_removed_total": 0,
		"fepha_redis_refused_total": 0, "fepha_redis_requests_total": 0, "fepha_redis_answers_total": 0,
	}
	if !maps.Equal(got, want) || stats.Written == 0 || stats.Index == 0 {
		t.Errorf("metrics %v, want %v", got, want)
	}
}

// Run ends soon whatever the server does, and however often it is tried.
func TestEndsWhileNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: l.Addr().String(), Describe: describeAll})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// describeAll knows DO and AO 0 to 99 of each RTU.
func describeAll(k fsm.PointKey) (Control, bool) {
	return Control{Type: map[fsm.Kind]uint8{fsm.DO: 45, fsm.AO: 50}[k.Kind], Category: "DO"}, k.Point < 100
}
