package access

import (
	"crypto/sha256"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// A browser sends a session's cookie to the node that has set it alone. When that node is lost, the page goes on at another one,
// and opens a session there by a code that it was given before: of the same login, so that it ends with it.

const (
	// CodeMs is after how long a code can't be used any more, ms.
	CodeMs = 5 * 60 * 1000

	// MaxCodes is how many codes a session has at most: as many pages as somebody has open. The oldest goes first.
	MaxCodes = 16
)

// Code is good for one session more of the login that it was given to.
type Code struct {
	Sum    [sha256.Size]byte // SHA-256 of the secret that the page has
	EndsMs int64             // ms since 1970-01-01 UTC
}

func (a *Access) giveCode(at command.Stamp, op *fsmpb.SessionCode) *fsmpb.Result {
	if len(op.GetSession()) != sha256.Size || len(op.GetCode()) != sha256.Size {
		return command.Refuse(fsmpb.Result_INVALID, "session of %d octets, code of %d: expected %d of SHA-256 each", len(op.GetSession()), len(op.GetCode()), sha256.Size)
	}
	x := a.sessions[[sha256.Size]byte(op.Session)]
	sum := [sha256.Size]byte(op.Code)
	switch {
	case x == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "the session has ended")
	case a.withCode(sum) != nil:
		return command.Already()
	}
	x.Codes = slices.DeleteFunc(slices.Clone(x.Codes), func(c Code) bool { return c.EndsMs <= at.Ms })
	x.Codes = append(x.Codes, Code{sum, at.Ms + CodeMs})
	x.Codes = x.Codes[max(0, len(x.Codes)-MaxCodes):]
	return command.Done()
}

// withCode is the session that has a code; nil: none.
func (a *Access) withCode(sum [sha256.Size]byte) *Session {
	for _, x := range a.sessions {
		if slices.ContainsFunc(x.Codes, func(c Code) bool { return c.Sum == sum }) {
			return x
		}
	}
	return nil
}

func (a *Access) takeSession(at command.Stamp, op *fsmpb.SessionTake) *fsmpb.Result {
	if len(op.GetCode()) != sha256.Size || len(op.GetId()) != sha256.Size {
		return command.Refuse(fsmpb.Result_INVALID, "code of %d octets, session of %d: expected %d of SHA-256 each", len(op.GetCode()), len(op.GetId()), sha256.Size)
	}
	id, sum := [sha256.Size]byte(op.Id), [sha256.Size]byte(op.Code)
	if a.sessions[id] != nil {
		return command.Already()
	}
	from := a.withCode(sum)
	if from == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "the code was used, has ended, or was never given")
	}
	i := slices.IndexFunc(from.Codes, func(c Code) bool { return c.Sum == sum })
	u := a.users[from.User]
	if from.Codes[i].EndsMs <= at.Ms || from.UsedMs+SessionIdleMs <= at.Ms || u == nil || u.Expired(at.Ms) {
		return command.Refuse(fsmpb.Result_CONFLICT, "the code, its session or its user has ended")
	}
	from.Codes = slices.Delete(slices.Clone(from.Codes), i, i+1)
	login := from.Login
	for _, x := range a.sessions {
		if x.Login == login && x.Node == at.Node {
			delete(a.sessions, x.ID)
		}
	}
	a.boundSessions(at, u.Name)
	a.sessions[id] = &Session{ID: id, User: u.Name, Address: command.Clip(op.Address), OpenedMs: at.Ms, UsedMs: at.Ms, Login: login, Node: at.Node}
	a.revision++
	a.audit(at, "user/"+u.Name, "went on at "+at.Node+" from "+op.Address, u.Name)
	return command.Done()
}
