// Package placement is the leader's policy of who owns what: a pure function of the state and of what the leader knows of
// the nodes. It only proposes; the state validates.
package placement

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
	reasonConfig   = "not configured" // the former owner's configuration Lacks it
	reasonPromoted = "promoted"       // an uplink's client had started on this node
	reasonLeader   = "leader"         // the FNP endpoint is where the leader is
	reasonStopping = "node stops"     // the former owner was asked to end
	reasonMaintain = "maintenance"    // the former owner's is to begin
	reasonTarget   = "target down"    // the former owner didn't reach the export's target
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

// Policy decides who owns what. Every proposal is a compare-and-set on the epoch, so that what was overtaken changes
// nothing.
//
//   - An unowned RTU goes to its pin, else to the node it prefers, else to another FEP. A live owner keeps it: there's no
//     automatic fail-back.
//   - What a lost node owned goes to another FEP; an uplink group only to one where a client has started, else it's
//     unowned, and the control centre chooses.
//   - An RTU that its owner reaches over no channel moves at once to a FEP that reaches it. If no one does it moves after
//     30 s, and then ever more rarely.
//   - An export goes to a FEP that reaches its target.
//   - What a node owns that stops, or is under maintenance, is moved away, and then leadership; it gets nothing meanwhile.
//   - The witness owns nothing, and hands on leadership to a FEP as soon as one has all that's committed.
type Policy struct {
	wait        time.Duration // after which a lease is certainly over
	seen        map[string]*history
	transferred time.Duration // when leadership was last handed on; 0: never
}

// history is what the leader remembers of a resource.
type history struct {
	epoch     uint64
	since     time.Duration // when it was first seen in this epoch
	spoke     bool          // in this epoch its owner has reported links that aren't down
	down      bool          // all links of its owner are down
	downSince time.Duration
	blind     int // moves to a node that doesn't reach it either, since it was last reached
}

// Node is a member as the leader knows it. Instants are readings of the leader's clock.
type Node struct {
	ID        string
	FEP       bool
	Usable    bool            // it has a fresh lease
	Free      time.Duration   // instant from which on it has no lease unless it's granted another
	FreeKnown bool            // false: Free isn't known
	Alive     bool            // heard of lately
	CaughtUp  bool            // its state has about all that's committed
	Away      bool            // it's to own nothing, see fsm.Node.Away
	Lacks     map[string]bool // resources of the state that its configuration doesn't have
}

// View is what a decision depends on.
type View struct {
	Now    time.Duration // reading of the leader's clock
	Leader string
	Nodes  []Node // by host
	State  *fsm.State
}

// Decision is a command to be proposed: one of Assign, Move and Node. What takes a resource from a node that hasn't given
// it up names that node in Takes: the leader must grant it no lease until the proposal is applied.
type Decision struct {
	Assign *fsmpb.Assign
	Move   *fsmpb.Move
	Node   *fsmpb.NodeState
	Takes  string
}

// Command is the decision as it's committed.
func (d Decision) Command() *fsmpb.Command {
	switch {
	case d.Assign != nil:
		return &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: d.Assign}}
	case d.Move != nil:
		return &fsmpb.Command{Op: &fsmpb.Command_Move{Move: d.Move}}
	default:
		return &fsmpb.Command{Op: &fsmpb.Command_NodeState{NodeState: d.Node}}
	}
}

// New is the policy of a node that begins to lead; wait is the time after which a lease is certainly over.
func New(wait time.Duration) *Policy {
	return &Policy{wait: wait, seen: map[string]*history{}}
}

// Decide returns what to propose now. It's asked whenever something changed, and a few times a lease.
func (p *Policy) Decide(v View) []Decision {
	var ds []Decision
	for _, n := range v.Nodes {
		if s, ok := v.State.Node(n.ID); ok && (s.Alive != n.Alive || s.Lease != n.Usable) {
			ds = append(ds, Decision{Node: &fsmpb.NodeState{Node: n.ID, Alive: n.Alive, Lease: n.Usable}})
		}
	}
	resources := v.State.Resources()
	p.observe(resources, v.Now)
	for _, r := range resources {
		if d, ok := p.decideResource(v, r); ok {
			ds = append(ds, d)
		}
	}
	return ds
}

// observe notes since when each resource is in its epoch.
func (p *Policy) observe(resources []fsm.Resource, now time.Duration) {
	known := make(map[string]*history, len(resources))
	for _, r := range resources {
		t := p.seen[r.ID]
		if t == nil {
			t = &history{epoch: r.Epoch, since: now}
		} else if t.epoch != r.Epoch {
			*t = history{epoch: r.Epoch, since: now, blind: t.blind}
		}
		known[r.ID] = t
	}
	p.seen = known
}

func (p *Policy) decideResource(v View, r fsm.Resource) (Decision, bool) {
	if r.Phase == fsm.Unowned {
		return p.place(v, r)
	}
	owner, known := v.node(r.Owner)
	if !known || !owner.FEP || owner.FreeKnown && v.Now >= owner.Free {
		return p.replace(v, r)
	}
	if r.Phase == fsm.Owned {
		return p.shift(v, r)
	}
	return Decision{}, false
}

// place finds an owner for what nobody owns.
func (p *Policy) place(v View, r fsm.Resource) (Decision, bool) {
	seen := p.seen[r.ID]
	reason := reasonReturned
	if r.Epoch == 0 {
		reason = reasonStart
		// It may be back after the configuration had dropped it; a node that hasn't noticed may run its links until its
		// lease ends.
		if v.Now < seen.since+p.wait {
			return Decision{}, false
		}
	}
	switch r.Kind {
	case fsm.ResourceRTU:
		preferred := p.preferred(v, r)
		if n, ok := v.node(preferred); ok && n.FEP && !n.Away && !n.mayOwn(r.ID) && r.Epoch == 0 && v.Now < seen.since+startGrace {
			return Decision{}, false
		}
		to, ok := v.choose(r.ID, preferred)
		return assign(r, to, reason, ""), ok
	case fsm.ResourceFNP, fsm.ResourceExport:
		to, ok := v.choose(r.ID, p.preferred(v, r))
		return assign(r, to, reason, ""), ok
	default:
		to, ok := v.startedElsewhere(r)
		return assign(r, to, reasonPromoted, ""), ok
	}
}

// replace finds an owner for what a lost node owned.
func (p *Policy) replace(v View, r fsm.Resource) (Decision, bool) {
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
		return Decision{}, false // it's back, with a lease of this leader's: it goes on in its epoch
	}
	return assign(r, to, reasonDead, r.Owner), ok
}

// shift finds a better owner for what a live node owns.
func (p *Policy) shift(v View, r fsm.Resource) (Decision, bool) {
	owner, _ := v.node(r.Owner)
	if r.Pin != "" && r.Pin != r.Owner {
		if n, ok := v.node(r.Pin); ok && n.mayOwn(r.ID) {
			return move(r, r.Pin, reasonPin), true
		}
	}
	if owner.Away {
		return p.clear(v, r)
	}
	if owner.Lacks[r.ID] {
		if to, ok := v.choose(r.ID, ""); ok {
			return move(r, to, reasonConfig), true
		}
	}
	switch r.Kind {
	case fsm.ResourceRTU:
		return p.shiftRTU(v, r)
	case fsm.ResourceExport:
		return p.shiftExport(v, r)
	case fsm.ResourceFNP:
		if n, ok := v.node(v.Leader); ok && n.mayOwn(r.ID) && v.Leader != r.Owner && r.Pin == "" {
			return move(r, v.Leader, reasonLeader), true
		}
	}
	return Decision{}, false
}

// clear finds an owner for what a node is to give away. An uplink group goes where a client has started; without one the
// node closes its link by itself, and the control centre chooses.
func (p *Policy) clear(v View, r fsm.Resource) (Decision, bool) {
	reason := reasonMaintain
	if n, ok := v.State.Node(r.Owner); ok && n.Stopping {
		reason = reasonStopping
	}
	to, ok := v.choose(r.ID, "")
	if r.Kind == fsm.ResourceUplink {
		to, ok = v.startedElsewhere(r)
	}
	return move(r, to, reason), ok
}

// shiftRTU is for an RTU that its owner may not reach. The state lists the links that aren't down, and what an owner has
// yet to try is connecting: so none listed is all tried and down, once the owner has had the time to say anything. One that
// isn't active and is doubted counts as down while another FEP is known to reach the device.
func (p *Policy) shiftRTU(v View, r fsm.Resource) (Decision, bool) {
	number, _ := fsm.ParseRTUResource(r.ID)
	t := p.seen[r.ID]
	if slices.ContainsFunc(v.State.Links(number, r.Owner), func(l fsm.Link) bool { return l.State == fsm.LinkActive || !l.Doubted }) {
		t.spoke, t.down = true, false
		if anyUp(v.State.Links(number, r.Owner)) {
			t.blind = 0
		}
		return Decision{}, false
	}
	if !t.spoke && v.Now < t.since+reportWait || r.Pin != "" {
		return Decision{}, false
	}
	if !t.down {
		t.down, t.downSince = true, v.Now
		if !t.spoke {
			t.downSince = t.since
		}
	}
	for _, n := range v.Nodes {
		if n.ID == r.Owner || !n.mayOwn(r.ID) {
			continue
		}
		if anyGood(v.State.Links(number, n.ID)) {
			// If it came here for its channels and they never worked here either, the probe there proves little.
			if v.Now >= t.since+flapWait || r.Reason != reasonChannels || r.Timings.FirstDataMs > 0 {
				return move(r, n.ID, reasonChannels), true
			}
		} else if v.Now >= t.downSince+min(flapWait<<min(t.blind, 10), blindWait) {
			// Down there too, or no one probes (standby_probe is off). It's tried, more and more rarely.
			t.blind++
			t.down = false
			return move(r, n.ID, reasonChannels), true
		}
	}
	return Decision{}, false
}

// shiftExport is for an export whose target its owner doesn't reach, and another FEP does. If it came here for that and didn't
// get on either, what the other sees proves little.
func (p *Policy) shiftExport(v View, r fsm.Resource) (Decision, bool) {
	e, _ := v.State.Export(r.ID)
	if own, said := e.Reach[r.Owner]; !said || own.OK || r.Pin != "" {
		return Decision{}, false
	}
	if t := p.seen[r.ID]; r.Reason == reasonTarget && v.Now < t.since+flapWait {
		return Decision{}, false
	}
	for _, n := range v.Nodes {
		if n.ID != r.Owner && n.mayOwn(r.ID) && e.Reach[n.ID].OK {
			return move(r, n.ID, reasonTarget), true
		}
	}
	return Decision{}, false
}

func anyUp(links []fsm.Link) bool {
	return slices.ContainsFunc(links, func(l fsm.Link) bool { return l.State.Up() })
}

// anyGood tells whether the device is known to be reachable over a link.
func anyGood(links []fsm.Link) bool { return slices.ContainsFunc(links, fsm.Link.Good) }

// preferred is where a resource should be if it can be chosen.
func (p *Policy) preferred(v View, r fsm.Resource) string {
	if r.Pin != "" {
		return r.Pin
	}
	if number, ok := fsm.ParseRTUResource(r.ID); ok {
		if rtu, ok := v.State.RTU(number); ok {
			return rtu.Prefer
		}
	}
	return v.Leader
}

// TransferTarget is the FEP to which this leader should hand on leadership now; "" for none. A witness should as soon as a FEP
// is there, and a FEP that's away once it owns nothing that another may own. It's tried once a second.
func (p *Policy) TransferTarget(v View) string {
	self, ok := v.node(v.Leader)
	if !ok || self.FEP && (!self.Away || p.stillOwns(v, self.ID)) || p.transferred != 0 && v.Now < p.transferred+time.Second {
		return ""
	}
	for _, n := range v.Nodes {
		if n.FEP && !n.Away && n.Alive && n.CaughtUp {
			p.transferred = v.Now
			return n.ID
		}
	}
	return ""
}

// stillOwns tells whether a node that's away has yet to give something to another.
func (p *Policy) stillOwns(v View, id string) bool {
	for _, r := range v.State.Resources() {
		if r.Owner != id {
			continue
		}
		if _, more := p.clear(v, r); more || r.Phase == fsm.Releasing {
			return true
		}
	}
	return false
}

func (v *View) node(id string) (Node, bool) {
	i := slices.IndexFunc(v.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return Node{}, false
	}
	return v.Nodes[i], true
}

func (n *Node) mayOwn(resource string) bool {
	return n.FEP && n.Usable && !n.Away && !n.Lacks[resource]
}

// choose returns first if it may own the resource, else the FEP with the lowest host number that may.
func (v *View) choose(resource, first string) (string, bool) {
	if n, ok := v.node(first); ok && n.mayOwn(resource) {
		return first, true
	}
	for _, n := range v.Nodes {
		if n.mayOwn(resource) {
			return n.ID, true
		}
	}
	return "", false
}

// startedElsewhere is a FEP, not the owner, where a client of an uplink group has started. In exclusive mode none can.
func (v *View) startedElsewhere(r fsm.Resource) (string, bool) {
	g, ok := v.State.Group(r.ID)
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

func assign(r fsm.Resource, to, reason, takes string) Decision {
	return Decision{Takes: takes, Assign: &fsmpb.Assign{Resource: r.ID, ExpectEpoch: r.Epoch, Owner: to, Reason: reason}}
}

func move(r fsm.Resource, to, reason string) Decision {
	return Decision{Move: &fsmpb.Move{Resource: r.ID, ExpectEpoch: r.Epoch, To: to, Reason: reason}}
}

// String is for logs and test transcripts.
func (d Decision) String() string {
	switch {
	case d.Assign != nil && d.Assign.Owner == "":
		return fmt.Sprintf("release %s (%s)", d.Assign.Resource, d.Assign.Reason)
	case d.Assign != nil:
		return fmt.Sprintf("assign %s to %s (%s)", d.Assign.Resource, d.Assign.Owner, d.Assign.Reason)
	case d.Move != nil:
		return fmt.Sprintf("move %s to %s (%s)", d.Move.Resource, d.Move.To, d.Move.Reason)
	default:
		return fmt.Sprintf("node %s alive=%t lease=%t", d.Node.Node, d.Node.Alive, d.Node.Lease)
	}
}
