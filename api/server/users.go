package server

import (
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r); err != nil {
		return err
	}
	list, now := []api.User{}, time.Now().UnixMilli()
	s.cfg.Node.View(func(state *fsm.State) {
		open := map[string]int{}
		for _, x := range state.Access().Sessions() {
			if s.guard.uses.last(x.ID, x.UsedMs)+fsm.SessionIdleMs > now {
				open[x.User]++
			}
		}
		for _, u := range state.Access().Users() {
			list = append(list, api.User{
				Name: u.Name, Role: u.Role.String(), CreatedMs: u.CreatedMs, ExpiresMs: u.ExpiresMs, UsedMs: u.UsedMs,
				Expired: u.Expired(now), Sessions: open[u.Name],
			})
		}
	})
	return s.reply(w, list)
}

func (s *Server) addUser(w http.ResponseWriter, r *http.Request) error {
	var req api.UserRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	if err := fsm.CheckCaller(req.Name); err != nil {
		return invalid("%v", err)
	}
	role, err := fsm.ParseRole(req.Role)
	if err != nil {
		return invalid("%v", err)
	}
	hash, err := s.hashPassword(req.Name, req.Password)
	if err != nil {
		return err
	}
	return s.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: &fsmpb.UserPut{
		Name: req.Name, Create: true, Role: fsmpb.Role(role), Hash: hash, ExpiresMs: req.ExpiresMs, Origin: originOf(r),
	}}})
}

// changeUser changes what the request has of a user; all sessions of the user end.
func (s *Server) changeUser(w http.ResponseWriter, r *http.Request) error {
	var req api.UserRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	put := &fsmpb.UserPut{Name: r.PathValue("name"), ExpiresMs: req.ExpiresMs, Origin: originOf(r)}
	if req.Name != "" && req.Name != put.Name {
		return invalid("name %q: a user keeps the name %q: expected none", req.Name, put.Name)
	}
	if req.Role != "" {
		role, err := fsm.ParseRole(req.Role)
		if err != nil {
			return invalid("%v", err)
		}
		put.Role = fsmpb.Role(role)
	}
	if req.Password != "" {
		hash, err := s.hashPassword(put.Name, req.Password)
		if err != nil {
			return err
		}
		put.Hash = hash
	}
	return s.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: put}})
}

func (s *Server) removeUser(w http.ResponseWriter, r *http.Request) error {
	return s.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserRemove{UserRemove: &fsmpb.UserRemove{
		Name: r.PathValue("name"), Origin: originOf(r),
	}}})
}

// done waits until a command is committed, and answers that alone.
func (s *Server) done(w http.ResponseWriter, r *http.Request, c *fsmpb.Command) error {
	if err := s.propose(r.Context(), c); err != nil {
		return err
	}
	return s.reply(w, api.Done{Done: true})
}
