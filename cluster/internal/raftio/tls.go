package raftio

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/fepha/fepha/internal/certid"
	"github.com/fepha/fepha/internal/certs"
)

// TLS is mutual TLS between nodes: both sides show a certificate of the station's CA that bears a node's id as its
// common name and DNS name, and that is marked as a node's.
type TLS struct {
	certs   *certs.Source
	members func() []string // ids that may connect
	revoked func(*x509.Certificate) error
}

// NewTLS reads the files of the node with that id; members are the ids of the nodes that may connect, and revoked says why a
// certificate may not be used any more.
func NewTLS(files certs.Files, id string, members func() []string, revoked func(*x509.Certificate) error, log *slog.Logger) (*TLS, error) {
	source, err := certs.Watch(files, log)
	if err = errors.Join(files.All(), err); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	leaf := source.Get().Cert.Leaf
	if name := leaf.Subject.CommonName; name != id || !slices.Contains(leaf.DNSNames, id) {
		return nil, fmt.Errorf("TLS: %s is for %q (DNS names %q), expected the node's id %q as both", files.Cert, name, leaf.DNSNames, id)
	}
	if certid.NodeOf(leaf) != id {
		return nil, fmt.Errorf("TLS: %s is no node's certificate: expected one made by 'fepha tls init'", files.Cert)
	}
	if !certid.Marked(leaf) {
		log.Warn("this node's certificate has no mark of a node yet: renew it ('fepha tls init')", "file", files.Cert)
	}
	return &TLS{source, members, revoked}, nil
}

// server is for accepting: the peer must be one of the members.
func (s *TLS) server() *tls.Config {
	return s.certs.Server(&tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			peer := state.PeerCertificates[0]
			if id := certid.NodeOf(peer); id == "" {
				return fmt.Errorf("certificate of %q, which is no node's", certid.Name(peer))
			} else if !slices.Contains(s.members(), id) {
				return fmt.Errorf("certificate of %q, expected one of the station's nodes %v", certid.Name(peer), s.members())
			}
			return s.revoked(peer)
		},
	})
}

// client is for connecting to the node with that id, which must be among its certificate's DNS names.
func (s *TLS) client(id string) *tls.Config {
	return s.certs.Client(&tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: id,
		VerifyConnection: func(state tls.ConnectionState) error {
			peer := state.PeerCertificates[0]
			if certid.NodeOf(peer) != id {
				return fmt.Errorf("certificate of %q, expected that of node %s", certid.Name(peer), id)
			}
			return s.revoked(peer)
		},
	})
}
