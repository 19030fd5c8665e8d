package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
)

// Security names the files that say who may use the API. They are read again
// when they change, so that a renewed certificate or a revoked token needs no
// restart.
type Security struct {
	CA   string // PEM: certificates of the station's CA; whoever has one of its certificates may use the API
	Cert string // PEM: this node's certificate
	Key  string // PEM: its key

	// Tokens is a YAML list of {name, sha256}: who may use the API with a bearer token, and the SHA-256 of the token in
	// hex. A token is a secret of at least 128 random bits; only its holder has it. "": there are none.
	Tokens string
}

// credentials are what a handshake needs.
type credentials struct {
	cert tls.Certificate
	ca   *x509.CertPool
}

func (s *Security) certificates(log *slog.Logger) (*watched[credentials], error) {
	return watch(log, func() (c credentials, err error) {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return c, err
		}
		c.ca = x509.NewCertPool()
		if !c.ca.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("%s: no certificate in it, expected PEM", s.CA)
		}
		if c.cert, err = tls.LoadX509KeyPair(s.Cert, s.Key); err != nil {
			return c, fmt.Errorf("%s, %s: %w", s.Cert, s.Key, err)
		}
		return c, nil
	}, s.CA, s.Cert, s.Key)
}

// serverTLS asks clients for a certificate, and lets those without one in: they
// may have a token.
func serverTLS(files *watched[credentials]) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := files.get()
			return &tls.Config{
				MinVersion:             tls.VersionTLS12,
				Certificates:           []tls.Certificate{c.cert},
				ClientAuth:             tls.VerifyClientCertIfGiven,
				ClientCAs:              c.ca,
				SessionTicketsDisabled: true, // a resumed session would skip the check against a CA that was replaced
			}, nil
		},
	}
}

// certificateName is how a client is called in logs and audits.
func certificateName(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return "certificate " + c.SerialNumber.Text(16)
}

// token is who holds one, and its hash.
type token struct {
	name string
	sum  [sha256.Size]byte
}

func (s *Security) tokens(log *slog.Logger) (*watched[[]token], error) {
	if s.Tokens == "" {
		return watch(log, func() ([]token, error) { return nil, nil })
	}
	return watch(log, func() ([]token, error) {
		text, err := os.ReadFile(s.Tokens)
		if err != nil {
			return nil, err
		}
		tokens, err := parseTokens(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Tokens, err)
		}
		return tokens, nil
	}, s.Tokens)
}

// TokenHolders reads the content of a file of tokens and tells who has one.
func TokenHolders(text []byte) (names []string, err error) {
	tokens, err := parseTokens(text)
	for _, t := range tokens {
		names = append(names, t.name)
	}
	return names, err
}

func parseTokens(text []byte) ([]token, error) {
	var rows []struct {
		Name   string `yaml:"name"`
		SHA256 string `yaml:"sha256"`
	}
	if err := yaml.UnmarshalWithOptions(text, &rows, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) { // EOF: nobody has one
		// Not the library's text, which quotes the file: someone may have put the token itself into it.
		if e, ok := err.(yaml.Error); ok && e.GetToken() != nil {
			return nil, fmt.Errorf("line %d: expected a list of {name, sha256}", e.GetToken().Position.Line)
		}
		return nil, fmt.Errorf("expected a list of {name, sha256}")
	}
	var tokens []token
	for i, row := range rows {
		t := token{name: row.Name}
		sum, err := hex.DecodeString(strings.TrimSpace(row.SHA256))
		switch {
		case row.Name == "":
			return nil, fmt.Errorf("token %d: no name", i+1)
		case slices.ContainsFunc(tokens, func(o token) bool { return o.name == t.name }):
			return nil, fmt.Errorf("token %d: %q is there twice", i+1, row.Name)
		case err != nil || len(sum) != len(t.sum):
			return nil, fmt.Errorf("token %d, %q: sha256: expected %d hexadecimal digits", i+1, row.Name, 2*len(t.sum))
		}
		copy(t.sum[:], sum)
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// watched is what was read from files. It is read again when one of them has
// changed; what can't be read then leaves the former in force, once logged.
type watched[T any] struct {
	log   *slog.Logger
	read  func() (T, error)
	paths []string

	mu     sync.Mutex
	stamps []stamp
	value  T
}

// stamp tells a file from its successor.
type stamp struct {
	modified time.Time
	size     int64
}

func watch[T any](log *slog.Logger, read func() (T, error), paths ...string) (*watched[T], error) {
	w := &watched[T]{log: log, read: read, paths: paths}
	w.stamps = w.look() // before reading: what changes meanwhile is read again
	var err error
	w.value, err = read()
	return w, err
}

func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.look(); !slices.Equal(now, w.stamps) {
		w.stamps = now
		value, err := w.read()
		if err == nil {
			w.value = value
		} else {
			w.log.Error("a file that has changed can't be read: the former one stays in force", "error", err)
		}
	}
	return w.value
}

func (w *watched[T]) look() []stamp {
	stamps := make([]stamp, len(w.paths))
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}
