package watch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/configs"
)

func newMachine(files ...configs.NamedFile) (*Machine, *conditiontest.Said) {
	said := new(conditiontest.Said)
	return &Machine{Node: "fep1", DataDir: "/data", Reporter: said, Files: func() []configs.NamedFile { return files }}, said
}

func named(kind configs.NamedKind, path string) configs.NamedFile {
	return configs.NamedFile{File: configs.File{Name: path, Path: path}, Kind: kind}
}

func TestDisk(t *testing.T) {
	m, said := newMachine()
	for _, c := range []struct {
		free, size int64
		says       string
	}{
		{3 << 30, 20 << 30, ""}, {2<<30 - 1, 20 << 30, "warning: 2.0 GiB (9 %) are free on the disk of /data"},
		{300<<20 + 5, 40 << 30, "alarm: 288 MiB (0 %) are free"}, {300 << 20, 1 << 30, ""}, // a small disk that has enough
		{0, 0, ""}, // not known
	} {
		m.disk(cluster.Disk{Free: c.free, Size: c.size})
		text := said.Says("node.fep1.disk")
		if text != "" {
			text = said.Severity("node.fep1.disk").String() + ": " + text
		}
		if !strings.Contains(text, c.says) || (text == "") != (c.says == "") {
			t.Errorf("%d octets of %d: %q, want %q", c.free, c.size, text, c.says)
		}
	}
}

// A clock that nothing sets is told where it matters and where that can be known.
func TestUnsynchronisedClock(t *testing.T) {
	m, said := newMachine()
	m.Synced = true
	for _, c := range []struct {
		synchronised, known bool
		want                string
	}{{true, true, ""}, {false, false, ""}, {false, true, "node.fep1.clock_unsynchronised"}, {false, false, "node.fep1.clock_unsynchronised"}, {true, true, ""}} {
		if m.clock(c.synchronised, c.known); said.IDs() != c.want {
			t.Errorf("%+v: %q", c, said.IDs())
		}
	}
	m.Synced = false
	if m.clock(false, true); said.IDs() != "" {
		t.Errorf("on one machine: %q", said.IDs())
	}
}

func TestRedisIsReportedWhenItStaysAway(t *testing.T) {
	m, said := newMachine()
	reason := ""
	m.Redis = func() (string, string) { return "10.0.0.9:6379", reason }
	now := time.Unix(1_700_000_000, 0)
	for i, c := range []struct{ reason, says string }{
		{"", ""}, {"refused", ""}, {"refused", "Redis at 10.0.0.9:6379 does not answer, so its view is old: refused"}, {"", ""}, {"refused", ""},
	} {
		reason = c.reason
		m.redis(now)
		now = now.Add(machinePeriod)
		if text := said.Says("node.fep1.redis"); text != c.says {
			t.Errorf("%d: %q", i, text)
		}
	}
}

func TestSlowDisk(t *testing.T) {
	m, said := newMachine()
	for i, c := range []struct {
		took time.Duration
		says string
	}{
		{150, ""}, {150, ""}, {50, ""}, {150, ""}, {150, ""}, {170, "the disk takes 170 ms to make a write safe: every event waits for that"}, {50, ""},
	} {
		m.took(c.took * time.Millisecond)
		if text := said.Says("node.fep1.slow_disk"); text != c.says {
			t.Errorf("%d: %q", i, text)
		}
	}
	m.DataDir = t.TempDir()
	for range slowWrites {
		m.fsync() // must not block or fail; how fast it is is the machine's
	}
	if st, err := os.Stat(filepath.Join(m.DataDir, probeFile)); err != nil || st.Size() != 4096 {
		t.Error(st, err)
	}
}

// certificate writes one that ends then.
func certificate(t *testing.T, name string, ends time.Time) configs.NamedFile {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return named(configs.FileCert, path)
}

func TestCertificatesThatEnd(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		left time.Duration
		says string
	}{
		{31 * day, ""}, {29 * day, "certificate node.pem ends on 2026-01-30"}, {6 * day, "ends on 2026-01-07"}, {-day, "ends on 2025-12-31"},
	} {
		m, said := newMachine(certificate(t, "ca.pem", now.Add(365*day)), named(configs.FileCert, "missing.pem"), certificate(t, "node.pem", now.Add(c.left)))
		files := m.Files()
		m.certificates(now, files)
		if text := said.Says("node.fep1.certificate"); !strings.Contains(text, c.says) || (text == "") != (c.says == "") {
			t.Errorf("%v left: %q", c.left, text)
		}
	}
}

func TestKeysThatAnybodyCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node-key.pem")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, said := newMachine(named(configs.FileKey, path), named(configs.FileCert, filepath.Dir(path)))
	for _, mode := range []os.FileMode{0o640, 0o644, 0o600} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		m.keys(m.Files())
		if text := said.Says("node.fep1.key_readable"); (text != "") != (mode == 0o644) || text != "" && !strings.Contains(text, path+" (mode 0644)") {
			t.Errorf("%v: %q", mode, text)
		}
	}
}

// What the machine is like is kept for all nodes to show.
func TestVitals(t *testing.T) {
	m, _ := newMachine()
	m.DataDir = t.TempDir()
	m.Disk = func() cluster.Disk { return cluster.Disk{Free: 3 << 30, Size: 20 << 30} }
	if m.Vitals() != nil {
		t.Error("it is known before it was looked at")
	}
	now := time.Now()
	m.round(now)
	m.used.cpu -= 5 * time.Second // since then
	m.round(now.Add(10 * time.Second))
	v := m.Vitals()
	if v.Fsync <= 0 || v.DiskFree != 3<<30 || v.DiskSize != 20<<30 || !v.CertificateEnds.IsZero() {
		t.Errorf("%+v", v)
	}
	if _, known := used(); known && (v.Memory < 1<<20 || v.CPU < 500 || v.CPU > 2000) {
		t.Errorf("%+v", v)
	}
}
