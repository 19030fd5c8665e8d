package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/fepha/fepha/internal/certid"
)

var (
	// ErrNotPEM: a file doesn't hold what was expected in it.
	ErrNotPEM = errors.New("not the PEM that was expected")

	// ErrNotCA: the certificate can't sign others, or the key isn't its own.
	ErrNotCA = errors.New("not a certificate authority")

	// ErrName: a name that no certificate may bear.
	ErrName = errors.New("bad name")
)

// How long certificates are valid. Stations have clocks of their own, so they're valid from a day earlier.
const (
	CAValidity   = 20 * 365 * 24 * time.Hour
	NodeValidity = 2 * 365 * 24 * time.Hour
	backdated    = 24 * time.Hour
)

// CA signs certificates.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Pair is a certificate and its key in PEM.
type Pair struct{ Cert, Key []byte }

// NewCA makes the CA of a station and returns it as files hold it.
func NewCA(station string, now time.Time) (*CA, Pair, error) {
	if station == "" {
		return nil, Pair{}, fmt.Errorf("making a CA: %w: it's empty", ErrName)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("making a CA: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: station + " CA", Organization: []string{"fepha"}},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(CAValidity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	pair, cert, err := sign(template, template, key, key)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("making a CA: %w", err)
	}
	return &CA{cert, key}, pair, nil
}

// ReadCA reads what NewCA returned.
func ReadCA(p Pair) (*CA, error) {
	cert, err := readCert(p.Cert)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(p.Key)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("key of the CA: %w: a PRIVATE KEY", ErrNotPEM)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key of the CA: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !cert.IsCA || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: %s", ErrNotCA, cert.Subject.CommonName)
	}
	return &CA{cert, key}, nil
}

// Node makes a node's certificate. Hosts are the names and IP addresses under which its API is reached.
func (ca *CA) Node(id string, hosts []string, now time.Time) (Pair, error) {
	return ca.issue(id, certid.Node(id), hosts, now, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

// Client makes a certificate for a person or a program that talks to the API: viewer, operator, engineer or admin. Nodes
// don't take it for one of theirs, whatever its name.
func (ca *CA) Client(name, role string, now time.Time) (Pair, error) {
	return ca.issue(name, certid.Role(role), nil, now, x509.ExtKeyUsageClientAuth)
}

func (ca *CA) issue(name string, mark *url.URL, hosts []string, now time.Time, usage ...x509.ExtKeyUsage) (Pair, error) {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Pair{}, fmt.Errorf("making a certificate: %w: %q, expected 1 to 64 octets that can be printed", ErrName, name)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making a certificate for %s: %w", name, err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{"fepha"}},
		NotBefore:   now.Add(-backdated),
		NotAfter:    earlier(now.Add(NodeValidity), ca.cert.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: usage,
		DNSNames:    []string{name},
		URIs:        []*url.URL{mark, certid.Issued(now)},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if h != name && h != "" {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	pair, _, err := sign(template, ca.cert, key, ca.key)
	if err != nil {
		return Pair{}, fmt.Errorf("making a certificate for %s: %w", name, err)
	}
	return pair, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (Pair, *x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Pair{}, nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, nil, err
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}, cert, nil
}

// encode is the CA's certificate in PEM.
func encode(ca *CA) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

func readCert(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%w: a CERTIFICATE", ErrNotPEM)
	}
	return x509.ParseCertificate(block.Bytes)
}
