package fsm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/points"
)

// Topology: nodes and their links downward, as they are reported. Clients upward are in uplink.go.

// Roles of nodes.
const (
	roleFEP     = "fep"
	roleWitness = "witness"
)

// Node is a member of the station.
type Node struct {
	ID      string
	Host    uint32 // 1, 2, 3
	Role    string // fep | witness
	Alive   bool   // as the leader judges
	Lease   bool   // it holds a lease, as the leader judges
	SinceMs int64  // of the last change of Alive, ms since 1970-01-01 UTC

	Stopping    bool // it was asked to end, and no process of it has started since
	Maintenance bool // an operator keeps everything away from it
}

// Away tells whether the node is to own nothing, because it stops or for its maintenance.
func (n Node) Away() bool { return n.Stopping || n.Maintenance }

// Node returns a member by its id.
func (s *State) Node(id string) (Node, bool) {
	if n := s.node(id); n != nil {
		return *n, true
	}
	return Node{}, false
}

// Nodes returns the members, by host.
func (s *State) Nodes() []Node {
	nodes := make([]Node, len(s.nodes))
	for i, n := range s.nodes {
		nodes[i] = *n
	}
	return nodes
}

func (s *State) node(id string) *Node {
	for _, n := range s.nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// nodeOfHost is the id of the node with this host number; empty if there is none.
func (s *State) nodeOfHost(host uint32) string {
	for _, n := range s.nodes {
		if n.Host == host {
			return n.ID
		}
	}
	return ""
}

// LinkState is the state of a link as one node sees it.
type LinkState uint8

// The states, with the numbers of [fsmpb.LinkState].
const (
	LinkDown LinkState = iota
	LinkConnecting
	LinkStandby // reachable, not started
	LinkActive

	linkStates
)

var linkStateNames = [linkStates]string{"down", "connecting", "standby", "active"}

// String gives down, connecting, standby or active.
func (l LinkState) String() string {
	if l < linkStates {
		return linkStateNames[l]
	}
	return fmt.Sprintf("link(%d)", uint8(l))
}

// Up tells whether the device can be reached over the link.
func (l LinkState) Up() bool { return l == LinkStandby || l == LinkActive }

// Link is one link of an RTU as one node sees it.
type Link struct {
	Channel uint32 // from 1
	Link    uint32 // from 1
	State   LinkState
	Doubted bool // whether it's still so is being asked: it was silent, or the other FEP's link is
}

// Good tells whether the device is known to be reachable over the link.
func (l Link) Good() bool { return l.State.Up() && !l.Doubted }

// rtu is an RTU with what is known of it, but for its points.
type rtu struct {
	number        uint32
	resource      *Resource
	name          string
	prefer        string
	channels      []int
	online        bool
	onlineSinceMs int64
	links         map[string][]Link // by node; without the links that are down
	strays        strays
	untold        map[pointID]points.Information // by point: what the journal told last, where an interrogation has changed the image since
	overrides     map[pointID]*Override          // by point: what operators have done to it
}

// up tells whether a node reaches the RTU over a link of this channel, or over this link of it; 0 is any.
func (u *rtu) up(node string, channel, link uint32) bool {
	return slices.ContainsFunc(u.links[node], func(l Link) bool {
		return l.State.Up() && (channel == 0 || l.Channel == channel) && (link == 0 || l.Link == link)
	})
}

// activeOn is a node that has an active link to the RTU; empty if none has.
func (u *rtu) activeOn() string {
	for _, node := range slices.Sorted(maps.Keys(u.links)) {
		if slices.ContainsFunc(u.links[node], func(l Link) bool { return l.State == LinkActive }) {
			return node
		}
	}
	return ""
}

// RTU is a field device.
type RTU struct {
	Number        uint32
	Name          string
	Prefer        string // node where it starts; may be empty
	Online        bool   // it is on some channel of some node
	OnlineSinceMs int64  // since when Online is what it is, ms since 1970-01-01 UTC; 0 if it never was otherwise
	Links         []int  // number of links of each channel, channel 1 first
	Shares        uint32 // number of the RTU whose links and resource it shares; 0: it has its own
}

// shares is the number of the RTU whose links it shares; 0: it has its own.
func (u *rtu) shares() uint32 {
	if line, _ := ParseRTUResource(u.resource.ID); line != u.number {
		return line
	}
	return 0
}

func (u *rtu) public() RTU {
	return RTU{u.number, u.name, u.prefer, u.online, u.onlineSinceMs, slices.Clone(u.channels), u.shares()}
}

// RTU returns an RTU by its number.
func (s *State) RTU(number uint32) (RTU, bool) {
	if u := s.rtus[number]; u != nil {
		return u.public(), true
	}
	return RTU{}, false
}

// RTUs returns all RTUs by number.
func (s *State) RTUs() []RTU {
	all := make([]RTU, 0, len(s.rtus))
	for _, u := range s.sortedRTUs() {
		all = append(all, u.public())
	}
	return all
}

func (s *State) sortedRTUs() []*rtu {
	all := slices.Collect(maps.Values(s.rtus))
	slices.SortFunc(all, func(a, b *rtu) int { return cmp.Compare(a.number, b.number) })
	return all
}

// Links returns the links of an RTU that are not down as a node reported them, by channel and link.
func (s *State) Links(rtu uint32, node string) []Link {
	if u := s.rtus[rtu]; u != nil {
		return slices.Clone(u.links[node])
	}
	return nil
}

const maxLinks = 4096 // of an RTU on a node

// setLinks takes a node's full list of an RTU's links. It may name channels that the configuration does not: the node
// may be ahead of it.
func (s *State) setLinks(op *fsmpb.Links) *fsmpb.Result {
	u := s.rtus[op.Rtu]
	if u == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no RTU %d", op.Rtu)
	}
	if s.node(op.Node) == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", op.Node)
	}
	links, err := readLinks(op.Links)
	if err != nil {
		return command.Refuse(fsmpb.Result_INVALID, "RTU %d, links of %q: %v", op.Rtu, op.Node, err)
	}
	if slices.Equal(links, u.links[op.Node]) {
		return u.resource.About(command.Already())
	}
	s.putLinks(u, op.Node, links)
	return u.resource.About(command.Done())
}

// readLinks brings a list of links in normal form: sorted, without those that are down.
func readLinks(list []*fsmpb.Links_Link) ([]Link, error) {
	if len(list) > maxLinks {
		return nil, fmt.Errorf("%d links: expected at most %d", len(list), maxLinks)
	}
	links := make([]Link, 0, len(list))
	for _, l := range list {
		if l.GetChannel() == 0 || l.Link == 0 {
			return nil, fmt.Errorf("channel %d, link %d: both are numbered from 1", l.GetChannel(), l.GetLink())
		}
		if l.State < 0 || l.State >= fsmpb.LinkState(linkStates) {
			return nil, fmt.Errorf("channel %d, link %d: there is no state %d", l.Channel, l.Link, l.State)
		}
		links = append(links, Link{Channel: l.Channel, Link: l.Link, State: LinkState(l.State), Doubted: l.Doubted})
	}
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Link, b.Link))
	})
	for i := 1; i < len(links); i++ {
		if links[i].Channel == links[i-1].Channel && links[i].Link == links[i-1].Link {
			return nil, fmt.Errorf("channel %d, link %d is there twice", links[i].Channel, links[i].Link)
		}
	}
	return slices.DeleteFunc(links, func(l Link) bool { return l.State == LinkDown }), nil
}

func (s *State) putLinks(u *rtu, node string, links []Link) {
	if len(links) == 0 {
		delete(u.links, node)
	} else {
		u.links[node] = links
	}
	s.rev.Links++
	s.virtual.touch(u.resource.ID)
}

// setNode takes the leader's judgement of a node. One that is not alive has no links and no clients any more.
func (s *State) setNode(at command.Stamp, op *fsmpb.NodeState) *fsmpb.Result {
	n := s.node(op.Node)
	if n == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", op.Node)
	}
	if n.Alive == op.Alive && n.Lease == op.Lease {
		return command.Already()
	}
	if n.Alive != op.Alive {
		n.SinceMs = at.Ms
		s.note(at, &Note{Kind: NoteNode, Resource: n.ID, OK: op.Alive})
		s.virtual.touch(nodeTopic(n.ID))
	}
	n.Alive, n.Lease = op.Alive, op.Lease
	s.rev.Nodes++
	if !n.Alive {
		s.forgetNode(n.ID)
	}
	return command.Done()
}

// setStopping takes a node's word that it ends, or that it's back.
func (s *State) setStopping(at command.Stamp, op *fsmpb.Stopping) *fsmpb.Result {
	n := s.node(op.Node)
	switch {
	case n == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", op.Node)
	case at.Node != op.Node:
		return command.Refuse(fsmpb.Result_INVALID, "node %q can't say that %q stops: only that node itself", at.Node, op.Node)
	case n.Stopping == op.On:
		return command.Already()
	}
	n.Stopping = op.On
	s.rev.Nodes++
	s.note(at, &Note{Kind: NoteStopping, Resource: n.ID, OK: !op.On})
	return command.Done()
}

// setMaintenance keeps everything away from a node, or no longer.
func (s *State) setMaintenance(at command.Stamp, op *fsmpb.Maintenance) *fsmpb.Result {
	n := s.node(op.Node)
	switch {
	case n == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no node %q", op.Node)
	case n.Role != roleFEP:
		return command.Refuse(fsmpb.Result_INVALID, "node %q is a %s, which owns nothing: nothing is to be kept away from it", n.ID, n.Role)
	case n.Maintenance == op.On:
		return command.Already()
	}
	n.Maintenance = op.On
	s.rev.Nodes++
	s.note(at, &Note{Kind: NoteMaintenance, Resource: n.ID, OK: !op.On, Origin: command.Clip(op.Origin)})
	return command.Done()
}

// forgetNode takes away the links and clients of a node.
func (s *State) forgetNode(id string) {
	for _, u := range s.sortedRTUs() {
		if len(u.links[id]) > 0 {
			s.putLinks(u, id, nil)
		}
	}
	s.exports.ForgetNode(id)
	for _, g := range s.groups {
		if len(g.clients[id]) > 0 {
			s.putClients(g, id, nil)
		}
	}
}
