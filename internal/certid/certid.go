// Package certid reads and writes what a certificate of a station says about its holder, beside its name: that it is a node's, or
// which role its holder has, and when it was issued. It stands in the certificate as URIs (subject alternative names), which
// the CA signs:
//
//	fepha:node:ID         the certificate of that node; no other may come to the port between nodes
//	fepha:role:ROLE       of a person or a program: viewer, operator, engineer or admin
//	fepha:issued:SECONDS  when, s since 1970-01-01 UTC; its NotBefore is a day earlier, for clocks that are slow
//
// Certificates made before these marks have none.
package certid

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const scheme = "fepha"

func mark(kind, value string) *url.URL { return &url.URL{Scheme: scheme, Opaque: kind + ":" + value} }

// Node is the mark of a node's certificate.
func Node(id string) *url.URL { return mark("node", url.PathEscape(id)) }

// Role is the mark of the certificate of a person or a program.
func Role(role string) *url.URL { return mark("role", role) }

// Issued is the mark that says when.
func Issued(at time.Time) *url.URL { return mark("issued", strconv.FormatInt(at.Unix(), 10)) }

// value finds a mark.
func value(c *x509.Certificate, kind string) (string, bool) {
	for _, u := range c.URIs {
		if u.Scheme == scheme {
			if v, ok := strings.CutPrefix(u.Opaque, kind+":"); ok {
				return v, true
			}
		}
	}
	return "", false
}

// NodeOf is the id of the node whose certificate it is; "" if it is no node's. One without any mark is taken for that of the node
// that it names if it is a server's too, since 'fepha tls client' makes none such: so nodes are upgraded one by one, and their
// certificates renewed later.
func NodeOf(c *x509.Certificate) string {
	if v, ok := value(c, "node"); ok {
		id, err := url.PathUnescape(v)
		if err != nil || id != c.Subject.CommonName {
			return ""
		}
		return id
	}
	if Marked(c) || !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return ""
	}
	return c.Subject.CommonName
}

// Marked tells whether the certificate says what it is for.
func Marked(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.URIs, func(u *url.URL) bool { return u.Scheme == scheme })
}

// RoleOf is the role that its holder has; "" if it says none.
func RoleOf(c *x509.Certificate) string {
	v, _ := value(c, "role")
	return v
}

// IssuedAt is when it was issued: at the latest then, if it doesn't say.
func IssuedAt(c *x509.Certificate) time.Time {
	if v, ok := value(c, "issued"); ok {
		if s, err := strconv.ParseInt(v, 10, 64); err == nil {
			return time.Unix(s, 0)
		}
	}
	return c.NotBefore
}

// Name is how its holder is called: without what can't be printed, since it stands in logs and on terminals.
func Name(c *x509.Certificate) string {
	for _, name := range append([]string{c.Subject.CommonName}, c.DNSNames...) {
		if name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return name
		}
	}
	return "certificate " + Serial(c)
}

// Serial is its serial number, hexadecimal.
func Serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }
