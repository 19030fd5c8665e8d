package watch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/configs"
)

// securedStation writes the secured example with certificates of its own, as they lie on fep1, and gives its folder.
func securedStation(t *testing.T, now time.Time) string {
	t.Helper()
	dir := t.TempDir()
	var nodes []pki.Node
	for id, host := range map[string]string{"fep1": "10.91.2.66", "fep2": "10.91.2.67", "wit": "10.91.2.68"} {
		nodes = append(nodes, pki.Node{ID: id, Hosts: []string{host}})
	}
	_, err := pki.Init(filepath.Join(dir, "made"), "21", nodes, false, now)
	if err := errors.Join(err, os.CopyFS(dir, configs.Examples), os.Mkdir(filepath.Join(dir, "examples/secured/tls"), 0o700)); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "examples", "secured")
	of(t, dir, "fep1")
	for _, name := range []string{"ca.pem", "redis-ca.pem"} {
		copied(t, filepath.Join(dir, "../../made/fep1", pki.CAFile), filepath.Join(dir, "tls", name))
	}
	for name, text := range map[string]string{
		"tokens.yaml": "[]\n", "redis.password": "secret\n", "backup.passphrase": "a passphrase of its own\n", "fnp.key": "1:" + strings.Repeat("5a", 32) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// of makes the folder that of a node.
func of(t *testing.T, dir, node string) {
	made := filepath.Join(dir, "../../made", node)
	copied(t, filepath.Join(made, pki.CertFile), filepath.Join(dir, "tls/node.pem"))
	copied(t, filepath.Join(made, pki.KeyFile), filepath.Join(dir, "tls/node-key.pem"))
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err := errors.Join(err, os.WriteFile(to, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func replaced(path, old, new string) error {
	text, err := os.ReadFile(path)
	return errors.Join(err, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o600))
}

func TestCheckFiles(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name           string
		damage         func(dir string) error
		after          time.Duration
		errs, warnings string // parts of the only one; "": none
	}{
		{name: "all is right"},
		{"a key that is gone", func(dir string) error { return os.Remove(dir + "/tls/node-key.pem") }, 0,
			`station.yaml:8:53: security.key: "tls/node-key.pem" is not there: expected a key`, ""},
		{"a key of another", func(dir string) error {
			return os.Rename(dir+"/../../made/fep2/"+pki.KeyFile, dir+"/tls/node-key.pem")
		}, 0, `security.key: "tls/node-key.pem" private key does not match public key: expected the key of tls/node.pem`, ""},
		{"a certificate that is none", func(dir string) error { return os.WriteFile(dir+"/tls/redis-ca.pem", []byte("x"), 0o600) }, 0,
			`redis.tls.ca: "tls/redis-ca.pem" no certificate in it`, ""},
		{"a certificate of another CA", func(dir string) error {
			_, err := pki.Init(dir+"/other", "21", []pki.Node{{ID: "fep1"}}, false, now)
			return errors.Join(err, os.Rename(dir+"/other/"+pki.CAFile, dir+"/tls/ca.pem"))
		}, 0, `security.cert: "tls/node.pem" is not signed by tls/ca.pem`, ""},
		{"a certificate of no node", func(dir string) error {
			return errors.Join(replaced(dir+"/station.yaml", "fep1", "north"), replaced(dir+"/virtual.csv", "fep1", "north"))
		}, 0, `security.cert: "tls/node.pem" is that of "fep1", which is no node of this station`, ""},
		{"another address", func(dir string) error {
			return replaced(dir+"/station.yaml", "10.91.2.66:7310", "10.91.2.99:7310")
		}, 0, "", `security.cert: "tls/node.pem" doesn't name 10.91.2.99, the address of the API of fep1`},
		{"certificates that end soon", nil, pki.NodeValidity - 29*24*time.Hour, "", `the certificate of "fep1" ends on `},
		{"certificates that have ended", nil, pki.NodeValidity + time.Hour, `security.cert: "tls/node.pem" the certificate of "fep1" has ended on `, ""},
		{"a key for everybody", func(dir string) error { return os.Chmod(dir+"/tls/node-key.pem", 0o644) }, 0,
			"", `security.key: "tls/node-key.pem" can be used by everybody on this machine (mode 0644)`},
		{"a password that is none", func(dir string) error { return os.WriteFile(dir+"/redis.password", []byte("\n"), 0o600) }, 0,
			`redis.password_file: "redis.password" is empty: expected a password`, ""},
		{"tokens that are none", func(dir string) error {
			return os.WriteFile(dir+"/tokens.yaml", []byte("- {name: a, sha256: 12}\n"), 0o600)
		}, 0,
			`security.tokens: "tokens.yaml"`, ""},
		{"FNP's keys", func(dir string) error { return os.Chmod(dir+"/fnp.key", 0o644) }, 0, `fnp.key_file: "fnp.key"`, ""},
		{"a witness, which needs no file of Redis", func(dir string) error {
			of(t, dir, "wit")
			return os.Remove(dir + "/redis.password")
		}, 0, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := securedStation(t, now)
			if test.damage != nil {
				if err := test.damage(dir); err != nil {
					t.Fatal(err)
				}
			}
			s, err := configs.Load(filepath.Join(dir, "station.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			errs, warnings := CheckFiles(s, now.Add(test.after))
			for _, of := range []struct {
				what string
				got  []configs.Error
				want string
			}{{"errors", errs, test.errs}, {"warnings", warnings, test.warnings}} {
				if (len(of.got) == 0) != (of.want == "") || len(of.got) > 1 || len(of.got) == 1 && !strings.Contains(of.got[0].Error(), of.want) {
					t.Errorf("%s: %v, want %q", of.what, of.got, of.want)
				}
			}
		})
	}
}
