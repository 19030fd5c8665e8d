package fsm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
)

func (a *access) empty() bool {
	return len(a.users)+len(a.tokens)+len(a.sessions)+len(a.revoked) == 0
}

func (s *State) accessProto() *fsmpb.AccessState {
	p := &fsmpb.AccessState{}
	for _, u := range s.Users() {
		p.Users = append(p.Users, &fsmpb.AccessState_User{
			Name: u.Name, Role: fsmpb.Role(u.Role), Hash: u.Hash, ExpiresMs: u.ExpiresMs, CreatedMs: u.CreatedMs, UsedMs: u.UsedMs,
			Revision: u.Revision,
		})
	}
	for _, t := range s.Tokens() {
		p.Tokens = append(p.Tokens, &fsmpb.AccessState_Token{
			Name: t.Name, Role: fsmpb.Role(t.Role), Sha256: t.Sum[:], ExpiresMs: t.ExpiresMs, CreatedMs: t.CreatedMs, UsedMs: t.UsedMs,
		})
	}
	for _, x := range s.Sessions() {
		p.Sessions = append(p.Sessions, &fsmpb.AccessState_Session{
			Id: x.ID[:], User: x.User, Address: x.Address, OpenedMs: x.OpenedMs, UsedMs: x.UsedMs,
		})
	}
	for _, r := range s.access.revoked {
		p.Revoked = append(p.Revoked, &fsmpb.AccessState_Revoked{
			Serial: r.Serial, Name: r.Name, Reason: r.Reason, Origin: r.Origin, AtMs: r.AtMs,
		})
	}
	return p
}

func (in *restorer) takeAccess(p *fsmpb.AccessState) error {
	a := &in.s.access
	if !a.empty() {
		return errors.New("users are there twice")
	}
	if len(p.Users) > maxUsers || len(p.Tokens) > maxTokens || len(p.Sessions) > maxSessions || len(p.Revoked) > maxRevoked {
		return fmt.Errorf("%d users, %d tokens, %d sessions, %d revoked certificates are too many", len(p.Users), len(p.Tokens), len(p.Sessions), len(p.Revoked))
	}
	for _, u := range p.Users {
		if err := CheckCaller(u.Name); err != nil || readRole(u.Role) == NoRole || a.users[u.Name] != nil || len(u.Hash) > maxHash || u.Revision > in.s.rev.Access {
			return fmt.Errorf("user %q, role %d, revision %d: twice, or not one that can be: %v", u.Name, u.Role, u.Revision, err)
		}
		a.users[u.Name] = &User{
			Name: u.Name, Role: readRole(u.Role), Hash: u.Hash, ExpiresMs: u.ExpiresMs, CreatedMs: u.CreatedMs, UsedMs: u.UsedMs,
			Revision: u.Revision,
		}
	}
	for _, t := range p.Tokens {
		if err := CheckCaller(t.Name); err != nil || readRole(t.Role) == NoRole || in.s.tokenNamed(t.Name) != nil || len(t.Sha256) != sha256.Size {
			return fmt.Errorf("token %q, role %d: twice, or not one that can be: %v", t.Name, t.Role, err)
		}
		sum := [sha256.Size]byte(t.Sha256)
		if a.tokens[sum] != nil {
			return fmt.Errorf("token %q: another has its secret", t.Name)
		}
		a.tokens[sum] = &Token{
			Name: t.Name, Role: readRole(t.Role), Sum: sum, ExpiresMs: t.ExpiresMs, CreatedMs: t.CreatedMs, UsedMs: t.UsedMs,
		}
	}
	for _, x := range p.Sessions {
		if len(x.Id) != sha256.Size || a.users[x.User] == nil || a.sessions[[sha256.Size]byte(x.Id)] != nil {
			return fmt.Errorf("session of %q: twice, or of nobody", x.User)
		}
		id := [sha256.Size]byte(x.Id)
		a.sessions[id] = &Session{ID: id, User: x.User, Address: x.Address, OpenedMs: x.OpenedMs, UsedMs: x.UsedMs}
	}
	for _, x := range p.Revoked {
		r := Revoked{Serial: x.Serial, Name: x.Name, Reason: x.Reason, Origin: x.Origin, AtMs: x.AtMs}
		if err := r.check(); err != nil || slices.ContainsFunc(a.revoked, func(o Revoked) bool { return o.Serial == r.Serial && o.Name == r.Name }) {
			return fmt.Errorf("revoked certificate: twice, or: %v", err)
		}
		a.revoked = append(a.revoked, r)
	}
	return nil
}
