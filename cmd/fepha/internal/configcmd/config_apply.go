package configcmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
)

func newConfigApplyCommand(f *configFlags) *cobra.Command {
	var node cli.ClientFlags
	var dryRun bool
	var version uint64
	cmd := &cobra.Command{
		Use:   "apply [FILE]",
		Short: "Put a station.yaml and its tables in force on the running station",
		Long: `Send a station.yaml and the tables that it names to a running station. RTUs,
uplinks, points and virtual points that were added, changed or removed are so
from then on; links and clients that are not concerned stay connected.

Each node that is there checks it before it is committed; then each writes it
over its own station.yaml and tables. A node that is away takes it on when it is
back, before it owns anything; only where that node would listen on new
addresses, which it has to try, is it refused. What a running station can't
change is refused too: members, addresses of nodes, keys, lease, log store,
Redis, FNP and the station's number, name and time zone.

--dry-run has the nodes check it, and prints what would change and which links
and clients would lose their connections. --version puts one of those that were
in force before in force again ('fepha config history').`,
		Example: `  fepha config apply --dry-run station.yaml
  fepha config apply station.yaml --addr https://10.91.2.66:7310
  fepha config apply --version 4`,
		Args: cli.Args(cobra.MaximumNArgs(1)),
	}
	node.Register(cmd)
	cmd.Flags().Uint64Var(&version, "version", 0, "instead of files, this version of the configuration")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only check it and print what would change")
	return cli.ClientCommand(&node, cmd, func(ctx context.Context, c *client.Client, args []string) (reply api.ConfigReply, err error) {
		if version != 0 {
			if len(args) > 0 {
				return reply, cli.Usagef("expected either FILE or --version")
			}
			octets, err := c.ConfigFiles(ctx, version)
			if err != nil {
				return reply, err
			}
			return c.ApplyConfig(ctx, octets, dryRun)
		}
		bundle, _, err := configs.ReadBundle(f.file(args))
		if err != nil {
			return reply, cli.Exit(cli.ExitUsage, err)
		}
		octets, err := bundle.Encode()
		if err != nil {
			return reply, err
		}
		return c.ApplyConfig(ctx, octets, dryRun)
	}, func(w io.Writer, r api.ConfigReply) error { return printApplied(w, r, dryRun) })
}

func printApplied(w io.Writer, r api.ConfigReply, dryRun bool) error {
	for _, c := range r.Changes {
		fmt.Fprintln(w, c.Text())
		for _, d := range c.Drops {
			fmt.Fprintln(w, "  drops", d)
		}
	}
	if r.WarningsTotal > 0 {
		fmt.Fprintf(w, "%s, likely not what is meant:\n", cli.Count(r.WarningsTotal, "warning"))
		for _, warning := range r.Warnings {
			fmt.Fprintln(w, warning)
		}
		if more := r.WarningsTotal - len(r.Warnings); more > 0 {
			fmt.Fprintf(w, "and %d more: fepha config check\n", more)
		}
	}
	end := fmt.Sprintf("in force; digest %.12s", r.Digest)
	switch {
	case !r.Applied && len(r.Changes) == 0:
		end = "nothing to change"
	case dryRun:
		end = "a dry run: nothing was changed"
	case len(r.Behind) > 0:
		end += "; still to take it on: " + strings.Join(r.Behind, ", ")
		if len(r.Away) > 0 {
			end += " (away: " + strings.Join(r.Away, ", ") + ")"
		}
	}
	_, err := fmt.Fprintln(w, end)
	return err
}
