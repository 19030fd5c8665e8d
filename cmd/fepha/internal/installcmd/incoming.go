package installcmd

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/certid"
	"github.com/fepha/fepha/internal/nodebundle"
	"github.com/fepha/fepha/node/watch"
)

// incoming is a bundle that was found right.
type incoming struct {
	*nodebundle.Bundle
	open []string // what the configuration names, and no bundle has
}

// open unpacks a bundle and holds it to what it says: its configuration loads, its node is in it, and the certificate is that
// node's, signed by the CA beside it. Its files lie in a folder of root's own meanwhile.
func open(data []byte, now time.Time) (*incoming, error) {
	b, err := nodebundle.Decode(data)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fepha-install-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for name, content := range b.Files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, content, nodebundle.Mode(name)); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "etc", "station.yaml")
	station, err := configs.Load(config)
	if err != nil {
		return nil, err
	}
	if _, ok := station.Node(b.Node); !ok || station.ID != b.Station {
		return nil, fmt.Errorf("%w: it is for node %q of station %d, and its station.yaml is station %d's, with other nodes", errWrong, b.Node, b.Station, station.ID)
	}
	if text, ok := b.Files[nodebundle.Data+nodebundle.FirstAdminFile]; ok {
		if _, err := nodebundle.ReadFirstAdmin(text); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errWrong, nodebundle.FirstAdminFile, err)
		}
	}
	if id := nodeOf(b.Files[certificate]); id != b.Node {
		return nil, fmt.Errorf("%w: it is for node %s, and %s is that of %q", errWrong, b.Node, certificate, id)
	}
	in := &incoming{Bundle: b}
	errs, _ := watch.CheckFiles(station, now)
	for _, e := range errs {
		told := strings.ReplaceAll(e.Error(), filepath.Join(dir, "etc"), etcDir)
		if strings.HasPrefix(e.Key, "security.") && !strings.HasSuffix(e.Key, ".tokens") {
			return nil, fmt.Errorf("%w: %s", errWrong, told)
		}
		in.open = append(in.open, told)
	}
	return in, nil
}

// certificate is the name of the node's in a bundle.
const certificate = nodebundle.Etc + "tls/" + pki.CertFile

// nodeOf is the node whose certificate that is; "": nobody's.
func nodeOf(text []byte) string {
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ""
	}
	return certid.NodeOf(c)
}
