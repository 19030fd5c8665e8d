package forwarder

import (
	"testing"
	"time"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica/replicatest"
)

// station is what the forwarders of a test live from.
type station struct {
	*replicatest.Station
	said *conditiontest.Said
}

var configuration = &fsmpb.Configure{
	Digest: "test", Retain: 100_000,
	Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
	Rtus:  []*fsmpb.Configure_RTU{{Number: 1, Name: "one", Links: []uint32{1}}, {Number: 2, Name: "two", Links: []uint32{1}}},
}

// startStation makes a station whose uplink "occ" has the groups given, and whose RTUs are fep1's.
func startStation(t testing.TB, mode fsmpb.Configure_Mode, groups ...string) station {
	cfg := &fsmpb.Configure{Digest: configuration.Digest, Retain: configuration.Retain, Nodes: configuration.Nodes, Rtus: configuration.Rtus}
	for _, g := range groups {
		cfg.Groups = append(cfg.Groups, &fsmpb.Configure_Group{Uplink: "occ", Group: g, Mode: mode})
	}
	c := station{replicatest.New(t, cfg), new(conditiontest.Said)}
	for _, rtu := range []uint32{1, 2} {
		c.Assign(t, fsm.RTUResource(rtu), "fep1")
	}
	return c
}

// di is an event of a digital point, told apart by its time tag.
func di(point uint32, value float64, n uint64) *fsmpb.Item {
	return &fsmpb.Item{Kind: fsmpb.Kind_DI, Point: point, Type: 30, Value: value, Time: tag(n), TimeMs: int64(n)}
}

// tag is a valid time tag with a number in it: ms and minutes of 1 January 2026.
func tag(n uint64) uint64 {
	ms, minutes := n%60_000, n/60_000
	return ms | minutes%60<<16 | minutes/60<<24 | 1<<32 | 1<<40 | 26<<48
}

// numberOf is the inverse of tag.
func numberOf(t asdu.CP56Time2a) uint64 {
	return uint64(t[0]) | uint64(t[1])<<8 + 60_000*uint64(t[2]&0x3f) + 3_600_000*uint64(t[3]&0x1f)
}

func ai(point uint32, value float64) *fsmpb.Item {
	return &fsmpb.Item{Kind: fsmpb.Kind_AI, Point: point, Type: 13, Value: value, Time: tag(1), TimeMs: 1, Mode: fsmpb.Item_IMAGE}
}

// patience is for machines with much else to do: nothing that's tested takes so long.
const patience = 15 * time.Second

// eventually waits for a condition, as long as patience lasts.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
