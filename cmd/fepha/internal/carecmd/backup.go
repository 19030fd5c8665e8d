package carecmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/node/backup"
)

// NewBackupCommand makes `fepha backup`.
func NewBackupCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "backup", Short: "Make, list, check and unpack backups of state and configuration"}
	cmd.AddCommand(newBackupNowCommand(), newBackupListCommand(), newBackupVerifyCommand(), newBackupExtractCommand())
	return cmd
}

// kept is what a FEP answers about its backups.
type kept struct {
	Node    string       `json:"node"`
	Backups []api.Backup `json:"backups"`
	Error   string       `json:"error,omitempty"`
}

// ofEachFEP asks all FEPs. It fails if none has done it, or if the node that was asked has refused it.
func ofEachFEP(ctx context.Context, c *client.Client, do func(c *client.Client) ([]api.Backup, error)) (all []kept, err error) {
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	done := false
	for _, n := range st.Nodes {
		if n.Role != "fep" {
			continue
		}
		of := c
		if n.ID != st.Node {
			of = cli.Peer(c, n.API)
		}
		list, err := do(of)
		k := kept{Node: n.ID, Backups: list}
		if err != nil {
			k.Error, failed = err.Error(), err
		} else {
			done = true
		}
		all = append(all, k)
	}
	if !done {
		return all, failed
	}
	return all, nil
}

func printKept(w io.Writer, all []kept) error {
	var rows []string
	for _, k := range all {
		for _, b := range k.Backups {
			rows = append(rows, cli.Row(k.Node, cli.Clock(w, b.AtMs), b.Octets, b.Path))
		}
		switch {
		case k.Error != "":
			rows = append(rows, cli.Row(k.Node, "", "", "FAILED: "+k.Error))
		case len(k.Backups) == 0:
			rows = append(rows, cli.Row(k.Node, "", "", "none"))
		}
	}
	return cli.Table(w, "NODE\tMADE\tOCTETS\tFILE", rows...)
}

func newBackupNowCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "now",
		Short: "Make a backup on each FEP, in the folder that station.yaml names",
		Args:  cli.Args(cobra.NoArgs),
	}
	f.Register(cmd)
	return cli.ClientCommand(&f, cmd, func(ctx context.Context, c *client.Client, _ []string) ([]kept, error) {
		return ofEachFEP(ctx, c, func(c *client.Client) ([]api.Backup, error) {
			b, err := c.MakeBackup(ctx)
			if err != nil {
				return []api.Backup{}, err
			}
			return []api.Backup{b}, nil
		})
	}, printKept)
}

func newBackupListCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the backups that the FEPs keep, the oldest first",
		Args:  cli.Args(cobra.NoArgs),
	}
	f.Register(cmd)
	return cli.ClientCommand(&f, cmd, func(ctx context.Context, c *client.Client, _ []string) ([]kept, error) {
		return ofEachFEP(ctx, c, func(c *client.Client) ([]api.Backup, error) { return c.Backups(ctx) })
	}, printKept)
}

// fileFlags are those of commands about a backup's file.
type fileFlags struct {
	passphraseFile string
	json           bool
}

func (f *fileFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "file with the passphrase of the keys in it; without it they are left alone")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *fileFlags) passphrase() (string, error) {
	if f.passphraseFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(f.passphraseFile)
	if err != nil {
		return "", cli.Usagef("--passphrase-file: %w", err)
	}
	p := strings.TrimRight(string(text), "\r\n")
	if p == "" {
		return "", cli.Usagef("--passphrase-file %s: is empty", f.passphraseFile)
	}
	return p, nil
}

// about prints what a backup holds.
func (f *fileFlags) about(cmd *cobra.Command, m backup.Manifest, done string) error {
	if f.json {
		return cli.WriteJSON(cmd.OutOrStdout(), m)
	}
	w := cli.NewOutput(cmd.OutOrStdout(), nil)
	fmt.Fprintf(w, "station %d %q, of %s, made %s by fepha %s; state up to log entry %d\n\n", m.Station, m.Name, m.Node, cli.Clock(w, m.AtMs), m.Build, m.Index)
	var rows []string
	for _, file := range m.Files {
		rows = append(rows, cli.Row(file.Name, file.Octets))
	}
	if err := cli.Table(w, "FILE\tOCTETS", rows...); err != nil {
		return err
	}
	keys := "It has no keys: keep the folder that 'fepha tls init' has made."
	switch {
	case m.Keys && f.passphraseFile == "":
		keys = "It has the node's keys, which were not opened: --passphrase-file."
	case m.Keys:
		keys = "It has the node's keys, and the passphrase opens them."
	}
	_, err := fmt.Fprintf(w, "\n%s %s\n", done, keys)
	return err
}

func newBackupVerifyCommand() *cobra.Command {
	var f fileFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Read all of a backup, and tell what it holds",
		Long: `Read all of a backup, hold each file in it to its checksum, and tell what it holds.
It needs no node. Exit code 1 if it isn't whole.`,
		Example: "  fepha backup verify fepha-21-fep1-20261129T160000Z.backup",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.passphrase()
			if err != nil {
				return err
			}
			m, err := backup.Verify(args[0], p)
			if err != nil {
				return err
			}
			return f.about(cmd, m, "It is whole.")
		},
	}
	f.register(cmd)
	return cmd
}

func newBackupExtractCommand() *cobra.Command {
	var f fileFlags
	cmd := &cobra.Command{
		Use:   "extract FILE FOLDER",
		Short: "Unpack a backup into a new folder, to set up a station with it",
		Long: `Unpack a backup into a new folder: state.snapshot for 'fepha raft restore',
configuration/ with station.yaml and its tables, and with the passphrase keys/.
What to do with them: docs/RECOVERY.md.`,
		Example: "  fepha backup extract fepha-21-fep1-20261129T160000Z.backup restored",
		Args:    cli.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.passphrase()
			if err != nil {
				return err
			}
			m, err := backup.Extract(args[0], p, args[1])
			if err != nil {
				return err
			}
			return f.about(cmd, m, "It is in "+args[1]+".")
		},
	}
	f.register(cmd)
	return cmd
}
