package raftio

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/internal/certs"
)

func nobodyRevoked(*x509.Certificate) error { return nil }

func threeIDs() []string { return []string{"fep1", "fep2", "wit"} }

// secured makes certificates for the members in dir/ID, and for a stranger of another CA in dir/other.
func secured(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	nodes := []pki.Node{{ID: "nobody"}}
	for _, id := range threeIDs() {
		nodes = append(nodes, pki.Node{ID: id})
	}
	for d, nodes := range map[string][]pki.Node{dir: nodes, filepath.Join(dir, "other"): nodes[1:2]} {
		if _, err := pki.Init(d, "test", nodes, false, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func filesOf(dir, id string) certs.Files {
	return certs.Files{
		CA:   filepath.Join(dir, id, pki.CAFile),
		Cert: filepath.Join(dir, id, pki.CertFile),
		Key:  filepath.Join(dir, id, pki.KeyFile),
	}
}

// TestDialChecksTheName: at a node's address there must be that node.
func TestDialChecksTheName(t *testing.T) {
	dir := secured(t)
	mux := func(id string) *Mux {
		t.Helper()
		secured, err := NewTLS(filesOf(dir, id), id, threeIDs, nobodyRevoked, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return newTestMux(t, secured, time.Second)
	}
	one, two := mux("fep1").GRPC().Addr().String(), mux("fep2")
	conn, err := two.Dial(t.Context(), "fep1", one)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := two.Dial(t.Context(), "wit", one); err == nil {
		t.Error("took fep1 for wit")
	} else if !strings.Contains(err.Error(), "wit") {
		t.Errorf("%v: it must say who was expected", err)
	}
}

func TestTLSRefuses(t *testing.T) {
	dir := secured(t)
	mixed := filesOf(dir, "fep1")
	mixed.Key = filesOf(dir, "fep2").Key
	missing := filesOf(dir, "fep1")
	missing.CA = filepath.Join(dir, "none.pem")
	unnamed := filesOf(dir, "fep1")
	unnamed.CA = "" // the system's CAs would let the world in
	empty := filesOf(dir, "fep1")
	empty.CA = filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty.CA, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files certs.Files
		id    string
	}{
		"another node's certificate": {filesOf(dir, "fep2"), "fep1"},
		"another node's key":         {mixed, "fep1"},
		"no CA":                      {missing, "fep1"},
		"no CA named":                {unnamed, "fep1"},
		"an empty CA":                {empty, "fep1"},
		"a person's certificate":     {personOf(t, dir, "fep1"), "fep1"},
	} {
		if _, err := NewTLS(c.files, c.id, nil, nil, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// personOf makes a certificate for a person of that name, with the station's own CA.
func personOf(t *testing.T, dir, name string) certs.Files {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ca, err := pki.ReadCA(pki.Pair{Cert: read(pki.CAFile), Key: read(pki.CAKeyFile)})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Client(name, "admin", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := certs.Files{CA: filepath.Join(dir, pki.CAFile), Cert: filepath.Join(t.TempDir(), "client.pem"), Key: filepath.Join(t.TempDir(), "client-key.pem")}
	if err := errors.Join(os.WriteFile(f.Cert, pair.Cert, 0o600), os.WriteFile(f.Key, pair.Key, 0o600)); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRenewal: both sides of the next connection use a renewed certificate.
func TestRenewal(t *testing.T) {
	dir := secured(t)
	of := func(id string) *TLS {
		t.Helper()
		s, err := NewTLS(filesOf(dir, id), id, func() []string { return []string{"fep1", "fep2"} }, nobodyRevoked, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := of("fep1"), of("fep2")
	handshake := func() (served, shown string) {
		t.Helper()
		a, b := net.Pipe()
		defer func() { _, _ = a.Close(), b.Close() }()
		server, client := tls.Server(a, one.server()), tls.Client(b, two.client("fep1"))
		ended := make(chan error, 1)
		go func() { ended <- server.Handshake() }()
		if err := errors.Join(client.Handshake(), <-ended); err != nil {
			t.Fatal(err)
		}
		return client.ConnectionState().PeerCertificates[0].SerialNumber.String(), server.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	served, shown := handshake()
	if s, c := handshake(); s != served || c != shown {
		t.Error("other certificates, though none was renewed")
	}
	if _, err := pki.Init(dir, "test", []pki.Node{{ID: "fep1"}, {ID: "fep2"}}, true, time.Now()); err != nil {
		t.Fatal(err)
	}
	if s, c := handshake(); s == served || c == shown {
		t.Errorf("the renewed certificate isn't used: server's %t, client's %t", s == served, c == shown)
	}
}
