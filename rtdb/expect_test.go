package rtdb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
)

// The view as DESIGN, section 9, has it: keys with their fields.
type content map[string]map[string]string

// expected is what has to be in Redis for a state, worked out as simply as can be.
func expected(s *fsm.State) content {
	c := content{}
	host := func(node string) string {
		n, _ := s.Node(node)
		return strconv.Itoa(int(n.Host))
	}
	isVirtual := map[fsm.PointKey]bool{}
	for _, v := range s.VirtualPoints() {
		isVirtual[fsm.PointKey{RTU: v.RTU, Kind: fsm.DI, Point: v.Point}] = true
		bit := map[bool]string{false: "0", true: "1"}
		c[fmt.Sprintf("vpt:%d:%d", v.RTU, v.Point)] = map[string]string{
			"vala": bit[v.ValA], "valb": bit[v.ValB], "val": bit[v.Val], "t": fmt.Sprint(v.TimeMs),
		}
	}
	for _, u := range s.RTUs() {
		r, _ := s.Resource(fsm.RTUResource(u.Number))
		c[fmt.Sprintf("useflag:rtu:%d", u.Number)] = map[string]string{"host": host(r.Owner), "epoch": fmt.Sprint(r.Epoch)}
		for k, p := range s.Points(u.Number) {
			prefix := map[fsm.Kind]string{fsm.DI: "yx", fsm.AI: "yc", fsm.Counter: "dd"}[k.Kind]
			if !isVirtual[k] {
				c[fmt.Sprintf("%s:%d:%d", prefix, k.RTU, k.Point)] = map[string]string{
					"val": strconv.FormatFloat(p.Value, 'f', -1, 64), "q": fmt.Sprint(p.Quality), "t": fmt.Sprint(p.TimeMs), "host": host(r.Owner), "type": fmt.Sprint(p.Type),
				}
			}
		}
		for channel, links := range u.Links {
			for link := range links {
				state := func(node string) string {
					for _, l := range s.Links(u.Number, node) {
						if int(l.Channel) == channel+1 && int(l.Link) == link+1 {
							return l.State.String()
						}
					}
					return "down"
				}
				c[fmt.Sprintf("chan:%d:%d:%d", u.Number, channel+1, link+1)] = map[string]string{
					"host1": state("fep1"), "host2": state("fep2"),
				}
			}
		}
	}
	return c
}

// read reads all keys of the view, but for those of the package's own that DESIGN doesn't name.
func read(t testing.TB, client *redis.Client) content {
	t.Helper()
	ctx := context.Background()
	c := content{}
	var cursor uint64
	for {
		keys, next, err := client.Scan(ctx, cursor, "*", 1000).Result()
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		pipe := client.Pipeline()
		var cmds []*redis.MapStringStringCmd
		for _, k := range keys {
			if !strings.HasPrefix(k, "fepha:") && !strings.HasPrefix(k, "ctl:") {
				cmds = append(cmds, pipe.HGetAll(ctx, k))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatalf("hgetall: %v", err)
		}
		for _, cmd := range cmds {
			fields := cmd.Val()
			delete(fields, "index") // of virtual points, in mode shared
			if len(fields) > 0 {    // else it was removed between the two
				c[cmd.Args()[1].(string)] = fields
			}
		}
		if cursor = next; cursor == 0 {
			return c
		}
	}
}

// difference says how a view differs from what is expected; "" if it doesn't.
func difference(got, want content) string {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[k]; !ok {
			lines = append(lines, fmt.Sprintf("%s is missing", k))
		} else if !maps.Equal(g, want[k]) {
			lines = append(lines, fmt.Sprintf("%s is %v, want %v", k, g, want[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			lines = append(lines, fmt.Sprintf("%s should not be there", k))
		}
	}
	if len(lines) > 10 {
		lines = append(lines[:10], fmt.Sprintf("and %d more", len(lines)-10))
	}
	return strings.Join(lines, "\n")
}

// shows waits until Redis shows the newest state.
func (c station) shows(t testing.TB, client *redis.Client) {
	t.Helper()
	var diff string
	defer func() {
		if t.Failed() {
			t.Log(diff)
		}
	}()
	eventually(t, "the view is that of the state", func() bool {
		got := read(t, client)
		want := c.expected()
		diff = difference(got, want)
		return diff == ""
	})
}
