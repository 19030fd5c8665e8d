package server

import (
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
)

// A table's points are told apart: what has a value, what the owner says is missing, and what isn't known on this node.
func TestTableOfAnRTU(t *testing.T) {
	key := func(n uint32) fsm.PointKey { return fsm.PointKey{RTU: 1, Kind: fsm.DI, Point: n} }
	asked := true
	s := serve(t, func(c *Config) {
		c.Table = func(rtu uint32) []fsm.PointKey {
			if rtu != 1 {
				return nil
			}
			return []fsm.PointKey{key(17), key(18), key(99)}
		}
		c.Unanswered = func(uint32) (never, noLonger []fsm.PointKey, ok bool) {
			if !asked {
				return nil, nil, false
			}
			return []fsm.PointKey{key(99)}, []fsm.PointKey{key(18)}, true
		}
	})
	for _, c := range []struct {
		asked bool
		want  [3]string
	}{
		{true, [3]string{api.StateAnswered, api.StateNoLonger, api.StateNever}},
		{false, [3]string{api.StateAnswered, api.StateAnswered, api.StateNotAsked}},
	} {
		asked = c.asked
		table, err := s.Table(t.Context(), 1)
		if err != nil || table.Owner != "fep1" || table.Asked != c.asked || len(table.Points) != 3 {
			t.Fatalf("%+v, %v", table, err)
		}
		for i, p := range table.Points {
			if p.State != c.want[i] {
				t.Errorf("asked %t: point %d: %s, want %s", c.asked, p.Point.Point, p.State, c.want[i])
			}
		}
		if p := table.Points[0]; p.Name != "Incomer 101 breaker" || p.Value != 1 {
			t.Errorf("%+v", p)
		}
	}
	s.refuses(t, 404, api.CodeNotFound, "no RTU 9", "GET", "/v1/rtus/9/points", "")
}
