package fieldcmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// NewPointCommand makes `fepha point`.
func NewPointCommand() *cobra.Command {
	var f cli.ClientFlags
	cmd := &cobra.Command{Use: "point", Short: "Show the newest values of the points, block them, or give them values by hand"}
	f.Register(cmd)
	cmd.AddCommand(newPointListCommand(&f), cli.ViewCommand(&f, &cobra.Command{
		Use:     "get RTU/KIND/POINT",
		Short:   "Show one point",
		Example: "  fepha point get 1/di/17",
		Args:    cli.Args(cobra.ExactArgs(1)),
	}, func(ctx context.Context, c *client.Client, args []string) (api.Point, error) {
		rtu, kind, point, err := pointArg(args[0])
		if err != nil {
			return api.Point{}, err
		}
		return c.Point(ctx, rtu, kind, point)
	}, func(w io.Writer, p api.Point) error {
		return printPoints(w, api.PointPage{Points: []api.Point{p}})
	}))
	cmd.AddCommand(newPointOverrideCommands(&f)...)
	cmd.AddCommand(newCheckCommand(&f))
	return cmd
}

func newPointListCommand(f *cli.ClientFlags) *cobra.Command {
	var q client.PointQuery
	var rtu uint32
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the points that have a value",
		Args:  cli.Args(cobra.NoArgs),
	}
	fl := cmd.Flags()
	fl.Uint32Var(&rtu, "rtu", 0, "only those of this RTU")
	fl.StringVar(&q.Kind, "kind", "", "only those of this kind: di, ai or counter")
	fl.IntVar(&q.Limit, "limit", 100, "how many at the most, 1 to 10000")
	fl.StringVar(&q.After, "after", "", "go on after this point, which a list ended with")
	return cli.ViewCommand(f, cmd, func(ctx context.Context, c *client.Client, _ []string) (api.PointPage, error) {
		if cmd.Flags().Changed("rtu") {
			q.RTU = &rtu
		}
		return c.Points(ctx, q)
	}, printPoints)
}

// valueOf and qualityOf are a point's value as a person says it.
func valueOf(p api.Point) string {
	value := api.ValueWords(p.Type, p.Value, p.Transient)
	if p.Unit != "" {
		value += " " + p.Unit
	}
	return value
}

func qualityOf(p api.Point) string {
	if words := api.QualityWords(p.Type, p.Quality); words != "" {
		return words
	}
	return "good"
}

func printPoints(w io.Writer, page api.PointPage) error {
	var rows []string
	for _, p := range page.Points {
		rows = append(rows, cli.Row(fmt.Sprintf("%d/%s/%d", p.RTU, p.Kind, p.Point), valueOf(p), qualityOf(p), cli.Clock(w, p.TimeMs), p.Name))
	}
	if err := cli.Table(w, "POINT\tVALUE\tQUALITY\tTIME\tNAME", rows...); err != nil || page.Next == "" {
		return err
	}
	_, err := fmt.Fprintf(w, "and more: --after %s, or a higher --limit\n", page.Next)
	return err
}

// pointArg reads RTU/KIND/POINT, such as 1/di/17.
func pointArg(arg string) (rtu uint32, kind string, point uint32, err error) {
	parts := strings.Split(arg, "/")
	if len(parts) == 3 {
		r, err1 := strconv.ParseUint(parts[0], 10, 32)
		p, err2 := strconv.ParseUint(parts[2], 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(r), parts[1], uint32(p), nil
		}
	}
	return 0, "", 0, cli.Usagef("point %q: expected RTU/KIND/POINT, such as 1/di/17", arg)
}
