package rtdb

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/internal/testneeds"
)

// startSentinel starts a Sentinel that watches a master under the name fepha.
func startSentinel(t testing.TB, master *server) *server {
	t.Helper()
	testneeds.Program(t, "redis-server")
	host, port, err := net.SplitHostPort(master.addr)
	if err != nil {
		t.Fatal(err)
	}
	own := freePort(t)
	s := &server{t: t, addr: fmt.Sprintf("127.0.0.1:%d", own), dir: t.TempDir()}
	file := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor fepha %s %s 1\nsentinel down-after-milliseconds fepha 500\n"+
		"sentinel failover-timeout fepha 2000\n", own, s.dir, host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file, "--sentinel"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// The master dies, Sentinel promotes its replica, and the view and the requests go on there.
func TestSentinel(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	master := startRedis(t)
	host, port, _ := net.SplitHostPort(master.addr)
	replica := startRedis(t, "--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	sentinel := startSentinel(t, master)
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel.addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = watch.Close() })
	within(t, 30*time.Second, "Sentinel knows the replica", func() bool {
		replicas, err := watch.Replicas(ctx, "fepha").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})

	c := furnished(t)
	c.Assign(t, fsm.RTUResource(2), "fep1")
	c.Assign(t, fsm.RTUResource(3), "fep1")
	r := run(t, Config{
		Replica: c.Node("fep1"), Mode: redismode.Shared, Sentinel: &Sentinel{Master: "fepha", Addresses: []string{"127.0.0.1:1", sentinel.addr}}, Describe: describeAll,
	})
	r.complete(t)
	c.shows(t, master.client())

	master.stop()
	c.Values(t, 1, item(fsmpb.Kind_DI, 1, 123))
	within(t, 40*time.Second, "the view is on the new master", func() bool { return r.Stats().Full == 2 && r.Stats().Complete })
	c.shows(t, replica.client())
	device(t, c, "fep1")
	look := replica.client()
	look.XAdd(ctx, &redis.XAddArgs{Stream: requestStream, Values: requestOf("r1")})
	if a := awaitAnswer(t, look, "r1"); a["result"] != "ok" {
		t.Errorf("answer %v", a)
	}
	if r.log.count("level=ERROR") != 1 {
		t.Errorf("log:\n%s", r.log)
	}
}
