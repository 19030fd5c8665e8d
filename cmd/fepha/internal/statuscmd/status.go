package statuscmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/fepha/internal/fieldcmd"
)

// NewStatusCommand makes `fepha status`.
func NewStatusCommand() *cobra.Command {
	var f cli.ClientFlags
	var check bool
	cmd := cli.ViewCommand(&f, &cobra.Command{
		Use:   "status",
		Short: "Show the station at a glance: what is wrong first",
		Long: `Show the station at a glance: what is wrong first.

With --check it prints one line and ends with 0 if nothing is wrong, 1 for a
warning, 2 for an alarm and 3 if that isn't known, as monitoring plugins do.`,
		Args: cli.Args(cobra.NoArgs),
	}, func(ctx context.Context, c *client.Client, _ []string) (api.Status, error) { return c.Status(ctx) }, printStatus)
	show := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if check {
			return checkStation(cmd.Context(), cmd.OutOrStdout(), f.Client)
		}
		return show(cmd, args)
	}
	f.Register(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "print one line for monitoring; the exit code says how the station is")
	return cmd
}

// conditionsAtAGlance is how many conditions the status shows with what to do; the list has all.
const conditionsAtAGlance = 8

func printStatus(w io.Writer, st api.Status) error {
	quorum := "quorum"
	switch {
	case st.Outside:
		quorum = "no member of the group: it waits to be added (`fepha raft add`)"
	case !st.Quorum:
		quorum = "NO QUORUM: nothing is forwarded"
	}
	fmt.Fprintf(w, "station %d, as %s sees it: leader %s, term %d, %s, journal %d to %d\n",
		st.Station, st.Node, cli.Dash(st.Leader), st.Term, quorum, st.Journal.First, st.Journal.Last)
	if err := printConditions(w, st.Conditions, st.Quorum, st.Known, conditionsAtAGlance); err != nil {
		return err
	}
	fmt.Fprintln(w)
	var rows []string
	for _, n := range st.Nodes {
		remark := ""
		switch {
		case n.Maintenance:
			remark = "under maintenance"
		case n.Stopping:
			remark = "stopped as planned"
		case n.ConfigDiffers:
			remark = "configuration differs"
		case len(n.UnreachedBy) > 0:
			remark = "not reached by " + strings.Join(n.UnreachedBy, ", ")
		}
		alive, lease := cli.YesNo(n.Alive), cli.YesNo(n.Lease)
		if !n.Alive && !st.Quorum {
			alive, lease = "unknown", "unknown" // without a leader a node hears of no other
		}
		rows = append(rows, cli.Row(n.ID, n.Host, n.Role, n.State, alive, lease, remark))
	}
	if err := cli.Table(w, "NODE\tHOST\tROLE\tSTATE\tALIVE\tLEASE\tREMARK", rows...); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := fieldcmd.PrintRTUs(w, st.RTUs); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return fieldcmd.PrintUplinks(w, st.Uplinks)
}
