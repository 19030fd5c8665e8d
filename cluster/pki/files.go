package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/certid"
)

// The files of a station's certificates. The CA's key is needed to make and renew certificates only: keep its folder
// where no node is.
const (
	CAFile    = "ca.pem"
	CAKeyFile = "ca-key.pem"
	CertFile  = "node.pem" // in a folder named after the node
	KeyFile   = "node-key.pem"
)

// Node is a member of a station as its certificate names it.
type Node struct {
	ID    string
	Hosts []string // names and IP addresses of its API
}

// Made is what Init did about one certificate.
type Made struct {
	Path    string
	What    string // made, renewed or kept
	Expires time.Time
}

// Init makes a station's certificates in dir: the CA, and for each node a folder with its certificate and key and a copy
// of the CA's certificate, to be copied to that node. What's there is kept, but for certificates that are renewed: those
// of which less than a third of their time is left, or that are for other hosts, or have no mark of a node, or all of them if renew says so. A node
// takes up a renewed certificate without a restart.
func Init(dir, station string, nodes []Node, renew bool, now time.Time) ([]Made, error) {
	ca, made, err := openCA(dir, station, now)
	if err != nil {
		return nil, fmt.Errorf("certificates of station %s in %s: %w", station, dir, err)
	}
	done := []Made{made}
	for _, n := range nodes {
		made, err := initNode(dir, ca, n, renew, now)
		if err != nil {
			return done, fmt.Errorf("certificate of node %s in %s: %w", n.ID, dir, err)
		}
		done = append(done, made)
	}
	return done, nil
}

func openCA(dir, station string, now time.Time) (*CA, Made, error) {
	path := filepath.Join(dir, CAFile)
	pair, err := readPair(path, filepath.Join(dir, CAKeyFile))
	if err == nil {
		ca, err := ReadCA(pair)
		if err != nil {
			return nil, Made{}, err
		}
		return ca, Made{path, "kept", ca.cert.NotAfter}, nil
	}
	if _, found := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || found == nil {
		return nil, Made{}, err // a certificate without its key isn't to be replaced unasked: all nodes trust it
	}
	ca, pair, err := NewCA(station, now)
	if err != nil {
		return nil, Made{}, err
	}
	if err := writePair(path, filepath.Join(dir, CAKeyFile), pair); err != nil {
		return nil, Made{}, err
	}
	return ca, Made{path, "made", ca.cert.NotAfter}, nil
}

func initNode(dir string, ca *CA, n Node, renew bool, now time.Time) (Made, error) {
	folder := filepath.Join(dir, n.ID)
	if n.ID == "" || filepath.Dir(folder) != filepath.Clean(dir) {
		return Made{}, fmt.Errorf("%w: %q can't be a folder's", ErrName, n.ID)
	}
	cert, key := filepath.Join(folder, CertFile), filepath.Join(folder, KeyFile)
	what := "made"
	if old, err := tls.LoadX509KeyPair(cert, key); err == nil {
		what = "renewed"
		if !renew && ca.stillGood(old, n, now) {
			return Made{cert, "kept", old.Leaf.NotAfter}, nil
		}
	}
	pair, err := ca.Node(n.ID, n.Hosts, now)
	if err != nil {
		return Made{}, err
	}
	if err := write(filepath.Join(folder, CAFile), encode(ca), 0o644); err != nil {
		return Made{}, err
	}
	if err := writePair(cert, key, pair); err != nil {
		return Made{}, err
	}
	made, err := readCert(pair.Cert)
	if err != nil {
		return Made{}, err
	}
	return Made{cert, what, made.NotAfter}, nil
}

// stillGood tells whether a node's certificate is this CA's, for the node as it is, and has a third of its time left.
func (ca *CA) stillGood(old tls.Certificate, n Node, now time.Time) bool {
	c := old.Leaf
	if c.CheckSignatureFrom(ca.cert) != nil || c.Subject.CommonName != n.ID || !certid.Marked(c) || now.After(c.NotAfter.Add(-NodeValidity/3)) {
		return false
	}
	for _, h := range n.Hosts {
		if h != "" && c.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

func readPair(cert, key string) (p Pair, err error) {
	if p.Cert, err = os.ReadFile(cert); err != nil {
		return Pair{}, err
	}
	p.Key, err = os.ReadFile(key)
	return p, err
}

// writePair writes the key first: a certificate is never there without its key.
func writePair(cert, key string, p Pair) error {
	if err := write(key, p.Key, 0o600); err != nil {
		return err
	}
	return write(cert, p.Cert, 0o644)
}

func write(path string, data []byte, mode fs.FileMode) error {
	if err := atomicfile.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return atomicfile.Write(path, data, mode)
}
