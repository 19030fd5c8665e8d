package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// cookieName is the cookie of a session. Its value is a secret of 128 random bits or more, of which the state has the hash.
const cookieName = "fepha_session"

// LoginPath is the route of login.
const LoginPath = "/v1/login"

// MaxLogin is what a request with a password may have, octets.
const MaxLogin = 4 << 10

// sessionOf is the id of the session that a request has.
func sessionOf(r *http.Request) (id [sha256.Size]byte, ok bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil || cookie.Value == "" {
		return id, false
	}
	return sha256.Sum256([]byte(cookie.Value)), true
}

// bySession says whose session a request has.
func (g *Guard) bySession(r *http.Request, now time.Time) (caller, bool) {
	id, ok := sessionOf(r)
	if !ok {
		return caller{}, false
	}
	var x fsm.Session
	var u fsm.User
	g.node.View(func(s *fsm.State) { x, u, ok = s.Access().Session(id) })
	ms := now.UnixMilli()
	if !ok || u.Expired(ms) || g.uses.last(id, x.UsedMs)+fsm.SessionIdleMs <= ms {
		return caller{}, false
	}
	g.uses.mark(id, x.UsedMs, ms, sessionUseMs)
	return caller{name: u.Name, kind: byUser, role: u.Role, session: id}, true
}

// Login opens a session for whoever knows a user's password.
func (g *Guard) Login(w http.ResponseWriter, r *http.Request) error {
	var req api.LoginRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	u, err := g.checkPassword(r, req.Name, req.Password)
	if err != nil {
		g.note(r, callerOf(r), err)
		return err
	}
	secret := rand.Text()
	id := sha256.Sum256([]byte(secret))
	if err := rest.Propose(r.Context(), g.node, &fsmpb.Command{Op: &fsmpb.Command_SessionOpen{SessionOpen: &fsmpb.SessionOpen{
		Id: id[:], User: u.Name, Revision: u.Revision, Address: hostOf(r.RemoteAddr),
	}}}); err != nil {
		return err
	}
	http.SetCookie(w, sessionCookie(r, secret))
	return g.json.Reply(w, caller{name: u.Name, kind: byUser, role: u.Role}.reply())
}

// sessionCookie is kept by a browser until it is closed, is shown to no script, and is sent by no other site's page.
func sessionCookie(r *http.Request, secret string) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

// checkPassword finds the user whose name and password these are. It says no more than that they aren't.
func (g *Guard) checkPassword(r *http.Request, name, password string) (u fsm.User, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), passwordPatience)
	defer cancel()
	done, err := g.guesses.begin(ctx, name, r.RemoteAddr)
	if err != nil {
		return u, err
	}
	var known bool
	g.node.View(func(st *fsm.State) { u, known = st.Access().User(name) })
	hash := u.Hash
	if !known {
		hash = g.guesses.decoy() // so that the time doesn't say who is a user
	}
	right := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && known && !u.Expired(time.Now().UnixMilli())
	done(right, known)
	if !right {
		return u, &api.Error{Status: http.StatusUnauthorized, Code: api.CodeUnauthorised, Message: "expected a user's name and password: one of both is wrong, or the user has ended"}
	}
	return u, nil
}

// hashPassword makes the hash that is kept of a password.
func (g *Guard) hashPassword(name, password string) (string, error) {
	if n := len(password); n < api.MinPassword || n > api.MaxPassword || password == name {
		return "", rest.Invalid("password of %d octets: expected %d to %d, and not the user's name", n, api.MinPassword, api.MaxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), g.guesses.cost)
	return string(hash), err
}

// Logout ends the caller's session.
func (g *Guard) Logout(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if c.kind != byUser {
		return rest.Conflict("%s has no session: %s is how it is known", c.name, c.kind)
	}
	if err := rest.Propose(r.Context(), g.node, &fsmpb.Command{Op: &fsmpb.Command_SessionClose{SessionClose: &fsmpb.SessionClose{Id: c.session[:]}}}); err != nil {
		return err
	}
	http.SetCookie(w, sessionCookie(r, ""))
	return g.json.Reply(w, api.Done{Done: true})
}

// Whoami answers who calls.
func (g *Guard) Whoami(w http.ResponseWriter, r *http.Request) error {
	return g.json.Reply(w, callerOf(r).reply())
}

// ChangePassword changes the caller's own password, which ends all of the caller's sessions.
func (g *Guard) ChangePassword(w http.ResponseWriter, r *http.Request) error {
	var req api.PasswordRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	c := callerOf(r)
	if c.kind != byUser {
		return rest.Conflict("%s has no password: %s is how it is known", c.name, c.kind)
	}
	hash, err := g.hashPassword(c.name, req.New)
	if err != nil {
		return err
	}
	u, err := g.checkPassword(r, c.name, req.Old)
	if err != nil {
		g.note(r, callerOf(r), err)
		if e, ok := errors.AsType[*api.Error](err); ok && e.Status == http.StatusUnauthorized {
			return rest.Forbidden("the password up to now is another one")
		}
		return err
	}
	if err := rest.Propose(r.Context(), g.node, &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: &fsmpb.UserPut{
		Name: c.name, Hash: hash, Revision: u.Revision, Origin: OriginOf(r),
	}}}); err != nil {
		return err
	}
	http.SetCookie(w, sessionCookie(r, ""))
	return g.json.Reply(w, api.Done{Done: true})
}

// hostOf is the address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
