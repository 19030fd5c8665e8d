package fieldcmd

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// shownRTU is what fepha rtu show prints: the RTU, or its table.
type shownRTU struct {
	*api.RTUStatus
	Table *api.TableReply `json:"table,omitempty"`
}

func newShowRTUCommand(f *cli.ClientFlags) *cobra.Command {
	var points bool
	cmd := &cobra.Command{
		Use:   "show N",
		Short: "Show one RTU with all its links, or with --points its table and what the device answers",
		Args:  cli.Args(cobra.ExactArgs(1)),
	}
	cmd.Flags().BoolVar(&points, "points", false, "list the points of its table, and which of them the device never or no longer answers")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (shown shownRTU, err error) {
		n, err := rtuArg(args)
		if err != nil {
			return shown, err
		}
		rtu, err := c.RTU(ctx, n)
		if err != nil {
			return shown, err
		}
		shown.RTUStatus = &rtu
		if points {
			var table api.TableReply
			table, err = tableOf(ctx, c, n)
			shown.Table = &table
		}
		return shown, err
	}, func(w io.Writer, shown shownRTU) error {
		if shown.Table != nil {
			return printTable(w, *shown.Table)
		}
		return printRTU(w, *shown.RTUStatus)
	})
}

// tableOf reads an RTU's table from the node that owns it, or else from the one that the client talks to.
func tableOf(ctx context.Context, c *client.Client, rtu uint32) (api.TableReply, error) {
	table, err := c.Table(ctx, rtu)
	if err != nil || table.Asked || table.Owner == "" {
		return table, err
	}
	st, err := c.Status(ctx)
	if err != nil {
		return table, err
	}
	for _, n := range st.Nodes {
		if n.ID == table.Owner && n.API != "" {
			if owners, err := cli.Peer(c, n.API).Table(ctx, rtu); err == nil {
				return owners, nil
			}
		}
	}
	return table, nil
}

func printTable(w io.Writer, t api.TableReply) error {
	counts := map[string]int{}
	var rows []string
	for _, p := range t.Points {
		counts[p.State]++
		value, quality := "", ""
		if p.TimeMs != 0 {
			value, quality = valueOf(p.Point), qualityOf(p.Point)
		}
		rows = append(rows, cli.Row(fmt.Sprintf("%s/%d", p.Kind, p.Point.Point), p.Name, p.State, value, quality, cli.Clock(w, p.TimeMs)))
	}
	fmt.Fprintf(w, "RTU %d: %d points, %d answered, %d never answered, %d no longer answered\n", t.RTU, len(t.Points),
		counts[api.StateAnswered], counts[api.StateNever], counts[api.StateNoLonger])
	if !t.Asked {
		fmt.Fprintln(w, "its owner doesn't say what the device answered last: what is no longer answered isn't known")
	}
	fmt.Fprintln(w)
	return cli.Table(w, "POINT\tNAME\tSTATE\tVALUE\tQUALITY\tTIME", rows...)
}
