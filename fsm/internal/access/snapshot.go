package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Empty tells whether there is nothing to be put into a snapshot.
func (a *Access) Empty() bool {
	return len(a.users)+len(a.tokens)+len(a.sessions)+len(a.revoked) == 0 && a.first == nil
}

// Proto is what goes into a snapshot.
func (a *Access) Proto() *fsmpb.AccessState {
	p := &fsmpb.AccessState{}
	for _, u := range a.Users() {
		p.Users = append(p.Users, &fsmpb.AccessState_User{
			Name: u.Name, Role: fsmpb.Role(u.Role), Hash: u.Hash, ExpiresMs: u.ExpiresMs, CreatedMs: u.CreatedMs, UsedMs: u.UsedMs,
			Revision: u.Revision,
		})
	}
	for _, t := range a.Tokens() {
		p.Tokens = append(p.Tokens, &fsmpb.AccessState_Token{
			Name: t.Name, Role: fsmpb.Role(t.Role), Sha256: t.Sum[:], ExpiresMs: t.ExpiresMs, CreatedMs: t.CreatedMs, UsedMs: t.UsedMs,
		})
	}
	for _, x := range a.Sessions() {
		session := &fsmpb.AccessState_Session{
			Id: x.ID[:], User: x.User, Address: x.Address, OpenedMs: x.OpenedMs, UsedMs: x.UsedMs, Node: x.Node,
		}
		if x.Login != x.ID {
			session.Login = x.Login[:]
		}
		for _, c := range x.Codes {
			session.Codes = append(session.Codes, &fsmpb.AccessState_Code{Sha256: c.Sum[:], EndsMs: c.EndsMs})
		}
		p.Sessions = append(p.Sessions, session)
	}
	for _, r := range a.revoked {
		p.Revoked = append(p.Revoked, &fsmpb.AccessState_Revoked{
			Serial: r.Serial, Name: r.Name, Reason: r.Reason, Origin: r.Origin, AtMs: r.AtMs,
		})
	}
	if a.first != nil {
		p.FirstAdmin = &fsmpb.AccessState_FirstAdmin{Sha256: a.first.Sum[:], ExpiresMs: a.first.ExpiresMs, Spent: a.first.Spent}
	}
	return p
}

// Restore takes what Proto gave.
func (a *Access) Restore(p *fsmpb.AccessState) error {
	if !a.Empty() {
		return errors.New("users are there twice")
	}
	if len(p.Users) > MaxUsers || len(p.Tokens) > MaxTokens || len(p.Sessions) > MaxSessions || len(p.Revoked) > MaxRevoked {
		return fmt.Errorf("%d users, %d tokens, %d sessions, %d revoked certificates are too many", len(p.Users), len(p.Tokens), len(p.Sessions), len(p.Revoked))
	}
	for _, u := range p.Users {
		if err := CheckCaller(u.Name); err != nil || readRole(u.Role) == NoRole || a.users[u.Name] != nil || len(u.Hash) > MaxHash || u.Revision > a.revision {
			return fmt.Errorf("user %q, role %d, revision %d: twice, or not one that can be: %v", u.Name, u.Role, u.Revision, err)
		}
		a.users[u.Name] = &User{
			Name: u.Name, Role: readRole(u.Role), Hash: u.Hash, ExpiresMs: u.ExpiresMs, CreatedMs: u.CreatedMs, UsedMs: u.UsedMs,
			Revision: u.Revision,
		}
	}
	for _, t := range p.Tokens {
		if err := CheckCaller(t.Name); err != nil || readRole(t.Role) == NoRole || a.tokenNamed(t.Name) != nil || len(t.Sha256) != sha256.Size {
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
		session := &Session{ID: id, User: x.User, Address: x.Address, OpenedMs: x.OpenedMs, UsedMs: x.UsedMs, Login: id, Node: x.Node}
		if len(x.Login) == sha256.Size {
			session.Login = [sha256.Size]byte(x.Login)
		}
		if len(x.Codes) > MaxCodes {
			return fmt.Errorf("session of %q: %d codes are too many", x.User, len(x.Codes))
		}
		for _, c := range x.Codes {
			if len(c.Sha256) != sha256.Size {
				return fmt.Errorf("session of %q: a code of %d octets", x.User, len(c.Sha256))
			}
			session.Codes = append(session.Codes, Code{[sha256.Size]byte(c.Sha256), c.EndsMs})
		}
		a.sessions[id] = session
	}
	for _, x := range p.Revoked {
		r := Revoked{Serial: x.Serial, Name: x.Name, Reason: x.Reason, Origin: x.Origin, AtMs: x.AtMs}
		if err := r.check(); err != nil || slices.ContainsFunc(a.revoked, func(o Revoked) bool { return o.Serial == r.Serial && o.Name == r.Name }) {
			return fmt.Errorf("revoked certificate: twice, or: %v", err)
		}
		a.revoked = append(a.revoked, r)
	}
	if f := p.FirstAdmin; f != nil {
		if len(f.Sha256) != sha256.Size || f.ExpiresMs <= 0 {
			return fmt.Errorf("first admin's token: %d octets, end %d", len(f.Sha256), f.ExpiresMs)
		}
		a.first = &FirstAdmin{Sum: [sha256.Size]byte(f.Sha256), ExpiresMs: f.ExpiresMs, Spent: f.Spent}
	}
	return nil
}
