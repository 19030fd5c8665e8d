package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// security is mutual TLS between nodes: both sides show a certificate of the station's CA that bears a node's id as its
// common name and DNS name. Files are looked at again at each handshake, and read again when one has changed.
type security struct {
	files   Security
	members func() []string // ids that may connect

	mu      sync.Mutex
	stamps  [3]time.Time // modification times of what was read
	current *tls.Certificate
	ca      *x509.CertPool
}

func newSecurity(files Security, id string, members func() []string) (*security, error) {
	s := &security{files: files, members: members}
	cert, _, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("%w: TLS: %w", ErrConfig, err)
	}
	if name := cert.Leaf.Subject.CommonName; name != id || !slices.Contains(cert.Leaf.DNSNames, id) {
		return nil, fmt.Errorf("%w: TLS: %s is for %q (DNS names %q), expected the node's id %q as both", ErrConfig, files.Cert, name, cert.Leaf.DNSNames, id)
	}
	return s, nil
}

// load returns the certificate and the CA as the files are now. While new files can't be read, or don't fit together
// yet, the former ones stay in use.
func (s *security) load() (*tls.Certificate, *x509.CertPool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stamps [3]time.Time
	var errs []error
	for i, name := range []string{s.files.CA, s.files.Cert, s.files.Key} {
		info, err := os.Stat(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stamps[i] = info.ModTime()
	}
	if err := errors.Join(errs...); err != nil || s.current != nil && stamps == s.stamps {
		if s.current == nil {
			return nil, nil, err
		}
		return s.current, s.ca, nil
	}
	cert, ca, err := s.read()
	if err != nil {
		if s.current == nil {
			return nil, nil, err
		}
		return s.current, s.ca, nil
	}
	s.current, s.ca, s.stamps = cert, ca, stamps
	return cert, ca, nil
}

func (s *security) read() (*tls.Certificate, *x509.CertPool, error) {
	pem, err := os.ReadFile(s.files.CA)
	if err != nil {
		return nil, nil, err
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("%s: no certificate in it, expected PEM", s.files.CA)
	}
	cert, err := tls.LoadX509KeyPair(s.files.Cert, s.files.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("%s, %s: %w", s.files.Cert, s.files.Key, err)
	}
	return &cert, ca, nil
}

// server is for accepting: the peer must be one of the members.
func (s *security) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			cert, ca, err := s.load()
			if err != nil {
				return nil, err
			}
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{*cert},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    ca,
				VerifyConnection: func(state tls.ConnectionState) error {
					if name := peerName(state); !slices.Contains(s.members(), name) {
						return fmt.Errorf("certificate of %q, expected one of the station's nodes %v", name, s.members())
					}
					return nil
				},
				SessionTicketsDisabled: true, // a resumed session would skip the check of a certificate renewed or gone
			}, nil
		},
	}
}

// client is for connecting to the node with that id.
func (s *security) client(id string) *tls.Config {
	cert, ca, err := s.load()
	if err != nil { // can't be: it was loaded once
		return &tls.Config{ServerName: id, MinVersion: tls.VersionTLS13}
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		ServerName:   id, // must be among the certificate's DNS names
		RootCAs:      ca,
		Certificates: []tls.Certificate{*cert},
	}
}

// peerName is the node's id in a verified certificate.
func peerName(state tls.ConnectionState) string {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	return state.PeerCertificates[0].Subject.CommonName
}
