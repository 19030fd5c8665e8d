package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// fakeStation is a station as its leader sees it.
type fakeStation struct {
	info  replica.Info
	state *fsm.State
	index uint64
	cfg   *configs.Station
	said  conditiontest.Said
}

func (f *fakeStation) Info() replica.Info         { return f.info }
func (f *fakeStation) IsLeader() bool             { return f.info.State == "leader" }
func (f *fakeStation) View(read func(*fsm.State)) { read(f.state) }

func (f *fakeStation) do(t *testing.T, node string, c *fsmpb.Command) {
	t.Helper()
	f.index++
	c.Node, c.AtMs = node, int64(f.index)
	if r := f.state.Apply(f.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]; r.Code > fsmpb.Result_DUPLICATE {
		t.Fatalf("%v: %v %s", c, r.Code, r.Message)
	}
}

func (f *fakeStation) links(t *testing.T, node string, states ...fsmpb.LinkState) {
	t.Helper()
	op := &fsmpb.Links{Rtu: 1, Node: node}
	for i, s := range states {
		op.Links = append(op.Links, &fsmpb.Links_Link{Channel: uint32(i + 1), Link: 1, State: s})
	}
	f.do(t, node, &fsmpb.Command{Op: &fsmpb.Command_Links{Links: op}})
}

func (f *fakeStation) online(t *testing.T, online bool) {
	t.Helper()
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Online{Online: &fsmpb.Online{Rtu: 1, Online: online}}})
}

func (f *fakeStation) clients(t *testing.T, node string, roles ...string) {
	t.Helper()
	op := &fsmpb.Clients{Resource: "uplink/occ/main", Node: node}
	for _, role := range roles {
		op.Clients = append(op.Clients, &fsmpb.Clients_Client{Address: "c", Started: role != "held", Role: role})
	}
	f.do(t, node, &fsmpb.Command{Op: &fsmpb.Command_Clients{Clients: op}})
}

// wellStation is one in which nothing is wrong.
func wellStation(t *testing.T) *fakeStation {
	f := &fakeStation{state: fsm.New()}
	f.info = replica.Info{ID: "fep1", State: "leader", Leader: "fep1", Quorum: true, Lease: true, Peers: []replica.Peer{
		{ID: "fep1", Role: replica.RoleFEP, Voter: true, Alive: true, Lease: true, Build: "1"},
		{ID: "fep2", Role: replica.RoleFEP, Voter: true, Alive: true, Lease: true, Build: "1"},
		{ID: "wit", Role: replica.RoleWitness, Voter: true, Alive: true, Build: "1"},
	}}
	f.cfg = &configs.Station{
		RTUs: []configs.RTU{{Number: 1, StandbyProbe: configs.ProbeConnect, Points: []configs.Point{
			{Kind: fsm.DI, Number: 1, Name: "breaker"}, {Kind: fsm.DO, Number: 9},
		}}},
		Uplinks: []configs.Uplink{{Name: "occ", Points: []configs.UplinkPoint{{RTU: 1, Kind: fsm.DI, Number: 1}}}},
	}
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
		Retain: 10,
		Nodes:  []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"}},
		Rtus:   []*fsmpb.Configure_RTU{{Number: 1, Links: []uint32{1, 1}}},
		Groups: []*fsmpb.Configure_Group{{Uplink: "occ", Group: "main", Mode: fsmpb.Configure_MAIN_STANDBY}},
	}}})
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "rtu/1", Owner: "fep1"}}})
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "uplink/occ/main", Owner: "fep1"}}})
	f.links(t, "fep1", fsmpb.LinkState_ACTIVE, fsmpb.LinkState_STANDBY)
	f.links(t, "fep2", fsmpb.LinkState_STANDBY)
	f.online(t, true)
	f.clients(t, "fep1", "main")
	f.clients(t, "fep2", "standby")
	return f
}

func (f *fakeStation) peer(i int) *replica.Peer { return &f.info.Peers[i] }

// Each thing that can be wrong is found, alone, after it has been so for a while, and is taken back when it isn't any more.
func TestGroup(t *testing.T) {
	for _, c := range []struct {
		name   string
		wrong  func(*testing.T, *fakeStation)
		mend   func(*testing.T, *fakeStation)
		expect string // ids, and what is said of the first
		says   string
	}{
		{"a dead FEP", func(_ *testing.T, f *fakeStation) { f.peer(1).Alive = false }, func(_ *testing.T, f *fakeStation) { f.peer(1).Alive = true },
			"node.fep2.dead station.quorum_risk", "the node is not heard of"},
		{"no lease", func(_ *testing.T, f *fakeStation) { f.peer(1).Lease = false }, func(_ *testing.T, f *fakeStation) { f.peer(1).Lease = true },
			"node.fep2.no_lease", "it may run no link"},
		{"another configuration", func(_ *testing.T, f *fakeStation) { f.peer(2).ConfigDiffers = true }, func(_ *testing.T, f *fakeStation) { f.peer(2).ConfigDiffers = false },
			"node.wit.configuration", "another configuration"},
		{"another version", func(_ *testing.T, f *fakeStation) { f.peer(2).Build = "2" }, func(_ *testing.T, f *fakeStation) { f.peer(2).Build = "1" },
			"node.wit.version", "version 2, the leader 1"},
		{"off line", func(t *testing.T, f *fakeStation) {
			f.links(t, "fep1")
			f.links(t, "fep2")
			f.online(t, false)
		}, func(t *testing.T, f *fakeStation) {
			f.links(t, "fep1", fsmpb.LinkState_ACTIVE, fsmpb.LinkState_STANDBY)
			f.links(t, "fep2", fsmpb.LinkState_STANDBY)
			f.online(t, true)
		}, "rtu.1.offline", "on no channel of either FEP"},
		{"nobody's", func(t *testing.T, f *fakeStation) {
			f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "rtu/1", ExpectEpoch: 1}}})
		}, func(t *testing.T, f *fakeStation) {
			f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "rtu/1", ExpectEpoch: 2, Owner: "fep1"}}})
		}, "rtu.1.unowned", "nobody collects"},
		{"a link down", func(t *testing.T, f *fakeStation) {
			f.links(t, "fep1", fsmpb.LinkState_ACTIVE, fsmpb.LinkState_CONNECTING)
		},
			func(t *testing.T, f *fakeStation) {
				f.links(t, "fep1", fsmpb.LinkState_ACTIVE, fsmpb.LinkState_STANDBY)
			}, "rtu.1.link_down", "link 2:1 is down on fep1"},
		{"not reached from the other FEP", func(t *testing.T, f *fakeStation) { f.links(t, "fep2") },
			func(t *testing.T, f *fakeStation) { f.links(t, "fep2", fsmpb.LinkState_STANDBY) }, "rtu.1.no_reserve", "fep2, the other FEP, does not reach"},
		{"no client", func(t *testing.T, f *fakeStation) { f.clients(t, "fep1") }, func(t *testing.T, f *fakeStation) { f.clients(t, "fep1", "main") },
			"uplink.occ.main.no_client", "no control centre"},
		{"one link", func(t *testing.T, f *fakeStation) { f.clients(t, "fep2") }, func(t *testing.T, f *fakeStation) { f.clients(t, "fep2", "standby") },
			"uplink.occ.main.one_link", "a link to fep1 only"},
		{"a backlog", func(t *testing.T, f *fakeStation) { f.events(t, 9) }, func(t *testing.T, f *fakeStation) { f.cursor(t, f.state.JournalLast()) },
			"uplink.occ.main.retention", "9 events wait for the control centre, 10 are kept"},
		{"a point in no uplink", func(_ *testing.T, f *fakeStation) {
			f.cfg = &configs.Station{RTUs: f.cfg.RTUs, Uplinks: []configs.Uplink{{Name: "occ"}}}
		}, func(_ *testing.T, f *fakeStation) {
			f.cfg = &configs.Station{RTUs: f.cfg.RTUs}
		}, "rtu.1.no_uplink", "1 points of the RTU are in no uplink's table, such as di/1 breaker"},
		{"a value given by hand", func(t *testing.T, f *fakeStation) { f.override(t, fsmpb.Override_SUBSTITUTE) },
			func(t *testing.T, f *fakeStation) { f.override(t, fsmpb.Override_RELEASE) },
			"point.1.di.1.substituted", "1/di/1 breaker has a value given by hand, by alice: contact broken"},
		{"a FEP's clock", func(_ *testing.T, f *fakeStation) { f.clocks(0, 1500*time.Millisecond, 20*time.Millisecond) },
			func(_ *testing.T, f *fakeStation) { f.clocks(0, 0, 0) },
			"node.fep2.clock_off", "the node's clock is off by +1.5 s from that of fep1"},
		{"a clock that may be right as far as is known", func(_ *testing.T, f *fakeStation) {
			f.clocks(time.Second, 150*time.Millisecond, -3*time.Second)
			f.peer(1).ClockError = 60 * time.Millisecond
		}, func(_ *testing.T, f *fakeStation) { f.clocks(0, 0, 0) },
			"node.wit.clock_off", "off by -3.0 s from that of fep1"},
		{"the leader's clock, by which all others are off alike", func(_ *testing.T, f *fakeStation) { f.clocks(0, -2*time.Second, -2*time.Second) },
			func(_ *testing.T, f *fakeStation) { f.clocks(0, 0, 0) },
			"node.fep1.clock_off", "the node's clock is off by +2.0 s from that of fep2"},
		{"under maintenance", func(t *testing.T, f *fakeStation) { f.maintenance(t, true) }, func(t *testing.T, f *fakeStation) { f.maintenance(t, false) },
			"node.fep2.maintenance", "under maintenance"},
		{"a node that waits to be added", func(_ *testing.T, f *fakeStation) {
			f.info.Outside, f.info.Quorum, f.info.State = true, false, "follower"
		}, func(_ *testing.T, f *fakeStation) {
			f.info.Outside, f.info.Quorum, f.info.State = false, true, "leader"
		}, "node.fep1.not_added", "the node waits to be added to the group"},
		{"a point that is blocked", func(t *testing.T, f *fakeStation) {
			f.events(t, 1)
			f.override(t, fsmpb.Override_BLOCK)
		},
			func(t *testing.T, f *fakeStation) { f.override(t, fsmpb.Override_RELEASE) }, "point.1.di.1.blocked", "1/di/1 breaker"},
		{"no quorum", func(_ *testing.T, f *fakeStation) { f.info.Quorum, f.info.State = false, "candidate" }, func(_ *testing.T, f *fakeStation) { f.info.Quorum, f.info.State = true, "leader" },
			"station.quorum_lost", "no quorum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := wellStation(t)
			g := &Group{Node: f, Config: func() *configs.Station { return f.cfg }, Tables: func() []condition.Report { return Unforwarded(f.cfg) }, Build: "1", Reporter: &f.said}
			now := time.Unix(1_700_000_000, 0)
			f.cursor(t, f.state.JournalLast())
			pass := func(d time.Duration) {
				for end := now.Add(d); now.Before(end); now = now.Add(groupPeriod) {
					g.round(now)
				}
			}
			pass(2 * patience)
			f.expect(t, "")
			c.wrong(t, f)
			pass(patience)
			if c.name != "a dead FEP" {
				f.expect(t, "")
			}
			pass(groupPeriod)
			f.expect(t, c.expect)
			if text := f.said.Says(strings.Fields(c.expect)[0]); !strings.Contains(text, c.says) {
				t.Errorf("%q does not say %q", text, c.says)
			}
			c.mend(t, f)
			pass(groupPeriod)
			f.expect(t, "")
		})
	}
}

// clocks has each node's clock be ahead of the leader's by so much.
func (f *fakeStation) clocks(offsets ...time.Duration) {
	for i, o := range offsets {
		f.peer(i).ClockKnown, f.peer(i).ClockOffset, f.peer(i).ClockError = true, o, 5*time.Millisecond
	}
}

func (f *fakeStation) maintenance(t *testing.T, on bool) {
	t.Helper()
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Maintenance{Maintenance: &fsmpb.Maintenance{Node: "fep2", On: on}}})
}

// What is wrong with an export is told of it, and an export that one node reaches is reached.
func TestExportsAreJudged(t *testing.T) {
	for _, tc := range []struct {
		export     fsm.Export
		want, says string
	}{
		{export: fsm.Export{}},
		{fsm.Export{Paused: true, Backlog: 7}, "export.history.export_paused", "7"},
		{fsm.Export{LostTo: 9, Cursor: 8, Dropped: 3}, "export.history.export_dropped", "3"},
		{export: fsm.Export{LostTo: 9, Cursor: 9, Dropped: 3}},
		{fsm.Export{Reach: map[string]fsm.ExportReach{"fep1": {Reason: "refused"}}}, "export.history.export_unreachable", "fep1: refused"},
		{export: fsm.Export{Reach: map[string]fsm.ExportReach{"fep1": {Reason: "refused"}, "fep2": {OK: true}}}},
	} {
		var said conditiontest.Said
		tc.export.Resource = "export/history"
		var j judgement
		j.export(tc.export)
		for _, r := range j.found {
			said.Set(r)
		}
		if said.IDs() != tc.want || tc.want != "" && !strings.Contains(said.Says(tc.want), tc.says) {
			t.Errorf("%+v: %q says %q, want %q with %q", tc.export, said.IDs(), said.Says(tc.want), tc.want, tc.says)
		}
	}
}

// override gives a point a value by hand, or takes it back; the control centre has both events at once.
func (f *fakeStation) override(t *testing.T, mode fsmpb.Override_Mode) {
	t.Helper()
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Override{Override: &fsmpb.Override{
		Rtu: 1, Kind: fsmpb.Kind_DI, Point: 1, Type: 30, Mode: mode, Value: 1, Reason: "contact broken", Origin: "alice",
	}}})
	f.cursor(t, f.state.JournalLast())
}

// events appends events to the journal.
func (f *fakeStation) events(t *testing.T, n int) {
	t.Helper()
	ev := &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: 1}
	for i := range n {
		ev.Items = append(ev.Items, &fsmpb.Item{Kind: fsmpb.Kind_DI, Point: 1, Type: 30, Value: float64(i % 2)})
	}
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: ev}})
}

func (f *fakeStation) cursor(t *testing.T, seq uint64) {
	t.Helper()
	f.do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Cursor{Cursor: &fsmpb.Cursor{Resource: "uplink/occ/main", Seq: seq, Epoch: 1}}})
}

func (f *fakeStation) expect(t *testing.T, ids string) {
	t.Helper()
	if got := f.said.IDs(); got != ids {
		t.Fatalf("conditions: got %q, want %q", got, ids)
	}
}

// A node that becomes leader takes back what the former one reported and what isn't so, once it sees that; and not before it
// has looked for as long as it would before it reported it.
func TestFormerLeadersReports(t *testing.T) {
	f := wellStation(t)
	for _, k := range []*condition.Kind{condition.NodeDead, condition.OtherBuild} {
		f.do(t, "fep2", &fsmpb.Command{Op: &fsmpb.Command_ConditionReport{ConditionReport: &fsmpb.ConditionReport{
			Kind: k.Name, Resource: "node/wit", Severity: fsmpb.ConditionReport_ALARM, Scope: fsmpb.ConditionReport_LEADER,
		}}})
	}
	f.said.Set(condition.Report{Kind: condition.NodeDead, Resource: "node/wit"})
	f.said.Set(condition.Report{Kind: condition.OtherBuild, Resource: "node/wit"})
	f.peer(2).Build = "2"
	g := &Group{Node: f, Config: func() *configs.Station { return f.cfg }, Tables: func() []condition.Report { return Unforwarded(f.cfg) }, Build: "1", Reporter: &f.said}
	g.round(time.Unix(1_700_000_000, 0))
	f.expect(t, "node.wit.version")
}

// What a node that doesn't lead sees is nobody's business.
func TestFollowersAreSilent(t *testing.T) {
	f := wellStation(t)
	f.info.State = "follower"
	f.peer(1).Alive = false
	g := &Group{Node: f, Config: func() *configs.Station { return f.cfg }, Tables: func() []condition.Report { return Unforwarded(f.cfg) }, Build: "1", Reporter: &f.said}
	for i := range 10 {
		g.round(time.Unix(1_700_000_000+int64(i), 0))
	}
	f.expect(t, "")
}
