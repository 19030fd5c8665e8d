package fsm

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Uplink groups: their clients, and how far they have acknowledged the journal.

// Mode is how the clients of an uplink's group share it (DESIGN, section 6), as the configuration and the API write it.
type Mode string

const (
	Exclusive   Mode = "exclusive"    // one link of the station; the other FEP does not even listen
	MainStandby Mode = "main-standby" // a started link on each FEP; one is the main one and has the events
	DualActive  Mode = "dual-active"  // a started link on each FEP, each with all events from its own cursor
)

var protoModes = map[Mode]fsmpb.Configure_Mode{
	Exclusive: fsmpb.Configure_EXCLUSIVE, MainStandby: fsmpb.Configure_MAIN_STANDBY, DualActive: fsmpb.Configure_DUAL_ACTIVE,
}

// Proto is the mode as it stands in commands; MODE_NONE for a word that is none.
func (m Mode) Proto() fsmpb.Configure_Mode { return protoModes[m] }

func modeOf(p fsmpb.Configure_Mode) Mode {
	for mode, proto := range protoModes {
		if proto == p {
			return mode
		}
	}
	return ""
}

// Client is a client connection of an uplink group.
type Client struct {
	Node    string
	Address string
	Started bool
	Role    string // main | standby | held; waiting: for the client on another node to be gone, before anything is exchanged

	Doubted   bool   // whether it's still there is being asked
	Confirmed uint64 // how often it has confirmed TESTFR because a client on another node was in question
}

// InQuestion tells whether other nodes are to find out whether their started client of the group is there: this one is
// silent, or would take its place.
func (c Client) InQuestion() bool { return c.Doubted || c.Role == RoleWaiting }

// RoleWaiting is the role of a client that is let in if the one on another node turns out to be gone.
const RoleWaiting = "waiting"

func readClient(node string, c *fsmpb.Clients_Client) Client {
	return Client{
		Node: node, Address: c.GetAddress(), Started: c.GetStarted(), Role: c.GetRole(), Doubted: c.GetDoubted(), Confirmed: c.GetConfirmed(),
	}
}

// Proto is the client as a node reports it.
func (c Client) Proto() *fsmpb.Clients_Client {
	return &fsmpb.Clients_Client{Address: c.Address, Started: c.Started, Role: c.Role, Doubted: c.Doubted, Confirmed: c.Confirmed}
}

// Slot is one cursor of a group. A group has one, or one for each node where a client of a dual-active group was.
type Slot struct {
	Name     string // empty, or the node of a dual-active group's link
	Seq      uint64 // last event acknowledged
	Dropped  uint64 // events that the journal dropped before they were acknowledged
	LostTo   uint64 // newest event that was dropped before it was acknowledged; 0: none was
	Overflow bool   // from the first event dropped until it is behind the cursor, and half of the journal's room too
}

// Group is an uplink group.
type Group struct {
	Resource string // id
	Uplink   string
	Name     string
	Mode     Mode
	Slots    []Slot // by name
	Cursor   uint64 // of the slot that is furthest behind
	Backlog  uint64 // events after Cursor that the journal still has
	Dropped  uint64 // sum over its slots
	Overflow bool   // of any slot
	Clients  []Client
}

type group struct {
	resource *Resource
	uplink   string
	name     string
	mode     fsmpb.Configure_Mode
	base     uint64              // last event before the group existed: its cursors start there
	lost     uint64              // events after base that were dropped
	lostTo   uint64              // the newest of them
	slots    []Slot              // by name
	clients  map[string][]Client // by node
	frozen   map[PointKey]Point  // counters; replaced by each freeze, and not changed
}

// setMode keeps the cursors' place when the mode changes: what was behind stays to be sent.
func (g *group) setMode(mode fsmpb.Configure_Mode) {
	dual, wasDual := mode == fsmpb.Configure_DUAL_ACTIVE, g.mode == fsmpb.Configure_DUAL_ACTIVE
	if g.mode == fsmpb.Configure_MODE_NONE || dual != wasDual {
		g.base, g.lost, g.lostTo = g.cursor(), 0, 0
		g.slots = nil
		if !dual {
			g.slots = []Slot{{Seq: g.base}}
		}
	}
	g.mode = mode
}

// cursor is where the slot is that is furthest behind.
func (g *group) cursor() uint64 {
	if len(g.slots) == 0 {
		return g.base
	}
	return slices.MinFunc(g.slots, func(a, b Slot) int { return cmp.Compare(a.Seq, b.Seq) }).Seq
}

func (g *group) slot(name string) *Slot {
	for i := range g.slots {
		if g.slots[i].Name == name {
			return &g.slots[i]
		}
	}
	return nil
}

func (g *group) overflow() bool {
	return slices.ContainsFunc(g.slots, func(c Slot) bool { return c.Overflow })
}

// startedOn tells whether a client of the group is started on a node.
func (g *group) startedOn(node string) bool {
	return slices.ContainsFunc(g.clients[node], func(c Client) bool { return c.Started })
}

func (s *State) group(resource string) *group {
	for _, g := range s.groups {
		if g.resource.ID == resource {
			return g
		}
	}
	return nil
}

func (s *State) publicGroup(g *group) Group {
	p := Group{
		Resource: g.resource.ID, Uplink: g.uplink, Name: g.name, Mode: modeOf(g.mode),
		Slots: slices.Clone(g.slots), Cursor: g.cursor(), Overflow: g.overflow(),
	}
	p.Backlog = s.journal.After(p.Cursor)
	for _, c := range g.slots {
		p.Dropped += c.Dropped
	}
	for _, node := range slices.Sorted(maps.Keys(g.clients)) {
		p.Clients = append(p.Clients, g.clients[node]...)
	}
	return p
}

// Group returns an uplink group by its resource id.
func (s *State) Group(resource string) (Group, bool) {
	if g := s.group(resource); g != nil {
		return s.publicGroup(g), true
	}
	return Group{}, false
}

// Groups returns all uplink groups, by resource id.
func (s *State) Groups() []Group {
	all := make([]Group, len(s.groups))
	for i, g := range s.groups {
		all[i] = s.publicGroup(g)
	}
	return all
}

// Cursor returns the last event that a slot of a group has acknowledged: where to go on from. Slot is empty, or the node
// of a dual-active group's link; one that never acknowledged anything stands where the group began. 0 if there is no
// such group.
func (s *State) Cursor(resource, slot string) uint64 {
	g := s.group(resource)
	if g == nil {
		return 0
	}
	if c := g.slot(slot); c != nil {
		return c.Seq
	}
	return g.base
}

// Dropped returns how many events the journal dropped before a slot of a group acknowledged them; see [State.Cursor].
func (s *State) Dropped(resource, slot string) uint64 {
	g := s.group(resource)
	if g == nil {
		return 0
	}
	if c := g.slot(slot); c != nil {
		return c.Dropped
	}
	return g.lost
}

// setCursor moves a cursor forward. The group's own is fenced; that of a dual-active link moves only by its node.
func (s *State) setCursor(at command.Stamp, op *fsmpb.Cursor) *fsmpb.Result {
	g := s.group(op.Resource)
	if g == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no uplink group %q", op.Resource)
	}
	r := g.resource
	dual := g.mode == fsmpb.Configure_DUAL_ACTIVE
	switch {
	case !dual && op.Slot != "":
		return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: slot %q: a group that is %s has one cursor", r.ID, op.Slot, modeOf(g.mode)))
	case dual && (op.Slot != at.Node || s.node(op.Slot) == nil):
		return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: slot %q: expected the proposing node, which is %q", r.ID, op.Slot, at.Node))
	case !dual:
		if bad := r.Fence(op.Epoch, at.Node); bad != nil {
			return bad
		}
	}
	if op.Seq > s.journal.Last() {
		return r.About(command.Refuse(fsmpb.Result_INVALID, "%s: cursor %d: the newest event is %d", r.ID, op.Seq, s.journal.Last()))
	}
	c := g.slot(op.Slot)
	if c == nil {
		c = g.addSlot(op.Slot)
	} else if op.Seq <= c.Seq {
		return r.About(command.Already())
	}
	c.Seq = max(c.Seq, op.Seq)
	s.checks.Acknowledged(at, r.ID, c.Seq, c.LostTo)
	s.rev.Cursors++
	s.unsettled = true
	return r.About(command.Done())
}

const (
	maxClients    = 4096 // of a group on a node
	maxClientText = 256
)

// setClients takes a node's full list of a group's clients.
func (s *State) setClients(op *fsmpb.Clients) *fsmpb.Result {
	g := s.group(op.Resource)
	if g == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no uplink group %q", op.Resource)
	}
	if s.node(op.Node) == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", op.Node)
	}
	if len(op.Clients) > maxClients {
		return command.Refuse(fsmpb.Result_INVALID, "%s: %d clients on %q: expected at most %d", op.Resource, len(op.Clients), op.Node, maxClients)
	}
	clients := make([]Client, len(op.Clients))
	for i, c := range op.Clients {
		if len(c.GetAddress()) > maxClientText || len(c.GetRole()) > maxClientText {
			return command.Refuse(fsmpb.Result_INVALID, "%s: client %.64q on %q: expected texts of at most %d octets", op.Resource, c.Address, op.Node, maxClientText)
		}
		clients[i] = readClient(op.Node, c)
	}
	slices.SortStableFunc(clients, func(a, b Client) int { return cmp.Compare(a.Address, b.Address) })
	if slices.Equal(clients, g.clients[op.Node]) {
		return g.resource.About(command.Already())
	}
	s.putClients(g, op.Node, clients)
	return g.resource.About(command.Done())
}

func (s *State) putClients(g *group, node string, clients []Client) {
	if len(clients) == 0 {
		delete(g.clients, node)
	} else {
		g.clients[node] = clients
	}
	s.rev.Clients++
	s.virtual.touch(g.resource.ID)
}

// freezeCounters keeps counters as they are for a group. Of those that were frozen before, the others stay.
func (s *State) freezeCounters(op *fsmpb.CounterFreeze) *fsmpb.Result {
	g := s.group(op.Resource)
	if g == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no uplink group %q", op.Resource)
	}
	frozen := map[PointKey]Point{}
	for k, p := range g.frozen {
		if _, known := s.image.Find(k); known {
			frozen[k] = p
		}
	}
	for _, p := range op.Points {
		k := PointKey{RTU: p.GetRtu(), Kind: Counter, Point: p.GetPoint()}
		if rec, known := s.image.Find(k); known {
			p := rec.Public()
			p.Seq, p.Version, p.AsValue = 0, 0, false
			frozen[k] = p
		}
	}
	g.frozen = frozen
	return g.resource.About(command.Done())
}

// FrozenCounters are the counters of a group as its clients froze them last; nil: they never did. It isn't changed any more.
func (s *State) FrozenCounters(resource string) map[PointKey]Point {
	if g := s.group(resource); g != nil {
		return g.frozen
	}
	return nil
}

// frozenProto is for a snapshot.
func (g *group) frozenProto() (list []*fsmpb.GroupState_Frozen) {
	for _, k := range slices.SortedFunc(maps.Keys(g.frozen), func(a, b PointKey) int {
		return cmp.Or(cmp.Compare(a.RTU, b.RTU), cmp.Compare(a.Point, b.Point))
	}) {
		p := g.frozen[k]
		list = append(list, &fsmpb.GroupState_Frozen{
			Rtu: k.RTU, Point: k.Point, Value: p.Value, Quality: uint32(p.Quality), Type: uint32(p.Type), Time: p.Time, TimeMs: p.TimeMs,
		})
	}
	return list
}
