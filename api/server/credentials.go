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

	"github.com/fepha/fepha/internal/certs"
	"github.com/fepha/fepha/internal/reload"
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

// certificates asks clients for a certificate, and lets those without one in:
// they may have a token.
func (s *Security) certificates(log *slog.Logger) (*tls.Config, error) {
	files := certs.Files{CA: s.CA, Cert: s.Cert, Key: s.Key}
	source, err := certs.Watch(files, log)
	if err = errors.Join(files.All(), err); err != nil {
		return nil, err
	}
	return source.Server(&tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven}), nil
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

// tokens are those of the file, as it is now.
func (s *Security) tokens(log *slog.Logger) (*reload.Value[[]token], error) {
	failed := func(err error) {
		log.Error("the file of tokens has changed and can't be read: the former one stays in force", "error", err)
	}
	if s.Tokens == "" {
		return reload.New(func() ([]token, error) { return nil, nil }, failed)
	}
	return reload.New(func() ([]token, error) {
		text, err := os.ReadFile(s.Tokens)
		if err != nil {
			return nil, err
		}
		tokens, err := parseTokens(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Tokens, err)
		}
		return tokens, nil
	}, failed, s.Tokens)
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
