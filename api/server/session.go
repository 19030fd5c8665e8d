package server

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
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// cookieName is the cookie of a session. Its value is a secret of 128 random bits or more, of which the state has the hash.
const cookieName = "fepha_session"

const loginPath = "/v1/login"

// maxLogin is what a request with a password may have, octets.
const maxLogin = 4 << 10

// bySession says whose session a request has.
func (g *guard) bySession(r *http.Request, now time.Time) (caller, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil || cookie.Value == "" {
		return caller{}, false
	}
	id := sha256.Sum256([]byte(cookie.Value))
	var x fsm.Session
	var u fsm.User
	var ok bool
	g.node.View(func(s *fsm.State) { x, u, ok = s.Access().Session(id) })
	ms := now.UnixMilli()
	if !ok || u.Expired(ms) || g.uses.last(id, x.UsedMs)+fsm.SessionIdleMs <= ms {
		return caller{}, false
	}
	g.uses.mark(id, x.UsedMs, ms, sessionUseMs)
	return caller{name: u.Name, kind: byUser, role: u.Role, session: id}, true
}

// login opens a session for whoever knows a user's password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	var req api.LoginRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	u, err := s.checkPassword(r, req.Name, req.Password)
	if err != nil {
		s.guard.note(r, callerOf(r), err)
		return err
	}
	secret := rand.Text()
	id := sha256.Sum256([]byte(secret))
	if err := s.propose(r.Context(), &fsmpb.Command{Op: &fsmpb.Command_SessionOpen{SessionOpen: &fsmpb.SessionOpen{
		Id: id[:], User: u.Name, Revision: u.Revision, Address: hostOf(r.RemoteAddr),
	}}}); err != nil {
		return err
	}
	http.SetCookie(w, sessionCookie(r, secret))
	return s.reply(w, caller{name: u.Name, kind: byUser, role: u.Role}.reply())
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
func (s *Server) checkPassword(r *http.Request, name, password string) (u fsm.User, err error) {
	g := &s.guard
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
func (s *Server) hashPassword(name, password string) (string, error) {
	if n := len(password); n < api.MinPassword || n > api.MaxPassword || password == name {
		return "", invalid("password of %d octets: expected %d to %d, and not the user's name", n, api.MinPassword, api.MaxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), s.guard.guesses.cost)
	return string(hash), err
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	c := callerOf(r)
	if c.kind != byUser {
		return conflict("%s has no session: %s is how it is known", c.name, c.kind)
	}
	if err := s.propose(r.Context(), &fsmpb.Command{Op: &fsmpb.Command_SessionClose{SessionClose: &fsmpb.SessionClose{Id: c.session[:]}}}); err != nil {
		return err
	}
	http.SetCookie(w, sessionCookie(r, ""))
	return s.reply(w, api.Done{Done: true})
}

func (s *Server) whoami(w http.ResponseWriter, r *http.Request) error {
	return s.reply(w, callerOf(r).reply())
}

// changePassword changes the caller's own password, which ends all of the caller's sessions.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	var req api.PasswordRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	c := callerOf(r)
	if c.kind != byUser {
		return conflict("%s has no password: %s is how it is known", c.name, c.kind)
	}
	hash, err := s.hashPassword(c.name, req.New)
	if err != nil {
		return err
	}
	u, err := s.checkPassword(r, c.name, req.Old)
	if err != nil {
		s.guard.note(r, callerOf(r), err)
		if e, ok := errors.AsType[*api.Error](err); ok && e.Status == http.StatusUnauthorized {
			return forbidden("the password up to now is another one")
		}
		return err
	}
	if err := s.propose(r.Context(), &fsmpb.Command{Op: &fsmpb.Command_UserPut{UserPut: &fsmpb.UserPut{
		Name: c.name, Hash: hash, Revision: u.Revision, Origin: originOf(r),
	}}}); err != nil {
		return err
	}
	http.SetCookie(w, sessionCookie(r, ""))
	return s.reply(w, api.Done{Done: true})
}

// hostOf is the address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
