package fsm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/points"
)

// Virtual points are a function of links, owners, nodes, clients and cursors, worked out again in the very command that
// changes one of these. So no two nodes differ about them, and when an RTU moves, what is forwarded of its channels is
// the new owner's view in the same commit.
//
//	source                what it means              vala, valb                  val
//	channel:R:N           channel N of RTU R is up   host 1's, host 2's view     the view of R's owner, 0 if nobody's
//	link:R:N:M            link M of it is up         same                        same
//	rtu:R                 any channel of R is up     same                        same
//	node:ID               the node is alive          all three are the leader's judgement
//	uplink:NAME:GROUP     a client is started        there                       on the group's owner
//	overflow:NAME:GROUP   events were dropped        all three are the journal's count
//	condition:alarm       there is such a condition  all three are the state's
//	condition:warning     same                       same
//	condition:ID          there is this condition    same
//
// A link is up when the device is reachable over it, whether it is started (active) or held (standby). A channel is up
// when one of its links is.

// VirtualPoint is a point that the station itself produces. Its value is in the image too, as a DI.
type VirtualPoint struct {
	RTU    uint32
	Point  uint32
	Name   string
	Source string
	ValA   bool   // as the node with host number 1 sees it
	ValB   bool   // as the node with host number 2 sees it
	Val    bool   // as the owner sees it: what is forwarded
	Time   uint64 // of the last change of Val: octets of the CP56Time2a, first octet in the lowest byte
	TimeMs int64  // the same instant, ms since 1970-01-01 UTC
}

// view works out one virtual point.
type view func(s *State) (a, b, val bool)

type virtualPoint struct {
	VirtualPoint
	topic string // what it depends on: a resource id, that of a node, or conditions
	view  view
}

func (v *virtualPoint) key() PointKey { return PointKey{RTU: v.RTU, Kind: DI, Point: v.Point} }

// virtualPoints holds all virtual points and which of them may have changed in this command.
type virtualPoints struct {
	points  []*virtualPoint // by RTU and point
	byKey   map[PointKey]int
	byRTU   map[uint32]bool // which RTUs have any: asked once for each value that comes in
	byTopic map[string][]int
	touched []int
}

func nodeTopic(id string) string { return "node/" + id }

// touch says that something changed which virtual points depend on.
func (v *virtualPoints) touch(topic string) { v.touched = append(v.touched, v.byTopic[topic]...) }

func (v *virtualPoints) isVirtual(k PointKey) bool {
	if !v.byRTU[k.RTU] {
		return false
	}
	_, ok := v.byKey[k]
	return ok
}

// VirtualPoints returns all virtual points, by RTU and point.
func (s *State) VirtualPoints() []VirtualPoint {
	all := make([]VirtualPoint, len(s.virtual.points))
	for i, v := range s.virtual.points {
		all[i] = v.VirtualPoint
	}
	return all
}

// settleVirtual works out the virtual points that may have changed. A change of val is an event.
func (s *State) settleVirtual(at command.Stamp) {
	if len(s.virtual.touched) == 0 {
		return
	}
	touched := s.virtual.touched
	s.virtual.touched = nil
	slices.Sort(touched)
	for _, i := range slices.Compact(touched) {
		v := s.virtual.points[i]
		a, b, val := v.view(s)
		if a == v.ValA && b == v.ValB && val == v.Val {
			continue
		}
		s.rev.Virtual++
		changed := val != v.Val
		v.ValA, v.ValB, v.Val = a, b, val
		if changed {
			v.Time, v.TimeMs = at.CP56, at.Ms
			seq := s.append(Event{
				RTU: v.RTU, Point: v.Point, Kind: DI, Type: points.TypeSinglePoint, Value: number(val), Time: v.Time, TimeMs: v.TimeMs,
			})
			s.putVirtual(v, seq)
		}
	}
}

// putVirtual brings the value of a virtual point into the image.
func (s *State) putVirtual(v *virtualPoint, seq uint64) {
	rec := s.image.Put(v.key())
	rec.Value, rec.Quality, rec.Type = number(v.Val), 0, points.TypeSinglePoint
	rec.Time, rec.TimeMs, rec.Seq = v.Time, v.TimeMs, seq
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// configureVirtual replaces the virtual points. One that is the same as before keeps its value and changes by an event,
// if at all; a new one starts with what is true now, without an event: nobody has been told anything else of it.
func (s *State) configureVirtual(at command.Stamp, points []*virtualPoint) {
	old := s.virtual
	s.virtual = indexVirtual(points)
	for i, v := range s.virtual.points {
		if j, ok := old.byKey[v.key()]; ok && old.points[j].Source == v.Source {
			o := old.points[j]
			v.ValA, v.ValB, v.Val, v.Time, v.TimeMs = o.ValA, o.ValB, o.Val, o.Time, o.TimeMs
			s.virtual.touched = append(s.virtual.touched, i)
			continue
		}
		v.ValA, v.ValB, v.Val = v.view(s)
		v.Time, v.TimeMs = at.CP56, at.Ms
		s.putVirtual(v, 0)
	}
	for _, o := range old.points {
		if !s.virtual.isVirtual(o.key()) {
			s.image.Retain(o.RTU, func(kind Kind, point uint32) bool { return (PointKey{RTU: o.RTU, Kind: kind, Point: point}) != o.key() })
		}
	}
	s.rev.Virtual++
}

func indexVirtual(points []*virtualPoint) virtualPoints {
	v := virtualPoints{points: points, byKey: map[PointKey]int{}, byRTU: map[uint32]bool{}, byTopic: map[string][]int{}}
	for i, p := range points {
		v.byKey[p.key()], v.byRTU[p.RTU] = i, true
		v.byTopic[p.topic] = append(v.byTopic[p.topic], i)
	}
	return v
}

// readVirtual reads the virtual points of a configuration in normal form.
func readVirtual(cfg *fsmpb.Configure) ([]*virtualPoint, error) {
	points := make([]*virtualPoint, 0, len(cfg.Virtual))
	for i, c := range cfg.Virtual {
		if i > 0 && cfg.Virtual[i-1].GetRtu() == c.GetRtu() && cfg.Virtual[i-1].GetPoint() == c.GetPoint() {
			return nil, fmt.Errorf("virtual point %d/%d is there twice", c.GetRtu(), c.GetPoint())
		}
		topic, view, err := readSource(cfg, c.GetSource())
		if err != nil {
			return nil, fmt.Errorf("virtual point %d/%d: source %q: %w", c.GetRtu(), c.GetPoint(), c.GetSource(), err)
		}
		points = append(points, &virtualPoint{
			VirtualPoint: VirtualPoint{RTU: c.Rtu, Point: c.Point, Name: c.Name, Source: c.Source},
			topic:        topic, view: view,
		})
	}
	return points, nil
}

func readSource(cfg *fsmpb.Configure, source string) (topic string, v view, err error) {
	kind, rest, _ := strings.Cut(source, ":")
	part := strings.Split(rest, ":")
	switch {
	case (kind == "rtu" && len(part) == 1) || (kind == "channel" && len(part) == 2) || (kind == "link" && len(part) == 3):
		var n [3]uint32 // RTU, channel, link; 0 is any
		for i, p := range part {
			x, err := strconv.ParseUint(p, 10, 32)
			if err != nil || x == 0 {
				return "", nil, fmt.Errorf("%q: expected a number from 1", p)
			}
			n[i] = uint32(x)
		}
		return RTUResource(lineOfNumber(cfg, n[0])), viewOfLinks(n[0], n[1], n[2]), checkLink(cfg, n[0], n[1], n[2])
	case kind == "node" && len(part) == 1:
		if !slices.ContainsFunc(cfg.Nodes, func(c *fsmpb.Configure_Node) bool { return c.GetId() == rest }) {
			return "", nil, fmt.Errorf("there is no node %q", rest)
		}
		return nodeTopic(rest), viewOfNode(rest), nil
	case (kind == "uplink" || kind == "overflow") && len(part) == 2:
		id := UplinkResource(part[0], part[1])
		if !slices.ContainsFunc(cfg.Groups, func(c *fsmpb.Configure_Group) bool { return UplinkResource(c.GetUplink(), c.GetGroup()) == id }) {
			return "", nil, fmt.Errorf("uplink %q has no group %q", part[0], part[1])
		}
		if kind == "uplink" {
			return id, viewOfClients(id), nil
		}
		return id, viewOfOverflow(id), nil
	case kind == "condition" && len(part) == 1 && rest != "":
		return conditionTopic + rest, viewOfConditions(rest), nil
	}
	return "", nil, fmt.Errorf("expected channel:RTU:N, link:RTU:N:M, rtu:RTU, node:ID, uplink:NAME:GROUP, overflow:NAME:GROUP, condition:alarm, condition:warning or condition:ID")
}

// checkLink refuses a source that names a channel or link which the RTU does not have.
func checkLink(cfg *fsmpb.Configure, number, channel, link uint32) error {
	i, ok := slices.BinarySearchFunc(cfg.Rtus, number, func(c *fsmpb.Configure_RTU, n uint32) int { return cmp.Compare(c.GetNumber(), n) })
	if !ok {
		return fmt.Errorf("there is no RTU %d", number)
	}
	links := cfg.Rtus[i].Links
	if channel > uint32(len(links)) {
		return fmt.Errorf("RTU %d has %d channels", number, len(links))
	}
	if link > 0 && link > links[channel-1] {
		return fmt.Errorf("channel %d of RTU %d has %d links", channel, number, links[channel-1])
	}
	return nil
}

func viewOfLinks(number, channel, link uint32) view {
	return func(s *State) (a, b, val bool) {
		u := s.rtus[number]
		return u.up(s.nodeOfHost(1), channel, link), u.up(s.nodeOfHost(2), channel, link), u.up(u.resource.Owner, channel, link)
	}
}

func viewOfNode(id string) view {
	return func(s *State) (a, b, val bool) {
		alive := s.node(id).Alive
		return alive, alive, alive
	}
}

func viewOfClients(id string) view {
	return func(s *State) (a, b, val bool) {
		g := s.group(id)
		return g.startedOn(s.nodeOfHost(1)), g.startedOn(s.nodeOfHost(2)), g.startedOn(g.resource.Owner)
	}
}

func viewOfOverflow(id string) view {
	return func(s *State) (a, b, val bool) {
		over := s.group(id).overflow()
		return over, over, over
	}
}
