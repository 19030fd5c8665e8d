package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/pki"
)

// made makes certificates of one CA for each name, in dir/NAME.
func made(t *testing.T, dir string, names ...string) {
	t.Helper()
	var nodes []pki.Node
	for _, name := range names {
		nodes = append(nodes, pki.Node{ID: name})
	}
	if _, err := pki.Init(dir, "test", nodes, true, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func filesOf(dir, name string) Files {
	return Files{CA: filepath.Join(dir, name, pki.CAFile), Cert: filepath.Join(dir, name, pki.CertFile), Key: filepath.Join(dir, name, pki.KeyFile)}
}

// serials are those of the certificates that the two ends of a new connection show.
func serials(t *testing.T, server, client *tls.Config) (served, shown string, err error) {
	t.Helper()
	a, b := net.Pipe()
	one, two := tls.Server(a, server), tls.Client(b, client)
	ended := make(chan error, 1)
	go func() {
		err := one.Handshake()
		if err != nil {
			a.Close()
		}
		ended <- err
	}()
	err = two.Handshake()
	if err == nil {
		err = <-ended
	} else {
		b.Close()
		<-ended
	}
	defer func() { a.Close(); b.Close() }()
	if err != nil {
		return "", "", err
	}
	return two.ConnectionState().PeerCertificates[0].SerialNumber.String(), one.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// Both ends take up renewed certificates, and another CA, with the next connection; half of a renewal changes nothing.
func TestRenewal(t *testing.T) {
	dir := t.TempDir()
	made(t, dir, "fep1", "fep2")
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	one, err := Watch(filesOf(dir, "fep1"), log)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Watch(filesOf(dir, "fep2"), log)
	if err != nil {
		t.Fatal(err)
	}
	server := one.Server(&tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert})
	base := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "fep1"}
	served, shown, err := serials(t, server, two.Client(base))
	if err != nil {
		t.Fatal(err)
	}

	kept, err := os.ReadFile(filesOf(dir, "fep1").Cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filesOf(dir, "fep1").Cert, kept[:len(kept)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s, c, err := serials(t, server, two.Client(base)); s != served || c != shown || err != nil {
			t.Errorf("after half of a renewal: %v", err)
		}
	}
	if told := strings.Count(text.String(), filesOf(dir, "fep1").Cert); told != 1 {
		t.Errorf("told %d times of it, want once:\n%s", told, text.String())
	}

	made(t, dir, "fep1", "fep2")
	if s, c, err := serials(t, server, two.Client(base)); s == served || c == shown || err != nil {
		t.Errorf("the renewed certificates aren't used: server's %t, client's %t, %v", s != served, c != shown, err)
	}

	// Another CA, first at the server alone: the client is refused until it has it too.
	other := t.TempDir()
	made(t, other, "fep1", "fep2")
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "fep1")), os.CopyFS(filepath.Join(dir, "fep1"), os.DirFS(filepath.Join(other, "fep1")))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := serials(t, server, two.Client(base)); err == nil {
		t.Error("a certificate of the former CA is let in")
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "fep2")), os.CopyFS(filepath.Join(dir, "fep2"), os.DirFS(filepath.Join(other, "fep2")))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := serials(t, server, two.Client(base)); err != nil {
		t.Errorf("with the new CA at both ends: %v", err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	made(t, dir, "fep1", "fep2")
	good := filesOf(dir, "fep1")
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files Files
		want  string // "": no error
	}{
		"all":               {good, ""},
		"a CA alone":        {Files{CA: good.CA}, ""},
		"none":              {Files{}, ""},
		"no such CA":        {Files{CA: filepath.Join(dir, "none.pem")}, "none.pem"},
		"an empty CA":       {Files{CA: empty}, "empty.pem: no certificate in it, expected PEM"},
		"another's key":     {Files{Cert: good.Cert, Key: filesOf(dir, "fep2").Key}, good.Cert},
		"no such file":      {Files{Cert: filepath.Join(dir, "none.pem"), Key: good.Key}, "none.pem"},
		"a key as the cert": {Files{Cert: good.Key, Key: good.Key}, good.Key},
	} {
		c, err := tt.files.Read()
		if tt.want == "" && (err != nil || (c.CA != nil) != (tt.files.CA != "") || (c.Cert != nil) != (tt.files.Cert != "")) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if err := good.All(); err != nil {
		t.Error(err)
	}
	if err := (Files{Cert: good.Cert, Key: good.Key}).All(); err == nil {
		t.Error("no CA, and that isn't told")
	}
}
