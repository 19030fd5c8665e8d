// Package access is who may use the station: users with passwords, tokens, the sessions that users have opened, and
// certificates that were put out of force. All of it is in force on every node with the entry that brings it. Secrets are
// here as hashes alone: of a password as bcrypt makes it, of a token or a session as SHA-256, since those are random.
package access

import (
	"crypto/sha256"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Bounds of what is kept.
const (
	MaxUsers    = 256
	MaxTokens   = 1024
	MaxSessions = 1024 // the one that was unused for longest goes first
	MaxOfUser   = 16   // sessions of one user; likewise
	MaxRevoked  = 4096
	MaxHash     = 256 // octets
)

// Access is a part of the replicated state; see package fsm for who may call what when.
type Access struct {
	users    map[string]*User
	tokens   map[[sha256.Size]byte]*Token
	sessions map[[sha256.Size]byte]*Session
	revoked  []Revoked   // oldest first
	first    *FirstAdmin // nil: there never was one
	revision uint64
	audit    Audit
}

// Audit takes what was done, about user/NAME, token/NAME or certificate/NAME, and by whom.
type Audit func(at command.Stamp, about, happened, origin string)

// New returns what is known of nobody, whose changes are counted from revision on.
func New(revision uint64, audit Audit) *Access {
	return &Access{
		users:    map[string]*User{},
		tokens:   map[[sha256.Size]byte]*Token{},
		sessions: map[[sha256.Size]byte]*Session{},
		revision: revision,
		audit:    audit,
	}
}

// Revision counts the changes, but for when sessions and tokens were used.
func (a *Access) Revision() uint64 { return a.revision }

// Apply applies a command that is about access; nil: it isn't.
func (a *Access) Apply(at command.Stamp, c *fsmpb.Command) *fsmpb.Result {
	switch op := c.GetOp().(type) {
	case *fsmpb.Command_UserPut:
		return a.putUser(at, op.UserPut)
	case *fsmpb.Command_UserRemove:
		return a.removeUser(at, op.UserRemove)
	case *fsmpb.Command_TokenPut:
		return a.putToken(at, op.TokenPut)
	case *fsmpb.Command_TokenRemove:
		return a.removeToken(at, op.TokenRemove)
	case *fsmpb.Command_SessionOpen:
		return a.openSession(at, op.SessionOpen)
	case *fsmpb.Command_SessionClose:
		return a.closeSession(at, op.SessionClose)
	case *fsmpb.Command_SessionCode:
		return a.giveCode(at, op.SessionCode)
	case *fsmpb.Command_SessionTake:
		return a.takeSession(at, op.SessionTake)
	case *fsmpb.Command_AccessUsed:
		return a.noteUses(op.AccessUsed)
	case *fsmpb.Command_FirstAdmin:
		return a.offerFirstAdmin(at, op.FirstAdmin)
	case *fsmpb.Command_Revoke:
		return a.revoke(at, op.Revoke)
	}
	return nil
}

// expired tells whether what ends then has ended; 0: never.
func expired(endMs, nowMs int64) bool { return endMs != 0 && nowMs >= endMs }
