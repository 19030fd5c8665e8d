package raftio

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/fepha/fepha/internal/certs"
)

// TLS is mutual TLS between nodes: both sides show a certificate of the station's CA that bears a node's id as its
// common name and DNS name.
type TLS struct {
	certs   *certs.Source
	members func() []string // ids that may connect
}

// NewTLS reads the files of the node with that id; members are the ids of the nodes that may connect.
func NewTLS(files certs.Files, id string, members func() []string, log *slog.Logger) (*TLS, error) {
	source, err := certs.Watch(files, log)
	if err = errors.Join(files.All(), err); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	leaf := source.Get().Cert.Leaf
	if name := leaf.Subject.CommonName; name != id || !slices.Contains(leaf.DNSNames, id) {
		return nil, fmt.Errorf("TLS: %s is for %q (DNS names %q), expected the node's id %q as both", files.Cert, name, leaf.DNSNames, id)
	}
	return &TLS{source, members}, nil
}

// server is for accepting: the peer must be one of the members.
func (s *TLS) server() *tls.Config {
	return s.certs.Server(&tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			if name := peerName(state); !slices.Contains(s.members(), name) {
				return fmt.Errorf("certificate of %q, expected one of the station's nodes %v", name, s.members())
			}
			return nil
		},
	})
}

// client is for connecting to the node with that id, which must be among its certificate's DNS names.
func (s *TLS) client(id string) *tls.Config {
	return s.certs.Client(&tls.Config{MinVersion: tls.VersionTLS13, ServerName: id})
}

// peerName is the node's id in a verified certificate.
func peerName(state tls.ConnectionState) string {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	return state.PeerCertificates[0].Subject.CommonName
}
