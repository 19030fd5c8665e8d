package server

import (
	"net/http"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// reasonManual is why a resource moves that somebody moved.
const reasonManual = "manual"

// moveRequest reads a MoveRequest about a resource.
func (s *Server) moveRequest(r *http.Request, resource string) (res fsm.Resource, to string, err error) {
	var req api.MoveRequest
	if err := rest.Decode(r, &req); err != nil {
		return res, "", err
	}
	var ok, isFEP bool
	s.cfg.Node.View(func(state *fsm.State) {
		res, ok = state.Resource(resource)
		node, known := state.Node(req.To)
		isFEP = known && node.Role == string(replica.RoleFEP)
	})
	if !ok {
		return res, "", rest.NotFound("no %s in this station", resource)
	}
	if req.To != "" && !isFEP {
		return res, "", rest.Invalid("to: %q is no FEP of this station", req.To)
	}
	return res, req.To, nil
}

// move orders a planned move. It answers when the move has begun; where the
// resource is then, the status shows.
func (s *Server) move(w http.ResponseWriter, r *http.Request, res fsm.Resource, to string) error {
	if to == "" {
		if to = s.otherFEP(res.Owner); to == "" {
			return rest.Conflict("%s: no other FEP is alive", res.ID)
		}
	}
	if res.Phase != fsm.Owned {
		return rest.Conflict("%s is %v just now: try again", res.ID, res.Phase)
	}
	if to == res.Owner {
		return rest.Conflict("%s is on %s already", res.ID, to)
	}
	if p, _ := s.peer(to); !p.Alive {
		return rest.Conflict("%s: %s is not alive", res.ID, to)
	}
	if res.Pin != "" && res.Pin != to {
		return rest.Conflict("%s is pinned to %s: unpin it first", res.ID, res.Pin)
	}
	move := &fsmpb.Command{Op: &fsmpb.Command_Move{Move: &fsmpb.Move{
		Resource: res.ID, ExpectEpoch: res.Epoch, To: to, Reason: reasonManual, Origin: access.OriginOf(r),
	}}}
	if err := rest.Propose(r.Context(), s.cfg.Node, move); err != nil {
		return err
	}
	return s.json.Reply(w, api.MoveReply{From: res.Owner, To: to, Epoch: res.Epoch, RTUs: s.sharing(res.ID)})
}

// sharing are the RTUs that have a resource, if they are several.
func (s *Server) sharing(resource string) (rtus []uint32) {
	if n, ok := fsm.ParseRTUResource(resource); ok {
		s.cfg.Node.View(func(state *fsm.State) { rtus = state.Sharing(n) })
	}
	return rtus
}

// pin binds a resource to a node, or unbinds it if node is "".
func (s *Server) pin(w http.ResponseWriter, r *http.Request, res fsm.Resource, node string) error {
	pin := &fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: res.ID, Node: node, Origin: access.OriginOf(r)}}}
	if err := rest.Propose(r.Context(), s.cfg.Node, pin); err != nil {
		return err
	}
	return s.json.Reply(w, api.MoveReply{From: res.Owner, To: node, Epoch: res.Epoch, RTUs: s.sharing(res.ID)})
}
