package fsm

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/fepha/fepha/fsm/fsmpb"
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

// RevokedCertificates are all revocations, oldest first.
func (s *State) RevokedCertificates() []Revoked { return slices.Clone(s.access.revoked) }

// CertificateRevoked tells whether a certificate is out of force, and by what: its serial number (hexadecimal, lower case), the
// name that it bears, and when it was issued, ms since 1970-01-01 UTC.
func (s *State) CertificateRevoked(serial, name string, issuedMs int64) (Revoked, bool) {
	for _, r := range s.access.revoked {
		if r.Serial != "" && r.Serial == serial || r.Name != "" && r.Name == name && issuedMs <= r.AtMs {
			return r, true
		}
	}
	return Revoked{}, false
}

func (s *State) revoke(at stamp, op *fsmpb.Revoke) *fsmpb.Result {
	r := Revoked{Serial: op.GetSerial(), Name: op.GetName(), Reason: clip(op.GetReason()), Origin: clip(op.GetOrigin()), AtMs: at.ms}
	if err := r.check(); err != nil {
		return refuse(fsmpb.Result_INVALID, "revoking: %v", err)
	}
	i := slices.IndexFunc(s.access.revoked, func(o Revoked) bool { return o.Serial == r.Serial && o.Name == r.Name })
	switch {
	case i >= 0 && (r.Serial != "" || s.access.revoked[i].AtMs >= r.AtMs):
		return already()
	case i >= 0: // by name, once more: what was issued meanwhile is meant too
		s.access.revoked = slices.Delete(s.access.revoked, i, i+1)
	case len(s.access.revoked) == maxRevoked:
		return refuse(fsmpb.Result_CONFLICT, "%d certificates are revoked already: make another CA, and with it certificates for those who are to stay", maxRevoked)
	}
	s.access.revoked = append(s.access.revoked, r)
	s.rev.Access++
	s.noteAccess(at, "certificate/"+r.Name+r.Serial, "revoked", r.Origin)
	return done()
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
