package cluster

import (
	"context"
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

// secured makes certificates for the members in dir/ID, and for a stranger of another CA in dir/other.
func secured(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	nodes := []pki.Node{{ID: "nobody"}}
	for _, m := range threeMembers {
		nodes = append(nodes, pki.Node{ID: m.ID})
	}
	for d, nodes := range map[string][]pki.Node{dir: nodes, filepath.Join(dir, "other"): nodes[1:2]} {
		if _, err := pki.Init(d, "test", nodes, false, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func filesOf(dir, id string) *Security {
	return &Security{
		CA:   filepath.Join(dir, id, pki.CAFile),
		Cert: filepath.Join(dir, id, pki.CertFile),
		Key:  filepath.Join(dir, id, pki.KeyFile),
	}
}

// TestTLS forms a group over mutual TLS, and then knocks at a node as those who must stay out.
func TestTLS(t *testing.T) {
	dir := secured(t)
	s := newStation(t, func(c *Config) { c.Security = filesOf(dir, c.ID) })
	s.leader()
	s.owned("fep1", rtu1).Close()

	outside := s.fabric.of("outside", "127.0.0.1:9")
	knock := func(files *Security, name string) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, err := outside.Dial(ctx, threeMembers[0].Address)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if files != nil {
			cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
			if err != nil {
				return err
			}
			conn = tls.Client(conn, &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, ServerName: name})
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		// A status request over gRPC begins like this, and is answered by the server's settings.
		if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 9))
		return err
	}
	if err := knock(filesOf(dir, "fep2"), "fep1"); err != nil {
		t.Errorf("a node of the station: %v", err)
	}
	for name, files := range map[string]*Security{
		"without TLS":                 nil,
		"with a name of no node":      filesOf(dir, "nobody"),
		"with another CA's signature": filesOf(filepath.Join(dir, "other"), "fep1"),
	} {
		if knock(files, "fep1") == nil {
			t.Errorf("%s: let in", name)
		}
	}
}

// TestDialChecksTheName: at a node's address there must be that node.
func TestDialChecksTheName(t *testing.T) {
	dir := secured(t)
	f := newFabric()
	members := func() []string { return []string{"fep1", "fep2", "wit"} }
	board := func(id, address string) *switchboard {
		t.Helper()
		sec, err := newSecurity(*filesOf(dir, id), id, members, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		b, err := newSwitchboard(address, f.of(id, address), sec, time.Second, func(string, ...any) {})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.close)
		return b
	}
	board("fep1", "127.0.0.1:1")
	two := board("fep2", "127.0.0.1:2")
	conn, err := two.dial(t.Context(), "fep1", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := two.dial(t.Context(), "wit", "127.0.0.1:1"); err == nil {
		t.Error("took fep1 for wit")
	} else if !strings.Contains(err.Error(), "wit") {
		t.Errorf("%v: it must say who was expected", err)
	}
}

func TestSecurityRefuses(t *testing.T) {
	dir := secured(t)
	mixed := *filesOf(dir, "fep1")
	mixed.Key = filesOf(dir, "fep2").Key
	missing := *filesOf(dir, "fep1")
	missing.CA = filepath.Join(dir, "none.pem")
	unnamed := *filesOf(dir, "fep1")
	unnamed.CA = "" // the system's CAs would let the world in
	empty := *filesOf(dir, "fep1")
	empty.CA = filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty.CA, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files Security
		id    string
	}{
		"another node's certificate": {*filesOf(dir, "fep2"), "fep1"},
		"another node's key":         {mixed, "fep1"},
		"no CA":                      {missing, "fep1"},
		"no CA named":                {unnamed, "fep1"},
		"an empty CA":                {empty, "fep1"},
	} {
		if _, err := newSecurity(c.files, c.id, nil, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, expected %v", name, err, ErrConfig)
		}
	}
}

// TestRenewal: both sides of the next connection use a renewed certificate.
func TestRenewal(t *testing.T) {
	dir := secured(t)
	of := func(id string) *security {
		t.Helper()
		s, err := newSecurity(*filesOf(dir, id), id, func() []string { return []string{"fep1", "fep2"} }, slog.New(slog.DiscardHandler))
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

// TestStrangers: what isn't a node's connection is closed, and many of them don't keep nodes out.
func TestStrangers(t *testing.T) {
	f := newFabric()
	b, err := newSwitchboard("127.0.0.1:1", f.of("fep1", "127.0.0.1:1"), nil, 50*ms, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	stranger := f.of("stranger", "127.0.0.1:9")
	dial := func() net.Conn {
		t.Helper()
		conn, err := stranger.Dial(t.Context(), "127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	closed := func(conn net.Conn, who string) {
		t.Helper()
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v; expected to be closed", who, err)
		}
	}
	rude := dial()
	if _, err := rude.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	closed(rude, "a browser")
	for range 2 * maxUnsorted {
		dial()
	}
	closed(dial(), "one that says nothing")
	node := dial()
	if _, err := node.Write([]byte{octetRaft, 'x'}); err != nil {
		t.Fatal(err)
	}
	select {
	case conn := <-b.raft:
		buf := make([]byte, 2)
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "x" {
			t.Errorf("%q, %v; expected what follows the first octet", buf[:n], err)
		}
	case <-time.After(patience):
		t.Error("a node isn't let in")
	}
}
