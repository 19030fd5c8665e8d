package node

import (
	"testing"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
)

// Each row of each uplink's table is found by its point, and by no other.
func TestAddressesKnowEveryRow(t *testing.T) {
	s, err := configs.LoadFS(configs.Examples, "examples/station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	index := newAddresses(s)
	rows := 0
	for _, u := range s.Uplinks {
		for _, p := range u.Points {
			found := 0
			for _, a := range index.of(fsm.PointKey{RTU: p.RTU, Kind: p.Kind, Point: p.Number}) {
				if a.Uplink == u.Name && a.IOA == p.IOA && a.Type == uint8(p.Type) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: address %d of %d/%v/%d was found %d times", u.Name, p.IOA, p.RTU, p.Kind, p.Number, found)
			}
			rows++
		}
		if table, ok := index.table(u.Name); !ok || len(table) != len(u.Points) || table[0].IOA != u.Points[0].IOA {
			t.Errorf("%s: the table has %d rows, want %d", u.Name, len(table), len(u.Points))
		}
	}
	if rows == 0 {
		t.Fatal("the example has no uplink table")
	}
	if list := index.of(fsm.PointKey{RTU: 65000, Kind: fsm.DI, Point: 1}); list != nil {
		t.Errorf("no point of the station: %v", list)
	}
}
