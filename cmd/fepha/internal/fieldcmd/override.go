package fieldcmd

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
)

// newPointOverrideCommands are those that block a point, give it a value by hand, and take that back.
func newPointOverrideCommands(f *cli.ClientFlags) []*cobra.Command {
	var req api.OverrideRequest
	block := &cobra.Command{
		Use:   "block RTU/KIND/POINT",
		Short: "Have a point keep its value, whatever the device says",
		Long: `Have a point keep the value that it has, marked as blocked (BL) for control centres,
Redis and the page. What the device says meanwhile is kept beneath, and is in force
again when the point is released. It's listed as a condition until then.`,
		Example: `  fepha point block 1/di/17 --reason "chatters, order 4711"`,
		Args:    cli.Args(cobra.ExactArgs(1)),
	}
	substitute := &cobra.Command{
		Use:   "substitute RTU/KIND/POINT VALUE",
		Short: "Give a point a value by hand",
		Long: `Give a point a value by hand, marked as substituted (SB) for control centres, Redis
and the page. VALUE is on or off for a di, of a double point also "in between" or
indeterminate, and a number for an ai. What the device says meanwhile is kept
beneath, and is in force again when the point is released. It's listed as a
condition until then.`,
		Example: `  fepha point substitute 1/di/17 on --reason "auxiliary contact broken"
  fepha point substitute 1/ai/3 110.5 --reason "transducer replaced"`,
		Args: cli.Args(cobra.ExactArgs(2)),
	}
	for _, cmd := range []*cobra.Command{block, substitute} {
		cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the audit and whoever sees it; must be given")
	}
	release := &cobra.Command{
		Use:     "release RTU/KIND/POINT",
		Short:   "Take back that a point was blocked or given a value",
		Example: "  fepha point release 1/di/17",
		Args:    cli.Args(cobra.ExactArgs(1)),
	}
	on := func(cmd *cobra.Command, do func(ctx context.Context, c *client.Client, rtu uint32, kind string, point uint32, args []string) (api.Point, error)) *cobra.Command {
		return cli.ClientCommand(f, cmd, func(ctx context.Context, c *client.Client, args []string) (api.Point, error) {
			rtu, kind, point, err := pointArg(args[0])
			if err != nil {
				return api.Point{}, err
			}
			return do(ctx, c, rtu, kind, point, args[1:])
		}, func(w io.Writer, p api.Point) error {
			if err := printPoints(w, api.PointPage{Points: []api.Point{p}}); err != nil || p.Override == nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s by %s: %s; the device says %s\n", p.Override.Mode, p.Override.By, p.Override.Reason, deviceSays(p.Override))
			return err
		})
	}
	return []*cobra.Command{
		on(block, func(ctx context.Context, c *client.Client, rtu uint32, kind string, point uint32, _ []string) (api.Point, error) {
			return c.Block(ctx, rtu, kind, point, req)
		}),
		on(substitute, func(ctx context.Context, c *client.Client, rtu uint32, kind string, point uint32, args []string) (api.Point, error) {
			if value, err := strconv.ParseFloat(args[0], 64); err == nil {
				req.Value = &value
			} else {
				req.State = args[0]
			}
			return c.Substitute(ctx, rtu, kind, point, req)
		}),
		on(release, func(ctx context.Context, c *client.Client, rtu uint32, kind string, point uint32, _ []string) (api.Point, error) {
			return c.ReleasePoint(ctx, rtu, kind, point)
		}),
	}
}

func deviceSays(o *api.Override) string {
	if !o.Answered {
		return "nothing yet"
	}
	return o.DeviceText
}
