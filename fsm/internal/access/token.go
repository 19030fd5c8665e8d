package access

import (
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Token is a program's way in.
type Token struct {
	Name      string
	Role      Role
	Sum       [sha256.Size]byte // of the token
	ExpiresMs int64             // ms since 1970-01-01 UTC; 0: never
	CreatedMs int64
	UsedMs    int64 // known some minutes late; 0: never
}

// Expired tells whether the token is out of force at this time, ms since 1970-01-01 UTC.
func (t *Token) Expired(nowMs int64) bool { return expired(t.ExpiresMs, nowMs) }

// Tokens are all tokens, by name.
func (a *Access) Tokens() []Token {
	var all []Token
	for _, t := range a.tokens {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Token) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Token finds a token by its SHA-256.
func (a *Access) Token(sum [sha256.Size]byte) (Token, bool) {
	t := a.tokens[sum]
	if t == nil {
		return Token{}, false
	}
	return *t, true
}

func (a *Access) putToken(at command.Stamp, op *fsmpb.TokenPut) *fsmpb.Result {
	if err := CheckCaller(op.GetName()); err != nil {
		return command.Refuse(fsmpb.Result_INVALID, "token: %v", err)
	}
	role := readRole(op.Role)
	if role == NoRole || len(op.Sha256) != sha256.Size || op.ExpiresMs < 0 {
		return command.Refuse(fsmpb.Result_INVALID, "token %s: role %d, %d octets, end %d: expected a role, %d octets of SHA-256, and no time before 1970",
			op.Name, op.Role, len(op.Sha256), op.ExpiresMs, sha256.Size)
	}
	sum := [sha256.Size]byte(op.Sha256)
	if t := a.tokens[sum]; t != nil {
		if t.Name == op.Name && t.Role == role && t.ExpiresMs == op.ExpiresMs {
			return command.Already()
		}
		return command.Refuse(fsmpb.Result_CONFLICT, "token %s has that secret already", t.Name)
	}
	if a.tokenNamed(op.Name) != nil {
		return command.Refuse(fsmpb.Result_CONFLICT, "there is a token %s already", op.Name)
	}
	if len(a.tokens) == MaxTokens {
		return command.Refuse(fsmpb.Result_CONFLICT, "there are %d tokens already, and no more than that may be", MaxTokens)
	}
	a.tokens[sum] = &Token{Name: op.Name, Role: role, Sum: sum, ExpiresMs: op.ExpiresMs, CreatedMs: at.Ms}
	a.revision++
	a.audit(at, "token/"+op.Name, "made for role "+role.String(), op.Origin)
	return command.Done()
}

func (a *Access) tokenNamed(name string) *Token {
	for _, t := range a.tokens {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (a *Access) removeToken(at command.Stamp, op *fsmpb.TokenRemove) *fsmpb.Result {
	t := a.tokenNamed(op.GetName())
	if t == nil {
		return command.Refuse(fsmpb.Result_NOT_FOUND, "there is no token %q", op.GetName())
	}
	delete(a.tokens, t.Sum)
	a.revision++
	a.audit(at, "token/"+t.Name, "revoked", op.Origin)
	return command.Done()
}
