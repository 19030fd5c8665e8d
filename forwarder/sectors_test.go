package forwarder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// sectors are two stations on one port, whose points have the same addresses.
func sectors() Uplink {
	return Uplink{Sectors: []asdu.CommonAddress{101}, Controls: true, RoleIOA: roleIOA, Points: []Point{
		{IOA: 1, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_TB_1},
		{IOA: 301, RTU: 1, Kind: fsm.Counter, Point: 1, Type: asdu.M_IT_NA_1},
		{IOA: 600, RTU: 1, Kind: fsm.DO, Point: 9, Type: asdu.C_SC_NA_1},
		{Sector: 101, IOA: 1, RTU: 1, Kind: fsm.DI, Point: 2, Type: asdu.M_SP_TB_1},
		{Sector: 101, IOA: 600, RTU: 1, Kind: fsm.DO, Point: 8, Type: asdu.C_SC_NA_1},
	}}
}

// What all are asked each sector answers; what one is asked, that one.
func TestSectorsAnswerForThemselves(t *testing.T) {
	for _, tt := range []struct {
		what   string
		header asdu.Header
		object asdu.Object
		n      int
		want   string
	}{
		{"all", asdu.Header{Type: asdu.C_IC_NA_1, Cause: act, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: 20}, 6,
			"100:7 100:20 100:10 101:7 101:20 101:10"},
		{"the second", asdu.Header{Type: asdu.C_IC_NA_1, Cause: act, CommonAddress: 101}, asdu.Object{Qualifier: 20}, 3, "101:7 101:20 101:10"},
		{"all counters", asdu.Header{Type: asdu.C_CI_NA_1, Cause: act, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Qualifier: 5}, 5,
			"100:7 100:37 100:10 101:7 101:10"},
		{"all clocks", asdu.Header{Type: asdu.C_CS_NA_1, Cause: act, CommonAddress: asdu.BroadcastAddress}, asdu.Object{Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}, 2, "100:7 101:7"},
		{"a read", asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request, CommonAddress: 101}, asdu.Object{Address: 1}, 1, "101:5"},
		{"a read of what the other has", asdu.Header{Type: asdu.C_RD_NA_1, Cause: asdu.Request, CommonAddress: 101}, asdu.Object{Address: 301}, 1, "101:47"},
		{"nobody", asdu.Header{Type: asdu.C_IC_NA_1, Cause: act, CommonAddress: 102}, asdu.Object{Qualifier: 20}, 1, "102:46"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			_, cl := served(t, sectors())
			var got []string
			for _, a := range cl.ask(t, tt.n, tt.header, tt.object) {
				got = append(got, fmt.Sprintf("%d:%d", a.CommonAddress, a.Cause))
			}
			slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:3], b[:3]) })
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

// Events bear the common address of their sector, also those of one type in a row.
func TestSectorsHaveTheirEvents(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	u := sectors()
	u.Name, u.CommonAddress = "occ", commonAddress
	table, err := newTable(u, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	f := newTestFeed(t, c, 12, points)
	f.table = table
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	c.Values(t, 1, di(1, 1, 1), di(2, 1, 2), di(2, 0, 3), di(1, 0, 4))
	var got []string
	for _, a := range f.rest() {
		got = append(got, fmt.Sprintf("%d:%d", a.CommonAddress, a.Len()))
	}
	if s := strings.Join(got, " "); s != "100:1 101:2 100:1" {
		t.Errorf("ASDUs %s", s)
	}
}

// A control goes to the point of the sector that was addressed, and a selection in one is none in the other.
func TestSectorsHaveTheirControls(t *testing.T) {
	_, d, cl, _ := controls(t, sectors())
	o := asdu.Object{Address: 600, Value: 1}
	wantAnswers(t, cl.raw(t, 2, asdu.Header{Type: asdu.C_SC_NA_1, Cause: act, CommonAddress: 101}, o), []asdu.Object{o}, asdu.Header{Cause: con}, asdu.Header{Cause: term})
	if ops := d.operated(); len(ops) != 1 || ops[0].Point != 8 {
		t.Errorf("operated %+v", ops)
	}
}

func TestSectorsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		change func(*Uplink)
		say    string
	}{
		{func(u *Uplink) { u.Sectors = []asdu.CommonAddress{commonAddress} }, "sector with common address 100"},
		{func(u *Uplink) { u.Sectors = []asdu.CommonAddress{101, 101} }, "sector with common address 101"},
		{func(u *Uplink) { u.Sectors = []asdu.CommonAddress{asdu.BroadcastAddress} }, "sector with common address 65535"},
		{func(u *Uplink) { u.Sectors = nil }, "no sector with common address 101"},
		{func(u *Uplink) {
			u.Points = append(u.Points, Point{Sector: 101, IOA: 2, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_TB_1})
		}, "has an address already"},
	} {
		u := sectors()
		u.Name, u.CommonAddress, u.Mode, u.Groups = "occ", commonAddress, fsm.Exclusive, []Group{{Name: "a"}}
		tt.change(&u)
		_, table := newTable(u, time.UTC)
		if err := fmt.Sprint(validate([]Uplink{u}), table); !strings.Contains(err, tt.say) {
			t.Errorf("%s, want %q", err, tt.say)
		}
	}
}
