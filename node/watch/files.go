package watch

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
)

const (
	certificateWarning = 30 * 24 * time.Hour // before its end
	certificateAlarm   = 7 * 24 * time.Hour
)

// File is one that the configuration names.
type File struct {
	Path   string
	Secret bool // a key or a password; else a certificate, or several
}

// FilesOf are the files of a station's configuration that are looked at: certificates and secrets.
func FilesOf(s *configs.Station) (files []File) {
	add := func(secret bool, of ...configs.File) {
		for _, f := range of {
			if !f.IsZero() {
				files = append(files, File{f.Path, secret})
			}
		}
	}
	tls := func(t *configs.TLS) {
		if t != nil {
			add(false, t.CA, t.Cert)
			add(true, t.Key)
		}
	}
	add(false, s.Security.CA, s.Security.Cert)
	add(true, s.Security.Key)
	for _, u := range s.Uplinks {
		tls(u.TLS)
	}
	tls(s.Redis.TLS)
	add(true, s.Redis.PasswordFile)
	if s.FNP != nil {
		add(true, s.FNP.KeyFile)
	}
	return files
}

// certificates reports the one that ends next.
func (m *Machine) certificates(now time.Time, files []File) {
	var next string
	var ends time.Time
	for _, f := range files {
		if f.Secret {
			continue
		}
		if at, err := endOf(f.Path); err == nil && (next == "" || at.Before(ends)) {
			next, ends = f.Path, at
		}
	}
	left := ends.Sub(now)
	severity := condition.Warning
	if left < certificateAlarm {
		severity = condition.Alarm
	}
	m.state(condition.Certificate, next != "" && left < certificateWarning, severity, filepath.Base(next), ends.UTC().Format("2006-01-02 15:04 UTC"))
}

// endOf is when the first of a file's certificates ends.
func endOf(path string) (first time.Time, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return first, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return first, err
		}
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	if first.IsZero() {
		return first, fmt.Errorf("%s: no certificate in it", path)
	}
	return first, nil
}

// keys reports secrets that everybody on the machine can read.
func (m *Machine) keys(files []File) {
	var open []string
	mode := os.FileMode(0)
	for _, f := range files {
		if st, err := os.Stat(f.Path); f.Secret && err == nil && st.Mode().Perm()&0o007 != 0 {
			open = append(open, f.Path)
			mode = st.Mode().Perm()
		}
	}
	m.state(condition.KeyReadable, len(open) > 0, 0, strings.Join(open, ", "), fmt.Sprintf("%#o", mode))
}
