package rtdb

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
)

// commits applies events, and fails if they are kept waiting as long as Redis is.
func commits(t *testing.T, c station, n int) {
	t.Helper()
	for i := range n {
		began := time.Now()
		c.Values(t, 1, item(fsmpb.Kind_DI, uint32(i%100), float64(i)), item(fsmpb.Kind_AI, uint32(i%100), float64(i)))
		if took := time.Since(began); took > ioTimeout-500*time.Millisecond {
			t.Fatalf("a commit took %v", took)
		}
	}
}

// A server that fails in some way and returns: events go on, the log has one line for it and one for its end, and the
// view is whole again.
func TestOutages(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		args  []string
		fail  func(t *testing.T, s *server)
		heal  func(t *testing.T, s *server)
		error string
	}{
		{
			name: "killed and started anew",
			fail: func(_ *testing.T, s *server) { s.stop() },
			heal: func(_ *testing.T, s *server) { s.start() }, error: "connect: connection refused",
		},
		{
			name: "stands still",
			fail: func(_ *testing.T, s *server) { s.signal(syscall.SIGSTOP) },
			heal: func(_ *testing.T, s *server) { s.signal(syscall.SIGCONT) }, error: "i/o timeout",
		},
		{
			name: "full",
			args: []string{"--maxmemory-policy", "noeviction"},
			fail: func(t *testing.T, s *server) { must(t, s.client().ConfigSet(ctx, "maxmemory", "1").Err()) },
			heal: func(t *testing.T, s *server) { must(t, s.client().ConfigSet(ctx, "maxmemory", "0").Err()) }, error: "OOM command not allowed",
		},
		{
			name: "can't save",
			fail: func(t *testing.T, s *server) {
				look := s.client()
				must(t, os.Mkdir(s.dir+"/dump.rdb", 0o700))
				must(t, look.ConfigSet(ctx, "save", "1 1").Err())
				eventually(t, "the server refuses writes", func() bool { return look.Set(ctx, "ctl:other", 1, 0).Err() != nil })
			},
			heal:  func(t *testing.T, s *server) { must(t, s.client().ConfigSet(ctx, "save", "").Err()) },
			error: "MISCONF",
		},
		{
			name: "a key of another type",
			fail: func(t *testing.T, s *server) {
				look := s.client()
				must(t, look.Del(ctx, "yx:1:1").Err())
				must(t, look.Set(ctx, "yx:1:1", "", 0).Err())
			},
			heal: func(t *testing.T, s *server) { must(t, s.client().Del(ctx, "yx:1:1").Err()) }, error: "hset yx:1:1: WRONGTYPE",
		},
		{
			name: "a replica now",
			fail: func(t *testing.T, s *server) { must(t, s.client().Do(ctx, "replicaof", "127.0.0.1", "1").Err()) },
			heal: func(t *testing.T, s *server) { must(t, s.client().Do(ctx, "replicaof", "no", "one").Err()) }, error: "READONLY",
		},
		{
			name: "another password",
			fail: func(t *testing.T, s *server) {
				look := s.client()
				must(t, look.ConfigSet(ctx, "requirepass", "other").Err())
				_ = lookAt(t, s.addr, "other").ClientKillByFilter(ctx, "type", "normal", "skipme", "yes").Err()
			},
			heal: func(t *testing.T, s *server) {
				must(t, lookAt(t, s.addr, "other").ConfigSet(ctx, "requirepass", "").Err())
			},
			error: "NOAUTH",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t, c.args...)
			k := furnished(t)
			r := run(t, Config{Replica: k.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
			r.complete(t)
			c.fail(t, s)
			commits(t, k, 200)
			within(t, 20*time.Second, "the outage is noticed", func() bool {
				return !r.Stats().Complete && r.Stats().LastError != ""
			})
			tries := r.Stats().LastError
			for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				commits(t, k, 10)
			}
			if r.log.count("level=ERROR") != 1 || !strings.Contains(r.log.String(), c.error) {
				t.Errorf("want one line with %q in the log, newest error %q", c.error, tries)
			}
			c.heal(t, s)
			r.complete(t)
			k.shows(t, s.client())
			if stats := r.Stats(); stats.Outages != 1 || stats.Full != 2 || stats.LastError != "" {
				t.Errorf("stats %+v", stats)
			}
			if r.log.count("level=ERROR") != 1 || r.log.count("complete again") != 1 {
				t.Errorf("log:\n%s", r.log)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A password that is wrong from the start, until the file is put right.
func TestWrongPassword(t *testing.T) {
	s := startRedis(t, "--requirepass", "right")
	c := furnished(t)
	file := passwordFile(t, "wrong-and-secret")
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, PasswordFile: file, Describe: describeAll})
	eventually(t, "it is noticed", func() bool { return strings.Contains(r.Stats().LastError, "WRONGPASS") })
	within(t, 10*time.Second, "it goes on trying", func() bool { return refusedLogins(t, lookAt(t, s.addr, "right")) > 3 })
	must(t, os.Remove(file))
	eventually(t, "the file is missed", func() bool { return strings.Contains(r.Stats().LastError, "password file") })
	must(t, os.WriteFile(file, []byte("right"), 0o600))
	r.complete(t)
	c.shows(t, lookAt(t, s.addr, "right"))
	if r.log.count("level=ERROR") != 1 || r.log.count("WRONGPASS") != 1 || r.log.count("secret") != 0 {
		t.Errorf("log:\n%s", r.log)
	}
}

// What is removed behind this node's back, or lost with a connection that nobody used just then, is there again soon.
func TestLossesNobodyTells(t *testing.T) {
	ctx := context.Background()
	for name, lose := range map[string]func(t *testing.T, s *server){
		"flushed":    func(t *testing.T, s *server) { must(t, s.client().FlushAll(ctx).Err()) },
		"restarted":  func(_ *testing.T, s *server) { s.stop(); s.start() },
		"cut":        func(t *testing.T, s *server) { cut(t, s) },
		"group lost": func(t *testing.T, s *server) { must(t, s.client().Del(ctx, requestStream).Err()); cut(t, s) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			c := furnished(t)
			r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
			r.complete(t)
			lose(t, s)
			within(t, 20*time.Second, "everything is written again", func() bool { return r.Stats().Full == 2 && r.Stats().Complete })
			c.shows(t, s.client())
			eventually(t, "requests are read again", func() bool {
				groups, err := s.client().XInfoGroups(ctx, requestStream).Result()
				return err == nil && len(groups) == 1
			})
		})
	}
}

// cut closes all connections.
func cut(t *testing.T, s *server) {
	must(t, s.client().ClientKillByFilter(context.Background(), "type", "normal", "skipme", "yes").Err())
}

// A server that is slow, but not too slow, is no outage: what changes often is written once.
func TestSlowServer(t *testing.T) {
	s := startRedis(t)
	c := furnished(t)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr})
	r.complete(t)
	before := r.Stats().Written
	must(t, s.client().Do(context.Background(), "client", "pause", ioTimeout.Milliseconds()/2, "all").Err())
	commits(t, c, 5000)
	c.shows(t, s.client())
	if stats := r.Stats(); stats.Outages != 0 || stats.Written-before > 5000 {
		t.Errorf("%d records for 10,000 changes of 200 points, %d outages", stats.Written-before, stats.Outages)
	}
}

// refusedLogins is how often a server has refused a password.
func refusedLogins(t *testing.T, look *redis.Client) (n int) {
	t.Helper()
	for line := range strings.Lines(look.Info(context.Background(), "errorstats").Val()) {
		if _, count, ok := strings.Cut(strings.TrimSpace(line), "errorstat_WRONGPASS:count="); ok {
			n, _ = strconv.Atoi(count)
		}
	}
	return n
}
