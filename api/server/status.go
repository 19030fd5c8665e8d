package server

import (
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/replica"
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	return s.json.Reply(w, s.readStatus())
}

func (s *Server) readStatus() api.Status {
	info := s.cfg.Node.Info()
	st := api.Status{
		Station:     s.cfg.Station,
		Name:        s.cfg.Name,
		TimeZone:    s.cfg.Zone.String(),
		Node:        info.ID,
		Leader:      info.Leader,
		Term:        info.Term,
		CommitIndex: info.CommitIndex,
		Quorum:      info.Quorum,
		Outside:     info.Outside,
		Known:       info.Quorum && s.cfg.Settled(),
		Nodes:       make([]api.NodeStatus, 0, len(info.Peers)),
	}
	s.cfg.Node.View(func(state *fsm.State) {
		for _, p := range info.Peers {
			st.Nodes = append(st.Nodes, s.nodeStatus(state, p))
		}
		st.RTUs = s.rtuStatuses(state, info.Quorum)
		st.Uplinks = s.uplinkStatuses(state, info.Quorum)
		st.Conditions = s.conditions(state, info)
		st.Journal = journalStatus(state)
	})
	return st
}

func (s *Server) nodeStatus(state *fsm.State, p replica.Peer) api.NodeStatus {
	node, _ := state.Node(p.ID)
	var clock *int64
	if p.ClockKnown {
		clock = new(p.ClockOffset.Round(10 * time.Millisecond).Milliseconds()) // else it would change with each look
	}
	return api.NodeStatus{
		UnreachedBy: unreachedBy(state, p.ID), ClockMs: clock,
		ID: p.ID, Host: p.Host, Role: string(p.Role), State: p.State, SinceMs: node.SinceMs, API: s.cfg.APIs[p.ID],
		Stopping: node.Stopping, Maintenance: node.Maintenance,
		Alive: p.Alive, Lease: p.Lease, ConfigDiffers: p.ConfigDiffers, Build: p.Build,
	}
}

// unreachedBy are the nodes that say that they can't connect to a node.
func unreachedBy(state *fsm.State, id string) (nodes []string) {
	c, ok := state.Condition(condition.Unreachable.ID("node/" + id))
	if !ok {
		return nil
	}
	for _, r := range c.Reports {
		if state.ConditionHolds(&c, &r) {
			nodes = append(nodes, r.Node)
		}
	}
	return nodes
}

func (s *Server) rtuStatuses(state *fsm.State, quorum bool) []api.RTUStatus {
	rtus := []api.RTUStatus{}
	for _, r := range state.RTUs() {
		rtus = append(rtus, s.rtuStatus(state, r, quorum))
	}
	return rtus
}

func (s *Server) rtuStatus(state *fsm.State, r fsm.RTU, quorum bool) api.RTUStatus {
	res, _ := state.Resource(fsm.RTUResource(r.Number))
	out := api.RTUStatus{
		Number: r.Number, Name: r.Name, CommonAddress: s.cfg.CommonAddress(r.Number), Owner: res.Owner, Epoch: res.Epoch, Phase: res.Phase.String(),
		SinceMs: res.SinceMs, Reason: res.Reason, Pinned: res.Pin, Target: res.Target,
		Online: r.Online, OnlineMs: r.OnlineSinceMs, Stale: !quorum, Channels: []api.ChannelStatus{}, Sharing: state.Sharing(r.Number),
	}
	newest, total := state.Strays(r.Number, 1)
	out.Strays = total
	for i := range newest {
		last := stray(&newest[i])
		out.LastStray = &last
	}
	addresses := s.cfg.Links(r.Number)
	for c, n := range r.Links {
		ch := api.ChannelStatus{Channel: c + 1, Links: make([]map[string]string, n)}
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

func (s *Server) uplinkStatuses(state *fsm.State, quorum bool) []api.UplinkStatus {
	uplinks := []api.UplinkStatus{}
	for _, g := range state.Groups() {
		uplinks = append(uplinks, s.uplinkStatus(state, g, quorum))
	}
	return uplinks
}

func (s *Server) uplinkStatus(state *fsm.State, g fsm.Group, quorum bool) api.UplinkStatus {
	res, _ := state.Resource(g.Resource)
	u := api.UplinkStatus{
		Name: g.Uplink, Group: g.Name, CommonAddresses: s.cfg.CommonAddresses(g.Uplink), Mode: string(g.Mode), Owner: res.Owner, Epoch: res.Epoch, Phase: res.Phase.String(), SinceMs: res.SinceMs, Reason: res.Reason,
		Links: []api.UplinkClient{}, Cursor: g.Cursor, Backlog: g.Backlog, Dropped: g.Dropped, Stale: !quorum,
	}
	for _, c := range g.Clients {
		u.Links = append(u.Links, api.UplinkClient{Node: c.Node, Client: c.Address, Role: c.Role})
	}
	return u
}

func journalStatus(state *fsm.State) api.JournalStatus {
	return api.JournalStatus{First: state.HistoryFirst(), Last: state.JournalLast(), Events: state.JournalEvents(), Entries: state.AuditEntries()}
}
