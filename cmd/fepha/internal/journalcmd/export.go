package journalcmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewExportCommand makes `fepha export`.
func NewExportCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "export", Short: "Show the exports to databases, buses and files; pause them, bring records again"}
	f.Register(cmd)
	var from uint64
	replay := &cobra.Command{
		Use:   "replay NAME --from SEQ",
		Short: "Bring records again, from one on",
		Long: `Bring records again, from one on, as far as the journal still has them. A database
keeps what it has already; files get what this FEP's files don't have; a bus gets
them a second time, with the same numbers.`,
		Args: cli.Args(cobra.ExactArgs(1)),
	}
	replay.Flags().Uint64Var(&from, "from", 0, "number of the first record")
	cmd.AddCommand(
		cli.ViewCommand(&f, &cobra.Command{
			Use:   "list",
			Short: "List the exports: how far each is, and who can reach its target",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) ([]api.ExportStatus, error) {
			return c.Exports(ctx)
		}, printExports),
		cli.ClientCommand(&f, &cobra.Command{
			Use: "pause NAME", Short: "Make an export wait until it is resumed", Args: cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.ExportStatus, error) {
			return c.PauseExport(ctx, args[0])
		}, printExport),
		cli.ClientCommand(&f, &cobra.Command{
			Use: "resume NAME", Short: "Make a paused export go on", Args: cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.ExportStatus, error) {
			return c.ResumeExport(ctx, args[0])
		}, printExport),
		cli.ClientCommand(&f, replay, func(ctx context.Context, c *client.Client, args []string) (api.ExportStatus, error) {
			if from == 0 {
				return api.ExportStatus{}, cli.Usagef("--from: expected the number of the first record; `fepha event list` shows numbers")
			}
			return c.ReplayExport(ctx, args[0], from)
		}, printExport),
	)
	return cmd
}

func printExports(w io.Writer, exports []api.ExportStatus) error {
	var rows []string
	for _, e := range exports {
		owner, state := cli.Dash(e.Owner), exportState(e)
		if e.Stale {
			owner, state = "unknown", "unknown"
		}
		rows = append(rows, cli.Row(e.Name, e.Kind, e.Target, owner, e.Cursor, e.Backlog, e.Dropped, state))
	}
	return cli.Table(w, "EXPORT\tKIND\tTARGET\tOWNER\tCURSOR\tBACKLOG\tDROPPED\tSTATE", rows...)
}

// exportState says in words how an export is.
func exportState(e api.ExportStatus) string {
	var words []string
	switch {
	case e.Paused:
		words = append(words, "paused")
	case e.Owner == "":
		words = append(words, "nobody's")
	}
	for _, r := range e.Reach {
		if !r.OK {
			words = append(words, fmt.Sprintf("%s can't reach it: %s", r.Node, r.Reason))
		}
	}
	if len(words) == 0 {
		return "good"
	}
	return strings.Join(words, "; ")
}

func printExport(w io.Writer, e api.ExportStatus) error {
	_, err := fmt.Fprintf(w, "%s: at record %d, %d to come: %s\n", e.Name, e.Cursor, e.Backlog, exportState(e))
	return err
}
