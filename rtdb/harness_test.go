package rtdb

import (
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica/replicatest"
)

// station is what the publishers of a test live from: two FEPs, whose views may lag.
type station struct{ *replicatest.Station }

// startStation makes a station that knows these RTUs, with two channels of one and two links.
func startStation(t testing.TB, rtus ...uint32) station {
	return station{replicatest.New(t, configuration("first", nil, rtus))}
}

// feps are both nodes that publish.
func (c station) feps() []*replicatest.Node {
	return []*replicatest.Node{c.Node("fep1"), c.Node("fep2")}
}

// configure puts another configuration in force. Virtual points are rtu, point and source.
func (c station) configure(t testing.TB, digest string, virtual []*fsmpb.Configure_Virtual, rtus ...uint32) {
	t.Helper()
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: configuration(digest, virtual, rtus)}})
}

func configuration(digest string, virtual []*fsmpb.Configure_Virtual, rtus []uint32) *fsmpb.Configure {
	cfg := &fsmpb.Configure{
		Digest: digest, Retain: 1000, Virtual: virtual,
		Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
	}
	for _, n := range rtus {
		cfg.Rtus = append(cfg.Rtus, &fsmpb.Configure_RTU{Number: n, Links: []uint32{1, 2}})
	}
	return cfg
}

// links reports the links of an RTU as a node sees them: channel 1, link 1, and channel 2, links 1 and 2.
func (c station) links(t testing.TB, rtu uint32, node string, states ...fsmpb.LinkState) {
	t.Helper()
	all := []*fsmpb.Links_Link{{Channel: 1, Link: 1}, {Channel: 2, Link: 1}, {Channel: 2, Link: 2}}[:len(states)]
	for i, s := range states {
		all[i].State = s
	}
	c.Do(t, node, &fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{Rtu: rtu, Node: node, Links: all}}})
}

// expected is what Redis has to show of the newest state.
func (c station) expected() (want content) {
	c.View(func(s *fsm.State) { want = expected(s) })
	return want
}

func item(kind fsmpb.Kind, point uint32, value float64) *fsmpb.Item {
	return &fsmpb.Item{
		Kind: kind, Point: point, Type: 30, Value: value, Time: 1<<32 | 1<<40 | 26<<48, TimeMs: int64(value),
		Mode: fsmpb.Item_IMAGE,
	}
}

// eventually waits for a condition, ten seconds at most.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, ok)
}

func within(t testing.TB, most time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", most, what)
		}
	}
}
