package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func (s *Server) listRTUs(w http.ResponseWriter, _ *http.Request) error {
	var rtus []RTUStatus
	s.cfg.Node.View(func(state *fsm.State) { rtus = s.rtuStatuses(state) })
	return reply(w, rtus)
}

func (s *Server) showRTU(w http.ResponseWriter, r *http.Request) error {
	number, err := rtuNumber(r)
	if err != nil {
		return err
	}
	var out RTUStatus
	var ok bool
	s.cfg.Node.View(func(state *fsm.State) {
		var rtu fsm.RTU
		if rtu, ok = state.RTU(number); ok {
			out = s.rtuStatus(state, rtu)
		}
	})
	if !ok {
		return notFound("no RTU %d", number)
	}
	return reply(w, out)
}

func rtuNumber(r *http.Request) (uint32, error) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 32)
	if err != nil {
		return 0, invalid("RTU %q: expected a number", r.PathValue("number"))
	}
	return uint32(n), nil
}

// MoveRequest is the body of a failover or a pin.
type MoveRequest struct {
	To string `json:"to"` // node; empty on a failover: the other FEP; on a pin: the present owner
}

// MoveReply says where the resource goes.
type MoveReply struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Epoch uint64 `json:"epoch"` // that the move begins in
}

// failoverRTU orders a planned move. It answers when the move has begun; where
// the RTU is then, the status shows.
func (s *Server) failoverRTU(w http.ResponseWriter, r *http.Request) error {
	res, req, err := s.moveRequest(r)
	if err != nil {
		return err
	}
	to := req.To
	if to == "" {
		if to = s.otherFEP(res.Owner); to == "" {
			return conflict("%s: no other FEP is alive", res.ID)
		}
	}
	if res.Phase != fsm.Owned {
		return conflict("%s is %v just now: try again", res.ID, res.Phase)
	}
	if to == res.Owner {
		return conflict("%s is on %s already", res.ID, to)
	}
	if !s.alive(to) {
		return conflict("%s: %s is not alive", res.ID, to)
	}
	if res.Pin != "" && res.Pin != to {
		return conflict("%s is pinned to %s: unpin it first", res.ID, res.Pin)
	}
	move := &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{
		Resource: res.ID, ExpectEpoch: res.Epoch, To: to, Reason: "manual",
	}}}
	if err := s.propose(r.Context(), move); err != nil {
		return err
	}
	return reply(w, MoveReply{From: res.Owner, To: to, Epoch: res.Epoch})
}

func (s *Server) pinRTU(w http.ResponseWriter, r *http.Request) error {
	res, req, err := s.moveRequest(r)
	if err != nil {
		return err
	}
	if req.To == "" {
		req.To = res.Owner
	}
	if req.To == "" {
		return conflict("%s has no owner: say where to pin it", res.ID)
	}
	return s.pin(w, r, res, req.To)
}

func (s *Server) unpinRTU(w http.ResponseWriter, r *http.Request) error {
	res, _, err := s.moveRequest(r)
	if err != nil {
		return err
	}
	return s.pin(w, r, res, "")
}

func (s *Server) pin(w http.ResponseWriter, r *http.Request, res fsm.Resource, node string) error {
	pin := &fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: res.ID, Node: node}}}
	if err := s.propose(r.Context(), pin); err != nil {
		return err
	}
	return reply(w, MoveReply{From: res.Owner, To: node, Epoch: res.Epoch})
}

// moveRequest reads which RTU a request is about and where to.
func (s *Server) moveRequest(r *http.Request) (res fsm.Resource, req MoveRequest, err error) {
	number, err := rtuNumber(r)
	if err != nil {
		return res, req, err
	}
	if err := decode(r, &req); err != nil {
		return res, req, err
	}
	var ok, isFEP bool
	s.cfg.Node.View(func(state *fsm.State) {
		res, ok = state.Resource(fsm.RTUResource(number))
		node, known := state.Node(req.To)
		isFEP = known && node.Role == string(cluster.RoleFEP)
	})
	if !ok {
		return res, req, notFound("no RTU %d", number)
	}
	if req.To != "" && !isFEP {
		return res, req, invalid("to: %q is no FEP of this station", req.To)
	}
	return res, req, nil
}

// propose has a command committed and waits until this node shows it.
func (s *Server) propose(ctx context.Context, c *fsmpb.Command) error {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	result, err := s.cfg.Node.Propose(ctx, c)
	if err != nil {
		return err
	}
	if err := refused(result); err != nil {
		return err
	}
	return s.cfg.Node.WaitApplied(ctx, result.Index)
}

// otherFEP is an alive FEP other than node, "" if there is none.
func (s *Server) otherFEP(node string) string {
	for _, p := range s.cfg.Node.Info().Peers {
		if p.Role == cluster.RoleFEP && p.Alive && p.ID != node {
			return p.ID
		}
	}
	return ""
}

func (s *Server) alive(node string) bool {
	for _, p := range s.cfg.Node.Info().Peers {
		if p.ID == node {
			return p.Alive
		}
	}
	return false
}
