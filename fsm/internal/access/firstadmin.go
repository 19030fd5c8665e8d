package access

import (
	"crypto/sha256"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// FirstAdmin is the token with which a new station's first user is made, who is an admin: once, before it ends, and while
// there is no user. A user who was made in another way spends it too.
type FirstAdmin struct {
	Sum       [sha256.Size]byte // of the token
	ExpiresMs int64             // ms since 1970-01-01 UTC
	Spent     bool
}

// FirstAdmin is the token of the first admin; false: the station never had one.
func (a *Access) FirstAdmin() (FirstAdmin, bool) {
	if a.first == nil {
		return FirstAdmin{}, false
	}
	return *a.first, true
}

// Good tells whether a user can be made at this time, ms since 1970-01-01 UTC, by who has the token with this SHA-256.
func (f FirstAdmin) Good(sum [sha256.Size]byte, nowMs int64) bool {
	return !f.Spent && f.Sum == sum && !expired(f.ExpiresMs, nowMs)
}

// offerFirstAdmin takes the token. Each node offers the one that it was installed with, and whichever is first is it.
func (a *Access) offerFirstAdmin(at command.Stamp, op *fsmpb.FirstAdmin) *fsmpb.Result {
	if len(op.GetSha256()) != sha256.Size || op.GetExpiresMs() <= 0 {
		return command.Refuse(fsmpb.Result_INVALID, "first admin's token: %d octets, end %d: expected %d octets of SHA-256, and an end after 1970",
			len(op.GetSha256()), op.GetExpiresMs(), sha256.Size)
	}
	sum := [sha256.Size]byte(op.Sha256)
	switch {
	case a.first != nil && a.first.Sum == sum:
		return command.Already()
	case a.first != nil:
		return command.Refuse(fsmpb.Result_CONFLICT, "the station has had a token of a first admin already")
	case len(a.users) > 0:
		return command.Refuse(fsmpb.Result_CONFLICT, "the station has users already")
	}
	a.first = &FirstAdmin{Sum: sum, ExpiresMs: op.ExpiresMs}
	a.revision++
	a.audit(at, "token/first-admin", "given to the station", op.Origin)
	return command.Done()
}

// spendFirstAdmin tells whether a user may be made with the token of which op has the hash.
func (a *Access) spendFirstAdmin(at command.Stamp, op *fsmpb.UserPut) *fsmpb.Result {
	switch {
	case !op.Create || len(op.FirstAdmin) != sha256.Size || op.Role != fsmpb.Role_ADMIN:
		return command.Refuse(fsmpb.Result_INVALID, "user %s: with the first admin's token, of %d octets: expected a new admin, and %d octets of SHA-256",
			op.Name, len(op.FirstAdmin), sha256.Size)
	case a.first == nil || !a.first.Good([sha256.Size]byte(op.FirstAdmin), at.Ms) || len(a.users) > 0:
		return command.Refuse(fsmpb.Result_CONFLICT, "the first admin's token is wrong, was used, or has ended")
	}
	return nil
}
