package rtdb

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
)

// FuzzRequest reads whatever may stand in an entry of ctl:req: what is taken is a control's, and what is wrong is said in a text
// that can be written into the answer.
func FuzzRequest(f *testing.F) {
	f.Add("1700000000000-0", "x", "1", "2", "do", "1", "1", "short", "1700000000000")
	f.Add("x", "\xff", "-1", "4294967296", "di", "nan", "maybe", "brief", "soon")
	f.Add("18446744073709551615-0", "y", "0x1", "1", "ao", "1e400", "", "255", "-9223372036854775808")
	f.Fuzz(func(t *testing.T, entry, id, rtu, point, kind, val, selects, qualifier, deadline string) {
		r, err := readRequest(redis.XMessage{ID: entry, Values: map[string]any{
			"id": id, "rtu": rtu, "point": point, "kind": kind, "val": val, "select": selects, "qualifier": qualifier, "deadline": deadline,
		}})
		if r.entry != entry || len(r.id) > maxRequestID {
			t.Errorf("entry %q, id %q", r.entry, r.id)
		}
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("a reason of %d octets", len(err.Error()))
			}
			return
		}
		if !utf8.ValidString(r.id) || math.IsNaN(r.value) || math.IsInf(r.value, 0) || r.point.Kind != fsm.DO && r.point.Kind != fsm.AO {
			t.Errorf("taken: %+v", r)
		}
		if c := r.submit("redis-", Control{}); c.Rtu != r.point.RTU || c.Value != r.value {
			t.Errorf("submitted: %+v", c)
		}
	})
}
