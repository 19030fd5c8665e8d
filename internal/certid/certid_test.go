package certid

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"
)

func TestMarks(t *testing.T) {
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	client := server[1:]
	now := time.Unix(1_700_000_000, 0)
	for _, tc := range []struct {
		name       string
		cert       x509.Certificate
		node, role string
		issued     time.Time
	}{
		{"a node's", x509.Certificate{URIs: []*url.URL{Node("fep1"), Issued(now)}, ExtKeyUsage: server}, "fep1", "", now},
		{"another node's", x509.Certificate{URIs: []*url.URL{Node("fep2")}, ExtKeyUsage: server}, "", "", now.Add(-time.Hour)},
		{"a person's", x509.Certificate{URIs: []*url.URL{Role("viewer"), Issued(now)}, ExtKeyUsage: client}, "", "viewer", now},
		{"a person's that is a server's too", x509.Certificate{URIs: []*url.URL{Role("viewer")}, ExtKeyUsage: server}, "", "viewer", now.Add(-time.Hour)},
		{"a node's from before the marks", x509.Certificate{ExtKeyUsage: server}, "fep1", "", now.Add(-time.Hour)},
		{"a person's from before the marks", x509.Certificate{ExtKeyUsage: client}, "", "", now.Add(-time.Hour)},
		{"with others' URIs", x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "x"}}, ExtKeyUsage: client}, "", "", now.Add(-time.Hour)},
	} {
		tc.cert.Subject, tc.cert.NotBefore = pkix.Name{CommonName: "fep1"}, now.Add(-time.Hour)
		if got := NodeOf(&tc.cert); got != tc.node {
			t.Errorf("%s: of node %q, want %q", tc.name, got, tc.node)
		}
		if got := RoleOf(&tc.cert); got != tc.role {
			t.Errorf("%s: role %q, want %q", tc.name, got, tc.role)
		}
		if got := IssuedAt(&tc.cert); !got.Equal(tc.issued) {
			t.Errorf("%s: issued %v, want %v", tc.name, got, tc.issued)
		}
	}
}
