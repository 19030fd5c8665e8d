package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
)

func newStatusCommand() *cobra.Command {
	var f clientFlags
	cmd := clientCommand(&f, &cobra.Command{
		Use:   "status",
		Short: "Show the station at a glance",
		Args:  args(cobra.NoArgs),
	}, func(ctx context.Context, c *api.Client, _ []string) (api.Status, error) { return c.Status(ctx) }, printStatus)
	f.register(cmd)
	return cmd
}

func printStatus(w io.Writer, st api.Status) error {
	quorum := "quorum"
	if !st.Quorum {
		quorum = "NO QUORUM: nothing is forwarded"
	}
	fmt.Fprintf(w, "station %d, as %s sees it: leader %s, term %d, %s, journal %d to %d\n\n",
		st.Station, st.Node, dash(st.Leader), st.Term, quorum, st.Journal.First, st.Journal.Last)
	var rows []string
	for _, n := range st.Nodes {
		remark := ""
		if n.ConfigDiffers {
			remark = "configuration differs"
		}
		rows = append(rows, row(n.ID, n.Host, n.Role, n.State, yesNo(n.Alive), yesNo(n.Lease), remark))
	}
	if err := table(w, "NODE\tHOST\tROLE\tSTATE\tALIVE\tLEASE\t", rows...); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := printRTUs(w, st.RTUs); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printUplinks(w, st.Uplinks)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func printUplinks(w io.Writer, uplinks []api.UplinkStatus) error {
	var rows []string
	for _, u := range uplinks {
		var clients []string
		for _, l := range u.Links {
			clients = append(clients, fmt.Sprintf("%s on %s (%s)", l.Client, l.Node, l.Role))
		}
		rows = append(rows, row(u.Name+"/"+u.Group, u.Mode, u.Owner, u.Epoch, u.Cursor, u.Backlog, u.Dropped, strings.Join(clients, ", ")))
	}
	return table(w, "UPLINK\tMODE\tOWNER\tEPOCH\tCURSOR\tBACKLOG\tDROPPED\tCLIENTS", rows...)
}

func newUplinkCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{Use: "uplink", Short: "Show the uplinks to control centres"}
	cmd.AddCommand(clientCommand(&f, &cobra.Command{
		Use:   "list",
		Short: "List the groups of all uplinks",
		Args:  args(cobra.NoArgs),
	}, func(ctx context.Context, c *api.Client, _ []string) ([]api.UplinkStatus, error) {
		return c.Uplinks(ctx)
	}, printUplinks))
	f.register(cmd)
	return cmd
}
