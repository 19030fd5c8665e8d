package rtdb

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// write puts records into a content, as a server would.
func (c content) write(records []record) {
	for i := range records {
		var e encoder
		name, fields := e.encode(&records[i])
		hash := map[string]string{}
		for f := 0; f < len(fields); f += 2 {
			hash[fields[f]] = fields[f+1]
		}
		c[name] = hash
	}
}

// step does something at random to a cluster of RTUs 1 to 3. Values only grow, so that an old one shows.
func step(t *rapid.T, tb testing.TB, c station, tick *float64) {
	rtu := rapid.Uint32Range(1, 3).Draw(t, "rtu")
	switch rapid.IntRange(0, 12).Draw(t, "what") {
	case 0:
		c.Assign(tb, fsm.RTUResource(rtu), rapid.SampledFrom([]string{"fep1", "fep2"}).Draw(t, "owner"))
	case 1, 2:
		state := rapid.SampledFrom([]fsmpb.LinkState{fsmpb.LinkState_DOWN, fsmpb.LinkState_STANDBY, fsmpb.LinkState_ACTIVE})
		c.links(tb, rtu, rapid.SampledFrom([]string{"fep1", "fep2"}).Draw(t, "node"), state.Draw(t, "1"), state.Draw(t, "2"), state.Draw(t, "3"))
	case 3:
		*tick++
		var points []*fsmpb.Configure_Virtual
		for point := range rapid.Uint32Range(0, 4).Draw(t, "virtual points") {
			points = append(points, &fsmpb.Configure_Virtual{Rtu: 100 + point%2, Point: point, Source: fmt.Sprintf("rtu:%d", 1+point%2)})
		}
		if points != nil {
			points[0].Rtu, points[0].Point = 1, 5000 // one among the points of a device
		}
		rtus := []uint32{1, 2, 3}[:rapid.IntRange(2, 3).Draw(t, "rtus")]
		c.configure(tb, fmt.Sprint(*tick), points, rtus...)
	default:
		if c.Resource(fsm.RTUResource(rtu)).Owner == "" {
			return // or it isn't configured
		}
		var items []*fsmpb.Item
		for range rapid.IntRange(1, 20).Draw(t, "items") {
			*tick++
			items = append(items, item(fsmpb.Kind(rapid.IntRange(1, 3).Draw(t, "kind")), rapid.Uint32Range(0, 60).Draw(t, "point"), *tick))
		}
		c.Values(tb, rtu, items...)
	}
}

// Whatever happens, and however it is cut into batches, what a view hands out is what the state is, in the end.
func TestViewFollowsTheState(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := startStation(t, 1, 2, 3)
		n := c.Node("fep1")
		v := newView("fep1", false)
		got := content{}
		next := func(limit int) {
			n.View(func(s *fsm.State) {
				before := v.config
				records := v.next(s, limit)
				if before != v.config {
					got = content{} // the sweep
				}
				got.write(records)
				if virtual := len(s.VirtualPoints()); len(records) > limit+2*3+3*3+virtual {
					rt.Fatalf("%d records at once, with a limit of %d points", len(records), limit)
				}
			})
		}
		var tick float64
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1, 2:
				next(rapid.IntRange(2, 40).Draw(rt, "limit"))
			case 3:
				if rapid.IntRange(0, 4).Draw(rt, "lost") == 0 {
					v.forget()
				}
			default:
				if c.Resource(fsm.RTUResource(3)).ID == "" {
					c.configure(t, fmt.Sprint("all", tick), nil, 1, 2, 3)
				}
				step(rt, t, c, &tick)
			}
		}
		next(2)
		for range 1000 {
			if !v.more() {
				break
			}
			next(2)
		}
		n.View(func(s *fsm.State) {
			if diff := difference(got, expected(s)); diff != "" || !v.complete() {
				rt.Fatalf("complete %t\n%s", v.complete(), diff)
			}
		})
	})
}

// More changes than the state remembers: the view scans, and doesn't keep them.
func TestViewCatchesUpByScanning(t *testing.T) {
	c := startStation(t, 1)
	c.Assign(t, fsm.RTUResource(1), "fep1")
	v := newView("fep1", false)
	got := content{}
	take := func(limit int) {
		c.Node("fep1").View(func(s *fsm.State) { got.write(v.next(s, limit)) })
	}
	items := make([]*fsmpb.Item, 70_000)
	for i := range items {
		items[i] = item(fsmpb.Kind_AI, uint32(i), 1)
	}
	c.Values(t, 1, items...)
	for take(1000); v.more(); take(1000) {
	}
	for i := range items {
		items[i].Value++
	}
	c.Values(t, 1, items...)
	take(1000)
	if len(v.changed) > 0 || len(v.scans) != 1 {
		t.Errorf("%d changes and %d scans, want a scan", len(v.changed), len(v.scans))
	}
	for ; v.more(); take(1000) {
	}
	c.Node("fep1").View(func(s *fsm.State) {
		if diff := difference(got, expected(s)); diff != "" {
			t.Error(diff)
		}
	})
}

// Changes don't wait for a scan, nor a scan for changes.
func TestViewSharesTheRoom(t *testing.T) {
	c := startStation(t, 1, 2)
	c.Assign(t, fsm.RTUResource(1), "fep1")
	c.Assign(t, fsm.RTUResource(2), "fep1")
	for i := range 1000 {
		c.Values(t, 1, item(fsmpb.Kind_AI, uint32(i), 1))
	}
	v := newView("fep1", false)
	n := c.Node("fep1")
	n.View(func(s *fsm.State) { v.next(s, 100) })
	for i := range 500 {
		c.Values(t, 2, item(fsmpb.Kind_DI, uint32(i), 1))
	}
	n.View(func(s *fsm.State) {
		count := map[uint32]int{}
		for _, r := range v.next(s, 100) {
			count[r.rtu]++
		}
		if count[1] != 50 || count[2] != 50 {
			t.Errorf("%d of the scan and %d changes, want 50 of each", count[1], count[2])
		}
	})
}

// In mode shared a node hands out what it owns, and virtual points.
func TestViewOfAnOwner(t *testing.T) {
	c := startStation(t, 1, 2)
	c.configure(t, "virtual", []*fsmpb.Configure_Virtual{{Rtu: 100, Point: 1, Source: "rtu:1"}}, 1, 2)
	c.Assign(t, fsm.RTUResource(1), "fep1")
	c.Assign(t, fsm.RTUResource(2), "fep2")
	c.Values(t, 1, item(fsmpb.Kind_DI, 1, 1))
	c.Values(t, 2, item(fsmpb.Kind_DI, 1, 1))
	v := newView("fep2", true)
	keys := func() (all []string) {
		c.Node("fep2").View(func(s *fsm.State) {
			for _, r := range v.next(s, 100) {
				all = append(all, r.String())
			}
		})
		return all
	}
	want := fmt.Sprint([]string{"useflag:rtu:2", "chan:2:1:1", "chan:2:2:1", "chan:2:2:2", "vpt:100:1", "yx:2:1"})
	if got := fmt.Sprint(keys()); got != want {
		t.Errorf("handed out %s, want %s", got, want)
	}
	c.Values(t, 1, item(fsmpb.Kind_DI, 1, 2))
	if got := keys(); len(got) > 0 {
		t.Errorf("handed out %v of another's", got)
	}
	c.Assign(t, fsm.RTUResource(1), "fep2")
	want = fmt.Sprint([]string{"useflag:rtu:1", "chan:1:1:1", "chan:1:2:1", "chan:1:2:2", "yx:1:1"})
	if got := fmt.Sprint(keys()); got != want {
		t.Errorf("after a move: handed out %s, want %s", got, want)
	}
}
