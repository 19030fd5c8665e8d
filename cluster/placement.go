package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Why the owner is the owner, as it stands in the state and in events.
const (
	reasonStart    = "start"         // nobody had owned it
	reasonReturned = "unowned"       // nobody owned it any more
	reasonDead     = "owner lost"    // the former owner's lease ended
	reasonChannels = "channels down" // the former owner reached the device over no channel
	reasonPin      = "pinned"
	reasonConfig   = "not configured" // the former owner's configuration lacks it
	reasonPromoted = "promoted"       // an uplink's client had started on this node
	reasonLeader   = "leader"         // the FNP endpoint is where the leader is
)

const (
	// startGrace is how long an RTU that nobody has owned yet waits for the node it prefers to come up.
	startGrace = 3 * time.Second

	// reportWait is how long a new owner may take to tell of its links; before, an empty list proves nothing.
	reportWait = time.Second

	// flapWait is how long an RTU that's down on both FEPs stays where it is, at first; blindWait is the longest.
	flapWait  = 30 * time.Second
	blindWait = time.Hour
)

// placement is the leader's policy of who owns what. It only looks and proposes: every proposal is a compare-and-set on
// the epoch, so that what was overtaken changes nothing.
//
//   - An unowned RTU goes to its pin, else to the node it prefers, else to another FEP. A live owner keeps it: there's no
//     automatic fail-back.
//   - What a lost node owned goes to another FEP; an uplink group only to one where a client has started, else it's
//     unowned, and the control centre chooses.
//   - An RTU that its owner reaches over no channel moves at once to a FEP that reaches it. If no one does it moves after
//     30 s, and then ever more rarely.
//   - The witness owns nothing, and hands on leadership to a FEP as soon as one has all that's committed.
type placement struct {
	wait  time.Duration // after which a lease is certainly over
	seen  map[string]*tenancy
	asked time.Duration // when leadership was last handed on
	tried bool
}

// tenancy is what the leader remembers of a resource.
type tenancy struct {
	epoch     uint64
	since     time.Duration // when it was first seen in this epoch
	spoke     bool          // in this epoch its owner has reported links that aren't down
	down      bool          // all links of its owner are down
	downSince time.Duration
	blind     int // moves to a node that doesn't reach it either, since it was last reached
}

// nodeView is a member as the leader knows it.
type nodeView struct {
	id        string
	fep       bool
	usable    bool          // it has a fresh lease
	free      time.Duration // instant from which on it has no lease unless it's granted another
	mayBeFree bool          // false: free isn't known
	alive     bool          // heard of lately
	caughtUp  bool          // its state has about all that's committed
	lacks     map[string]bool
}

// placementView is what a decision depends on.
type placementView struct {
	now    time.Duration
	leader string
	nodes  []nodeView // by host
	state  *fsm.State
}

// decision is a command to be proposed. What takes a resource from a node that hasn't given it up names the node: the
// leader must bar it until the proposal is applied.
type decision struct {
	assign *fsmpb.Assign
	move   *fsmpb.Move
	node   *fsmpb.NodeState
	takes  string
}

func newPlacement(wait time.Duration) *placement {
	return &placement{wait: wait, seen: map[string]*tenancy{}}
}

// decide returns what to propose now. It's asked whenever something changed, and a few times a lease.
func (p *placement) decide(v placementView) []decision {
	var ds []decision
	for _, n := range v.nodes {
		if s, ok := v.state.Node(n.id); ok && (s.Alive != n.alive || s.Lease != n.usable) {
			ds = append(ds, decision{node: &fsmpb.NodeState{Node: n.id, Alive: n.alive, Lease: n.usable}})
		}
	}
	resources := v.state.Resources()
	p.look(resources, v.now)
	for _, r := range resources {
		if d, ok := p.decideOne(v, r); ok {
			ds = append(ds, d)
		}
	}
	return ds
}

// look notes since when each resource is in its epoch.
func (p *placement) look(resources []fsm.Resource, now time.Duration) {
	known := make(map[string]*tenancy, len(resources))
	for _, r := range resources {
		t := p.seen[r.ID]
		if t == nil {
			t = &tenancy{epoch: r.Epoch, since: now}
		} else if t.epoch != r.Epoch {
			*t = tenancy{epoch: r.Epoch, since: now, blind: t.blind}
		}
		known[r.ID] = t
	}
	p.seen = known
}

func (p *placement) decideOne(v placementView, r fsm.Resource) (decision, bool) {
	if r.Phase == fsm.Unowned {
		return p.place(v, r)
	}
	owner, known := v.node(r.Owner)
	if !known || !owner.fep || owner.mayBeFree && v.now >= owner.free {
		return p.replace(v, r)
	}
	if r.Phase == fsm.Owned {
		return p.shift(v, r)
	}
	return decision{}, false
}

// place finds an owner for what nobody owns.
func (p *placement) place(v placementView, r fsm.Resource) (decision, bool) {
	seen := p.seen[r.ID]
	reason := reasonReturned
	if r.Epoch == 0 {
		reason = reasonStart
		// It may be back after the configuration had dropped it; a node that hasn't noticed may run its links until its
		// lease ends.
		if v.now < seen.since+p.wait {
			return decision{}, false
		}
	}
	switch r.Kind {
	case fsm.ResourceRTU:
		preferred := p.preferred(v, r)
		if n, ok := v.node(preferred); ok && n.fep && !n.mayOwn(r.ID) && r.Epoch == 0 && v.now < seen.since+startGrace {
			return decision{}, false
		}
		to, ok := v.choose(r.ID, preferred)
		return assign(r, to, reason, ""), ok
	case fsm.ResourceFNP:
		to, ok := v.choose(r.ID, v.leader)
		return assign(r, to, reason, ""), ok
	default:
		to, ok := v.startedElsewhere(r)
		return assign(r, to, reasonPromoted, ""), ok
	}
}

// replace finds an owner for what a lost node owned.
func (p *placement) replace(v placementView, r fsm.Resource) (decision, bool) {
	if r.Kind == fsm.ResourceUplink {
		to, _ := v.startedElsewhere(r)
		return assign(r, to, reasonDead, r.Owner), true
	}
	first := p.preferred(v, r)
	if r.Phase == fsm.Releasing {
		first = r.Target
	}
	to, ok := v.choose(r.ID, first)
	if ok && to == r.Owner {
		return decision{}, false // it's back, with a lease of this leader's: it goes on in its epoch
	}
	return assign(r, to, reasonDead, r.Owner), ok
}

// shift finds a better owner for what a live node owns.
func (p *placement) shift(v placementView, r fsm.Resource) (decision, bool) {
	owner, _ := v.node(r.Owner)
	if r.Pin != "" && r.Pin != r.Owner {
		if n, ok := v.node(r.Pin); ok && n.mayOwn(r.ID) {
			return move(r, r.Pin, reasonPin), true
		}
	}
	if owner.lacks[r.ID] {
		if to, ok := v.choose(r.ID, ""); ok {
			return move(r, to, reasonConfig), true
		}
	}
	switch r.Kind {
	case fsm.ResourceRTU:
		return p.shiftRTU(v, r)
	case fsm.ResourceFNP:
		if n, ok := v.node(v.leader); ok && n.mayOwn(r.ID) && v.leader != r.Owner && r.Pin == "" {
			return move(r, v.leader, reasonLeader), true
		}
	}
	return decision{}, false
}

// shiftRTU is for an RTU that its owner may not reach. The state lists the links that aren't down, and what an owner has
// yet to try is connecting: so none listed is all tried and down, once the owner has had the time to say anything.
func (p *placement) shiftRTU(v placementView, r fsm.Resource) (decision, bool) {
	number, _ := fsm.ParseRTUResource(r.ID)
	t := p.seen[r.ID]
	if len(v.state.Links(number, r.Owner)) > 0 {
		t.spoke, t.down = true, false
		if anyUp(v.state.Links(number, r.Owner)) {
			t.blind = 0
		}
		return decision{}, false
	}
	if !t.spoke && v.now < t.since+reportWait || r.Pin != "" {
		return decision{}, false
	}
	if !t.down {
		t.down, t.downSince = true, v.now
		if !t.spoke {
			t.downSince = t.since
		}
	}
	for _, n := range v.nodes {
		if n.id == r.Owner || !n.mayOwn(r.ID) {
			continue
		}
		if anyUp(v.state.Links(number, n.id)) {
			// If it came here for its channels and they never worked here either, the probe there proves little.
			if v.now >= t.since+flapWait || r.Reason != reasonChannels || r.Timings.FirstDataMs > 0 {
				return move(r, n.id, reasonChannels), true
			}
		} else if v.now >= t.downSince+min(flapWait<<min(t.blind, 10), blindWait) {
			// Down there too, or no one looks (standby_probe is off). It's tried, more and more rarely.
			t.blind++
			t.down = false
			return move(r, n.id, reasonChannels), true
		}
	}
	return decision{}, false
}

func anyUp(links []fsm.Link) bool {
	return slices.ContainsFunc(links, func(l fsm.Link) bool { return l.State.Up() })
}

// preferred is where a resource should be if it can be chosen.
func (p *placement) preferred(v placementView, r fsm.Resource) string {
	if r.Pin != "" {
		return r.Pin
	}
	if number, ok := fsm.ParseRTUResource(r.ID); ok {
		if rtu, ok := v.state.RTU(number); ok {
			return rtu.Prefer
		}
	}
	return v.leader
}

// handOn is the FEP to which a witness that leads should hand on leadership now; "" for none. It's tried once a second.
func (p *placement) handOn(v placementView) string {
	if self, ok := v.node(v.leader); !ok || self.fep || p.tried && v.now < p.asked+time.Second {
		return ""
	}
	for _, n := range v.nodes {
		if n.fep && n.alive && n.caughtUp {
			p.tried, p.asked = true, v.now
			return n.id
		}
	}
	return ""
}

func (v *placementView) node(id string) (nodeView, bool) {
	i := slices.IndexFunc(v.nodes, func(n nodeView) bool { return n.id == id })
	if i < 0 {
		return nodeView{}, false
	}
	return v.nodes[i], true
}

func (n *nodeView) mayOwn(resource string) bool { return n.fep && n.usable && !n.lacks[resource] }

// choose returns first if it may own the resource, else the FEP with the lowest host number that may.
func (v *placementView) choose(resource, first string) (string, bool) {
	if n, ok := v.node(first); ok && n.mayOwn(resource) {
		return first, true
	}
	for _, n := range v.nodes {
		if n.mayOwn(resource) {
			return n.id, true
		}
	}
	return "", false
}

// startedElsewhere is a FEP, not the owner, where a client of an uplink group has started. In exclusive mode none can.
func (v *placementView) startedElsewhere(r fsm.Resource) (string, bool) {
	g, ok := v.state.Group(r.ID)
	if !ok {
		return "", false
	}
	clients := slices.SortedStableFunc(slices.Values(g.Clients), func(a, b fsm.Client) int {
		return cmp.Compare(btoi(b.Node == r.Pin), btoi(a.Node == r.Pin))
	})
	for _, c := range clients {
		if n, ok := v.node(c.Node); ok && c.Started && c.Node != r.Owner && n.mayOwn(r.ID) {
			return c.Node, true
		}
	}
	return "", false
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func assign(r fsm.Resource, to, reason, takes string) decision {
	return decision{takes: takes, assign: &fsmpb.Assign{Resource: r.ID, ExpectEpoch: r.Epoch, Owner: to, Reason: reason}}
}

func move(r fsm.Resource, to, reason string) decision {
	return decision{move: &fsmpb.Move{Resource: r.ID, ExpectEpoch: r.Epoch, To: to, Reason: reason}}
}

// String is for logs and test transcripts.
func (d decision) String() string {
	switch {
	case d.assign != nil && d.assign.Owner == "":
		return fmt.Sprintf("release %s (%s)", d.assign.Resource, d.assign.Reason)
	case d.assign != nil:
		return fmt.Sprintf("assign %s to %s (%s)", d.assign.Resource, d.assign.Owner, d.assign.Reason)
	case d.move != nil:
		return fmt.Sprintf("move %s to %s (%s)", d.move.Resource, d.move.To, d.move.Reason)
	default:
		return fmt.Sprintf("node %s alive=%t lease=%t", d.node.Node, d.node.Alive, d.node.Lease)
	}
}
