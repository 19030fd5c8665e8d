package configcmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

func newConfigHistoryCommand() *cobra.Command {
	var node cli.ClientFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the last configurations: who put them in force, when, and what they changed",
		Long: `List the last configurations that were in force, the newest first: who put each
in force, when, and what it changed. Those whose files are kept can be put in
force again ('fepha config apply --version').`,
		Args: cli.Args(cobra.NoArgs),
	}
	node.Register(cmd)
	return cli.ViewCommand(&node, cmd, func(ctx context.Context, c *client.Client, _ []string) ([]api.ConfigVersion, error) {
		return c.ConfigHistory(ctx)
	}, func(w io.Writer, list []api.ConfigVersion) error {
		rows := make([]string, 0, len(list))
		for _, v := range list {
			by := v.By
			if by == "" {
				by = "the nodes' files"
			}
			state := cli.YesNo(v.Kept)
			if v.InForce {
				state += ", in force"
			}
			rows = append(rows, cli.Row(v.Number, cli.Clock(w, v.AtMs), by, v.Node, fmt.Sprintf("%.12s", v.Digest), state, strings.Join(v.Changes, "; ")))
		}
		return cli.Table(w, "VERSION\tSINCE\tBY\tON\tDIGEST\tKEPT\tCHANGES", rows...)
	})
}

func newConfigGetCommand() *cobra.Command {
	var node cli.ClientFlags
	var out string
	var version uint64
	var force bool
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Get the station.yaml that is in force, with --out its tables too",
		Long: `Print the station.yaml that the group has in force, or write it into a folder
with the tables that it names. Keys and certificates are each node's own, and no
part of it.`,
		Example: `  fepha config get --out /tmp/station
  fepha config get --version 4 --out /tmp/before`,
		Args: cli.Args(cobra.NoArgs),
	}
	node.Register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&out, "out", "", "write all files into this folder")
	fl.Uint64Var(&version, "version", 0, "get this version instead of the one in force")
	fl.BoolVar(&force, "force", false, "replace other files that are there")
	return cli.ClientCommand(&node, cmd, func(ctx context.Context, c *client.Client, _ []string) (got gotFiles, err error) {
		octets, err := c.ConfigFiles(ctx, version)
		if err != nil {
			return got, err
		}
		bundle, err := configs.DecodeBundle(octets)
		if err != nil {
			return got, err
		}
		got.Files = bundle.Names()
		if out == "" {
			got.Station = string(bundle.File(got.Files[0]))
			return got, nil
		}
		if !force {
			for _, name := range got.Files {
				if there, err := os.ReadFile(filepath.Join(out, name)); err == nil && string(there) != string(bundle.File(name)) {
					return got, cli.Usagef("%s is there, and is another one: expected an empty folder, or --force", filepath.Join(out, name))
				}
			}
		}
		return got, bundle.Write(filepath.Join(out, got.Files[0]))
	}, func(w io.Writer, got gotFiles) error {
		if out == "" {
			_, err := io.WriteString(w, got.Station)
			return err
		}
		_, err := fmt.Fprintf(w, "written to %s: %s\n", out, strings.Join(got.Files, ", "))
		return err
	})
}

// gotFiles is what `config get --json` prints.
type gotFiles struct {
	Files   []string `json:"files"`
	Station string   `json:"station,omitempty"` // station.yaml; empty if all was written to a folder
}
