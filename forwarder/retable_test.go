package forwarder

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// Uplinks come, change and go, and the clients of the others stay connected: also those of one whose points change.
func TestConfigureLeavesOthersAlone(t *testing.T) {
	c := startStation(t, fsmpb.Configure_MAIN_STANDBY, "a")
	u := Uplink{Name: "occ", CommonAddress: commonAddress, Mode: fsm.MainStandby, Listen: freeAddress(t), Groups: []Group{{Name: "a"}}, Points: points}
	f := c.start(t, "fep1", u)
	one := begin(t, f.address)
	c.Values(t, 1, di(1, 1, 1), ai(9, 5))
	eventually(t, "an event", func() bool { return slices.Equal(one.numbers(), []uint64{1}) })

	configure := func(uplinks ...Uplink) {
		t.Helper()
		cfg := &fsmpb.Configure{Digest: t.Name(), Nodes: configuration.Nodes, Rtus: configuration.Rtus}
		for _, u := range uplinks {
			for _, g := range u.Groups {
				cfg.Groups = append(cfg.Groups, &fsmpb.Configure_Group{Uplink: u.Name, Group: g.Name, Mode: fsmpb.Configure_MAIN_STANDBY})
			}
		}
		c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
		if err := f.Configure(uplinks); err != nil {
			t.Fatal(err)
		}
	}
	// Another uplink comes, and points change: one has another address, one goes, two come.
	more := slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.IOA == 102 })
	more[0].IOA = 1101
	more = append(more, Point{IOA: 299, RTU: 1, Kind: fsm.AI, Point: 9, Type: asdu.M_ME_NC_1}, Point{IOA: 199, RTU: 2, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_TB_1})
	next, second := u, u
	next.Points = more
	second.Name, second.Listen = "scada", freeAddress(t)
	configure(next, second)
	two := begin(t, second.Listen)
	eventually(t, "the client is told that there's something to ask for", func() bool {
		return slices.ContainsFunc(one.find(asdu.M_EI_NA_1, asdu.Initialized), func(o asdu.Object) bool { return o.Qualifier == changedParameters })
	})
	eventually(t, "the new analog's value", func() bool {
		return slices.ContainsFunc(one.find(asdu.M_ME_NC_1, asdu.Spontaneous), func(o asdu.Object) bool { return o.Address == 299 && o.Value == 5 })
	})
	c.Values(t, 1, di(1, 0, 2), di(2, 1, 3))
	c.Values(t, 2, di(1, 1, 4))
	eventually(t, "events of the new table", func() bool { return slices.Equal(one.numbers(), []uint64{1, 2, 4}) })
	if last := one.asdus()[len(one.asdus())-1]; last.Cause != asdu.Spontaneous {
		t.Errorf("%v", last)
	}
	if err := one.Interrogate(t.Context(), commonAddress, asdu.QOIStation); err != nil {
		t.Fatalf("the client was disconnected: %v", err)
	}
	single := one.find(asdu.M_SP_NA_1, asdu.InterrogatedStation)
	has := func(a asdu.InformationObjectAddress) bool {
		return slices.ContainsFunc(single, func(o asdu.Object) bool { return o.Address == a })
	}
	if !has(1101) || !has(199) || has(101) || has(102) {
		t.Errorf("interrogated %v", single)
	}

	// A refused list changes nothing.
	bad := next
	bad.CommonAddress = 0
	if err := f.Configure([]Uplink{bad, second}); !errors.Is(err, ErrConfig) {
		t.Errorf("%v, want %v", err, ErrConfig)
	}

	// One changes its clients, the other stays.
	restricted := second
	restricted.Groups = []Group{{Name: "a", Clients: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	configure(next, restricted)
	<-two.Done()
	if refused := connect(t, second.Listen, false); refused.StartDT(t.Context()) == nil {
		t.Error("a client that's no longer allowed was started")
	}
	// It goes, and its port is free.
	configure(next)
	if reachable(second.Listen) {
		t.Error("an uplink that's gone listens")
	}
	if stats := f.Stats(); len(stats) != 1 || stats[0].Groups[0].Starts != 1 {
		t.Errorf("the client of the one that stays was not left alone: %+v", stats)
	}
	if err := one.Interrogate(t.Context(), commonAddress, asdu.QOIStation); err != nil {
		t.Fatal(err)
	}
	f.stop()
	if reachable(f.address) {
		t.Error("still listening")
	}
}

// What was queued on a link when the table changes goes out as the new table has it.
func TestFeedTakesAnotherTable(t *testing.T) {
	old, err := newTable(Uplink{Name: "occ", CommonAddress: commonAddress, Points: points}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	var moved []Point
	for i := len(points) - 1; i >= 0; i-- {
		if p := points[i]; p.IOA != 201 {
			p.IOA += 1000
			moved = append(moved, p)
		}
	}
	next, err := newTable(Uplink{Name: "occ", CommonAddress: commonAddress, Points: moved, RoleIOA: 1}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{table: old, config: iec104.DefaultConfig(), sectors: []asdu.CommonAddress{commonAddress}, wake: func() {}}
	for i := range old.entries {
		if old.entries[i].key.Kind == fsm.AI {
			f.changed.add(int32(i), len(old.entries))
		}
	}
	f.jobs = []*job{{entries: slices.Clone(old.sectors[commonAddress].interrogated)}}
	f.setTable(next)
	addresses := func(list []int32) (all []asdu.InformationObjectAddress) {
		for _, i := range list {
			all = append(all, next.entries[i].address)
		}
		slices.Sort(all)
		return all
	}
	if got := addresses(f.changed.queue); !slices.Equal(got, []asdu.InformationObjectAddress{1202}) {
		t.Errorf("analogs that wait: %v, want 1202: 201 is gone", got)
	}
	if got := addresses(f.jobs[0].entries); !slices.Equal(got, []asdu.InformationObjectAddress{1101, 1102, 1103, 1202}) {
		t.Errorf("still to be interrogated: %v", got)
	}
}
