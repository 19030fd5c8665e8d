package api

import (
	"net/http"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

// Status is the answer of GET /v1/status: the station at a glance.
type Status struct {
	Station     uint16         `json:"station"`
	Name        string         `json:"name"` // the station's
	Node        string         `json:"node"` // that answers
	Leader      string         `json:"leader"`
	Term        uint64         `json:"term"`
	CommitIndex uint64         `json:"commit_index"`
	Quorum      bool           `json:"quorum"`
	Nodes       []NodeStatus   `json:"nodes"`
	RTUs        []RTUStatus    `json:"rtus"`
	Uplinks     []UplinkStatus `json:"uplinks"`
	Journal     JournalStatus  `json:"journal"`
}

// NodeStatus is one member.
type NodeStatus struct {
	ID            string `json:"id"`
	Host          int    `json:"host"`
	Role          string `json:"role"`  // fep | witness
	State         string `json:"state"` // leader | follower | candidate; "" if not heard of
	Alive         bool   `json:"alive"` // heard of lately; without quorum a node hears of no other
	Lease         bool   `json:"lease"`
	SinceMs       int64  `json:"since_ms"` // since when it is alive, or not
	API           string `json:"api"`      // address of its API, host:port
	ConfigDiffers bool   `json:"config_differs,omitempty"`
	Build         string `json:"build,omitempty"`
}

// RTUStatus is one RTU.
type RTUStatus struct {
	Number   uint32          `json:"number"`
	Name     string          `json:"name"`
	Owner    string          `json:"owner"` // "" if nobody
	Epoch    uint64          `json:"epoch"`
	Phase    string          `json:"phase"` // unowned | owned | releasing
	SinceMs  int64           `json:"since_ms"`
	Reason   string          `json:"reason"`
	Pinned   string          `json:"pinned"`           // node, "" if not
	Target   string          `json:"target,omitempty"` // who is to own it next; in phase releasing
	Online   bool            `json:"online"`
	OnlineMs int64           `json:"online_since_ms"` // since when online is what it is; 0: it never was otherwise
	Channels []ChannelStatus `json:"channels"`
}

// ChannelStatus is one channel of an RTU.
type ChannelStatus struct {
	Channel int `json:"channel"` // from 1
	// Each has "address" and, by the FEPs' ids, the state that it has there:
	// active, standby, connecting or down.
	Links []map[string]string `json:"links"`
}

// UplinkStatus is one group of an uplink.
type UplinkStatus struct {
	Name    string         `json:"name"`
	Group   string         `json:"group"`
	Mode    string         `json:"mode"`
	Owner   string         `json:"owner"`
	Epoch   uint64         `json:"epoch"`
	Phase   string         `json:"phase"`
	SinceMs int64          `json:"since_ms"`
	Reason  string         `json:"reason"`
	Links   []UplinkClient `json:"links"`
	Cursor  uint64         `json:"cursor"`
	Backlog uint64         `json:"backlog"`
	Dropped uint64         `json:"dropped"`
}

// UplinkClient is one client connection.
type UplinkClient struct {
	Node   string `json:"node"`
	Client string `json:"client"`
	Role   string `json:"role"` // main | standby | held
}

// JournalStatus is the range of events that the journal holds.
type JournalStatus struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, s.readStatus())
}

func (s *Server) readStatus() Status {
	info := s.cfg.Node.Info()
	st := Status{
		Station:     s.cfg.Station,
		Name:        s.cfg.Name,
		Node:        info.ID,
		Leader:      info.Leader,
		Term:        info.Term,
		CommitIndex: info.CommitIndex,
		Quorum:      info.Quorum,
		Nodes:       make([]NodeStatus, 0, len(info.Peers)),
	}
	s.cfg.Node.View(func(state *fsm.State) {
		for _, p := range info.Peers {
			st.Nodes = append(st.Nodes, s.nodeStatus(state, p))
		}
		st.RTUs = s.rtuStatuses(state)
		st.Uplinks = uplinkStatuses(state)
		st.Journal = JournalStatus{state.JournalFirst(), state.JournalLast()}
	})
	return st
}

func (s *Server) nodeStatus(state *fsm.State, p replica.Peer) NodeStatus {
	node, _ := state.Node(p.ID)
	return NodeStatus{
		ID: p.ID, Host: p.Host, Role: string(p.Role), State: p.State, SinceMs: node.SinceMs, API: s.cfg.APIs[p.ID],
		Alive: p.Alive, Lease: p.Lease, ConfigDiffers: p.ConfigDiffers, Build: p.Build,
	}
}

func (s *Server) rtuStatuses(state *fsm.State) []RTUStatus {
	rtus := []RTUStatus{}
	for _, r := range state.RTUs() {
		rtus = append(rtus, s.rtuStatus(state, r))
	}
	return rtus
}

func (s *Server) rtuStatus(state *fsm.State, r fsm.RTU) RTUStatus {
	res, _ := state.Resource(fsm.RTUResource(r.Number))
	out := RTUStatus{
		Number: r.Number, Name: r.Name, Owner: res.Owner, Epoch: res.Epoch, Phase: res.Phase.String(),
		SinceMs: res.SinceMs, Reason: res.Reason, Pinned: res.Pin, Target: res.Target,
		Online: r.Online, OnlineMs: r.OnlineSinceMs, Channels: []ChannelStatus{},
	}
	addresses := s.cfg.Links(r.Number)
	for c, n := range r.Links {
		ch := ChannelStatus{Channel: c + 1, Links: make([]map[string]string, n)}
		for l := range ch.Links {
			ch.Links[l] = map[string]string{"address": linkAddress(addresses, c, l)}
		}
		out.Channels = append(out.Channels, ch)
	}
	for _, node := range state.Nodes() {
		if node.Role != string(replica.RoleFEP) {
			continue
		}
		for c := range out.Channels {
			for l := range out.Channels[c].Links {
				out.Channels[c].Links[l][node.ID] = fsm.LinkDown.String()
			}
		}
		for _, l := range state.Links(r.Number, node.ID) {
			c := int(l.Channel) - 1
			if c < len(out.Channels) && int(l.Link) <= len(out.Channels[c].Links) {
				out.Channels[c].Links[l.Link-1][node.ID] = l.State.String()
			}
		}
	}
	return out
}

// linkAddress is the configured address; channel and link count from 0.
func linkAddress(channels [][]string, channel, link int) string {
	if channel < len(channels) && link < len(channels[channel]) {
		return channels[channel][link]
	}
	return ""
}

func uplinkStatuses(state *fsm.State) []UplinkStatus {
	uplinks := []UplinkStatus{}
	for _, g := range state.Groups() {
		uplinks = append(uplinks, uplinkStatus(state, g))
	}
	return uplinks
}

func uplinkStatus(state *fsm.State, g fsm.Group) UplinkStatus {
	res, _ := state.Resource(g.Resource)
	u := UplinkStatus{
		Name: g.Uplink, Group: g.Name, Mode: g.Mode, Owner: res.Owner, Epoch: res.Epoch, Phase: res.Phase.String(), SinceMs: res.SinceMs, Reason: res.Reason,
		Links: []UplinkClient{}, Cursor: g.Cursor, Backlog: g.Backlog, Dropped: g.Dropped,
	}
	for _, c := range g.Clients {
		u.Links = append(u.Links, UplinkClient{c.Node, c.Address, c.Role})
	}
	return u
}
