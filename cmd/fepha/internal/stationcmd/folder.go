package stationcmd

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/atomicfile"
	"github.com/fepha/fepha/internal/nodebundle"
)

const (
	configFile = "station.yaml"
	tlsFolder  = "tls"
	headings   = "headings"          // tables that station.yaml doesn't name yet
	tokenFile  = "first-admin.token" // the token itself, for a person
)

func bundleName(node string) string { return node + nodebundle.Extension }

// made is what was written.
type made struct {
	dir     string
	files   []madeFile
	expires time.Time // of the first admin's token
}

type madeFile struct{ name, what string }

// write writes the folder of a new station, whole or not at all.
func (p *plan) write(dir string, now time.Time, valid time.Duration) (*made, error) {
	if err := empty(dir); err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	beside, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*.tmp") // mode 0700, as the folder is to have it
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(beside)
	m := &made{dir: dir, expires: now.Add(valid).Truncate(time.Second)}
	if err := p.fill(beside, m, now); err != nil {
		return nil, err
	}
	if err := os.Rename(beside, dir); err != nil {
		return nil, fmt.Errorf("nothing was written: %w", err)
	}
	return m, atomicfile.SyncDir(filepath.Dir(dir))
}

// empty refuses a folder that has something in it.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return cli.Usagef("%w: expected a folder that is empty, or not there yet", err)
	case len(entries) > 0:
		return cli.Usagef("%s has %s already: expected a folder that is empty, or not there yet", dir, cli.Count(len(entries), "file"))
	}
	return nil
}

func (p *plan) fill(dir string, m *made, now time.Time) error {
	token := rand.Text()
	first, err := nodebundle.FirstAdmin{Sum: sha256.Sum256([]byte(token)), Expires: m.expires}.Encode()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
		mode fs.FileMode
		what string
	}{
		{configFile, p.yaml(), 0o644, "the configuration, the same on all nodes"},
		{p.place(rtuTable, len(p.channels)), []byte(rtuHeading), 0o644, "the points of the first RTU: headings only"},
		{p.place(uplinkTable, len(p.centre)), []byte(uplinkHeading), 0o644, "the points for the control centre: headings only"},
		{tokenFile, []byte(token + "\n"), 0o600, "makes the first admin, once"},
		{nodebundle.FirstAdminFile, first, 0o600, "its hash, which the nodes get"},
	} {
		path := filepath.Join(dir, f.name)
		if err := atomicfile.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.Write(path, f.data, f.mode); err != nil {
			return err
		}
		m.files = append(m.files, madeFile{f.name, f.what})
	}
	m.files = append(m.files, madeFile{tlsFolder + string(filepath.Separator), "the station's CA, and each node's certificate"})
	bundled, err := pack(dir, nil, false, now)
	if err != nil {
		return err
	}
	for _, b := range bundled {
		m.files = append(m.files, madeFile{bundleName(b.Node), "the bundle of " + b.Node})
	}
	return nil
}

// place is where a table goes: beside station.yaml if that names it, else where it's found when it's needed.
func (p *plan) place(table string, users int) string {
	if users > 0 {
		return table
	}
	return filepath.Join(headings, table)
}

// pack makes bundles from a station's folder: of all nodes, or of those that are named. The nodes' certificates are made or
// renewed where that is due, or all of the named ones if renew says so.
func pack(dir string, ids []string, renew bool, now time.Time) (bundled []*nodebundle.Bundle, err error) {
	tables, station, err := configs.ReadBundle(filepath.Join(dir, configFile))
	if err != nil {
		return nil, cli.Exit(cli.ExitUsage, err)
	}
	for _, id := range ids {
		if _, ok := station.Node(id); !ok {
			return nil, cli.Usagef("%q is no node of %s", id, filepath.Join(dir, configFile))
		}
	}
	s := station.Security
	if s.CA.Name != filepath.Join(tlsFolder, pki.CAFile) || s.Cert.Name != filepath.Join(tlsFolder, pki.CertFile) || s.Key.Name != filepath.Join(tlsFolder, pki.KeyFile) {
		return nil, cli.Usagef("%s: security: expected {ca: tls/ca.pem, cert: tls/node.pem, key: tls/node-key.pem}, as a bundle has them", filepath.Join(dir, configFile))
	}
	var nodes []pki.Node
	for _, n := range cli.CertifiedNodes(station) {
		if len(ids) == 0 || slices.Contains(ids, n.ID) {
			nodes = append(nodes, n)
		}
	}
	keys := filepath.Join(dir, tlsFolder)
	if _, err := pki.Init(keys, strconv.Itoa(int(station.ID)), nodes, renew, now); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		b, err := bundle(dir, tables, station, n.ID, now)
		if err != nil {
			return nil, fmt.Errorf("bundle of %s: %w", n.ID, err)
		}
		bundled = append(bundled, b)
	}
	return bundled, atomicfile.SyncDir(dir)
}

// bundle writes that of one node.
func bundle(dir string, tables *configs.Bundle, station *configs.Station, id string, now time.Time) (*nodebundle.Bundle, error) {
	b := &nodebundle.Bundle{
		Header: nodebundle.Header{Station: station.ID, Name: station.Name, Node: id}, Files: map[string][]byte{},
	}
	for _, name := range tables.Names() {
		b.Files[nodebundle.Etc+name] = tables.File(name)
	}
	for _, name := range []string{pki.CAFile, pki.CertFile, pki.KeyFile} {
		data, err := os.ReadFile(filepath.Join(dir, tlsFolder, id, name))
		if err != nil {
			return nil, err
		}
		b.Files[nodebundle.Etc+tlsFolder+"/"+name] = data
	}
	text, err := os.ReadFile(filepath.Join(dir, nodebundle.FirstAdminFile))
	if err == nil {
		first, err := nodebundle.ReadFirstAdmin(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nodebundle.FirstAdminFile, err)
		}
		if now.Before(first.Expires) {
			b.Files[nodebundle.Data+nodebundle.FirstAdminFile] = text
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	packed, err := b.Encode()
	if err != nil {
		return nil, err
	}
	return b, atomicfile.Write(filepath.Join(dir, bundleName(id)), packed, 0o600)
}

// names are those of bundles, for people.
func names(dir string, bundled []*nodebundle.Bundle) string {
	var all []string
	for _, b := range bundled {
		all = append(all, filepath.Join(dir, bundleName(b.Node)))
	}
	return strings.Join(all, ", ")
}
