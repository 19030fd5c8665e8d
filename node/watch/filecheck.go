package watch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/internal/certid"
	"github.com/fepha/fepha/internal/certs"
)

// CheckFiles looks at the keys, certificates, tokens and passwords that a configuration names, on this machine and at this time:
// at errors a node would not start, or not connect; warnings are what it runs with. The node's own certificate says which node
// this is: a witness has no files for devices and control centres.
func CheckFiles(s *configs.Station, now time.Time) (errs, warnings []configs.Error) {
	c := fileCheck{station: s, now: now}
	c.whose()
	pairs := map[string]map[configs.NamedKind]configs.NamedFile{} // files that belong together, by the key around them
	for _, f := range s.Named {
		if c.witness && !strings.HasPrefix(f.Key, "security.") && !strings.HasPrefix(f.Key, "fnp.") {
			continue
		}
		if !c.file(f) {
			continue
		}
		around := f.Key[:strings.LastIndexByte(f.Key, '.')]
		if pairs[around] == nil {
			pairs[around] = map[configs.NamedKind]configs.NamedFile{}
		}
		pairs[around][f.Kind] = f
		if key, cert := pairs[around][configs.FileKey], pairs[around][configs.FileCert]; f.Kind == configs.FileKey && !cert.IsZero() {
			c.pair(cert, key)
		}
	}
	if own := pairs["security"]; !own[configs.FileCA].IsZero() && !own[configs.FileCert].IsZero() {
		c.own(own[configs.FileCA], own[configs.FileCert])
	}
	return c.errs, c.warnings
}

type fileCheck struct {
	station        *configs.Station
	now            time.Time
	witness        bool
	errs, warnings []configs.Error
}

func (c *fileCheck) fail(f configs.NamedFile, problem, expected string) {
	c.errs = append(c.errs, f.About(problem, expected))
}

func (c *fileCheck) warn(f configs.NamedFile, problem, expected string) {
	c.warnings = append(c.warnings, f.About(problem, expected))
}

func (c *fileCheck) whose() {
	if all, err := certificatesIn(c.station.Security.Cert.Path); err == nil {
		n, _ := c.station.Node(certid.NodeOf(all[0]))
		c.witness = n.Role == configs.RoleWitness
	}
}

// file looks at one by itself, and tells whether it can be used.
func (c *fileCheck) file(f configs.NamedFile) bool {
	st, err := os.Stat(f.Path)
	switch {
	case err != nil:
		c.fail(f, reason(err), "a "+string(f.Kind)+" on each node that needs it (--no-files: they are not on this machine)")
		return false
	case !st.Mode().IsRegular():
		c.fail(f, "is no file", "a "+string(f.Kind))
		return false
	case readable(f, st) && f.Kind != configs.FileFNPKeys: // which is refused then
		c.warn(f, fmt.Sprintf("can be used by everybody on this machine (mode %#o)", st.Mode().Perm()), "mode 0600, or 0640 with the service's group")
	}
	text, err := os.ReadFile(f.Path)
	if err != nil {
		c.fail(f, reason(err), "a "+string(f.Kind)+" that this user can read")
		return false
	}
	switch f.Kind {
	case configs.FileCA, configs.FileCert:
		return c.certificate(f)
	case configs.FileTokens:
		_, err = access.TokenHolders(text)
	case configs.FileFNPKeys:
		_, err = channeltab.ReadKeys(f.Path)
	case configs.FilePassword:
		if strings.TrimRight(string(text), "\r\n") == "" {
			err = errors.New("is empty")
		}
	}
	if err != nil {
		c.fail(f, reason(err), "a "+string(f.Kind))
	}
	return err == nil
}

func (c *fileCheck) certificate(f configs.NamedFile) bool {
	all, err := certificatesIn(f.Path)
	if err != nil {
		c.fail(f, reason(err), "a "+string(f.Kind)+" in PEM")
		return false
	}
	for _, crt := range all {
		of := fmt.Sprintf("the certificate of %q ", certid.Name(crt))
		switch end := crt.NotAfter.In(c.station.Location).Format("2006-01-02 15:04 -07:00"); {
		case c.now.Before(crt.NotBefore):
			c.fail(f, of+"is not good before "+crt.NotBefore.In(c.station.Location).Format("2006-01-02 15:04 -07:00"), "one that is good now, or the right time on this machine")
		case c.now.After(crt.NotAfter):
			c.fail(f, of+"has ended on "+end, "a renewed one")
		case crt.NotAfter.Sub(c.now) < certificateWarning:
			c.warn(f, of+"ends on "+end, "a renewed one; it needs no restart")
		}
	}
	return true
}

// pair reads a certificate and its key as a node does.
func (c *fileCheck) pair(cert, key configs.NamedFile) {
	if _, err := (certs.Files{Cert: cert.Path, Key: key.Path}).Read(); err != nil {
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
			err = inner
		}
		c.fail(key, strings.TrimPrefix(err.Error(), "tls: "), "the key of "+cert.Name)
	}
}

// own holds the node's certificate to the station: signed by its CA, one of its nodes', with the names by which it is reached.
func (c *fileCheck) own(ca, cert configs.NamedFile) {
	all, err := certificatesIn(cert.Path)
	authorities, err2 := certificatesIn(ca.Path)
	if err != nil || err2 != nil {
		return // they were right a moment ago
	}
	leaf := all[0]
	// Of what a chain is held to, only whose it is: when it ends is told already.
	if !slices.ContainsFunc(authorities, func(a *x509.Certificate) bool { return leaf.CheckSignatureFrom(a) == nil }) && len(all) == 1 {
		c.fail(cert, "is not signed by "+ca.Name, "one of this station's CA: 'fepha tls init'")
		return
	}
	id := certid.NodeOf(leaf)
	node, ok := c.station.Node(id)
	if !ok {
		c.fail(cert, fmt.Sprintf("is that of %q, which is no node of this station", certid.Name(leaf)), "that of the node on this machine: 'fepha tls init'")
		return
	}
	// Nodes know each other by id, people and programs by the address that they call.
	if leaf.VerifyHostname(id) != nil {
		c.fail(cert, fmt.Sprintf("doesn't have %q among its DNS names", id), "the node's id: 'fepha tls init'")
	}
	if api := node.API.Addr(); api.IsValid() && !api.IsUnspecified() && leaf.VerifyHostname(api.String()) != nil {
		c.warn(cert, fmt.Sprintf("doesn't name %s, the address of the API of %s: who calls it there will not trust it", api, id), "that address in it: 'fepha tls init' renews it")
	}
}

// reason is an error without the file's name, which the message has already.
func reason(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		if errors.Is(err, fs.ErrNotExist) {
			return "is not there"
		}
		return path.Err.Error()
	}
	if _, rest, ok := strings.Cut(err.Error(), ": "); ok {
		return rest
	}
	return err.Error()
}
