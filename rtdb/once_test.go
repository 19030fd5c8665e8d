package rtdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/redismode"
)

// deliver gives all requests to a consumer that never answers: a node that died at once.
func deliver(t *testing.T, look *redis.Client, consumer string) {
	t.Helper()
	ctx := context.Background()
	_ = look.XGroupCreateMkStream(ctx, requestStream, requestGroup, "0").Err()
	must(t, look.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: requestGroup, Consumer: consumer, Streams: []string{requestStream, ">"}, Count: 100, Block: -1,
	}).Err())
}

// What this node, or the other one, was given and has not answered is brought to its end: once.
func TestRequestsLeftUnanswered(t *testing.T) {
	for _, consumer := range []string{"fep1", "fep2"} {
		t.Run("by "+consumer, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *server) {
				t.Parallel()
				c := furnished(t)
				d := device(t, c, "fep1")
				look := s.client()
				until := fmt.Sprint(time.Now().Add(50 * time.Second).UnixMilli())
				ask(t, look, requestOf("open", "deadline", until))
				ask(t, look, requestOf("late", "deadline", fmt.Sprint(time.Now().Add(-time.Hour).UnixMilli())))
				ask(t, look, requestOf("wrong", "kind", "x"))
				deliver(t, look, consumer)
				run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr, Describe: describeAll})
				for id, want := range map[string]string{"open": "ok", "late": "failed", "wrong": "refused"} {
					if a := awaitAnswer(t, look, id); a["result"] != want {
						t.Errorf("%s: answer %v, want %s", id, a, want)
					}
				}
				if n := d.total(t); n != 1 {
					t.Errorf("%d sent", n)
				}
			})
		})
	}
}

// A node that is stopped while the device works on it, and started again, goes on to wait and tells the end.
func TestRestartWhileUnderWay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		c := furnished(t)
		d := device(t, c, "fep1")
		d.set(quirk{away: true})
		cfg := Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr, Describe: describeAll}
		r := run(t, cfg)
		look := s.client()
		entry := ask(t, look, requestOf("x", "deadline", fmt.Sprint(time.Now().Add(50*time.Second).UnixMilli())))
		eventually(t, "it is submitted", func() bool { return c.Control("redis-"+entry).Stage == fsm.Submitted })
		r.stop()
		if a := answers(t, look, "x"); a != nil {
			t.Errorf("answer %v", a)
		}
		d.set(quirk{})
		eventually(t, "the device is done", func() bool { return c.Control("redis-"+entry).Stage == fsm.Done })
		run(t, cfg)
		if a := awaitAnswer(t, look, "x"); a["result"] != "ok" {
			t.Errorf("answer %v", a)
		}
		if n := d.total(t); n != 1 {
			t.Errorf("%d sent", n)
		}
	})
}

// Both nodes follow a request, since it was taken from one that still works on it: it is answered by one of them.
func TestRequestThatBothFollow(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		t.Parallel()
		c := furnished(t)
		d := device(t, c, "fep1")
		d.set(quirk{away: true})
		look := s.client()
		first := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr, Describe: describeAll})
		entry := ask(t, look, requestOf("x", "deadline", fmt.Sprint(time.Now().Add(50*time.Second).UnixMilli())))
		eventually(t, "the first has taken it on", func() bool { return first.Stats().Requests.Taken == 1 })
		must(t, look.XClaim(context.Background(), &redis.XClaimArgs{
			Stream: requestStream, Group: requestGroup, Consumer: "fep2", Messages: []string{entry},
		}).Err())
		second := run(t, Config{Replica: c.Node("fep2"), Mode: redismode.Shared, Address: s.addr, Describe: describeAll})
		eventually(t, "so has the second", func() bool { return second.Stats().Requests.Taken == 1 })
		d.set(quirk{})
		awaitAnswer(t, look, "x")
		first.stop() // each ends with the answers that it has begun
		second.stop()
		if n := len(answers(t, look, "x")); n != 1 || d.total(t) != 1 {
			t.Errorf("%d answers, %d sent", n, d.total(t))
		}
	})
}

// A server that is full when the answer is due: it is given later, once.
func TestAnswerThatCantBeGiven(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startRedis(t, "--maxmemory-policy", "noeviction")
	c := furnished(t)
	d := device(t, c, "fep1")
	d.set(quirk{away: true})
	run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr, Describe: describeAll})
	look := s.client()
	entry := ask(t, look, requestOf("x", "deadline", fmt.Sprint(time.Now().Add(50*time.Second).UnixMilli())))
	eventually(t, "it is submitted", func() bool { return c.Control("redis-"+entry).Stage == fsm.Submitted })
	must(t, look.ConfigSet(ctx, "maxmemory", "1").Err())
	d.set(quirk{})
	eventually(t, "the device is done", func() bool { return c.Control("redis-"+entry).Stage == fsm.Done })
	eventually(t, "it has tried to answer", func() bool { return strings.Contains(look.Info(ctx, "errorstats").Val(), "errorstat_OOM") })
	must(t, look.ConfigSet(ctx, "maxmemory", "0").Err())
	if a := awaitAnswer(t, look, "x"); a["result"] != "ok" || d.total(t) != 1 {
		t.Errorf("answer %v, %d sent", a, d.total(t))
	}
}

// Requests that can't be read while the view is well have a line of their own, and the view goes on.
func TestRequestsThatCantBeRead(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	look := s.client()
	must(t, look.Set(context.Background(), requestStream, "", 0).Err())
	c := furnished(t)
	device(t, c, "fep1")
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
	r.complete(t)
	within(t, 4*intakeGrace, "it is told", func() bool { return r.log.count("can't be read") > 0 })
	commits(t, c, 10)
	c.shows(t, look)
	must(t, look.Del(context.Background(), requestStream).Err())
	ask(t, look, requestOf("x"))
	if a := awaitAnswer(t, look, "x"); a["result"] != "ok" {
		t.Errorf("answer %v", a)
	}
	if r.log.count("level=ERROR") != 1 || r.log.count("WRONGTYPE") != 1 || r.log.count("read again") != 1 || r.Stats().Outages != 0 {
		t.Errorf("log:\n%s", r.log)
	}
}

// Without a leader nothing is known at the deadline, and that is what is told.
func TestRequestWithoutLeader(t *testing.T) {
	t.Parallel()
	s := startMini(t)
	c := furnished(t)
	d := device(t, c, "fep1")
	c.SetLeader(false)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.PerNode, Address: s.addr, Describe: describeAll})
	look := s.client()
	ask(t, look, requestOf("x", "deadline", fmt.Sprint(time.Now().Add(500*time.Millisecond).UnixMilli())))
	a := awaitAnswer(t, look, "x")
	if a["result"] != "failed" || !strings.HasPrefix(a["reason"].(string), "outcome unknown: no answer by the deadline: no leader") || d.total(t) != 0 {
		t.Errorf("answer %v, %d sent", a, d.total(t))
	}
	ask(t, look, requestOf("y"))
	eventually(t, "it is taken without a leader", func() bool { return r.Stats().Requests.Taken == 2 })
	c.SetLeader(true)
	if a := awaitAnswer(t, look, "y"); a["result"] != "ok" {
		t.Errorf("answer %v", a)
	}
}

// Both nodes on one server, restarted and cut off at random while requests come: each is sent to the device once at
// most, answered once, and the answer is true.
func TestRequestsAtMostOnce(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			s := startRedis(t)
			c := furnished(t)
			device(t, c, "fep2")
			d := device(t, c, "fep1")
			look := s.client()
			var nodes [2]*running
			start := func(i int) {
				nodes[i] = run(t, Config{Replica: c.feps()[i], Mode: redismode.Shared, Address: s.addr, Describe: describeAll})
			}
			start(0)
			start(1)
			entries := map[string]string{}
			until := fmt.Sprint(time.Now().Add(55 * time.Second).UnixMilli())
			for i := range 120 {
				id := fmt.Sprint("r", i)
				entries[id] = ask(t, look, requestOf(id, "point", fmt.Sprint(random.IntN(90)), "deadline", until))
				switch random.IntN(20) {
				case 0, 1:
					n := random.IntN(2)
					nodes[n].stop()
					start(n)
				case 2:
					cut(t, s)
				case 3:
					n := c.Node("fep2") // not where the device is: it would start nothing
					n.Lag(!n.Lags())
				}
				time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
			}
			c.Node("fep2").Lag(false)
			for id, entry := range entries {
				a := awaitAnswer(t, look, id)
				d.mu.Lock()
				sent := d.sent["redis-"+entry]
				d.mu.Unlock()
				if want := map[any]int{"ok": 1, "refused": 0}[a["result"]]; sent != want || a["result"] == "failed" {
					t.Errorf("%s: answer %v, sent %d times", id, a, sent)
				}
			}
			nodes[0].stop() // each ends with the answers that it has begun
			nodes[1].stop()
			for id := range entries {
				if n := len(answers(t, look, id)); n != 1 {
					t.Errorf("%s: %d answers", id, n)
				}
			}
		})
	}
}
