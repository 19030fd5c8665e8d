package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/internal/certid"
)

var (
	now   = time.Now()
	nodes = []Node{{"fep1", []string{"10.0.0.1", "fep1.station.example"}}, {"fep2", []string{"10.0.0.2"}}}
)

func TestInit(t *testing.T) {
	dir := t.TempDir()
	wants := func(renew bool, at time.Time, nodes []Node, whats ...string) {
		t.Helper()
		made, err := Init(dir, "demo", nodes, renew, at)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range made {
			if m.What != whats[i] {
				t.Errorf("%s: %s, expected %s", m.Path, m.What, whats[i])
			}
		}
	}
	wants(false, now, nodes, "made", "made", "made")
	wants(false, now, nodes, "kept", "kept", "kept")
	wants(false, now.Add(NodeValidity/2), nodes, "kept", "kept", "kept")
	wants(false, now.Add(NodeValidity*3/4), nodes, "kept", "renewed", "renewed")
	wants(true, now, nodes, "kept", "renewed", "renewed")
	wants(false, now, []Node{{"fep1", []string{"10.9.9.9"}}}, "kept", "renewed")
	if err := os.Remove(filepath.Join(dir, "fep2", KeyFile)); err != nil {
		t.Fatal(err)
	}
	wants(false, now, nodes[1:], "kept", "made")

	for _, key := range []string{CAKeyFile, filepath.Join("fep1", KeyFile)} {
		info, err := os.Stat(filepath.Join(dir, key))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; expected to be readable by its owner alone", key, info.Mode(), err)
		}
	}
}

// TestCertificates checks what a node's certificate is good for.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, "demo", nodes, false, now); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "fep1", CertFile), filepath.Join(dir, "fep1", KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(dir, "fep1", CAFile))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		usage x509.ExtKeyUsage
		at    time.Time
		ok    bool
	}{
		{"fep1", x509.ExtKeyUsageServerAuth, now, true},
		{"fep1", x509.ExtKeyUsageClientAuth, now, true},
		{"10.0.0.1", x509.ExtKeyUsageServerAuth, now, true},
		{"fep1.station.example", x509.ExtKeyUsageServerAuth, now, true},
		{"fep2", x509.ExtKeyUsageServerAuth, now, false},
		{"10.0.0.2", x509.ExtKeyUsageServerAuth, now, false},
		{"fep1", x509.ExtKeyUsageServerAuth, now.Add(-time.Hour), true}, // a node's clock may be behind
		{"fep1", x509.ExtKeyUsageServerAuth, now.Add(NodeValidity + time.Minute), false},
	} {
		_, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.name, CurrentTime: c.at, KeyUsages: []x509.ExtKeyUsage{c.usage}})
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if cert.Leaf.Subject.CommonName != "fep1" {
		t.Errorf("common name %q", cert.Leaf.Subject.CommonName)
	}
}

func TestInitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(dir string) error
		nodes   []Node
		err     error
	}{
		"a CA without its key":  {func(dir string) error { return os.Remove(filepath.Join(dir, CAKeyFile)) }, nodes, os.ErrNotExist},
		"a CA that isn't one":   {func(dir string) error { return os.WriteFile(filepath.Join(dir, CAFile), []byte("x"), 0o600) }, nodes, ErrNotPEM},
		"a key that isn't one":  {func(dir string) error { return os.WriteFile(filepath.Join(dir, CAKeyFile), []byte("x"), 0o600) }, nodes, ErrNotPEM},
		"another CA's key":      {otherKey, nodes, ErrNotCA},
		"an id with a slash":    {nil, []Node{{ID: "../fep1"}}, ErrName},
		"an id that's too long": {nil, []Node{{ID: string(make([]byte, 65))}}, ErrName},
		"no id":                 {nil, []Node{{}}, ErrName},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Init(dir, "demo", nil, false, now); err != nil {
				t.Fatal(err)
			}
			if c.prepare != nil {
				if err := c.prepare(dir); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Init(dir, "demo", c.nodes, false, now); !errors.Is(err, c.err) {
				t.Errorf("%v, expected %v", err, c.err)
			}
		})
	}
	if _, err := Init(t.TempDir(), "", nil, false, now); !errors.Is(err, ErrName) {
		t.Errorf("a station without a name: %v", err)
	}
}

func otherKey(dir string) error {
	_, other, err := NewCA("other", now)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, CAKeyFile), other.Key, 0o600)
}

// TestClient is for a person: it opens no connection as a server.
func TestClient(t *testing.T) {
	ca, _, err := NewCA("demo", now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Client("fep2", "operator", now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := readCert(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if id, role := certid.NodeOf(cert), certid.RoleOf(cert); id != "" || role != "operator" || !certid.IssuedAt(cert).Equal(now.Truncate(time.Second)) {
		t.Errorf("a person's certificate is of node %q, role %q, issued at %v", id, role, certid.IssuedAt(cert))
	}
	for _, name := range []string{"", strings.Repeat("x", 65), "a\x1b[2J", "a\nb"} {
		if _, err := ca.Client(name, "viewer", now); !errors.Is(err, ErrName) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for usage, ok := range map[x509.ExtKeyUsage]bool{x509.ExtKeyUsageClientAuth: true, x509.ExtKeyUsageServerAuth: false} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); (err == nil) != ok {
			t.Errorf("usage %v: %v", usage, err)
		}
	}
}
