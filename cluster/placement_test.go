package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	rtu1   = "rtu/1"
	uplink = "uplink/occ/occ"
)

// placed makes a state from commands, and fails where one is refused.
func placed(t *testing.T, commands ...*fsmpb.Command) *fsm.State {
	t.Helper()
	s := fsm.New()
	all := append([]*fsmpb.Command{{Op: &fsmpb.Command_Configure{Configure: testStation(threeMembers)}}}, commands...)
	for i, c := range all {
		c.AtMs = 1
		if c.Node == "" {
			c.Node = "fep1"
		}
		r := s.Apply(uint64(i+1), &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]
		if r.GetCode() > fsmpb.Result_DUPLICATE {
			t.Fatalf("%v: %v", c, r)
		}
	}
	return s
}

func give(resource string, epoch uint64, owner, reason string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: resource, ExpectEpoch: epoch, Owner: owner, Reason: reason}}}
}

// reported is an RTU that's a node's, and what else is known.
func reported(owner string, more ...*fsmpb.Command) []*fsmpb.Command {
	return append([]*fsmpb.Command{give(rtu1, 0, owner, "")}, more...)
}

func moving(resource string, epoch uint64, to string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: resource, ExpectEpoch: epoch, To: to}}}
}

func links(node string, states ...fsmpb.LinkState) *fsmpb.Command {
	l := &fsmpb.Links{Rtu: 1, Node: node}
	for i, s := range states {
		l.Links = append(l.Links, &fsmpb.Links_Link{Channel: uint32(i + 1), Link: 1, State: s})
	}
	return &fsmpb.Command{Op: &fsmpb.Command_Links{Links: l}}
}

func client(node string, started bool) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Clients{Clients: &fsmpb.Clients{
		Resource: uplink, Node: node, Clients: []*fsmpb.Clients_Client{{Address: "10.0.0.1:1", Started: started, Role: "standby"}},
	}}}
}

const (
	down       = fsmpb.LinkState_DOWN
	connecting = fsmpb.LinkState_CONNECTING
	standby    = fsmpb.LinkState_STANDBY
	active     = fsmpb.LinkState_ACTIVE
)

// TestPlacement asks the policy what it would do about one resource. The leader has known it in its epoch for 10 s,
// unless age says otherwise; it's now one hour.
func TestPlacement(t *testing.T) {
	lost := func(v *nodeView) { v.usable, v.free, v.mayBeFree, v.alive = false, 0, true, false }
	for name, c := range map[string]struct {
		state    []*fsmpb.Command
		resource string
		age      time.Duration
		nodes    map[string]func(*nodeView)
		leader   string
		want     string // without the resource; "" for nothing
		takes    string

		spoke bool          // the owner has reported links in this epoch
		down  time.Duration // since when the leader has seen all its links down
		blind int
	}{
		"an RTU starts where it prefers":           {resource: rtu1, want: "assign to fep1 (start)"},
		"it waits for the node that it prefers":    {resource: rtu1, age: 2 * time.Second, nodes: map[string]func(*nodeView){"fep1": lost}},
		"but not for long":                         {resource: rtu1, age: startGrace, nodes: map[string]func(*nodeView){"fep1": lost}, want: "assign to fep2 (start)"},
		"what's new may have been someone's":       {resource: rtu1, age: 300 * ms},
		"no FEP, no owner":                         {resource: rtu1, nodes: map[string]func(*nodeView){"fep1": lost, "fep2": lost}},
		"given back, it goes where it prefers":     {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep2", ""), give(rtu1, 1, "", "")}, want: "assign to fep1 (unowned)"},
		"an owner that lives keeps it":             {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep2", "")}},
		"a lost owner's goes to the other":         {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"not before its lease is over":             {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": func(v *nodeView) { lost(v); v.free = time.Hour + 1 }}},
		"nor before that's known":                  {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": func(v *nodeView) { lost(v); v.mayBeFree = false }}},
		"nor to one that lacks it":                 {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": lost, "fep2": lacking(rtu1)}},
		"a lost owner stays if there's no other":   {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": lost, "fep2": lost}},
		"lost while releasing, its target gets it": {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", ""), moving(rtu1, 1, "fep2")}, nodes: map[string]func(*nodeView){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"while it's releasing, wait":               {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", ""), moving(rtu1, 1, "fep2")}},

		"pinned elsewhere, it moves":            {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", ""), pin(rtu1, "fep2")}, want: "move to fep2 (pinned)"},
		"pinned to a lost node, it stays":       {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", ""), pin(rtu1, "fep2")}, nodes: map[string]func(*nodeView){"fep2": lost}},
		"pinned and lost, the other helps out":  {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", ""), pin(rtu1, "fep1")}, nodes: map[string]func(*nodeView){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"an owner whose configuration lacks it": {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": lacking(rtu1)}, want: "move to fep2 (not configured)"},
		"lacked by both, it stays":              {resource: rtu1, state: []*fsmpb.Command{give(rtu1, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": lacking(rtu1), "fep2": lacking(rtu1)}},
		"all links down, the other's good":      {resource: rtu1, state: reported("fep1", links("fep2", down, standby)), spoke: true, age: 1, want: "move to fep2 (channels down)"},
		"one is still being tried":              {resource: rtu1, state: reported("fep1", links("fep1", down, connecting), links("fep2", standby, standby)), spoke: true},
		"one works":                             {resource: rtu1, state: reported("fep1", links("fep1", down, active), links("fep2", standby, standby)), spoke: true},
		"nothing reported yet":                  {resource: rtu1, state: reported("fep1", links("fep2", standby, standby)), age: reportWait - 1},
		"nothing reported in good time":         {resource: rtu1, state: reported("fep1", links("fep2", standby, standby)), age: reportWait, want: "move to fep2 (channels down)"},
		"nothing known of either":               {resource: rtu1, state: reported("fep1"), age: flapWait, want: "move to fep2 (channels down)"},
		"down on both, for now":                 {resource: rtu1, state: reported("fep1"), spoke: true, down: flapWait - 1},
		"down on both, for long":                {resource: rtu1, state: reported("fep1"), spoke: true, down: flapWait, want: "move to fep2 (channels down)"},
		"down on both, once moved":              {resource: rtu1, state: reported("fep1"), spoke: true, blind: 1, down: 2*flapWait - 1},
		"down on both, for days":                {resource: rtu1, state: reported("fep1"), spoke: true, blind: 60, down: blindWait, want: "move to fep2 (channels down)"},
		"but not more often":                    {resource: rtu1, state: reported("fep1"), spoke: true, blind: 60, down: blindWait - 1},
		"came for its channels, down here too": {resource: rtu1, spoke: true, age: flapWait - 1,
			state: []*fsmpb.Command{give(rtu1, 0, "fep1", reasonChannels), links("fep2", standby, standby)}},
		"and later": {resource: rtu1, spoke: true, age: flapWait, want: "move to fep2 (channels down)",
			state: []*fsmpb.Command{give(rtu1, 0, "fep1", reasonChannels), links("fep2", standby, standby)}},
		"came for its channels, and worked here": {resource: rtu1, spoke: true, age: 1, want: "move to fep2 (channels down)", state: []*fsmpb.Command{
			give(rtu1, 0, "fep1", reasonChannels),
			{Op: &fsmpb.Command_Activated{Activated: &fsmpb.Activated{Resource: rtu1, Epoch: 1, ConnectedMs: 5, FirstDataMs: 9}}},
			links("fep2", standby, standby),
		}},
		"pinned, it doesn't move for its channels": {resource: rtu1, spoke: true, state: reported("fep1", pin(rtu1, "fep1"), links("fep2", standby, standby))},

		"an uplink waits for its client":             {resource: uplink},
		"one that has connected isn't one":           {resource: uplink, state: []*fsmpb.Command{client("fep2", false)}},
		"one that has started is promoted":           {resource: uplink, state: []*fsmpb.Command{client("fep2", true)}, want: "assign to fep2 (promoted)"},
		"of two, the pinned one":                     {resource: uplink, state: []*fsmpb.Command{client("fep1", true), client("fep2", true), pin(uplink, "fep2")}, want: "assign to fep2 (promoted)"},
		"a lost uplink goes where a client started":  {resource: uplink, state: []*fsmpb.Command{give(uplink, 0, "fep1", ""), client("fep2", true)}, nodes: map[string]func(*nodeView){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"or is free to be claimed":                   {resource: uplink, state: []*fsmpb.Command{give(uplink, 0, "fep1", "")}, nodes: map[string]func(*nodeView){"fep1": lost}, want: "release (owner lost)", takes: "fep1"},
		"the endpoint is where the leader is":        {resource: "fnp", leader: "fep2", want: "assign to fep2 (unowned)", state: []*fsmpb.Command{give("fnp", 0, "fep1", ""), give("fnp", 1, "", "")}},
		"and follows it":                             {resource: "fnp", leader: "fep2", state: []*fsmpb.Command{give("fnp", 0, "fep1", "")}, want: "move to fep2 (leader)"},
		"but not to a witness":                       {resource: "fnp", leader: "wit", state: []*fsmpb.Command{give("fnp", 0, "fep1", "")}},
		"nor starts there":                           {resource: "fnp", leader: "wit", want: "assign to fep1 (start)"},
		"what a witness owns, as it should never be": {resource: "fnp", leader: "fep1", state: []*fsmpb.Command{give("fnp", 0, "fep2", "")}, nodes: map[string]func(*nodeView){"fep2": func(v *nodeView) { v.fep = false }}, want: "assign to fep1 (owner lost)", takes: "fep2"},
	} {
		t.Run(name, func(t *testing.T) {
			v := placementView{now: time.Hour, leader: "fep1", state: placed(t, c.state...)}
			if c.leader != "" {
				v.leader = c.leader
			}
			for _, m := range threeMembers {
				n := nodeView{id: m.ID, fep: m.Role == replica.RoleFEP, usable: m.Role == replica.RoleFEP, free: 2 * time.Hour, mayBeFree: true, alive: true, caughtUp: true}
				if change := c.nodes[m.ID]; change != nil {
					change(&n)
				}
				v.nodes = append(v.nodes, n)
			}
			p := newPlacement(500 * ms)
			if c.age == 0 {
				c.age = 10 * time.Second
			}
			p.look(v.state.Resources(), v.now-c.age)
			for _, seen := range p.seen {
				seen.spoke, seen.blind = c.spoke, c.blind
				seen.down, seen.downSince = c.down > 0, v.now-c.down
			}
			got, takes := "", ""
			for _, d := range p.decide(v) {
				if s := d.String(); strings.Contains(s, " "+c.resource+" ") {
					got, takes = strings.Replace(s, " "+c.resource+" ", " ", 1), d.takes
				}
			}
			if got != c.want || takes != c.takes {
				t.Errorf("%q, taken from %q; expected %q from %q", got, takes, c.want, c.takes)
			}
		})
	}
}

func lacking(resource string) func(*nodeView) {
	return func(v *nodeView) { v.lacks = map[string]bool{resource: true} }
}

func TestPlacementJudgesNodes(t *testing.T) {
	v := placementView{leader: "fep1", state: placed(t), nodes: []nodeView{
		{id: "fep1", fep: true, alive: true, usable: true}, {id: "fep2", fep: true, alive: true}, {id: "wit"}, {id: "stranger", alive: true},
	}}
	var got []string
	for _, d := range newPlacement(500 * ms).decide(v) {
		if d.node != nil {
			got = append(got, d.String())
		}
	}
	want := []string{"node fep1 alive=true lease=true", "node fep2 alive=true lease=false"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestWitnessHandsOn(t *testing.T) {
	p := newPlacement(500 * ms)
	nodes := []nodeView{{id: "fep1", fep: true, alive: true}, {id: "fep2", fep: true, alive: true, caughtUp: true}, {id: "wit", alive: true, caughtUp: true}}
	v := placementView{now: time.Second, leader: "wit", nodes: nodes}
	if got := p.handOn(v); got != "fep2" {
		t.Errorf("to %q, expected fep2, which is caught up", got)
	}
	if got := p.handOn(v); got != "" {
		t.Errorf("again to %q at once", got)
	}
	v.now += time.Second
	if got := p.handOn(v); got != "fep2" {
		t.Errorf("to %q a second later", got)
	}
	v.now, v.leader = v.now+time.Hour, "fep1"
	if got := p.handOn(v); got != "" {
		t.Errorf("a FEP hands on to %q", got)
	}
}

// TestPhasesAreInOrder: a takeover's phases end one after the other, also if the node spoke until the end and was lost
// for its lease alone.
func TestPhasesAreInOrder(t *testing.T) {
	for _, silent := range []time.Duration{29 * time.Millisecond, 441 * time.Millisecond, 2 * time.Second} {
		now := 10 * time.Second
		g := newRegent(threeMembers[0], threeMembers, 500*time.Millisecond, 0, 0)
		g.open(time.Second, 0)
		g.hear(now-silent, "fep2", 0)
		if p := g.timings(now, "fep2"); p.DetectedMs > p.ElectedMs || p.ElectedMs > p.LeasedMs || p.LeasedMs != silent.Milliseconds() {
			t.Errorf("silent for %v: %v", silent, p)
		}
	}
}
