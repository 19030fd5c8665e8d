package access

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// FirstAdmin makes the first user of a new station, for who has the token that its nodes were installed with. A wrong token
// counts as a wrong password of its address.
func (g *Guard) FirstAdmin(w http.ResponseWriter, r *http.Request) error {
	var req api.FirstAdminRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(req.Token))
	g.awaitFirstAdmin(r.Context())
	if err := g.checkFirstAdmin(r, sum); err != nil {
		g.note(r, callerOf(r), err)
		return err
	}
	if err := fsm.CheckCaller(req.Name); err != nil {
		return rest.Invalid("%v", err)
	}
	hash, err := g.hashPassword(req.Name, req.Password)
	if err != nil {
		return err
	}
	return g.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: &fsmpb.UserPut{
		Name: req.Name, Create: true, Role: fsmpb.Role_ADMIN, Hash: hash, FirstAdmin: sum[:], Origin: rest.Clip("first admin from "+hostOf(r.RemoteAddr), maxOrigin),
	}}})
}

// firstAdminPatience is how much longer than for a token that comes late a request waits for the group to know of the first admin's:
// its nodes tell it some seconds after the first start, and whoever installs them may be as fast.
const firstAdminPatience = 20

// awaitFirstAdmin waits while the station has neither users nor a token.
func (g *Guard) awaitFirstAdmin(ctx context.Context) {
	select {
	case g.latecomers.turns <- struct{}{}:
		defer func() { <-g.latecomers.turns }()
	default:
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstAdminPatience*g.latecomers.patience)
	defer cancel()
	for range replica.Follow(ctx, g.node, replica.Pace{Least: latePace}) {
		if !g.isNew() {
			return
		}
	}
}

// isNew tells whether the station has neither users nor a first admin's token.
func (g *Guard) isNew() (is bool) {
	g.node.View(func(s *fsm.State) {
		_, known := s.Access().FirstAdmin()
		is = !known && len(s.Access().Users()) == 0
	})
	return is
}

// checkFirstAdmin tells whether the token with this SHA-256 is good. It says no more than that it isn't.
func (g *Guard) checkFirstAdmin(r *http.Request, sum [sha256.Size]byte) error {
	ctx, cancel := context.WithTimeout(r.Context(), passwordPatience)
	defer cancel()
	done, err := g.guesses.begin(ctx, "", r.RemoteAddr)
	if err != nil {
		return err
	}
	good := false
	g.node.View(func(s *fsm.State) {
		first, ok := s.Access().FirstAdmin()
		good = ok && first.Good(sum, time.Now().UnixMilli())
	})
	done(good, false)
	if !good && g.isNew() {
		return &api.Error{
			Status: http.StatusServiceUnavailable, Code: api.CodeOverloaded,
			Message: "the station doesn't know of a first admin's token yet: its nodes tell it when the group has formed (their logs say so); try again",
		}
	}
	if !good {
		return &api.Error{
			Status: http.StatusUnauthorized, Code: api.CodeUnauthorised,
			Message: "expected the first admin's token: this one is wrong, was used, or has ended; " +
				"the way in that is left is DATA-DIR/admin.sock on a node's own host",
		}
	}
	return nil
}
