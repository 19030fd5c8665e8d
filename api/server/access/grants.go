package access

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// ListTokens lists those of the station, and those of this node's file.
func (g *Guard) ListTokens(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	list, now := []api.Token{}, time.Now().UnixMilli()
	g.node.View(func(state *fsm.State) {
		for _, t := range state.Access().Tokens() {
			list = append(list, api.Token{
				Name: t.Name, Role: t.Role.String(), Source: "station", CreatedMs: t.CreatedMs, ExpiresMs: t.ExpiresMs,
				UsedMs: g.uses.last(t.Sum, t.UsedMs), Expired: t.Expired(now),
			})
		}
	})
	for _, t := range g.fileTokens() {
		list = append(list, api.Token{Name: t.name, Role: t.role.String(), Source: "file"})
	}
	return g.json.Reply(w, list)
}

// CreateToken makes a token and tells its secret, once.
func (g *Guard) CreateToken(w http.ResponseWriter, r *http.Request) error {
	var req api.TokenRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	role, err := fsm.ParseRole(req.Role)
	if err != nil {
		return rest.Invalid("%v", err)
	}
	secret := rand.Text()
	sum := sha256.Sum256([]byte(secret))
	if err := rest.Propose(r.Context(), g.node, &fsmpb.Command{Op: &fsmpb.Command_TokenPut{TokenPut: &fsmpb.TokenPut{
		Name: req.Name, Role: fsmpb.Role(role), Sha256: sum[:], ExpiresMs: req.ExpiresMs, Origin: OriginOf(r),
	}}}); err != nil {
		return err
	}
	return g.json.Reply(w, api.NewToken{Name: req.Name, Role: role.String(), Secret: secret})
}

// RevokeToken takes a token out of force.
func (g *Guard) RevokeToken(w http.ResponseWriter, r *http.Request) error {
	return g.done(w, r, &fsmpb.Command{Op: &fsmpb.Command_TokenRemove{TokenRemove: &fsmpb.TokenRemove{
		Name: r.PathValue("name"), Origin: OriginOf(r),
	}}})
}

// ListRevoked answers with the certificates that are out of force.
func (g *Guard) ListRevoked(w http.ResponseWriter, r *http.Request) error {
	if err := rest.CheckQuery(r); err != nil {
		return err
	}
	list := []api.Revocation{}
	g.node.View(func(state *fsm.State) {
		for _, x := range state.Access().Revocations() {
			list = append(list, api.Revocation{Serial: x.Serial, Name: x.Name, Reason: x.Reason, By: x.Origin, AtMs: x.AtMs})
		}
	})
	return g.json.Reply(w, list)
}

// RevokeCertificate puts a certificate out of force on all nodes. A serial number may be written as openssl does: in capitals, with
// colons and leading zeros.
func (g *Guard) RevokeCertificate(w http.ResponseWriter, r *http.Request) error {
	var req api.RevokeRequest
	if err := rest.Decode(r, &req); err != nil {
		return err
	}
	serial := strings.TrimLeft(strings.ToLower(strings.ReplaceAll(req.Serial, ":", "")), "0")
	return g.done(w, r, revocation(serial, req.Name, req.Reason, OriginOf(r)))
}

func revocation(serial, name, reason, origin string) *fsmpb.Command {
	return &fsmpb.Command{Op: &fsmpb.Command_Revoke{Revoke: &fsmpb.Revoke{Serial: serial, Name: name, Reason: reason, Origin: origin}}}
}

// RevokeMember puts the certificates of a node that was removed out of force, so that nobody comes as that node.
func (g *Guard) RevokeMember(r *http.Request, id string) error {
	if g.security == nil {
		return nil
	}
	if err := rest.Propose(r.Context(), g.node, revocation("", id, "removed from the group", OriginOf(r))); err != nil {
		return fmt.Errorf("%s is removed, but its certificate is still in force: revoke it ('fepha tls revoke %s'): %w", id, id, err)
	}
	return nil
}
