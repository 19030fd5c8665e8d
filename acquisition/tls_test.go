package acquisition

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// selfSigned is a certificate for a name, and the pool that trusts it.
func selfSigned(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A device behind TLS is collected from when its certificate is trusted and it trusts ours, and not otherwise.
func TestDeviceOverTLS(t *testing.T) {
	device, trustsDevice := selfSigned(t, "a")
	fep, trustsFEP := selfSigned(t, "fep")
	stranger, trustsStranger := selfSigned(t, "a")
	for _, c := range []struct {
		what   string
		client *tls.Config
		works  bool
	}{
		{"trusted", &tls.Config{RootCAs: trustsDevice, Certificates: []tls.Certificate{fep}}, true},
		{"a device that isn't trusted", &tls.Config{RootCAs: trustsStranger, Certificates: []tls.Certificate{fep}}, false},
		{"a FEP that isn't trusted", &tls.Config{RootCAs: trustsDevice, Certificates: []tls.Certificate{stranger}}, false},
		{"no TLS", nil, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rtu := testRTU(1, channel("a:1"))
				if c.client != nil {
					rtu.TLS = &TLS{Client: func() *tls.Config { return c.client }}
				}
				b := newBench(t, rtu)
				queue := iec104.NewQueue(10)
				server, err := iec104.NewServer(iec104.ServerConfig{
					TLS:    &tls.Config{Certificates: []tls.Certificate{device}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trustsFEP},
					Groups: []iec104.Group{{Name: "fep", Source: queue.Source}},
				})
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				l := b.net.listen("a:1")
				go func() { served <- server.Serve(l) }()
				t.Cleanup(func() {
					if err := errors.Join(server.Close(), <-served); err != nil {
						t.Error(err)
					}
				})
				if err := queue.Push(asduOf(t, asdu.M_SP_NA_1, asdu.Spontaneous, single(7, 1))); err != nil {
					t.Fatal(err)
				}
				b.start("fep1")
				if c.works {
					b.until(10*time.Second, "the value", func() bool { return b.Point(1, fsm.DI, 7).Value == 1 })
					return
				}
				// Why, the pipe that stands for the network may swallow: it has no room for an alert.
				b.until(2*time.Minute, "a word about it", func() bool {
					b.logs.mu.Lock()
					defer b.logs.mu.Unlock()
					return len(b.logs.lines) > 0
				})
				time.Sleep(time.Minute)
				if b.points() > 0 {
					t.Error("it was collected from all the same")
				}
			})
		})
	}
}
