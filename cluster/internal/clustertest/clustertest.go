// Package clustertest is the small station that the tests of package cluster and of its parts share.
package clustertest

import (
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// Resources of the station.
const (
	RTU1   = "rtu/1"
	Uplink = "uplink/occ/occ"
)

// Three are a station's nodes: two FEPs and a witness.
func Three() []*fsmpb.Configure_Node {
	return []*fsmpb.Configure_Node{
		{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"},
	}
}

// Station declares nodes, two RTUs, an uplink group in mode main-standby, and the FNP endpoint.
func Station(nodes []*fsmpb.Configure_Node) *fsmpb.Configure {
	return &fsmpb.Configure{
		Digest: "one", Retain: 1000, Fnp: true, Nodes: nodes,
		Rtus: []*fsmpb.Configure_RTU{
			{Number: 1, Name: "first", Prefer: "fep1", Links: []uint32{1, 1}},
			{Number: 2, Name: "second", Prefer: "fep2", Links: []uint32{1, 1}},
		},
		Groups: []*fsmpb.Configure_Group{{Uplink: "occ", Group: "occ", Mode: fsmpb.Configure_MAIN_STANDBY}},
	}
}

// Configure is the command that declares the station of [Three].
func Configure() *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: Station(Three())}}
}

// Assign gives a resource to a node, or to none ("").
func Assign(resource string, epoch uint64, owner, reason string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: resource, ExpectEpoch: epoch, Owner: owner, Reason: reason}}}
}

// Move begins a planned move.
func Move(resource string, epoch uint64, to string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{Resource: resource, ExpectEpoch: epoch, To: to, Reason: "test"}}}
}

// Pin keeps a resource at a node; "" ends that.
func Pin(resource, node string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: resource, Node: node}}}
}

// Links tells what a node reports of RTU 1's links, one a channel.
func Links(node string, states ...fsmpb.LinkState) *fsmpb.Command {
	l := &fsmpb.Links{Rtu: 1, Node: node}
	for i, s := range states {
		l.Links = append(l.Links, &fsmpb.Links_Link{Channel: uint32(i + 1), Link: 1, State: s})
	}
	return &fsmpb.Command{Op: &fsmpb.Command_Links{Links: l}}
}

// Doubted says of all links of [Links] that they are doubted.
func Doubted(c *fsmpb.Command) *fsmpb.Command {
	for _, l := range c.GetLinks().GetLinks() {
		l.Doubted = true
	}
	return c
}

// State is the state after the station's declaration and further commands, each an entry, proposed by fep1 unless it
// says otherwise. It panics where one is refused.
func State(commands ...*fsmpb.Command) *fsm.State {
	s := fsm.New()
	for i, c := range append([]*fsmpb.Command{Configure()}, commands...) {
		c.AtMs = 1
		if c.Node == "" {
			c.Node = "fep1"
		}
		if r := s.Apply(uint64(i+1), &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]; r.GetCode() > fsmpb.Result_DUPLICATE {
			panic(r)
		}
	}
	return s
}
