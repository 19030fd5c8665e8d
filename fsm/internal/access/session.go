package access

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// SessionIdleMs is after how long without a use a session is over, ms.
const SessionIdleMs = 30 * 60 * 1000

// Session is a user's login, good on every node.
type Session struct {
	ID       [sha256.Size]byte // SHA-256 of the secret that the client has
	User     string
	Address  string // where it was opened from
	OpenedMs int64  // ms since 1970-01-01 UTC
	UsedMs   int64  // as far as is known; up to a minute late

	Login [sha256.Size]byte // ID of the session that the password has opened: this one, or the one that this one goes on with
	Node  string            // that has opened it
	Codes []Code            // by which a page goes on at another node; the newest at the end
}

// Session finds a session that is in force, and its user, by the SHA-256 of its secret. Whether it was unused for too long is
// for the caller to judge, who may know of a newer use.
func (a *Access) Session(id [sha256.Size]byte) (Session, User, bool) {
	x := a.sessions[id]
	if x == nil {
		return Session{}, User{}, false
	}
	u, ok := a.User(x.User)
	return *x, u, ok
}

// Sessions are all sessions, by user, the one that was used last at the end.
func (a *Access) Sessions() []Session {
	var all []Session
	for _, x := range a.sessions {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b Session) int { return cmp.Or(cmp.Compare(a.User, b.User), olderUse(a, b)) })
	return all
}

// olderUse orders sessions by their last use, and never says that two are equal.
func olderUse(a, b Session) int {
	return cmp.Or(cmp.Compare(a.UsedMs, b.UsedMs), bytes.Compare(a.ID[:], b.ID[:]))
}

func (a *Access) openSession(at command.Stamp, op *fsmpb.SessionOpen) *fsmpb.Result {
	if len(op.GetId()) != sha256.Size {
		return command.Refuse(fsmpb.Result_INVALID, "session of %d octets: expected %d of SHA-256", len(op.GetId()), sha256.Size)
	}
	id := [sha256.Size]byte(op.Id)
	u := a.users[op.User]
	switch {
	case a.sessions[id] != nil:
		return command.Already()
	case u == nil:
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no user %q", op.User)
	case u.Revision != op.Revision || u.Expired(at.Ms):
		return command.Refuse(fsmpb.Result_CONFLICT, "user %s was changed just now, or has ended", u.Name)
	}
	a.boundSessions(at, u.Name)
	a.sessions[id] = &Session{ID: id, User: u.Name, Address: command.Clip(op.Address), OpenedMs: at.Ms, UsedMs: at.Ms, Login: id, Node: at.Node}
	u.UsedMs = max(u.UsedMs, at.Ms)
	a.revision++
	a.audit(at, "user/"+u.Name, "logged in from "+op.Address, u.Name)
	return command.Done()
}

// boundSessions makes room for one more of the user: what was unused for too long goes, and then what was for longest.
func (a *Access) boundSessions(at command.Stamp, user string) {
	all := a.Sessions()
	slices.SortFunc(all, olderUse)
	total, own := len(all), 0
	for _, x := range all {
		if x.User == user {
			own++
		}
	}
	for _, x := range all {
		switch {
		case x.UsedMs+SessionIdleMs <= at.Ms:
		case x.User == user && own >= MaxOfUser:
		case total >= MaxSessions:
		default:
			continue
		}
		delete(a.sessions, x.ID)
		total--
		if x.User == user {
			own--
		}
	}
}

func (a *Access) closeSession(at command.Stamp, op *fsmpb.SessionClose) *fsmpb.Result {
	if len(op.GetId()) != sha256.Size {
		return command.Refuse(fsmpb.Result_INVALID, "session of %d octets: expected %d of SHA-256", len(op.GetId()), sha256.Size)
	}
	x := a.sessions[[sha256.Size]byte(op.Id)]
	if x == nil {
		return command.Already()
	}
	for id, other := range a.sessions {
		if other.Login == x.Login { // those at other nodes too
			delete(a.sessions, id)
		}
	}
	a.revision++
	a.audit(at, "user/"+x.User, "logged out", x.User)
	return command.Done()
}

// endSessions ends all sessions of a user.
func (a *Access) endSessions(user string) {
	for id, x := range a.sessions {
		if x.User == user {
			delete(a.sessions, id)
		}
	}
}

// noteUses keeps when sessions and tokens were used. It is no change that a reader must look at.
func (a *Access) noteUses(op *fsmpb.AccessUsed) *fsmpb.Result {
	for _, use := range op.GetUses() {
		if len(use.GetId()) != sha256.Size {
			continue
		}
		id := [sha256.Size]byte(use.Id)
		if x := a.sessions[id]; x != nil {
			x.UsedMs = max(x.UsedMs, use.AtMs)
		}
		if t := a.tokens[id]; t != nil {
			t.UsedMs = max(t.UsedMs, use.AtMs)
		}
	}
	return command.Done()
}
