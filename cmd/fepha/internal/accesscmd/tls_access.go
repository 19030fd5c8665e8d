package accesscmd

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/cluster/pki"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/atomicfile"
)

// This file is about who may use the API of a station with keys: people and
// programs that have a certificate of its CA, or a token.

func newTLSClientCommand() *cobra.Command {
	var dir, role string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "client NAME",
		Short: "Make a certificate for a person or a program that uses the API",
		Long: `Make a certificate for a person or a program that uses the API, with the CA that
'fepha tls init' made. The files go into clients/NAME in its folder: hand them to
NAME, and keep no copy. What NAME does is logged under that name. Revoke it with
'fepha tls revoke NAME'.

For a browser: openssl pkcs12 -export -in client.pem -inkey client-key.pem -out me.p12`,
		Example: `  fepha tls client alice --role operator --dir tls
  fepha status --addr https://10.91.2.66:7310 --ca ca.pem --cert client.pem --key client-key.pem`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return cli.Usagef("--dir is needed: see '%s --help'", cmd.CommandPath())
			}
			made, err := makeClient(dir, args[0], role, time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), made)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "made %s for role %s, good until %s: hand it to %s\n", made.Dir, made.Role, made.Expires.Format(time.DateOnly), args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the certificates that 'fepha tls init' made (needed)")
	cmd.Flags().StringVar(&role, "role", defaultRole, "what NAME may: viewer, operator, engineer or admin")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// madeClient is what `tls client --json` prints.
type madeClient struct {
	Role    string    `json:"role"`
	Dir     string    `json:"dir"` // with ca.pem, client.pem and client-key.pem
	Expires time.Time `json:"expires"`
}

// defaultRole is that of certificates and of rows of tokens.yaml that say none.
const defaultRole = "engineer"

func makeClient(dir, name, role string, now time.Time) (made madeClient, err error) {
	if name == "" || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
		return made, cli.Usagef("name %q: expected one that a folder can have", name)
	}
	if _, err := fsm.ParseRole(role); err != nil {
		return made, cli.Usagef("--role: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, name, pki.CertFile)); err == nil {
		return made, cli.Usagef("%s is a node: expected another name, since nodes know each other by theirs", name)
	}
	ca, caCert, err := readCA(dir)
	if err != nil {
		return made, err
	}
	pair, err := ca.Client(name, role, now)
	if err != nil {
		return made, err
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return made, err
	}
	made = madeClient{Role: role, Dir: filepath.Join(dir, "clients", name), Expires: cert.Leaf.NotAfter}
	if err := os.MkdirAll(made.Dir, 0o700); err != nil {
		return made, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{pki.CAFile, caCert}, {"client.pem", pair.Cert}, {"client-key.pem", pair.Key}} {
		if err := writeNew(filepath.Join(made.Dir, f.name), f.data); err != nil {
			return made, err
		}
	}
	return made, atomicfile.SyncDir(made.Dir)
}

func readCA(dir string) (*pki.CA, []byte, error) {
	cert, err := os.ReadFile(filepath.Join(dir, pki.CAFile))
	if err != nil {
		return nil, nil, fmt.Errorf("the station's CA: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(dir, pki.CAKeyFile))
	if err != nil {
		return nil, nil, fmt.Errorf("the station's CA: %w", err)
	}
	ca, err := pki.ReadCA(pki.Pair{Cert: cert, Key: key})
	return ca, cert, err
}

// writeNew writes a file that only its owner can read, and that isn't there yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func newTLSTokenCommand() *cobra.Command {
	var path, role string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for a person or a program that uses the API",
		Long: `Make a token for a person or a program that uses the API, and add its hash to the
file that station.yaml names under security: tokens. The token is printed once
and kept nowhere: hand it to NAME. Copy the file to every node; a node takes it up
without a restart. To revoke a token, take its entry out. Such a token works
without a quorum; for others 'fepha token create' is simpler.`,
		Example: `  fepha tls token alice --role operator --tokens tokens.yaml
  FEPHA_TOKEN=... fepha status --addr https://10.91.2.66:7310 --ca ca.pem`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" {
				return cli.Usagef("--tokens is needed: see '%s --help'", cmd.CommandPath())
			}
			token, err := makeToken(path, args[0], role)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), map[string]string{"name": args[0], "token": token})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", defaultRole, "what NAME may: viewer, operator, engineer or admin")
	cmd.Flags().StringVar(&path, "tokens", "", "file of the tokens' hashes; made if missing (needed)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// makeToken adds a token to a file and returns it.
func makeToken(path, name, role string) (token string, err error) {
	if _, err := fsm.ParseRole(role); err != nil {
		return "", cli.Usagef("--role: %w", err)
	}
	if err := fsm.CheckCaller(name); err != nil {
		return "", cli.Usagef("%w", err)
	}
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	holders, err := access.TokenHolders(before)
	if err != nil {
		return "", cli.Usagef("%s: %w", path, err)
	}
	if name == "" || slices.Contains(holders, name) {
		return "", cli.Usagef("name %q: expected one that has no token in %s yet", name, path)
	}
	token = rand.Text()
	entry, err := yaml.Marshal([]struct {
		Name   string `yaml:"name"`
		SHA256 string `yaml:"sha256"`
		Role   string `yaml:"role"`
	}{{name, fmt.Sprintf("%x", sha256.Sum256([]byte(token))), role}})
	if err != nil {
		return "", err
	}
	after := before
	if len(after) > 0 && after[len(after)-1] != '\n' {
		after = append(after, '\n')
	}
	after = append(after, entry...)
	if now, err := access.TokenHolders(after); err != nil || len(now) != len(holders)+1 {
		return "", cli.Usagef("%s: expected a list with an entry a line, each beginning with a dash", path)
	}
	return token, atomicfile.Write(path, after, 0o644)
}
