package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fepha/fepha/internal/certs"
)

// Security names the files that say who may use the API. They are read again
// when they change, so that a renewed certificate or a revoked token needs no
// restart.
type Security struct {
	CA   string // PEM: certificates of the station's CA. One that it has signed lets its holder in, with the role that it says
	Cert string // PEM: this node's certificate
	Key  string // PEM: its key

	// Tokens is a YAML list of {name, sha256, role}: who may use the API with a bearer token, and the SHA-256 of the token in
	// hex. A token is a secret of at least 128 random bits; only its holder has it. It works without a quorum, on this node.
	// "": there are none but those of the state.
	Tokens string
}

// aeadSuites are those of TLS 1.2 that a client may use; all of TLS 1.3 are
// such.
var aeadSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// certificates asks clients for a certificate, and lets those without one in:
// they may have a token.
func (s *Security) certificates(log *slog.Logger) (*tls.Config, error) {
	files := certs.Files{CA: s.CA, Cert: s.Cert, Key: s.Key}
	source, err := certs.Watch(files, log)
	if err = errors.Join(files.All(), err); err != nil {
		return nil, err
	}
	return source.Server(&tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: aeadSuites, ClientAuth: tls.VerifyClientCertIfGiven}), nil
}

// Check tells whether the files that s names can be used, before a server runs. Its error wraps ErrSecurity.
func (s *Security) Check() error {
	if s == nil {
		return nil
	}
	silent := slog.New(slog.DiscardHandler)
	if _, err := s.certificates(silent); err != nil {
		return fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	if _, err := s.tokens(silent); err != nil {
		return fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	return nil
}
