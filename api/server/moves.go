package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// reasonManual is why a resource moves that somebody moved.
const reasonManual = "manual"

// moveRequest reads a MoveRequest about a resource.
func (s *Server) moveRequest(r *http.Request, resource string) (res fsm.Resource, to string, err error) {
	var req api.MoveRequest
	if err := decode(r, &req); err != nil {
		return res, "", err
	}
	var ok, isFEP bool
	s.cfg.Node.View(func(state *fsm.State) {
		res, ok = state.Resource(resource)
		node, known := state.Node(req.To)
		isFEP = known && node.Role == string(replica.RoleFEP)
	})
	if !ok {
		return res, "", notFound("no %s in this station", resource)
	}
	if req.To != "" && !isFEP {
		return res, "", invalid("to: %q is no FEP of this station", req.To)
	}
	return res, req.To, nil
}

// move orders a planned move. It answers when the move has begun; where the
// resource is then, the status shows.
func (s *Server) move(w http.ResponseWriter, r *http.Request, res fsm.Resource, to string) error {
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
	if p, _ := s.peer(to); !p.Alive {
		return conflict("%s: %s is not alive", res.ID, to)
	}
	if res.Pin != "" && res.Pin != to {
		return conflict("%s is pinned to %s: unpin it first", res.ID, res.Pin)
	}
	move := &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{
		Resource: res.ID, ExpectEpoch: res.Epoch, To: to, Reason: reasonManual, Origin: originOf(r),
	}}}
	if err := s.propose(r.Context(), move); err != nil {
		return err
	}
	return s.reply(w, api.MoveReply{From: res.Owner, To: to, Epoch: res.Epoch})
}

// pin binds a resource to a node, or unbinds it if node is "".
func (s *Server) pin(w http.ResponseWriter, r *http.Request, res fsm.Resource, node string) error {
	pin := &fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: res.ID, Node: node, Origin: originOf(r)}}}
	if err := s.propose(r.Context(), pin); err != nil {
		return err
	}
	return s.reply(w, api.MoveReply{From: res.Owner, To: node, Epoch: res.Epoch})
}
