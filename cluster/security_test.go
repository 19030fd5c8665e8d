package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
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

// personOf makes a certificate for a person of that name, with the station's own CA.
func personOf(t *testing.T, dir, name string) *Security {
	t.Helper()
	cert, errCert := os.ReadFile(filepath.Join(dir, pki.CAFile))
	key, errKey := os.ReadFile(filepath.Join(dir, pki.CAKeyFile))
	ca, err := pki.ReadCA(pki.Pair{Cert: cert, Key: key})
	if err = errors.Join(errCert, errKey, err); err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Client(name, "admin", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	f := &Security{CA: filepath.Join(dir, pki.CAFile), Cert: filepath.Join(folder, "client.pem"), Key: filepath.Join(folder, "client-key.pem")}
	if err := errors.Join(os.WriteFile(f.Cert, pair.Cert, 0o600), os.WriteFile(f.Key, pair.Key, 0o600)); err != nil {
		t.Fatal(err)
	}
	return f
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
	person := personOf(t, dir, "fep2")
	for name, files := range map[string]*Security{
		"as a person with a node's name": person,
		"without TLS":                    nil,
		"with a name of no node":         filesOf(dir, "nobody"),
		"with another CA's signature":    filesOf(filepath.Join(dir, "other"), "fep1"),
	} {
		if knock(files, "fep1") == nil {
			t.Errorf("%s: let in", name)
		}
	}

	// A certificate that is revoked ends what it has open, on every node, and opens nothing more.
	s.propose("fep1", &fsmpb.Command{Op: &fsmpb.Command_Revoke{Revoke: &fsmpb.Revoke{Name: "fep2"}}})
	until(t, "fep2 out of the group that the others form", func() bool {
		peers := s.leader("fep1", "wit").Info().Peers
		return slices.ContainsFunc(peers, func(p replica.Peer) bool { return p.ID == "fep2" && !p.Alive })
	})
	if knock(filesOf(dir, "fep2"), "fep1") == nil {
		t.Error("let in with a revoked certificate")
	}

	// A node that comes back with it is told so at once, and not after it could not catch up for long enough.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	leader := s.leader("fep1", "wit")
	if err := leader.RemovePeer(ctx, "fep2"); err != nil {
		t.Fatal(err)
	}
	if err := leader.AddPeer(ctx, "fep2", threeMembers[1].Address); !errors.Is(err, errRevoked) || ctx.Err() != nil {
		t.Errorf("adding it: %v", err)
	}
}
