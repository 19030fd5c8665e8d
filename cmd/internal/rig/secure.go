package rig

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
)

const (
	uplinkClient = "centre"     // whom the uplink lets in
	uplinkKeys   = "uplink/tls" // its files, as station.yaml names them
)

// secureUplink makes the keys of an uplink with TLS (IEC 62351-3), on loopback,
// and returns how the control centre connects.
func (s *Station) secureUplink() (dial func(ctx context.Context, network, address string) (net.Conn, error), err error) {
	if s.opts.Network != nil {
		return nil, fmt.Errorf("TLS of the uplink is for a station on loopback")
	}
	if s.keys, err = newAuthority(); err != nil {
		return nil, err
	}
	for _, n := range s.nodes {
		if err := s.keys.write(filepath.Join(n.dir, "uplink"), "uplink", "127.0.0.1"); err != nil {
			return nil, err
		}
	}
	cfg, err := s.UplinkTLS(uplinkClient)
	return (&tls.Dialer{Config: cfg}).DialContext, err
}

// UplinkTLS is for connecting to an uplink of Options.TLS with a certificate of
// this name, by the CA that the uplink trusts.
func (s *Station) UplinkTLS(name string) (*tls.Config, error) { return s.keys.client(name) }
