package fieldcmd

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

// NewUplinkCommand makes `fepha uplink`.
func NewUplinkCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "uplink", Short: "Show the uplinks to control centres, and release them"}
	f.Register(cmd)
	cmd.AddCommand(
		cli.ViewCommand(&f, &cobra.Command{
			Use:   "list",
			Short: "List the groups of all uplinks",
			Args:  cli.Args(cobra.NoArgs),
		}, func(ctx context.Context, c *client.Client, _ []string) ([]api.UplinkStatus, error) {
			return c.Uplinks(ctx)
		}, PrintUplinks),
		cli.ViewCommand(&f, &cobra.Command{
			Use:     "show NAME[/GROUP]",
			Short:   "Show one group of an uplink with its clients",
			Example: "  fepha uplink show occ/main",
			Args:    cli.Args(cobra.ExactArgs(1)),
		}, func(ctx context.Context, c *client.Client, args []string) (api.UplinkStatus, error) {
			name, group, err := uplinkArg(ctx, c, args[0])
			if err != nil {
				return api.UplinkStatus{}, err
			}
			return c.Uplink(ctx, name, group)
		}, printUplink),
		newUplinkReleaseCommand(&f),
	)
	return cmd
}

func newUplinkReleaseCommand(f *cli.ClientFlags) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "release NAME[/GROUP]",
		Short: "Take a group from its owner, so that the control centre starts anew",
		Long: `Take a group from its owner, so that the control centre starts anew: the owner
closes its links, and the other FEP (or --to) holds the group for 10 s for a
client to start there. If none does, the next one that starts has it, wherever.
Nothing is lost: the new link goes on from the last acknowledgement.`,
		Args: cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().StringVar(&to, "to", "", "id of the FEP")
	return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.MoveReply, error) {
		name, group, err := uplinkArg(ctx, c, args[0])
		if err != nil {
			return api.MoveReply{}, err
		}
		return c.Release(ctx, name, group, to)
	}, func(w io.Writer, m api.MoveReply) error {
		_, err := fmt.Fprintf(w, "%s closes its links, %s waits for a client\n", m.From, m.To)
		return err
	})
}

// uplinkArg reads NAME/GROUP, or NAME where that has one group only.
func uplinkArg(ctx context.Context, c *client.Client, arg string) (name, group string, err error) {
	if name, group, ok := strings.Cut(arg, "/"); ok {
		return name, group, nil
	}
	uplinks, err := c.Uplinks(ctx)
	if err != nil {
		return "", "", err
	}
	var all, groups []string
	for _, u := range uplinks {
		all = append(all, u.Name+"/"+u.Group)
		if u.Name == arg {
			groups = append(groups, u.Group)
		}
	}
	if len(groups) != 1 {
		return "", "", cli.Usagef("uplink %q: expected one of %s", arg, strings.Join(all, ", "))
	}
	return arg, groups[0], nil
}

// PrintUplinks prints a table of uplinks.
func PrintUplinks(w io.Writer, uplinks []api.UplinkStatus) error {
	var rows []string
	for _, u := range uplinks {
		var clients []string
		for _, l := range u.Links {
			clients = append(clients, fmt.Sprintf("%s on %s (%s)", l.Client, l.Node, l.Role))
		}
		owner := u.Owner
		if u.Phase == "releasing" {
			owner += " (releasing)"
		}
		links := strings.Join(clients, ", ")
		if u.Stale {
			owner, links = unknownNow(owner), "unknown"
		}
		rows = append(rows, cli.Row(u.Name+"/"+u.Group, commonAddresses(u.CommonAddresses), u.Mode, owner, u.Epoch, u.Cursor, u.Backlog, u.Dropped, links))
	}
	return cli.Table(w, "UPLINK\tCA\tMODE\tOWNER\tEPOCH\tCURSOR\tBACKLOG\tDROPPED\tCLIENTS", rows...)
}

// commonAddresses are those of an uplink's sectors as they are shown.
func commonAddresses(list []uint16) string {
	var texts []string
	for _, a := range list {
		texts = append(texts, commonAddress(a))
	}
	return cli.Dash(strings.Join(texts, ", "))
}

func printUplink(w io.Writer, u api.UplinkStatus) error {
	fmt.Fprintf(w, "%s/%s, common address %s, %s: owner %s in epoch %d since %s, because: %s\n", u.Name, u.Group, commonAddresses(u.CommonAddresses), u.Mode, cli.Dash(u.Owner), u.Epoch, cli.Clock(w, u.SinceMs), cli.Dash(u.Reason))
	fmt.Fprintf(w, "acknowledged up to event %d, %d waiting, %d dropped\n\n", u.Cursor, u.Backlog, u.Dropped)
	if u.Stale {
		fmt.Fprintln(w, "NO QUORUM: this is as it was; whether it still is isn't known")
	}
	var rows []string
	for _, l := range u.Links {
		rows = append(rows, cli.Row(l.Client, l.Node, l.Role))
	}
	return cli.Table(w, "CLIENT\tNODE\tROLE", rows...)
}
