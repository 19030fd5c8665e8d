package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fepha/fepha/fsm/fsmpb"
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
