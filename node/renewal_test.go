package node

import (
	"crypto/tls"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/redismode"
)

// Uplinks and the connections to Redis take up renewed certificates without a restart: who connects next sees them.
func TestRenewedCertificates(t *testing.T) {
	dir := t.TempDir()
	renew := func() {
		t.Helper()
		if _, err := pki.Init(dir, "test", []pki.Node{{ID: "fep1"}, {ID: "occ"}}, true, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	files := func(name string) *configs.TLS {
		at := func(file string) configs.File { return configs.File{Name: file, Path: filepath.Join(dir, name, file)} }
		return &configs.TLS{CA: at(pki.CAFile), Cert: at(pki.CertFile), Key: at(pki.KeyFile), ServerName: "fep1"}
	}
	renew()
	s, err := configs.Load("../configs/examples/station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Uplinks[0].TLS = files("fep1")
	s.Redis = configs.Redis{Mode: redismode.PerNode, Address: "127.0.0.1:6379", TLS: files("occ")}
	silent := slog.New(slog.DiscardHandler)
	current := newCurrent(s, silent)
	uplinks, err := forwarderUplinks(current, s, "fep1")
	if err != nil {
		t.Fatal(err)
	}
	redis, err := rtdbConfig(current, nil, t.TempDir(), silent)
	if err != nil {
		t.Fatal(err)
	}

	connect := func() (uplink, redisClient string) {
		t.Helper()
		a, b := net.Pipe()
		defer func() { _, _ = a.Close(), b.Close() }()
		server, client := tls.Server(a, uplinks[0].TLS), tls.Client(b, redis.TLS())
		ended := make(chan error, 1)
		go func() { ended <- server.Handshake() }()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		return client.ConnectionState().PeerCertificates[0].SerialNumber.String(), server.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	uplink, client := connect()
	renew()
	if u, c := connect(); u == uplink || c == client {
		t.Errorf("the renewed certificate is used: by the uplink %t, to Redis %t; want both", u != uplink, c != client)
	}
	again, err := forwarderUplinks(current, s, "fep1")
	if err != nil || again[0].TLS != uplinks[0].TLS {
		t.Errorf("renewed certificates make another uplink, which would be closed and opened: %v", err)
	}
}
