package access

import (
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// ListUsers answers with the users.
func (g *Guard) ListUsers(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	list, now := []api.User{}, time.Now().UnixMilli()
	g.node.View(func(state *fsm.State) {
		open := map[string]int{}
		for _, x := range state.Access().Sessions() {
			if g.uses.last(x.ID, x.UsedMs)+fsm.SessionIdleMs > now {
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
	return g.json.Reply(w, list)
}

// AddUser adds a user.
func (g *Guard) AddUser(w http.ResponseWriter, r *http.Request) error {
	var req api.UserRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	if err := fsm.CheckCaller(req.Name); err != nil {
		return rest.Invalid("%v", err)
	}
	role, err := fsm.ParseRole(req.Role)
	if err != nil {
		return rest.Invalid("%v", err)
	}
	hash, err := g.hashPassword(req.Name, req.Password)
	if err != nil {
		return err
	}
	return g.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: &fsmpb.UserPut{
		Name: req.Name, Create: true, Role: fsmpb.Role(role), Hash: hash, ExpiresMs: req.ExpiresMs, Origin: OriginOf(r),
	}}})
}

// ChangeUser changes what the request has of a user; all sessions of the user end.
func (g *Guard) ChangeUser(w http.ResponseWriter, r *http.Request) error {
	var req api.UserRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	put := &fsmpb.UserPut{Name: r.PathValue("name"), ExpiresMs: req.ExpiresMs, Origin: OriginOf(r)}
	if req.Name != "" && req.Name != put.Name {
		return rest.Invalid("name %q: a user keeps the name %q: expected none", req.Name, put.Name)
	}
	if req.Role != "" {
		role, err := fsm.ParseRole(req.Role)
		if err != nil {
			return rest.Invalid("%v", err)
		}
		put.Role = fsmpb.Role(role)
	}
	if req.Password != "" {
		hash, err := g.hashPassword(put.Name, req.Password)
		if err != nil {
			return err
		}
		put.Hash = hash
	}
	return g.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: put}})
}

// RemoveUser removes a user.
func (g *Guard) RemoveUser(w http.ResponseWriter, r *http.Request) error {
	return g.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserRemove{UserRemove: &fsmpb.UserRemove{
		Name: r.PathValue("name"), Origin: OriginOf(r),
	}}})
}

// done waits until a command is committed, and answers that alone.
func (g *Guard) done(w http.ResponseWriter, r *http.Request, c *fsmpb.Command) error {
	if err := rest.Propose(r.Context(), g.node, c); err != nil {
		return err
	}
	return g.json.Reply(w, api.Done{Done: true})
}
