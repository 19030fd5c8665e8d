// Package certs reads the certificates of one end of TLS connections, and reads them again when they are renewed:
// each new connection has those that the files hold.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/fepha/fepha/internal/reload"
)

// Files are PEM files. Cert and Key are named both or neither; "": there is none.
type Files struct {
	CA   string // certificates of those who sign the other end's
	Cert string // this end's, and those above it
	Key  string // its key
}

// All returns an error unless all three are named. Without a CA, the system's would decide who is let in.
func (f Files) All() error {
	if f.CA == "" || f.Cert == "" || f.Key == "" {
		return fmt.Errorf("CA %q, certificate %q, key %q: expected the names of three files", f.CA, f.Cert, f.Key)
	}
	return nil
}

// Credentials is what [Files] hold; nil stands for a file that isn't named.
type Credentials struct {
	CA   *x509.CertPool
	Cert *tls.Certificate
}

// Read reads them once, for a program that won't live long. An error names the file and what was expected.
func (f Files) Read() (c Credentials, err error) {
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return c, fmt.Errorf("CA: %w", err)
		}
		c.CA = x509.NewCertPool()
		if !c.CA.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("CA: %s: no certificate in it, expected PEM", f.CA)
		}
	}
	if f.Cert != "" {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return c, fmt.Errorf("certificate %s and key %s: %w", f.Cert, f.Key, err)
		}
		c.Cert = &cert
	}
	return c, nil
}

// Client is base, for one connection that this end begins: with the certificate to show, and the CA to check the other
// end by; the system's where none is named.
func (c Credentials) Client(base *tls.Config) *tls.Config {
	cfg := base.Clone()
	cfg.RootCAs = c.CA
	if c.Cert != nil {
		cfg.Certificates = []tls.Certificate{*c.Cert}
	}
	return cfg
}

// server is base for one connection that the other end began.
func (c Credentials) server(base *tls.Config) *tls.Config {
	cfg := base.Clone()
	cfg.ClientCAs = c.CA
	if c.Cert != nil {
		cfg.Certificates = []tls.Certificate{*c.Cert}
	}
	cfg.SessionTicketsDisabled = true // a resumed session would skip the check of a certificate renewed or gone
	return cfg
}

// Source gives the credentials by the files as they are now. While they can't be read, or don't fit together yet, it
// gives the former ones, and says so in the log once.
type Source struct{ files *reload.Value[Credentials] }

// Watch reads the files for the first time; its error is that of [Files.Read].
func Watch(f Files, log *slog.Logger) (*Source, error) {
	var paths []string
	for _, path := range []string{f.CA, f.Cert, f.Key} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	v, err := reload.New(f.Read, func(err error) {
		log.Error("renewed certificates can't be read: the former ones stay in use", "error", err)
	}, paths...)
	if err != nil {
		return nil, err
	}
	return &Source{v}, nil
}

// Get is what is in use now.
func (s *Source) Get() Credentials { return s.files.Get() }

// Client is [Credentials.Client] with what is in use now: to be asked for at each connect.
func (s *Source) Client(base *tls.Config) *tls.Config { return s.Get().Client(base) }

// Server is for listening: base says which clients are let in, and each handshake takes what is in use then.
func (s *Source) Server(base *tls.Config) *tls.Config {
	return &tls.Config{
		MinVersion:         base.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.Get().server(base), nil },
	}
}
