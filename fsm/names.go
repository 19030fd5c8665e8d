package fsm

import (
	"github.com/fepha/fepha/fsm/internal/access"
)

// The names of the parts below that users of the state need. The rules of each are in its package.

// Who may use the station: package internal/access.
type (
	Role    = access.Role
	User    = access.User
	Token   = access.Token
	Session = access.Session
	Revoked = access.Revoked
)

// The roles.
const (
	NoRole   = access.NoRole
	Viewer   = access.Viewer
	Operator = access.Operator
	Engineer = access.Engineer
	Admin    = access.Admin
)

// SessionIdleMs is after how long without a use a session is over, ms.
const SessionIdleMs = access.SessionIdleMs

// ParseRole reads viewer, operator, engineer or admin.
func ParseRole(name string) (Role, error) { return access.ParseRole(name) }

// CheckCaller refuses names that a user or a token can't have. They stand in logs, on pages and in terminals.
func CheckCaller(name string) error { return access.CheckCaller(name) }
