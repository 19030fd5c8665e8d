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

// certificates reports the one that ends next, and returns when; zero: there is none.
func (m *Machine) certificates(now time.Time, files []configs.NamedFile) (ends time.Time) {
	var next string
	for _, f := range files {
		if f.Kind != configs.FileCert && f.Kind != configs.FileCA {
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
	return ends
}

// endOf is when the first of a file's certificates ends.
func endOf(path string) (first time.Time, err error) {
	all, err := certificatesIn(path)
	for _, c := range all {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first, err
}

// certificatesIn reads a file that has to have one at least.
func certificatesIn(path string) (all []*x509.Certificate, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue // such as the key, in the same file
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no certificate in it", path)
	}
	return all, nil
}

// keys reports secrets that everybody on the machine can read.
func (m *Machine) keys(files []configs.NamedFile) {
	var open []string
	mode := os.FileMode(0)
	for _, f := range files {
		if st, err := os.Stat(f.Path); err == nil && readable(f, st) {
			open = append(open, f.Path)
			mode = st.Mode().Perm()
		}
	}
	m.state(condition.KeyReadable, len(open) > 0, 0, strings.Join(open, ", "), fmt.Sprintf("%#o", mode))
}

// readable tells whether everybody on the machine may do something with a secret.
func readable(f configs.NamedFile, st os.FileInfo) bool {
	return f.Kind.Secret() && st.Mode().Perm()&0o007 != 0
}
