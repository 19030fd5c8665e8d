package rtdb

import (
	"context"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
)

// A former owner that doesn't know yet can't overwrite what the new one has written, even if it writes everything again.
func TestFormerOwnerIsKeptOut(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		c := furnished(t)
		c.Assign(t, fsm.RTUResource(3), "fep1")
		look := s.client()
		first := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr})
		second := run(t, Config{Replica: c.Node("fep2"), Mode: redismode.Shared, Address: s.addr})
		first.complete(t)
		second.complete(t)
		c.shows(t, look)

		c.Node("fep1").Lag(true) // fep1 goes on to believe that RTU 1 is its own
		c.Assign(t, fsm.RTUResource(1), "fep2")
		c.Values(t, 1, item(fsmpb.Kind_DI, 1, 1000))
		c.links(t, 1, "fep2", fsmpb.LinkState_ACTIVE)
		c.shows(t, look)
		first.stop()
		first = run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr})
		first.complete(t)
		if first.Stats().Refused == 0 {
			t.Error("nothing was refused")
		}
		if diff := difference(read(t, look), c.expected()); diff != "" {
			t.Errorf("the former owner has written:\n%s", diff)
		}

		c.Node("fep1").Lag(false)
		c.Assign(t, fsm.RTUResource(1), "fep1")
		c.Values(t, 1, item(fsmpb.Kind_DI, 1, 2000))
		c.shows(t, look)
		if first.log.count("level=ERROR")+second.log.count("level=ERROR") > 0 {
			t.Errorf("log:\n%s%s", first.log, second.log)
		}
	})
}

// What a former life of the station has left looks like a newer owner. That is told once, and when the operator has
// removed it the view comes by itself.
func TestKeysOfAFormerLife(t *testing.T) {
	t.Parallel()
	s := startMini(t)
	c := furnished(t)
	c.Assign(t, fsm.RTUResource(2), "fep1")
	c.Assign(t, fsm.RTUResource(3), "fep1")
	ctx := context.Background()
	look := s.client()
	look.HSet(ctx, "useflag:rtu:1", "host", 2, "epoch", 99)
	look.HSet(ctx, "vpt:100:1", "index", 1000, "val", 7)
	r := run(t, Config{Replica: c.Node("fep1"), Mode: redismode.Shared, Address: s.addr})
	r.complete(t)
	within(t, 4*retryRefused, "it is told", func() bool { return r.log.count("newer owners") > 0 })
	if n := look.Exists(ctx, "yx:1:1").Val(); n != 0 || look.HGet(ctx, "vpt:100:1", "val").Val() != "7" {
		t.Error("written in spite of the newer owner")
	}
	look.Del(ctx, "useflag:rtu:1", "vpt:100:1")
	within(t, 4*retryRefused, "the view is there", func() bool { return difference(read(t, look), c.expected()) == "" })
	if n := r.log.count("level=ERROR"); n != 1 {
		t.Errorf("%d errors in the log:\n%s", n, r.log)
	}
}

// On a shared server a node removes what it has written and what is of its RTUs, and nothing of other stations.
func TestRemovalFromASharedServer(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		c := furnished(t)
		c.Assign(t, fsm.RTUResource(3), "fep1")
		look := s.client()
		ctx := context.Background()
		foreign := []string{"yx:9:1", "useflag:rtu:9", "vpt:900:1"}
		for _, k := range append(foreign, "yx:1:777", "chan:2:9:9") {
			look.HSet(ctx, k, "val", 5)
		}
		for _, n := range c.feps() {
			r := run(t, Config{Replica: n, Mode: redismode.Shared, Address: s.addr})
			r.complete(t)
		}
		c.configure(t, "less", []*fsmpb.Configure_Virtual{{Rtu: 100, Point: 1, Source: "rtu:1"}}, 1)
		eventually(t, "what was removed is gone", func() bool {
			got := read(t, look)
			for _, k := range foreign {
				if got[k] == nil {
					t.Fatalf("%s of another station is gone", k)
				}
				delete(got, k)
			}
			return difference(got, c.expected()) == ""
		})

		c.configure(t, "again", nil, 1, 2)
		c.Assign(t, fsm.RTUResource(2), "fep1")
		look.Del(ctx, foreign...)
		c.shows(t, look)
	})
}

// Two nodes that lag as they like, write what they like when they like, and lose connections: values in Redis never go
// back, an epoch never does, and in the end Redis shows the state.
func TestSharedServerNeverGoesBack(t *testing.T) {
	s := startMini(t)
	look := s.client()
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		s.mini.FlushAll()
		c := startStation(t, 1, 2, 3)
		now := time.Unix(1_000_000_000, 0)
		c.SetClock(func() time.Time { now = now.Add(time.Millisecond); return now })
		w := writer{client: look, fenced: true}
		views := []*view{newView("fep1", true), newView("fep2", true)}
		round := func(i, limit int) {
			n := c.feps()[i]
			var records []record
			n.View(func(s *fsm.State) { records = views[i].next(s, limit) })
			refused, err := w.write(ctx, records, views[i].index)
			if err != nil {
				rt.Fatal(err)
			}
			for _, rtu := range refused.rtus {
				views[i].refuse(rtu)
			}
			if refused.virtual {
				views[i].redo = true
			}
		}
		before := content{}
		check := func() {
			got := read(t, look)
			for k, fields := range got {
				for _, f := range []string{"epoch", "t"} {
					old, _ := strconv.ParseFloat(before[k][f], 64)
					if v, _ := strconv.ParseFloat(fields[f], 64); v < old {
						rt.Fatalf("%s went back from %v to %v", k, before[k], fields)
					}
				}
			}
			before = got
		}
		c.configure(t, "virtual", []*fsmpb.Configure_Virtual{{Rtu: 100, Point: 1, Source: "rtu:1"}, {Rtu: 100, Point: 2, Source: "channel:2:1"}}, 1, 2, 3)
		var tick float64
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, 1).Draw(rt, "node")
			switch rapid.IntRange(0, 11).Draw(rt, "step") {
			case 0, 1:
				c.feps()[i].Lag(!c.feps()[i].Lags())
			case 2, 3, 4:
				round(i, rapid.IntRange(2, 30).Draw(rt, "limit"))
				check()
			case 5:
				views[i].forget()
			case 6:
				rtu := rapid.Uint32Range(1, 3).Draw(rt, "rtu")
				c.Assign(t, fsm.RTUResource(rtu), rapid.SampledFrom([]string{"fep1", "fep2"}).Draw(rt, "owner"))
			case 7:
				c.links(t, rapid.Uint32Range(1, 3).Draw(rt, "rtu"), c.feps()[i].ID(), fsmpb.LinkState(rapid.IntRange(0, 3).Draw(rt, "link")), fsmpb.LinkState_ACTIVE)
			default:
				rtu := rapid.Uint32Range(1, 3).Draw(rt, "rtu")
				if c.Resource(fsm.RTUResource(rtu)).Owner == "" {
					break
				}
				var items []*fsmpb.Item
				for range rapid.IntRange(1, 10).Draw(rt, "items") {
					tick++
					items = append(items, item(fsmpb.Kind_AI, rapid.Uint32Range(0, 20).Draw(rt, "point"), tick))
				}
				c.Values(t, rtu, items...)
			}
		}
		for rtu := range uint32(3) {
			if c.Resource(fsm.RTUResource(rtu+1)).Owner == "" {
				c.Assign(t, fsm.RTUResource(rtu+1), "fep2")
			}
		}
		for i := range views {
			c.feps()[i].Lag(false)
			for round(i, 50); views[i].more(); round(i, 50) {
			}
			check()
		}
		if diff := difference(before, c.expected()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// An owner that moves to and fro while both write: the two publishers as they run.
func TestOwnersInTurn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		c := furnished(t)
		c.Assign(t, fsm.RTUResource(3), "fep1")
		for _, n := range c.feps() {
			run(t, Config{Replica: n, Mode: redismode.Shared, Address: s.addr}).complete(t)
		}
		for i := range 40 {
			n := c.feps()[i%2]
			n.Lag(i%3 == 0)
			c.Assign(t, fsm.RTUResource(uint32(1+i%3)), c.feps()[i/2%2].ID())
			c.Values(t, uint32(1+i%3), item(fsmpb.Kind_DI, 7, float64(i)), item(fsmpb.Kind_AI, uint32(i), 1))
			n.Lag(false)
		}
		c.shows(t, s.client())
	})
}
