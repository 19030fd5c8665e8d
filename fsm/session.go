package fsm

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
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
}

// Session finds a session that is in force, and its user, by the SHA-256 of its secret. Whether it was unused for too long is
// for the caller to judge, who may know of a newer use.
func (s *State) Session(id [sha256.Size]byte) (Session, User, bool) {
	x := s.access.sessions[id]
	if x == nil {
		return Session{}, User{}, false
	}
	u, ok := s.User(x.User)
	return *x, u, ok
}

// Sessions are all sessions, by user, the one that was used last at the end.
func (s *State) Sessions() []Session {
	var all []Session
	for _, x := range s.access.sessions {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b Session) int { return cmp.Or(cmp.Compare(a.User, b.User), olderUse(a, b)) })
	return all
}

// olderUse orders sessions by their last use, and never says that two are equal.
func olderUse(a, b Session) int {
	return cmp.Or(cmp.Compare(a.UsedMs, b.UsedMs), bytes.Compare(a.ID[:], b.ID[:]))
}

func (s *State) openSession(at stamp, op *fsmpb.SessionOpen) *fsmpb.Result {
	if len(op.GetId()) != sha256.Size {
		return refuse(fsmpb.Result_INVALID, "session of %d octets: expected %d of SHA-256", len(op.GetId()), sha256.Size)
	}
	id := [sha256.Size]byte(op.Id)
	u := s.access.users[op.User]
	switch {
	case s.access.sessions[id] != nil:
		return already()
	case u == nil:
		return refuse(fsmpb.Result_NOT_FOUND, "there is no user %q", op.User)
	case u.Revision != op.Revision || u.Expired(at.ms):
		return refuse(fsmpb.Result_CONFLICT, "user %s was changed just now, or has ended", u.Name)
	}
	s.boundSessions(at, u.Name)
	s.access.sessions[id] = &Session{ID: id, User: u.Name, Address: clip(op.Address), OpenedMs: at.ms, UsedMs: at.ms}
	u.UsedMs = max(u.UsedMs, at.ms)
	s.rev.Access++
	s.noteAccess(at, "user/"+u.Name, "logged in from "+op.Address, u.Name)
	return done()
}

// boundSessions makes room for one more of the user: what was unused for too long goes, and then what was for longest.
func (s *State) boundSessions(at stamp, user string) {
	all := s.Sessions()
	slices.SortFunc(all, olderUse)
	total, own := len(all), 0
	for _, x := range all {
		if x.User == user {
			own++
		}
	}
	for _, x := range all {
		switch {
		case x.UsedMs+SessionIdleMs <= at.ms:
		case x.User == user && own >= maxOfUser:
		case total >= maxSessions:
		default:
			continue
		}
		delete(s.access.sessions, x.ID)
		total--
		if x.User == user {
			own--
		}
	}
}

func (s *State) closeSession(at stamp, op *fsmpb.SessionClose) *fsmpb.Result {
	if len(op.GetId()) != sha256.Size {
		return refuse(fsmpb.Result_INVALID, "session of %d octets: expected %d of SHA-256", len(op.GetId()), sha256.Size)
	}
	x := s.access.sessions[[sha256.Size]byte(op.Id)]
	if x == nil {
		return already()
	}
	delete(s.access.sessions, x.ID)
	s.rev.Access++
	s.noteAccess(at, "user/"+x.User, "logged out", x.User)
	return done()
}

// endSessions ends all sessions of a user.
func (s *State) endSessions(user string) {
	for id, x := range s.access.sessions {
		if x.User == user {
			delete(s.access.sessions, id)
		}
	}
}

// usedAccess keeps when sessions and tokens were used. It is no change that a reader must look at.
func (s *State) usedAccess(op *fsmpb.AccessUsed) *fsmpb.Result {
	for _, use := range op.GetUses() {
		if len(use.GetId()) != sha256.Size {
			continue
		}
		id := [sha256.Size]byte(use.Id)
		if x := s.access.sessions[id]; x != nil {
			x.UsedMs = max(x.UsedMs, use.AtMs)
		}
		if t := s.access.tokens[id]; t != nil {
			t.UsedMs = max(t.UsedMs, use.AtMs)
		}
	}
	return done()
}
