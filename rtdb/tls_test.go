package rtdb

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// certificates is one certificate that is its own CA, for server and client alike.
type certificates struct {
	certFile, keyFile string
	pair              tls.Certificate
	pool              *x509.CertPool
}

func newCertificates(t testing.TB) certificates {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	dir := t.TempDir()
	c := certificates{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	must(os.WriteFile(c.certFile, certPEM, 0o600))
	must(os.WriteFile(c.keyFile, keyPEM, 0o600))
	c.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	must(err)
	c.pool.AppendCertsFromPEM(certPEM)
	return c
}

func (c certificates) client() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.pool, Certificates: []tls.Certificate{c.pair}}
}

// startRedisTLS starts a redis-server that speaks nothing but TLS, with certificates on both sides.
func startRedisTLS(t testing.TB, c certificates, args ...string) *server {
	t.Helper()
	port := freePort(t)
	s := startRedis(t, append([]string{
		"--port", "0", "--tls-port", fmt.Sprint(port), "--tls-cert-file", c.certFile, "--tls-key-file", c.keyFile, "--tls-ca-cert-file", c.certFile,
	}, args...)...)
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	return s
}

func lookAtTLS(t testing.TB, addr, user, password string, c certificates) *redis.Client {
	look := redis.NewClient(&redis.Options{Addr: addr, Username: user, Password: password, TLSConfig: c.client(), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = look.Close() })
	return look
}

// Each connect asks for the certificates anew: a server that has taken up another CA lets in who shows the renewed one.
func TestRenewedCertificate(t *testing.T) {
	old, renewed := newCertificates(t), newCertificates(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{old.pair}, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan []byte, 2)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).Handshake() == nil {
				shown <- conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })

	now := old
	c := newConnector(&Config{TLS: func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: old.pool, Certificates: []tls.Certificate{now.pair}}
	}}, l.Addr().String())
	client := c.client()
	defer func() { _ = client.Close() }()
	for _, want := range []certificates{old, renewed} {
		now = want
		_ = client.Ping(t.Context()) // fails: there's no Redis behind it
		if got := <-shown; !bytes.Equal(got, want.pair.Certificate[0]) {
			t.Error("another certificate was shown than the one of that moment")
		}
	}
}
