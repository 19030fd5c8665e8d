package fsm

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Who may use the station: users with passwords, tokens, the sessions that users have opened (session.go), and certificates
// that were put out of force (revoked.go). All of it is in force on every node with the entry that brings it. Secrets are
// here as hashes alone: of a password as bcrypt makes it, of a token or a session as SHA-256, since those are random.

// Bounds of what is kept.
const (
	maxUsers    = 256
	maxTokens   = 1024
	maxSessions = 1024 // the one that was unused for longest goes first
	maxOfUser   = 16   // sessions of one user; likewise
	maxRevoked  = 4096
	maxHash     = 256 // octets
)

// Role is what a caller may do; each may do what those before it may.
type Role uint8

// The roles. NoRole may do nothing.
const (
	NoRole   = Role(fsmpb.Role_ROLE_NONE)
	Viewer   = Role(fsmpb.Role_VIEWER)
	Operator = Role(fsmpb.Role_OPERATOR)
	Engineer = Role(fsmpb.Role_ENGINEER)
	Admin    = Role(fsmpb.Role_ADMIN)
)

var roleNames = [...]string{"none", "viewer", "operator", "engineer", "admin"}

// String gives viewer, operator, engineer or admin; none for NoRole.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// ParseRole reads what String gives, but none.
func ParseRole(name string) (Role, error) {
	if i := slices.Index(roleNames[1:], name); i >= 0 {
		return Role(i + 1), nil
	}
	return NoRole, fmt.Errorf("role %q: expected viewer, operator, engineer or admin", name)
}

// readRole is the role that a number of the log's format stands for; NoRole if none does.
func readRole(r fsmpb.Role) Role {
	if r < 0 || int(r) >= len(roleNames) {
		return NoRole
	}
	return Role(r)
}

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

// Token is a program's way in.
type Token struct {
	Name      string
	Role      Role
	Sum       [sha256.Size]byte // of the token
	ExpiresMs int64             // ms since 1970-01-01 UTC; 0: never
	CreatedMs int64
	UsedMs    int64 // known some minutes late; 0: never
}

// expired tells whether what ends then has ended; 0: never.
func expired(endMs, nowMs int64) bool { return endMs != 0 && nowMs >= endMs }

// Expired tells whether the user is out of force at this time, ms since 1970-01-01 UTC.
func (u *User) Expired(nowMs int64) bool { return expired(u.ExpiresMs, nowMs) }

// Expired tells whether the token is out of force at this time, ms since 1970-01-01 UTC.
func (t *Token) Expired(nowMs int64) bool { return expired(t.ExpiresMs, nowMs) }

type access struct {
	users    map[string]*User
	tokens   map[[sha256.Size]byte]*Token
	sessions map[[sha256.Size]byte]*Session
	revoked  []Revoked // oldest first
}

func newAccess() access {
	return access{
		users:    map[string]*User{},
		tokens:   map[[sha256.Size]byte]*Token{},
		sessions: map[[sha256.Size]byte]*Session{},
	}
}

// Users are all users, by name.
func (s *State) Users() []User {
	var all []User
	for _, name := range slices.Sorted(maps.Keys(s.access.users)) {
		all = append(all, *s.access.users[name])
	}
	return all
}

// User finds a user by name.
func (s *State) User(name string) (User, bool) {
	u := s.access.users[name]
	if u == nil {
		return User{}, false
	}
	return *u, true
}

// Tokens are all tokens, by name.
func (s *State) Tokens() []Token {
	var all []Token
	for _, t := range s.access.tokens {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Token) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Token finds a token by its SHA-256.
func (s *State) Token(sum [sha256.Size]byte) (Token, bool) {
	t := s.access.tokens[sum]
	if t == nil {
		return Token{}, false
	}
	return *t, true
}

// CheckCaller refuses names that a user or a token can't have. They stand in logs, on pages and in terminals.
func CheckCaller(name string) error {
	allowed := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-@+", r)
	}
	if name == "" || len(name) > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !allowed(r) }) {
		return fmt.Errorf("name %q: expected 1 to 64 octets of letters, digits and . _ - @ +", name)
	}
	return nil
}

func (s *State) putUser(at stamp, op *fsmpb.UserPut) *fsmpb.Result {
	role := readRole(op.GetRole())
	u := s.access.users[op.GetName()]
	switch err := CheckCaller(op.GetName()); {
	case err != nil:
		return refuse(fsmpb.Result_INVALID, "user: %v", err)
	case op.GetRole() != fsmpb.Role_ROLE_NONE && role == NoRole:
		return refuse(fsmpb.Result_INVALID, "user %s: no role %d", op.Name, op.GetRole())
	case len(op.GetHash()) > maxHash || op.GetExpiresMs() < 0:
		return refuse(fsmpb.Result_INVALID, "user %s: hash of %d octets, end %d: expected at most %d octets, and no time before 1970", op.Name, len(op.Hash), op.GetExpiresMs(), maxHash)
	case op.GetCreate():
		return s.createUser(at, op, role)
	case u == nil:
		return refuse(fsmpb.Result_NOT_FOUND, "there is no user %s", op.Name)
	case op.Revision != 0 && op.Revision != u.Revision:
		return refuse(fsmpb.Result_CONFLICT, "user %s was changed just now", op.Name)
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
		return already()
	}
	s.rev.Access++
	after.Revision = s.rev.Access
	*u = after
	s.endSessions(u.Name)
	s.noteAccess(at, "user/"+u.Name, strings.Join(changes, ", "), op.Origin)
	return done()
}

func (s *State) createUser(at stamp, op *fsmpb.UserPut, role Role) *fsmpb.Result {
	switch u := s.access.users[op.Name]; {
	case role == NoRole || op.Hash == "":
		return refuse(fsmpb.Result_INVALID, "user %s: expected a role and a password", op.Name)
	case u != nil && u.Role == role && u.Hash == op.Hash && u.ExpiresMs == op.GetExpiresMs():
		return already()
	case u != nil:
		return refuse(fsmpb.Result_CONFLICT, "there is a user %s already", op.Name)
	case len(s.access.users) == maxUsers:
		return refuse(fsmpb.Result_CONFLICT, "there are %d users already, and no more than that may be", maxUsers)
	}
	s.rev.Access++
	s.access.users[op.Name] = &User{
		Name: op.Name, Role: role, Hash: op.Hash, ExpiresMs: op.GetExpiresMs(), CreatedMs: at.ms, Revision: s.rev.Access,
	}
	s.noteAccess(at, "user/"+op.Name, "added as "+role.String(), op.Origin)
	return done()
}

func (s *State) removeUser(at stamp, op *fsmpb.UserRemove) *fsmpb.Result {
	if s.access.users[op.GetName()] == nil {
		return refuse(fsmpb.Result_NOT_FOUND, "there is no user %q", op.GetName())
	}
	delete(s.access.users, op.Name)
	s.endSessions(op.Name)
	s.rev.Access++
	s.noteAccess(at, "user/"+op.Name, "removed", op.Origin)
	return done()
}

func (s *State) putToken(at stamp, op *fsmpb.TokenPut) *fsmpb.Result {
	if err := CheckCaller(op.GetName()); err != nil {
		return refuse(fsmpb.Result_INVALID, "token: %v", err)
	}
	role := readRole(op.Role)
	if role == NoRole || len(op.Sha256) != sha256.Size || op.ExpiresMs < 0 {
		return refuse(fsmpb.Result_INVALID, "token %s: role %d, %d octets, end %d: expected a role, %d octets of SHA-256, and no time before 1970",
			op.Name, op.Role, len(op.Sha256), op.ExpiresMs, sha256.Size)
	}
	sum := [sha256.Size]byte(op.Sha256)
	if t := s.access.tokens[sum]; t != nil {
		if t.Name == op.Name && t.Role == role && t.ExpiresMs == op.ExpiresMs {
			return already()
		}
		return refuse(fsmpb.Result_CONFLICT, "token %s has that secret already", t.Name)
	}
	if s.tokenNamed(op.Name) != nil {
		return refuse(fsmpb.Result_CONFLICT, "there is a token %s already", op.Name)
	}
	if len(s.access.tokens) == maxTokens {
		return refuse(fsmpb.Result_CONFLICT, "there are %d tokens already, and no more than that may be", maxTokens)
	}
	s.access.tokens[sum] = &Token{Name: op.Name, Role: role, Sum: sum, ExpiresMs: op.ExpiresMs, CreatedMs: at.ms}
	s.rev.Access++
	s.noteAccess(at, "token/"+op.Name, "made for role "+role.String(), op.Origin)
	return done()
}

func (s *State) tokenNamed(name string) *Token {
	for _, t := range s.access.tokens {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (s *State) removeToken(at stamp, op *fsmpb.TokenRemove) *fsmpb.Result {
	t := s.tokenNamed(op.GetName())
	if t == nil {
		return refuse(fsmpb.Result_NOT_FOUND, "there is no token %q", op.GetName())
	}
	delete(s.access.tokens, t.Sum)
	s.rev.Access++
	s.noteAccess(at, "token/"+t.Name, "revoked", op.Origin)
	return done()
}

// noteAccess puts what was done about access into the audit. It is the one place that does.
func (s *State) noteAccess(at stamp, what, happened, origin string) {
	s.note(at, &Note{Kind: NoteAccess, Resource: what, Reason: clip(happened), Origin: clip(origin)})
}
