package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// User is a person with a password.
type User struct {
	Name      string
	Role      Role
	Hash      string // of the password, as bcrypt writes it
	ExpiresMs int64  // ms since 1970-01-01 UTC; 0: never
	CreatedMs int64
	UsedMs    int64  // newest login; 0: never
	Revision  uint64 // grows with each change but a login
}

// Expired tells whether the user is out of force at this time, ms since 1970-01-01 UTC.
func (u *User) Expired(nowMs int64) bool { return expired(u.ExpiresMs, nowMs) }

// Users are all users, by name.
func (a *Access) Users() []User {
	var all []User
	for _, name := range slices.Sorted(maps.Keys(a.users)) {
		all = append(all, *a.users[name])
	}
	return all
}

// User finds a user by name.
func (a *Access) User(name string) (User, bool) {
	u := a.users[name]
	if u == nil {
		return User{}, false
	}
	return *u, true
}

func (a *Access) putUser(at command.Stamp, op *fsmpb.UserPut) *fsmpb.Result {
	role := readRole(op.GetRole())
	u := a.users[op.GetName()]
	switch err := CheckCaller(op.GetName()); {
	case err != nil:
		return command.Refuse(fsmpb.Result_INVALID, "user: %v", err)
	case op.GetRole() != fsmpb.Role_ROLE_NONE && role == NoRole:
		return command.Refuse(fsmpb.Result_INVALID, "user %s: no role %d", op.Name, op.GetRole())
	case len(op.GetHash()) > MaxHash || op.GetExpiresMs() < 0:
		return command.Refuse(fsmpb.Result_INVALID, "user %s: hash of %d octets, end %d: expected at most %d octets, and no time before 1970", op.Name, len(op.Hash), op.GetExpiresMs(), MaxHash)
	case op.GetCreate():
		return a.createUser(at, op, role)
	case len(op.GetFirstAdmin()) > 0:
		return a.spendFirstAdmin(at, op)
	case u == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no user %s", op.Name)
	case op.Revision != 0 && op.Revision != u.Revision:
		return command.Refuse(fsmpb.Result_CONFLICT, "user %s was changed just now", op.Name)
	}
	after := *u
	var changes []string
	if role != NoRole && role != u.Role {
		after.Role = role
		changes = append(changes, fmt.Sprintf("role %s instead of %s", role, u.Role))
	}
	if op.Hash != "" && op.Hash != u.Hash {
		after.Hash = op.Hash
		changes = append(changes, "another password")
	}
	if op.ExpiresMs != nil && *op.ExpiresMs != u.ExpiresMs {
		after.ExpiresMs = *op.ExpiresMs
		changes = append(changes, "another end")
	}
	if len(changes) == 0 {
		return command.Already()
	}
	a.revision++
	after.Revision = a.revision
	*u = after
	a.endSessions(u.Name)
	a.audit(at, "user/"+u.Name, strings.Join(changes, ", "), op.Origin)
	return command.Done()
}

func (a *Access) createUser(at command.Stamp, op *fsmpb.UserPut, role Role) *fsmpb.Result {
	switch u := a.users[op.Name]; {
	case role == NoRole || op.Hash == "":
		return command.Refuse(fsmpb.Result_INVALID, "user %s: expected a role and a password", op.Name)
	case u != nil && u.Role == role && u.Hash == op.Hash && u.ExpiresMs == op.GetExpiresMs():
		return command.Already()
	case u != nil:
		return command.Refuse(fsmpb.Result_CONFLICT, "there is a user %s already", op.Name)
	case len(a.users) == MaxUsers:
		return command.Refuse(fsmpb.Result_CONFLICT, "there are %d users already, and no more than that may be", MaxUsers)
	}
	how := "added as " + role.String()
	if len(op.FirstAdmin) > 0 {
		if refused := a.spendFirstAdmin(at, op); refused != nil {
			return refused
		}
		how += " with the first admin's token"
	}
	if a.first != nil {
		a.first.Spent = true
	}
	a.revision++
	a.users[op.Name] = &User{
		Name: op.Name, Role: role, Hash: op.Hash, ExpiresMs: op.GetExpiresMs(), CreatedMs: at.Ms, Revision: a.revision,
	}
	a.audit(at, "user/"+op.Name, how, op.Origin)
	return command.Done()
}

func (a *Access) removeUser(at command.Stamp, op *fsmpb.UserRemove) *fsmpb.Result {
	if a.users[op.GetName()] == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no user %q", op.GetName())
	}
	delete(a.users, op.Name)
	a.endSessions(op.Name)
	a.revision++
	a.audit(at, "user/"+op.Name, "removed", op.Origin)
	return command.Done()
}
