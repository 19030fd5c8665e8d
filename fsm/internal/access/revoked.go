package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Revoked says which certificates are out of force: the one with the serial number, or all that bear the name and were issued
// by then. So a node or a person who gets a new certificate under the old name is let in again.
type Revoked struct {
	Serial string // hexadecimal, lower case, without leading zeros; "": by name
	Name   string // "": by serial number
	Reason string
	Origin string
	AtMs   int64 // ms since 1970-01-01 UTC
}

// Revocations are all revocations, oldest first.
func (a *Access) Revocations() []Revoked { return slices.Clone(a.revoked) }

// RevokedBy tells whether a certificate is out of force, and by what: its serial number (hexadecimal, lower case), the
// name that it bears, and when it was issued, ms since 1970-01-01 UTC.
func (a *Access) RevokedBy(serial, name string, issuedMs int64) (Revoked, bool) {
	for _, r := range a.revoked {
		if r.Serial != "" && r.Serial == serial || r.Name != "" && r.Name == name && issuedMs <= r.AtMs {
			return r, true
		}
	}
	return Revoked{}, false
}

func (a *Access) revoke(at command.Stamp, op *fsmpb.Revoke) *fsmpb.Result {
	r := Revoked{Serial: op.GetSerial(), Name: op.GetName(), Reason: command.Clip(op.GetReason()), Origin: command.Clip(op.GetOrigin()), AtMs: at.Ms}
	if err := r.check(); err != nil {
		return command.Refuse(fsmpb.Result_INVALID, "revoking: %v", err)
	}
	i := slices.IndexFunc(a.revoked, func(o Revoked) bool { return o.Serial == r.Serial && o.Name == r.Name })
	switch {
	case i >= 0 && (r.Serial != "" || a.revoked[i].AtMs >= r.AtMs):
		return command.Already()
	case i >= 0: // by name, once more: what was issued meanwhile is meant too
		a.revoked = slices.Delete(a.revoked, i, i+1)
	case len(a.revoked) == MaxRevoked:
		return command.Refuse(fsmpb.Result_CONFLICT, "%d certificates are revoked already: make another CA, and with it certificates for those who are to stay", MaxRevoked)
	}
	a.revoked = append(a.revoked, r)
	a.revision++
	a.audit(at, "certificate/"+r.Name+r.Serial, "revoked", r.Origin)
	return command.Done()
}

func (r *Revoked) check() error {
	hexadecimal := !strings.ContainsFunc(r.Serial, func(c rune) bool { return !strings.ContainsRune("0123456789abcdef", c) })
	switch {
	case (r.Serial == "") == (r.Name == ""):
		return fmt.Errorf("serial number %q and name %q: expected one of both", r.Serial, r.Name)
	case len(r.Serial) > 40 || !hexadecimal || strings.HasPrefix(r.Serial, "0"):
		return fmt.Errorf("serial number %q: expected at most 40 hexadecimal digits in lower case, without leading zeros", r.Serial)
	case len(r.Name) > 64 || strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("name %q: expected at most 64 octets that can be printed", r.Name)
	}
	return nil
}
