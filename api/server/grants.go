package server

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// This file is about the tokens of the state, and about certificates that are out of force.

// listTokens lists those of the station, and those of this node's file.
func (s *Server) listTokens(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r); err != nil {
		return err
	}
	list, now := []api.Token{}, time.Now().UnixMilli()
	s.cfg.Node.View(func(state *fsm.State) {
		for _, t := range state.Access().Tokens() {
			list = append(list, api.Token{
				Name: t.Name, Role: t.Role.String(), Source: "station", CreatedMs: t.CreatedMs, ExpiresMs: t.ExpiresMs,
				UsedMs: s.guard.uses.last(t.Sum, t.UsedMs), Expired: t.Expired(now),
			})
		}
	})
	for _, t := range s.guard.fileTokens() {
		list = append(list, api.Token{Name: t.name, Role: t.role.String(), Source: "file"})
	}
	return s.reply(w, list)
}

// createToken makes a token and tells its secret, once.
func (s *Server) createToken(w http.ResponseWriter, r *http.Request) error {
	var req api.TokenRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	role, err := fsm.ParseRole(req.Role)
	if err != nil {
		return invalid("%v", err)
	}
	secret := rand.Text()
	sum := sha256.Sum256([]byte(secret))
	if err := s.propose(r.Context(), &fsmpb.Command{Op: &fsmpb.Command_TokenPut{TokenPut: &fsmpb.TokenPut{
		Name: req.Name, Role: fsmpb.Role(role), Sha256: sum[:], ExpiresMs: req.ExpiresMs, Origin: originOf(r),
	}}}); err != nil {
		return err
	}
	return s.reply(w, api.NewToken{Name: req.Name, Role: role.String(), Secret: secret})
}

func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	return s.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_TokenRemove{TokenRemove: &fsmpb.TokenRemove{
		Name: r.PathValue("name"), Origin: originOf(r),
	}}})
}

func (s *Server) listRevoked(w http.ResponseWriter, r *http.Request) error {
	if err := checkQuery(r); err != nil {
		return err
	}
	list := []api.Revocation{}
	s.cfg.Node.View(func(state *fsm.State) {
		for _, x := range state.Access().Revocations() {
			list = append(list, api.Revocation{Serial: x.Serial, Name: x.Name, Reason: x.Reason, By: x.Origin, AtMs: x.AtMs})
		}
	})
	return s.reply(w, list)
}

// revokeCertificate puts a certificate out of force on all nodes. A serial number may be written as openssl does: in capitals, with
// colons and leading zeros.
func (s *Server) revokeCertificate(w http.ResponseWriter, r *http.Request) error {
	var req api.RevokeRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	serial := strings.TrimLeft(strings.ToLower(strings.ReplaceAll(req.Serial, ":", "")), "0")
	return s.done(w, r, revocation(serial, req.Name, req.Reason, originOf(r)))
}

func revocation(serial, name, reason, origin string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Revoke{Revoke: &fsmpb.Revoke{Serial: serial, Name: name, Reason: reason, Origin: origin}}}
}

// revokeMember puts the certificates of a node that was removed out of force, so that nobody comes as that node.
func (s *Server) revokeMember(r *http.Request, id string) error {
	if s.cfg.Security == nil {
		return nil
	}
	if err := s.propose(r.Context(), revocation("", id, "removed from the group", originOf(r))); err != nil {
		return fmt.Errorf("%s is removed, but its certificate is still in force: revoke it ('fepha tls revoke %s'): %w", id, id, err)
	}
	return nil
}
