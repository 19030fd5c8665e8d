package placement

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/fsm/fsmpb"
	"google.golang.org/protobuf/proto"
)

const (
	rtu1   = clustertest.RTU1
	uplink = clustertest.Uplink
)

func stopping(node string) *fsmpb.Command {
	return &fsmpb.Command{Node: node, Op: &fsmpb.Command_Stopping{Stopping: &fsmpb.Stopping{Node: node, On: true}}}
}

func maintenance(node string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Maintenance{Maintenance: &fsmpb.Maintenance{Node: node, On: true}}}
}

// reported is an RTU that's a node's, and what else is known.
func reported(owner string, more ...*fsmpb.Command) []*fsmpb.Command {
	return append([]*fsmpb.Command{clustertest.Assign(rtu1, 0, owner, "")}, more...)
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
	lost := func(v *Node) { v.Usable, v.Free, v.FreeKnown, v.Alive = false, 0, true, false }
	for name, c := range map[string]struct {
		state    []*fsmpb.Command
		resource string
		age      time.Duration
		nodes    map[string]func(*Node)
		leader   string
		want     string // without the resource; "" for nothing
		takes    string

		spoke bool          // the owner has reported links in this epoch
		down  time.Duration // since when the leader has seen all its links down
		blind int
	}{
		"an RTU starts where it prefers":           {resource: rtu1, want: "assign to fep1 (start)"},
		"it waits for the node that it prefers":    {resource: rtu1, age: 2 * time.Second, nodes: map[string]func(*Node){"fep1": lost}},
		"but not for long":                         {resource: rtu1, age: startGrace, nodes: map[string]func(*Node){"fep1": lost}, want: "assign to fep2 (start)"},
		"what's new may have been someone's":       {resource: rtu1, age: 300 * time.Millisecond},
		"no FEP, no owner":                         {resource: rtu1, nodes: map[string]func(*Node){"fep1": lost, "fep2": lost}},
		"given back, it goes where it prefers":     {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep2", ""), clustertest.Assign(rtu1, 1, "", "")}, want: "assign to fep1 (unowned)"},
		"an owner that lives keeps it":             {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep2", "")}},
		"a lost owner's goes to the other":         {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"not before its lease is over":             {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": func(v *Node) { lost(v); v.Free = time.Hour + 1 }}},
		"nor before that's known":                  {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": func(v *Node) { lost(v); v.FreeKnown = false }}},
		"nor to one that Lacks it":                 {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": lost, "fep2": lacking(rtu1)}},
		"a lost owner stays if there's no other":   {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": lost, "fep2": lost}},
		"lost while releasing, its target gets it": {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", ""), clustertest.Move(rtu1, 1, "fep2")}, nodes: map[string]func(*Node){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"while it's releasing, wait":               {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", ""), clustertest.Move(rtu1, 1, "fep2")}},

		"pinned elsewhere, it moves":            {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", ""), clustertest.Pin(rtu1, "fep2")}, want: "move to fep2 (pinned)"},
		"pinned to a lost node, it stays":       {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", ""), clustertest.Pin(rtu1, "fep2")}, nodes: map[string]func(*Node){"fep2": lost}},
		"pinned and lost, the other helps out":  {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", ""), clustertest.Pin(rtu1, "fep1")}, nodes: map[string]func(*Node){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"an owner whose configuration Lacks it": {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": lacking(rtu1)}, want: "move to fep2 (not configured)"},
		"lacked by both, it stays":              {resource: rtu1, state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": lacking(rtu1), "fep2": lacking(rtu1)}},
		"all links down, the other's good":      {resource: rtu1, state: reported("fep1", clustertest.Links("fep2", down, standby)), spoke: true, age: 1, want: "move to fep2 (channels down)"},
		"silent, and being asked":               {resource: rtu1, state: reported("fep1", clustertest.Doubted(clustertest.Links("fep1", active, standby)), clustertest.Links("fep2", standby, standby)), spoke: true},
		"silent and left, the rest doubted":     {resource: rtu1, state: reported("fep1", clustertest.Doubted(clustertest.Links("fep1", down, standby)), clustertest.Links("fep2", standby, standby)), spoke: true, want: "move to fep2 (channels down)"},
		"the same, and the other's doubted too": {resource: rtu1, state: reported("fep1", clustertest.Doubted(clustertest.Links("fep1", down, standby)), clustertest.Doubted(clustertest.Links("fep2", standby, standby))), spoke: true},
		"one is still being tried":              {resource: rtu1, state: reported("fep1", clustertest.Links("fep1", down, connecting), clustertest.Links("fep2", standby, standby)), spoke: true},
		"one works":                             {resource: rtu1, state: reported("fep1", clustertest.Links("fep1", down, active), clustertest.Links("fep2", standby, standby)), spoke: true},
		"nothing reported yet":                  {resource: rtu1, state: reported("fep1", clustertest.Links("fep2", standby, standby)), age: reportWait - 1},
		"nothing reported in good time":         {resource: rtu1, state: reported("fep1", clustertest.Links("fep2", standby, standby)), age: reportWait, want: "move to fep2 (channels down)"},
		"nothing known of either":               {resource: rtu1, state: reported("fep1"), age: flapWait, want: "move to fep2 (channels down)"},
		"down on both, for now":                 {resource: rtu1, state: reported("fep1"), spoke: true, down: flapWait - 1},
		"down on both, for long":                {resource: rtu1, state: reported("fep1"), spoke: true, down: flapWait, want: "move to fep2 (channels down)"},
		"down on both, once moved":              {resource: rtu1, state: reported("fep1"), spoke: true, blind: 1, down: 2*flapWait - 1},
		"down on both, for days":                {resource: rtu1, state: reported("fep1"), spoke: true, blind: 60, down: blindWait, want: "move to fep2 (channels down)"},
		"but not more often":                    {resource: rtu1, state: reported("fep1"), spoke: true, blind: 60, down: blindWait - 1},
		"came for its channels, down here too": {resource: rtu1, spoke: true, age: flapWait - 1,
			state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", reasonChannels), clustertest.Links("fep2", standby, standby)}},
		"and later": {resource: rtu1, spoke: true, age: flapWait, want: "move to fep2 (channels down)",
			state: []*fsmpb.Command{clustertest.Assign(rtu1, 0, "fep1", reasonChannels), clustertest.Links("fep2", standby, standby)}},
		"came for its channels, and worked here": {resource: rtu1, spoke: true, age: 1, want: "move to fep2 (channels down)", state: []*fsmpb.Command{
			clustertest.Assign(rtu1, 0, "fep1", reasonChannels),
			{Op: &fsmpb.Command_Activated{Activated: &fsmpb.Activated{Resource: rtu1, Epoch: 1, ConnectedMs: 5, FirstDataMs: 9}}},
			clustertest.Links("fep2", standby, standby),
		}},
		"pinned, it doesn't move for its channels": {resource: rtu1, spoke: true, state: reported("fep1", clustertest.Pin(rtu1, "fep1"), clustertest.Links("fep2", standby, standby))},

		"its owner stops":                         {resource: rtu1, state: reported("fep1", stopping("fep1")), want: "move to fep2 (node stops)"},
		"its owner is to be maintained":           {resource: rtu1, state: reported("fep1", maintenance("fep1")), want: "move to fep2 (maintenance)"},
		"pinned there":                            {resource: rtu1, state: reported("fep1", clustertest.Pin(rtu1, "fep1"), maintenance("fep1")), want: "move to fep2 (maintenance)"},
		"nobody is there to take it":              {resource: rtu1, state: reported("fep1", maintenance("fep1")), nodes: map[string]func(*Node){"fep2": lost}},
		"both are away":                           {resource: rtu1, state: reported("fep1", maintenance("fep1"), stopping("fep2"))},
		"the other is away, whatever the links":   {resource: rtu1, state: reported("fep1", maintenance("fep2"), clustertest.Links("fep2", standby, standby)), spoke: true},
		"lost, and the other is away":             {resource: rtu1, state: reported("fep1", maintenance("fep2")), nodes: map[string]func(*Node){"fep1": lost}},
		"it starts at the other without a wait":   {resource: rtu1, age: time.Second, state: []*fsmpb.Command{maintenance("fep1")}, want: "assign to fep2 (start)"},
		"an uplink goes where a client started":   {resource: uplink, state: []*fsmpb.Command{clustertest.Assign(uplink, 0, "fep1", ""), client("fep2", true), stopping("fep1")}, want: "move to fep2 (node stops)"},
		"or stays for the node itself to release": {resource: uplink, state: []*fsmpb.Command{clustertest.Assign(uplink, 0, "fep1", ""), stopping("fep1")}},
		"the endpoint leaves a leader that stops": {resource: "fnp", state: []*fsmpb.Command{clustertest.Assign("fnp", 0, "fep1", ""), stopping("fep1")}, want: "move to fep2 (node stops)"},
		"and doesn't come back to it":             {resource: "fnp", state: []*fsmpb.Command{clustertest.Assign("fnp", 0, "fep2", ""), stopping("fep1")}},

		"an uplink waits for its client":             {resource: uplink},
		"one that has connected isn't one":           {resource: uplink, state: []*fsmpb.Command{client("fep2", false)}},
		"one that has started is promoted":           {resource: uplink, state: []*fsmpb.Command{client("fep2", true)}, want: "assign to fep2 (promoted)"},
		"of two, the pinned one":                     {resource: uplink, state: []*fsmpb.Command{client("fep1", true), client("fep2", true), clustertest.Pin(uplink, "fep2")}, want: "assign to fep2 (promoted)"},
		"a lost uplink goes where a client started":  {resource: uplink, state: []*fsmpb.Command{clustertest.Assign(uplink, 0, "fep1", ""), client("fep2", true)}, nodes: map[string]func(*Node){"fep1": lost}, want: "assign to fep2 (owner lost)", takes: "fep1"},
		"or is free to be claimed":                   {resource: uplink, state: []*fsmpb.Command{clustertest.Assign(uplink, 0, "fep1", "")}, nodes: map[string]func(*Node){"fep1": lost}, want: "release (owner lost)", takes: "fep1"},
		"the endpoint is where the leader is":        {resource: "fnp", leader: "fep2", want: "assign to fep2 (unowned)", state: []*fsmpb.Command{clustertest.Assign("fnp", 0, "fep1", ""), clustertest.Assign("fnp", 1, "", "")}},
		"and follows it":                             {resource: "fnp", leader: "fep2", state: []*fsmpb.Command{clustertest.Assign("fnp", 0, "fep1", "")}, want: "move to fep2 (leader)"},
		"but not to a witness":                       {resource: "fnp", leader: "wit", state: []*fsmpb.Command{clustertest.Assign("fnp", 0, "fep1", "")}},
		"nor starts there":                           {resource: "fnp", leader: "wit", want: "assign to fep1 (start)"},
		"what a witness owns, as it should never be": {resource: "fnp", leader: "fep1", state: []*fsmpb.Command{clustertest.Assign("fnp", 0, "fep2", "")}, nodes: map[string]func(*Node){"fep2": func(v *Node) { v.FEP = false }}, want: "assign to fep1 (owner lost)", takes: "fep2"},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Now: time.Hour, Leader: "fep1", State: clustertest.State(c.state...)}
			if c.leader != "" {
				v.Leader = c.leader
			}
			for _, m := range clustertest.Three() {
				fep := m.Role == "fep"
				n := Node{ID: m.Id, FEP: fep, Usable: fep, Free: 2 * time.Hour, FreeKnown: true, Alive: true, CaughtUp: true}
				known, _ := v.State.Node(m.Id)
				n.Away = known.Away()
				if change := c.nodes[m.Id]; change != nil {
					change(&n)
				}
				v.Nodes = append(v.Nodes, n)
			}
			p := New(500 * time.Millisecond)
			if c.age == 0 {
				c.age = 10 * time.Second
			}
			p.observe(v.State.Resources(), v.Now-c.age)
			for _, seen := range p.seen {
				seen.spoke, seen.blind = c.spoke, c.blind
				seen.down, seen.downSince = c.down > 0, v.Now-c.down
			}
			got, takes := "", ""
			for _, d := range p.Decide(v) {
				if s := d.String(); strings.Contains(s, " "+c.resource+" ") {
					got, takes = strings.Replace(s, " "+c.resource+" ", " ", 1), d.Takes
				}
			}
			if got != c.want || takes != c.takes {
				t.Errorf("%q, taken from %q; expected %q from %q", got, takes, c.want, c.takes)
			}
		})
	}
}

func lacking(resource string) func(*Node) {
	return func(v *Node) { v.Lacks = map[string]bool{resource: true} }
}

func TestPlacementJudgesNodes(t *testing.T) {
	v := View{Leader: "fep1", State: clustertest.State(), Nodes: []Node{
		{ID: "fep1", FEP: true, Alive: true, Usable: true}, {ID: "fep2", FEP: true, Alive: true}, {ID: "wit"}, {ID: "stranger", Alive: true},
	}}
	var got []string
	for _, d := range New(500 * time.Millisecond).Decide(v) {
		if d.Node != nil {
			got = append(got, d.String())
		}
	}
	want := []string{"node fep1 alive=true lease=true", "node fep2 alive=true lease=false"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestWitnessTransfersLeadership(t *testing.T) {
	p := New(500 * time.Millisecond)
	nodes := []Node{{ID: "fep1", FEP: true, Alive: true}, {ID: "fep2", FEP: true, Alive: true, CaughtUp: true}, {ID: "wit", Alive: true, CaughtUp: true}}
	v := View{Now: time.Second, Leader: "wit", Nodes: nodes, State: clustertest.State()}
	if got := p.TransferTarget(v); got != "fep2" {
		t.Errorf("to %q, expected fep2, which is caught up", got)
	}
	if got := p.TransferTarget(v); got != "" {
		t.Errorf("again to %q at once", got)
	}
	v.Now += time.Second
	if got := p.TransferTarget(v); got != "fep2" {
		t.Errorf("to %q a second later", got)
	}
	v.Now, v.Leader = v.Now+time.Hour, "fep1"
	if got := p.TransferTarget(v); got != "" {
		t.Errorf("a FEP hands on to %q", got)
	}
}

// TestAwayLeaderTransfersLeadership: last of all, once nothing is left to give away, and never to a node that's away too.
func TestAwayLeaderTransfersLeadership(t *testing.T) {
	nodes := func(away ...string) (all []Node) {
		for _, n := range []Node{{ID: "fep1", FEP: true}, {ID: "fep2", FEP: true}, {ID: "wit"}} {
			n.Usable, n.Alive, n.CaughtUp, n.Away = n.FEP, true, true, slices.Contains(away, n.ID)
			all = append(all, n)
		}
		return all
	}
	owned := clustertest.Assign(rtu1, 0, "fep1", "")
	elsewhere := clustertest.Assign(rtu1, 0, "fep2", "")
	for name, c := range map[string]struct {
		state []*fsmpb.Command
		away  []string
		want  string
	}{
		"in service":               {state: []*fsmpb.Command{owned}},
		"it owns something":        {state: []*fsmpb.Command{owned}, away: []string{"fep1"}},
		"something is on its way":  {state: []*fsmpb.Command{owned, clustertest.Move(rtu1, 1, "fep2")}, away: []string{"fep1"}},
		"all is given away":        {state: []*fsmpb.Command{elsewhere}, away: []string{"fep1"}, want: "fep2"},
		"an uplink without client": {state: []*fsmpb.Command{elsewhere, clustertest.Assign(uplink, 0, "fep1", "")}, away: []string{"fep1"}, want: "fep2"},
		"the other is away too":    {state: []*fsmpb.Command{elsewhere}, away: []string{"fep1", "fep2"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Now: time.Second, Leader: "fep1", Nodes: nodes(c.away...), State: clustertest.State(c.state...)}
			if got := New(500 * time.Millisecond).TransferTarget(v); got != c.want {
				t.Errorf("to %q, expected %q", got, c.want)
			}
		})
	}
}

// An export is where its target can be reached; it stays where it is while nobody reaches it, and after a move that did not help.
func TestExports(t *testing.T) {
	const id = "export/history"
	reach := func(node string, ok bool) *fsmpb.Command {
		return &fsmpb.Command{Node: node, Op: &fsmpb.Command_ExportReach{ExportReach: &fsmpb.ExportReach{Resource: id, Node: node, Ok: ok, Reason: "refused"}}}
	}
	for _, c := range []struct {
		name   string
		reason string
		age    time.Duration
		said   []*fsmpb.Command
		want   string
	}{
		{"nothing is said", "start", time.Hour, nil, ""},
		{"the owner reaches it", "start", time.Hour, []*fsmpb.Command{reach("fep1", true), reach("fep2", true)}, ""},
		{"the other alone reaches it", "start", 0, []*fsmpb.Command{reach("fep1", false), reach("fep2", true)}, "move to fep2 (target down)"},
		{"nobody reaches it", "start", time.Hour, []*fsmpb.Command{reach("fep1", false), reach("fep2", false)}, ""},
		{"it has just come here for that", reasonTarget, 29 * time.Second, []*fsmpb.Command{reach("fep1", false), reach("fep2", true)}, ""},
		{"it came here for that a while ago", reasonTarget, 30 * time.Second, []*fsmpb.Command{reach("fep1", false), reach("fep2", true)}, "move to fep2 (target down)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			state := clustertest.State()
			cfg := proto.CloneOf(state.Config())
			cfg.Exports = []*fsmpb.Configure_Export{{Name: "history", Events: true}}
			commands := append([]*fsmpb.Command{{Op: &fsmpb.Command_Configure{Configure: cfg}}, clustertest.Assign(id, 0, "fep1", c.reason)}, c.said...)
			state.Apply(state.Index()+1, &fsmpb.Entry{Commands: commands})
			r, ok := state.Resource(id)
			if !ok {
				t.Fatal("no export")
			}
			now := time.Hour
			p := New(time.Second)
			p.seen[id] = &history{epoch: r.Epoch, since: now - c.age}
			v := View{Now: now, Leader: "fep1", State: state}
			for _, node := range []string{"fep1", "fep2"} {
				v.Nodes = append(v.Nodes, Node{ID: node, FEP: true, Usable: true, Alive: true, CaughtUp: true})
			}
			got := ""
			if d, ok := p.decideResource(v, r); ok {
				got = strings.ReplaceAll(d.String(), id+" ", "")
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
