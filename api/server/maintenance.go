package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// reasonRebalance is why an RTU moves that goes back to where it prefers.
const reasonRebalance = "rebalance"

// maintainNode begins or ends a node's maintenance. It answers when that is committed; what the node owns goes elsewhere
// afterwards, which the status shows.
func (s *Server) maintainNode(w http.ResponseWriter, r *http.Request) error {
	var req api.MaintenanceRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	id := r.PathValue("id")
	peer, ok := s.peer(id)
	switch {
	case !ok:
		return rest.NotFound("no node %q in this station", id)
	case peer.Role != replica.RoleFEP:
		return rest.Invalid("node %s is a %s: it owns nothing, so nothing is to be kept away from it", id, peer.Role)
	}
	if req.On {
		if why := s.notReadyFor(id); len(why) > 0 {
			return rest.Conflict("the other FEP can't take over from %s: %s", id, strings.Join(why, "; "))
		}
	}
	command := &fsmpb.Command{Op: &fsmpb.Command_Maintenance{Maintenance: &fsmpb.Maintenance{Node: id, On: req.On, Origin: access.OriginOf(r)}}}
	if err := rest.Propose(r.Context(), s.cfg.Node, command); err != nil {
		return err
	}
	out := api.MaintenanceReply{Node: id, On: req.On}
	s.cfg.Node.View(func(state *fsm.State) {
		for _, res := range state.Resources() {
			if res.Owner == id {
				out.Owns++
			}
		}
	})
	return s.json.Reply(w, out)
}

// mostReasons are told at once.
const mostReasons = 5

// notReadyFor tells why no other FEP can take over all that a node owns.
func (s *Server) notReadyFor(id string) (why []string) {
	info := s.cfg.Node.Info()
	s.cfg.Node.View(func(state *fsm.State) {
		why = append(why, "there is no other FEP")
		for _, p := range info.Peers {
			if p.Role != replica.RoleFEP || p.ID == id {
				continue
			}
			if why = unfit(p, state); len(why) == 0 {
				why = unreached(state, id, p.ID)
			}
			if len(why) == 0 {
				return
			}
		}
	})
	if more := len(why) - mostReasons; more > 0 {
		why = append(why[:mostReasons], fmt.Sprintf("and %d more", more))
	}
	return why
}

// unfit tells why a FEP may own nothing.
func unfit(p replica.Peer, state *fsm.State) []string {
	known, _ := state.Node(p.ID)
	switch {
	case !p.Alive:
		return []string{p.ID + " is not heard of"}
	case !p.Voter:
		return []string{p.ID + " has no vote in the group"}
	case known.Maintenance:
		return []string{p.ID + " is under maintenance itself"}
	case known.Stopping:
		return []string{p.ID + " stops"}
	case !p.Lease:
		return []string{p.ID + " has no lease"}
	case p.ConfigDiffers:
		return []string{p.ID + " has another configuration"}
	}
	return nil
}

// unreached are the RTUs that their owner reaches and another FEP doesn't.
func unreached(state *fsm.State, owner, other string) (why []string) {
	for _, rtu := range state.RTUs() {
		r, _ := state.Resource(fsm.RTUResource(rtu.Number))
		if r.Owner == owner && anyUp(state.Links(rtu.Number, owner)) && !anyUp(state.Links(rtu.Number, other)) {
			why = append(why, fmt.Sprintf("%s reaches RTU %d over no channel, or its standby_probe is off", other, rtu.Number))
		}
	}
	return why
}

func anyUp(links []fsm.Link) bool {
	for _, l := range links {
		if l.State.Up() {
			return true
		}
	}
	return false
}

// rebalance moves all RTUs to the FEP that they prefer, where that can be.
func (s *Server) rebalance(w http.ResponseWriter, r *http.Request) error {
	out := api.RebalanceReply{Moves: []api.RebalanceMove{}, Stay: []api.RebalanceMove{}}
	var moves []*fsmpb.Move
	info := s.cfg.Node.Info()
	s.cfg.Node.View(func(state *fsm.State) {
		for _, rtu := range state.RTUs() {
			res, _ := state.Resource(fsm.RTUResource(rtu.Number))
			if rtu.Prefer == "" || rtu.Prefer == res.Owner {
				continue
			}
			m := api.RebalanceMove{RTU: rtu.Number, From: res.Owner, To: rtu.Prefer}
			if m.Reason = whyStay(state, info, rtu, res); m.Reason != "" {
				out.Stay = append(out.Stay, m)
				continue
			}
			out.Moves = append(out.Moves, m)
			moves = append(moves, &fsmpb.Move{
				Resource: res.ID, ExpectEpoch: res.Epoch, To: rtu.Prefer, Reason: reasonRebalance, Origin: access.OriginOf(r),
			})
		}
	})
	for _, m := range moves {
		if err := rest.Propose(r.Context(), s.cfg.Node, &fsmpb.Command{Op: &fsmpb.Command_Move{Move: m}}); err != nil {
			return fmt.Errorf("%s: %w", m.Resource, err)
		}
	}
	return s.json.Reply(w, out)
}

// whyStay tells why an RTU can't go to the FEP that it prefers; "" if it can.
func whyStay(state *fsm.State, info replica.Info, rtu fsm.RTU, res fsm.Resource) string {
	switch {
	case res.Phase != fsm.Owned:
		return "it is " + res.Phase.String() + " just now"
	case res.Pin != "" && res.Pin != rtu.Prefer:
		return "it is pinned to " + res.Pin
	}
	for _, p := range info.Peers {
		if p.ID != rtu.Prefer {
			continue
		}
		if why := unfit(p, state); len(why) > 0 {
			return why[0]
		}
		if anyUp(state.Links(rtu.Number, res.Owner)) && !anyUp(state.Links(rtu.Number, p.ID)) {
			return p.ID + " reaches it over no channel, or its standby_probe is off"
		}
		return ""
	}
	return rtu.Prefer + " is no member of the group"
}
