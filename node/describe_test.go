package node

import (
	"testing"

	"github.com/fepha/fepha/api/server"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// The describer finds each point of a station, and what it finds is that point.
func TestDescriberKnowsEveryPoint(t *testing.T) {
	s, err := configs.LoadFS(configs.Examples, "examples/station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	describe := describer(s)
	want := make(map[fsm.PointKey]server.PointInfo)
	for _, r := range s.RTUs {
		for _, p := range r.Points {
			info := server.PointInfo{Name: p.Name, Unit: p.Scaling().Unit, Type: uint8(p.Type), Category: p.Category.String()}
			if p.Type == asdu.C_DC_NA_1 {
				info.Off = 1
			}
			want[fsm.PointKey{RTU: r.Number, Kind: p.Kind, Point: p.Number}] = info
		}
	}
	for _, v := range s.VirtualPoints {
		want[fsm.PointKey{RTU: v.RTU, Kind: fsm.DI, Point: v.Number}] = server.PointInfo{Name: v.Name}
	}
	for k, info := range want {
		if got, ok := describe(k); !ok || got != info {
			t.Errorf("%v: %+v, want %+v", k, got, info)
		}
	}
	for _, k := range []fsm.PointKey{{}, {RTU: 1, Kind: fsm.AO, Point: 4711}, {RTU: 900, Kind: fsm.AI, Point: 1}, {RTU: 77, Kind: fsm.DI, Point: 1}} {
		if _, known := want[k]; known {
			t.Fatalf("%v is no example of an unknown point", k)
		}
		if info, ok := describe(k); ok {
			t.Errorf("%v: %+v, want none", k, info)
		}
	}
}
