package rtdb

import (
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// RTUs behind one connection have its owner, epoch and links, each under its own number, in both modes, also when it moves.
func TestViewOfASharedLink(t *testing.T) {
	for _, shared := range []bool{false, true} {
		c := startStation(t, 1, 2, 3)
		cfg := configuration("shared", nil, []uint32{1, 2, 3})
		cfg.Rtus[2].Shares = 2
		c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
		c.Assign(t, fsm.RTUResource(1), "fep1")
		got := content{}
		views := map[string]*view{"fep1": newView("fep1", shared), "fep2": newView("fep2", shared)}
		look := func() {
			t.Helper()
			for node, v := range views {
				c.Node(node).View(func(s *fsm.State) {
					for got.write(v.next(s, 100)); v.more(); {
						got.write(v.next(s, 100))
					}
				})
			}
		}
		for i, owner := range []string{"fep1", "fep2", "fep1"} {
			c.Assign(t, fsm.RTUResource(2+uint32(i%2)), owner) // whichever is named
			c.links(t, 2, owner, fsmpb.LinkState_ACTIVE, fsmpb.LinkState_STANDBY)
			c.Values(t, 2, item(fsmpb.Kind_DI, 1, float64(i)))
			c.Values(t, 3, item(fsmpb.Kind_DI, 1, float64(10+i)))
			look()
			host := map[string]string{"fep1": "1", "fep2": "2"}[owner]
			for key, want := range map[string]map[string]string{
				"useflag:rtu:2": {"host": host}, "useflag:rtu:3": {"host": host}, "useflag:rtu:1": {"host": "1"},
				"yx:2:1": {"host": host, "val": string('0' + rune(i))}, "yx:3:1": {"host": host, "val": "1" + string('0'+rune(i))},
				"chan:2:1:1": {"host" + host: "active"}, "chan:3:1:1": {"host" + host: "active"}, "chan:3:2:1": {"host" + host: "standby"}, "chan:1:1:1": {"host" + host: "down"},
			} {
				for field, value := range want {
					if got[key][field] != value {
						t.Errorf("shared %t, move %d: %s has %s %q, expected %q", shared, i, key, field, got[key][field], value)
					}
				}
			}
			if a, b := got["useflag:rtu:2"]["epoch"], got["useflag:rtu:3"]["epoch"]; a != b || a == "" {
				t.Errorf("shared %t, move %d: epochs %q and %q", shared, i, a, b)
			}
		}
	}
}
